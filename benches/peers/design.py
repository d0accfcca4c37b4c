#!/usr/bin/env python3
"""Designs by `mpra-score design`, tangermeme's `greedy_substitution` and ledidi, on one network: a torch network with random weights and
its ONNX export, or with --model an ONNX file read into torch (as peers.py reads it).

The same random starts, the same objective (the first task minus the second), the same number of edits: which objective is reached, by the torch
network's own word, and how long a start takes. mpra-score is timed as a user runs it (start, model, tables, full engine, files), the
others on tensors in memory, after a warm-up. See README.md beside this file.

    design.py --program target/release/mpra-score [--model models/default.onnx] [--edits 10] [--starts 100] [--slow 4] [--ledidi 2]
"""

import argparse
import csv
import importlib.metadata
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from peers import Chain, torch_model
from tangermeme.design import greedy_substitution

WINDOW, TASKS, THREADS = 145, 4, 2


def network(seed: int) -> torch.nn.Module:
    """A chain as the paper's: convolutions, one pool, dense layers."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv1d(4, 60, 10), torch.nn.ReLU(), torch.nn.Conv1d(60, 40, 9), torch.nn.ReLU(),
        torch.nn.MaxPool1d(20), torch.nn.Flatten(), torch.nn.Linear(40 * 6, 60), torch.nn.ReLU(), torch.nn.Linear(60, TASKS),
    ).eval()


class Framed(torch.nn.Module):
    """A network that peers.py has read, over windows: zeros where its input is longer."""

    def __init__(self, path: Path):
        super().__init__()
        chain = Chain(str(path))
        if chain.window != WINDOW:
            raise SystemExit(f"{path}: windows of {chain.window} bases, not of {WINDOW}")
        self.pads = (chain.offset, chain.columns - chain.window - chain.offset)
        self.model = torch_model(chain)

    def forward(self, x):
        y = self.model(torch.nn.functional.pad(x, self.pads))
        return y.reshape(len(x), -1)


class Difference(torch.nn.Module):
    """The objective as the one output."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        y = self.model(x)
        return y[:, :1] - y[:, 1:2]


def tasks_of(path: Path) -> list[str]:
    """The names in the model's metadata, or those that mpra-score gives."""
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    return json.loads(metadata.get("mpra_score.tasks", "null")) or [f"task_{i}" for i in range(TASKS)]


def seconds() -> np.ndarray:
    """Wall-clock time, processor time of this process and of its children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return np.array([time.perf_counter(), own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime])


def one_hot(sequence: str) -> torch.Tensor:
    codes = ["ACGT".index(c) for c in sequence]
    return torch.from_numpy(np.eye(4, dtype=np.float32)[codes].T.copy())[None]


def letters(x: torch.Tensor) -> str:
    return "".join("ACGT"[i] for i in x[0].argmax(dim=0).tolist())


def differ(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=Path)
    parser.add_argument("--model", type=Path, help="an ONNX file instead of the network with random weights")
    parser.add_argument("--edits", type=int, default=10)
    parser.add_argument("--starts", type=int, default=100, help="starts of mpra-score")
    parser.add_argument("--slow", type=int, default=4, help="of these, starts of tangermeme")
    parser.add_argument("--ledidi", type=int, default=2, help="of these, starts of ledidi")
    parser.add_argument("--methods", default="greedy,beam,anneal", help="of mpra-score; greedy is always run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of mpra-score, of which the median counts")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    model = Framed(options.model) if options.model else network(1)
    objective = Difference(model).eval()
    rng = np.random.default_rng(1)
    starts = ["".join("ACGT"[i] for i in rng.integers(0, 4, WINDOW)) for _ in range(options.starts)]

    def value(sequence: str) -> float:
        with torch.no_grad():
            return objective(one_hot(sequence)).item()

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if options.model:
            shutil.copyfile(options.model, folder / "m.onnx")
        else:
            torch.onnx.export(
                model, (one_hot(starts[0]),), folder / "m.onnx", input_names=["sequence"], output_names=["activity"],
                dynamic_axes={"sequence": {0: "batch"}, "activity": {0: "batch"}}, dynamo=False)
        aim = " - ".join(tasks_of(folder / "m.onnx")[:2])
        (folder / "s.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(starts)))

        def design(*more: str) -> tuple[np.ndarray, list[dict], dict]:
            began = seconds()
            subprocess.run(
                [options.program.resolve(), "design", "-q", "s.fa", "--model", "m.onnx", "--objective", aim, "--edits",
                 str(options.edits), "--threads", str(THREADS), "--out", "out", "--force", *more], cwd=folder, check=True)
            took = (seconds() - began)[[0, 2]]
            with (folder / "out/designs.tsv").open(encoding="utf-8") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            return took, rows, json.loads((folder / "out/run.json").read_text())

        ours = {}
        for name, more in [("greedy", []), ("beam, 8 wide", ["--method", "beam", "--width", "8"]),
                           ("anneal", ["--method", "anneal"])]:
            if name != "greedy" and name.split(",")[0] not in options.methods.split(","):
                continue
            runs = [design(*more) for _ in range(options.rounds)]
            ours[name] = (np.median([r[0] for r in runs], axis=0), *runs[0][1:])

    def said(rows: list[dict], n: int) -> list[float]:
        return [value(row["sequence"]) for row in rows[:n]]

    print(f"tangermeme {importlib.metadata.version('tangermeme')}, ledidi {importlib.metadata.version('ledidi')}, torch "
          f"{torch.__version__}, {THREADS} threads, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; objective {aim}, "
          f"{options.edits} edits")
    greedy, rows, run = ours["greedy"]
    print(f"engine {run['settings']['engine']}, largest difference from the full one {run['results']['largest_difference_of_engines']:.1e}")

    warm = torch.zeros(1, 4, WINDOW)
    warm[:, 0] = 1
    greedy_substitution(objective, warm, max_iter=1, device="cpu", batch_size=256)
    n = options.slow
    began = seconds()
    theirs = []
    for start in starts[:n]:
        with torch.no_grad():
            theirs.append(letters(greedy_substitution(
                objective, one_hot(start), max_iter=options.edits, tol=1e-5, device="cpu", batch_size=256)))
    slow = (seconds() - began)[:2] / n
    fast = greedy / len(starts)
    same = sum(row["sequence"] == other for row, other in zip(rows, theirs))
    print(f"greedy_substitution, batches of 256: {same} of {n} designs the same as ours; objective "
          f"{[round(value(s), 5) for s in theirs]}, edits {[differ(a, b) for a, b in zip(starts, theirs)]}")
    print(f"    ours {[round(v, 5) for v in said(rows, n)]}, edits {[int(r['edits']) for r in rows[:n]]}")
    for what, a, b in zip(("seconds", "seconds of processor time"), slow, fast):
        print(f"    {what} a start: {a:.3f}, ours {b:.5f}: {a / b:.0f} times")

    from ledidi import ledidi

    began = seconds()
    results = []
    for i, start in enumerate(starts[: options.ledidi]):
        # Far above what can be reached; the price of an edit is raised until there are no more than asked for.
        best = None
        for price in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
            x = one_hot(start)
            found = ledidi(objective, x, torch.tensor([[value(start) + 2.0]]), l=price, device="cpu", verbose=False, random_state=i)
            for one in found:
                sequence = letters(one[None])
                if differ(start, sequence) <= options.edits and (best is None or value(sequence) > value(best)):
                    best = sequence
        results.append(best if best is not None else start)
    slowest = (seconds() - began) / max(options.ledidi, 1)
    print(f"ledidi, the best of six prices of an edit with at most {options.edits}: objective {[round(value(s), 5) for s in results]}, "
          f"edits {[differ(a, b) for a, b in zip(starts, results)]}; {slowest[0]:.1f} s a start, {slowest[1]:.1f} "
          "of processor time (all prices)")

    for name, (took, rows, _) in ours.items():
        gains = [value(r["sequence"]) - value(s) for r, s in zip(rows, starts)]
        print(f"mpra-score {name}: mean gain {statistics.mean(gains):.5f} of {len(gains)} starts, {took[0]:.2f} s in all, "
              f"{1e3 * took[0] / len(starts):.2f} ms a start ({1e3 * took[1] / len(starts):.2f} of processor time); first objectives {[round(v, 5) for v in said(rows, n)]}")


if __name__ == "__main__":
    main()
