"""`pairs`, `marginalize` and `ablate` beside tangermeme's `marginalize`, `space`, `ablate` and `predict`, on one torch network and
its ONNX export, with the same backgrounds and the same shuffles.

By hand, where torch, onnx and tangermeme are installed: crosscheck_perturb.py PROGRAM. PyTorch takes 200 MB and more, so CI does
without.
"""

import csv
import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from tangermeme.ablate import ablate
from tangermeme.marginalize import marginalize
from tangermeme.predict import predict
from tangermeme.space import space

WINDOW, TASKS, SEQUENCES = 145, 4, 24
LARGEST = 1e-5


def network(seed: int) -> torch.nn.Module:
    """A chain as the paper's: convolutions, one pool, dense layers."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv1d(4, 60, 10), torch.nn.ReLU(), torch.nn.Conv1d(60, 40, 9), torch.nn.ReLU(),
        torch.nn.MaxPool1d(20), torch.nn.Flatten(), torch.nn.Linear(40 * 6, 60), torch.nn.ReLU(), torch.nn.Linear(60, TASKS),
    ).eval()


def one_hot(sequences: list[str]) -> torch.Tensor:
    """[n, 4, length]; N is a column of zeros."""
    codes = np.array([["ACGTN".index(b) for b in s] for s in sequences])
    return torch.from_numpy(np.vstack([np.eye(4, dtype=np.float32), np.zeros(4, np.float32)])[codes].transpose(0, 2, 1).copy())


def fasta(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text().split()
    return list(zip((name[1:] for name in lines[::2]), lines[1::2]))


def complement(word: str) -> str:
    return word[::-1].translate(str.maketrans("ACGT", "TGCA"))


def pairs_of(sequence: str) -> list[str]:
    return sorted(sequence[i : i + 2] for i in range(len(sequence) - 1))


class Check:
    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder, self.done = program, folder, 0
        self.model = network(1)

    def run(self, name: str, *words: object) -> Path:
        out = self.folder / f"out{self.done}_{name}"
        command = [self.program, name, "-q", *map(str, words), "--model", self.folder / "m.onnx", "--out", out]
        subprocess.run(command, check=True)
        return out

    def close(self, what: str, found: np.ndarray, expected: torch.Tensor) -> None:
        expected = np.asarray(expected)
        assert found.shape == expected.shape, (what, found.shape, expected.shape)
        assert not np.isnan(found).any(), what
        self.say(what, float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max()))

    def say(self, what: str, apart: float) -> None:
        if not apart <= LARGEST:
            sys.exit(f"crosscheck FAILED: {what}: {apart:.1e}")
        self.done += 1
        print(f"ok: {what} (largest difference {apart:.1e})")

    def arrays(self, path: Path) -> dict[str, np.ndarray]:
        with np.load(path) as file:
            return dict(file)


def check_marginalize(check: Check, path: Path, x: torch.Tensor, engine: str) -> None:
    kept = ["TGACTCA", "TGANTCA", "CCGGAAGTGA"]
    for place in [[], ["--position", 30]]:
        words = [word for motif in kept for word in ("--motif", motif)]
        out = check.run("marginalize", path, *words, "--reverse", *place, "--engine", engine)
        found = check.arrays(out / "marginal.npz")
        start = place[1] if place else None
        for row, motif in enumerate(word for motif in kept for word in (motif, complement(motif))):
            before, after = marginalize(check.model, x, motif, start=start, device="cpu")
            check.close(f"{engine}: marginalize {motif} at {start}", found["after"][row], after)
        check.close(f"{engine}: before", found["before"], before)
        with open(out / "marginal.tsv") as file:
            table = list(csv.DictReader(file, delimiter="\t"))
        effects = (found["after"].astype(float) - found["before"]).mean(1)
        told = np.array([[float(row[f"task_{t}.effect"]) for t in range(TASKS)] for row in table])
        check.say(f"{engine}: effects of the table", float(np.abs(told - effects).max()))


def check_space(check: Check, path: Path, x: torch.Tensor, engine: str) -> None:
    first, second, spacings = "TGACTCA", "AGATAAGG", list(range(0, 41, 1))
    out = check.run("marginalize", path, "--motif", first, "--with", second, "--spacing", "0-40", "--engine", engine)
    found = check.arrays(out / "spacing.npz")
    row = 0
    for a in (first, complement(first)):
        for b in (second, complement(second)):
            _, after = space(check.model, x, [a, b], [[s] for s in spacings], device="cpu")
            both = found["both"][row : row + len(spacings)].swapaxes(0, 1)
            check.close(f"{engine}: space {a} {b}", both, after)
            row += len(spacings)
    # Each alone, where it lies beside the other.
    for spacing in (0, 17, 40):
        start = WINDOW // 2 - (len(first) + len(second) + spacing) // 2
        _, alone = marginalize(check.model, x, first, start=start, device="cpu")
        check.close(f"{engine}: the first alone at {start}", found["first"][spacing], alone)
        start += len(first) + spacing
        _, alone = marginalize(check.model, x, second, start=start, device="cpu")
        check.close(f"{engine}: the second alone at {start}", found["second"][spacing], alone)


def check_ablate(check: Check, path: Path, x: torch.Tensor, names: list[str], sequences: list[str], engine: str) -> None:
    spans = [(0, 12), (60, 81), (100, 145)]
    bed = check.folder / "spans.bed"
    bed.write_text("".join(f"{name}\t{a}\t{b}\n" for a, b in spans for name in names))
    out = check.run("ablate", path, "--intervals", bed, "--shuffles", 20, "--write-sequences", "--engine", engine)
    found, drawn = check.arrays(out / "ablations.npz"), fasta(out / "ablated.fa")
    for n, (a, b) in enumerate(spans):
        part = [s for _, s in drawn[n * len(names) * 20 : (n + 1) * len(names) * 20]]
        for i, s in enumerate(part):
            was = sequences[i // 20]
            assert s[:a] == was[:a] and s[b:] == was[b:] and pairs_of(s[a:b]) == pairs_of(was[a:b]), drawn[i][0]
        shuffled = one_hot(part).reshape(len(names), 20, 4, WINDOW)

        def ours(X: torch.Tensor, start: int, end: int, n: int, random_state: object) -> torch.Tensor:
            return shuffled

        before, after = ablate(check.model, x, a, b, n=20, shuffle_fn=ours, device="cpu")
        rows = slice(n * len(names), (n + 1) * len(names))
        check.close(f"{engine}: ablate {a}-{b}", found["after"][rows], after)
        check.close(f"{engine}: before", found["before"][rows], before)


def check_pairs(check: Check, path: Path, sequences: list[str], engine: str, distance: int) -> None:
    out = check.run("pairs", path, "--distance", distance, "--engine", engine)
    found = check.arrays(out / "pairs.npz")
    for row, sequence in enumerate(sequences):
        mutants, places = [sequence], []

        def put(changes: list[tuple[int, str]]) -> str:
            letters = list(sequence)
            for at, base in changes:
                letters[at] = base
            return "".join(letters)

        singles = {(i, b): None for i in range(WINDOW) for b in "ACGT"}
        mutants += [put([change]) for change in singles]
        for i in range(WINDOW):
            for d in range(distance):
                if i + 1 + d < WINDOW:
                    for a in "ACGT":
                        for b in "ACGT":
                            places.append((i, d, "ACGT".index(a), "ACGT".index(b)))
                            mutants.append(put([(i, a), (i + 1 + d, b)]))
        y = predict(check.model, one_hot(mutants), device="cpu", batch_size=512).numpy().astype(float)
        single = y[1 : 1 + len(singles)].reshape(WINDOW, 4, TASKS)
        check.close(f"{engine}: single effects {row}", found["effects"][row], single - y[0])
        i, d, a, b = np.array(places).T
        expected = y[1 + len(singles) :] - single[i, a] - single[i + 1 + d, b] + y[0]
        check.close(f"{engine}: {len(places)} interactions of sequence {row}", found["interactions"][row, i, d, a, b], expected)


def main() -> None:
    torch.set_num_threads(2)
    rng = np.random.default_rng(1)
    sequences = ["".join(rng.choice(list("ACGT"), WINDOW)) for _ in range(SEQUENCES)]
    names = [f"s{i}" for i in range(SEQUENCES)]
    x = one_hot(sequences)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check = Check(Path(sys.argv[1]).resolve(), folder)
        path = folder / "sequences.fa"
        path.write_text("".join(f">{n}\n{s}\n" for n, s in zip(names, sequences)))
        few = folder / "few.fa"
        few.write_text("".join(f">{n}\n{s}\n" for n, s in zip(names[:2], sequences[:2])))
        torch.onnx.export(
            check.model, (x[:1],), folder / "m.onnx", input_names=["sequence"], output_names=["activity"],
            dynamic_axes={"sequence": {0: "batch"}, "activity": {0: "batch"}}, dynamo=False,
        )
        for engine in ("fast", "full"):
            check_marginalize(check, path, x, engine)
            check_space(check, path, x, engine)
            check_ablate(check, path, x, names, sequences, engine)
            check_pairs(check, few, sequences[:2], engine, 20 if engine == "fast" else 5)
        shuffled = check.run("marginalize", few, "--random", 50, "--motif", "TGACTCA")
        for name, s in fasta(shuffled / "backgrounds.fa"):
            assert pairs_of(s) == pairs_of(sequences[int(name[1])]), name
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("tangermeme", "torch", "numpy"))
    print(f"crosscheck: {check.done} passed, 0 failed ({versions})")


if __name__ == "__main__":
    main()
