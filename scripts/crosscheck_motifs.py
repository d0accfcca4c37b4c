"""`mpra-score motifs` beside tangermeme's seqlets and memelite's FIMO and Tomtom, on one folder of results and one file of motifs.

By hand, where torch and tangermeme are installed (torch takes gigabytes):

    crosscheck_motifs.py MPRA_SCORE RESULTS MOTIFS.meme [TASK]

RESULTS is a folder of the main job with saturation.npz; MOTIFS has at least some fifty motifs.
"""

import csv
import gzip
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from memelite.fimo import fimo
from memelite.tomtom import tomtom
from tangermeme.seqlet import _recursive_seqlet_decode_fields, _recursive_seqlet_tables, recursive_seqlets


def read_meme(path: str) -> dict[str, np.ndarray]:
    """Matrices [4, width], columns scaled to sum to 1, and their sites by name."""
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    motifs, name, left = {}, "", 0
    with opened as lines:
        for line in lines:
            if line.startswith("MOTIF "):
                name = line.split()[1]
            elif line.startswith("letter-probability matrix"):
                words = line.replace("=", "= ").split()
                left = int(words[words.index("w=") + 1])
                sites = int(words[words.index("nsites=") + 1]) if "nsites=" in words else 20
                motifs[name] = ([], sites or 20)
            elif left and line.strip():
                row = np.array([float(v) for v in line.split()])
                motifs[name][0].append(row / row.sum())
                left -= 1
    return {name: (np.array(rows).T.copy(), sites) for name, (rows, sites) in motifs.items()}


def importance(effects: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
    """The largest of the three differences reference - mutant with its sign; of equal ones the loss."""
    others = np.where(one_hot[..., None] == 1, np.nan, effects)
    with np.errstate(all="ignore"):
        loss, gain = -np.nanmin(others, 2), np.nanmax(others, 2)
    values = np.where(gain - loss > np.float32(1e-5) * np.maximum(loss, 1), -gain, loss).astype(np.float32)
    values[np.isnan(effects).any(2) | (one_hot.sum(2) == 0)[..., None]] = np.nan
    return values


def stretches(values: np.ndarray) -> list[tuple[int, int, int]]:
    """Row, start and end of bases that all have a value."""
    found = []
    for row, there in enumerate(~np.isnan(values)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(int), [0]])))
        found += [(row, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]
    return found


def theirs_of(values: np.ndarray, sign: int) -> dict[tuple[int, int, int], tuple[float, float]]:
    """tangermeme's seqlets of every stretch, with one null for all."""
    parts = stretches(values)
    flat = np.concatenate([sign * values[r, a:b] for r, a, b in parts])[None]
    least, width, tails = _recursive_seqlet_tables(flat, 25, 1000)
    found = {}
    for row, a, b in parts:
        x = np.ascontiguousarray(sign * values[row, a:b])[None]
        for _, start, end, total, p in zip(*_recursive_seqlet_decode_fields(x, tails, least, width)):
            found[row, start + a, end + a] = (sign * total, p)
    return found


def seqlets(program: str, results: Path, motifs_path: str, tasks: list[str], folder: Path) -> None:
    z = np.load(results / "saturation.npz")
    names = [t.decode() for t in z["tasks"]]
    values = importance(z["effects"], z["one_hot"])
    with open(results / "regions.tsv") as lines:
        regions = list(csv.DictReader(lines, delimiter="\t"))
    at = {(r["contig"], r["name"]): (i, int(r["start"])) for i, r in enumerate(regions)}
    began = time.perf_counter()
    subprocess.run([program, "motifs", "seqlets", results, "--out", folder / "s", "--tasks", ",".join(tasks), "-q"], check=True)
    took = time.perf_counter() - began
    ours: dict[tuple[str, str], dict] = {}
    words = []
    with open(folder / "s" / "seqlets.tsv") as lines:
        for r in csv.DictReader(lines, delimiter="\t"):
            row, origin = at[r["contig"], r["region"]]
            key = (row, int(r["start"]) - origin, int(r["end"]) - origin)
            ours.setdefault((r["task"], r["sign"]), {})[key] = (float(r["sum"]), float(r["p"]))
            words.append(r["sequence"])
    for task in tasks:
        v = values[..., names.index(task)]
        positive, negative = theirs_of(v, 1), theirs_of(v, -1)
        taken = {(r, i) for r, a, b in positive for i in range(a, b)}
        negative = {k: s for k, s in negative.items() if not any((k[0], i) in taken for i in range(k[1], k[2]))}
        for sign, theirs in (("positive", positive), ("negative", negative)):
            mine = ours.get((task, sign), {})
            both = mine.keys() & theirs.keys()
            p = max((abs(mine[k][1] / theirs[k][1] - 1) for k in both), default=0)
            s = max((abs(mine[k][0] - theirs[k][0]) for k in both), default=0)
            print(f"seqlets {task} {sign}: {len(mine)} ours, {len(theirs)} theirs, {len(both)} at the same place; largest relative difference of p {p:.1e}, of sums {s:.1e}")
            assert mine.keys() == theirs.keys() and p < 1e-6
    whole = ~np.isnan(values).any((1, 2))
    if whole.any():
        one = values[whole][..., names.index(tasks[0])]
        public = recursive_seqlets(one)
        print(f"seqlets: recursive_seqlets itself finds {len(public)} in the {whole.sum()} rows without gaps (null of these alone)")
    print(f"seqlets: {took:.2f} s for the program, {len(tasks)} task(s)")

    motifs = read_meme(motifs_path)
    targets, order = [m for m, _ in motifs.values()], list(motifs)
    began = time.perf_counter()
    subprocess.run([program, "motifs", "seqlets", results, "--motifs", motifs_path, "--out", folder / "m", "--tasks", tasks[0], "-q"], check=True)
    took = time.perf_counter() - began
    with open(folder / "m" / "seqlets.tsv") as lines:
        found = list(csv.DictReader(lines, delimiter="\t"))
    distinct = {r["sequence"]: r for r in found}
    some = list(distinct)[:: max(1, len(distinct) // 300)]
    queries = [(np.array(list("ACGT"))[:, None] == np.array(list(w))).astype(float) for w in some]
    for bins in (100, None):
        began = time.perf_counter()
        p = tomtom(queries, targets, n_target_bins=bins)[0]
        theirs = time.perf_counter() - began
        same = sum(order[int(row.argmin())] == distinct[w]["motif"] for w, row in zip(some, p))
        close = [abs(np.log10(float(distinct[w]["motif_p"])) - np.log10(row[order.index(distinct[w]["motif"])])) for w, row in zip(some, p)]
        print(
            f"tomtom (n_target_bins={bins}): {len(some)} words against {len(order)} motifs, the same nearest motif for {same}; "
            f"difference of log10 p median {np.median(close):.1e}, 99% {np.quantile(close, 0.99):.1e}, largest {max(close):.1e}; {theirs:.2f} s theirs"
        )
    print(f"tomtom: {took:.2f} s for the program's {len(found)} seqlets ({len(distinct)} different)")


def scan(program: str, results: Path, motifs_path: str, folder: Path) -> None:
    """The program on the regions' own sequences as a FASTA; FIMO of memelite with the same matrices and bins."""
    z = np.load(results / "saturation.npz")
    one_hot = z["one_hot"]
    fasta = folder / "regions.fa"
    with open(fasta, "w") as out:
        for i, row in enumerate(one_hot):
            letters = np.where(row.sum(1) == 1, np.array(list("ACGT"))[row.argmax(1)], "N")
            out.write(f">r{i}\n{''.join(letters)}\n")
    began = time.perf_counter()
    subprocess.run([program, "motifs", "scan", "--motifs", motifs_path, "--fasta", fasta, "--background", "uniform", "--out", folder / "h", "-q"], check=True)
    took = time.perf_counter() - began
    motifs = read_meme(motifs_path)
    # The program's pseudocounts; memelite adds eps to shares instead.
    shares = {name: (m * sites + 0.1 * 0.25) / (sites + 0.1) for name, (m, sites) in motifs.items()}
    x = one_hot.transpose(0, 2, 1).astype(np.int8)
    fimo({name: m for name, m in list(shares.items())[:2]}, x[:2], bin_size=0.01, eps=1e-12, threshold=1e-4)
    began = time.perf_counter()
    tables = fimo(shares, x, bin_size=0.01, eps=1e-12, threshold=1e-4)
    theirs_took = time.perf_counter() - began
    theirs = {}
    for table in tables:
        for r in table.itertuples(index=False):
            theirs[str(r.motif_name), int(str(r.sequence_name)), int(r.start), r.strand] = (float(r.score), float(r[-1]))
    ours = {}
    with open(folder / "h" / "hits.bed") as lines:
        for line in lines:
            c = line.split("\t")
            ours[c[3], int(c[0][1:]), int(c[1]), c[5]] = (float(c[4]), float(c[6]))
    both = ours.keys() & theirs.keys()
    edge = [max(ours[k][1] if k in ours else 0, theirs[k][1] if k in theirs else 0) for k in ours.keys() ^ theirs.keys()]
    zero = sum(theirs[k][1] == 0 for k in both)
    ratio = [abs(np.log10(ours[k][1] / theirs[k][1])) for k in both if theirs[k][1] > 0]
    print(
        f"fimo: {len(ours)} hits ours, {len(theirs)} theirs, {len(both)} the same; the others have p from {min(edge, default=1):.2e}; "
        f"difference of log10 p: median {np.median(ratio):.1e}, 99% {np.quantile(ratio, 0.99):.1e}, largest {max(ratio):.1e} ({zero} of theirs are 0); {took:.2f} s ours, {theirs_took:.2f} s theirs (numba compiled before)"
    )


def main() -> None:
    program, results, motifs = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    tasks = sys.argv[4].split(",") if len(sys.argv) > 4 else [t.decode() for t in np.load(results / "saturation.npz")["tasks"]]
    print(f"tangermeme {version('tangermeme')}, memelite {version('memelite')}")
    with tempfile.TemporaryDirectory() as folder:
        seqlets(program, results, motifs, tasks, Path(folder))
        scan(program, results, motifs, Path(folder))


if __name__ == "__main__":
    main()
