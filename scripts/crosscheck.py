#!/usr/bin/env python3
"""Checks mpra-score against the same numbers computed in Python, read with the field's tools.

An independent, deliberately plain implementation of the definitions (windows, effects,
importance) runs the fixtures' network in Python onnxruntime, one forward pass a mutant. Tracks are
read with pyBigWig, the saturation table with numpy.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pyBigWig

import crosscheck_elsewhere
import crosscheck_haplotypes
import crosscheck_suite
import crosscheck_vcf

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.argv[1]).resolve()
WINDOW, STRIDE, FRAME, OFFSET = 145, 29, 295, 75
TOLERANCE = 1e-5

genome: dict[str, str] = {}
for line in (ROOT / "fixtures/genome.fa").read_text().splitlines():
    if line.startswith(">"):
        name = line[1:].split()[0]
        genome[name] = ""
    else:
        genome[name] += line.upper()
regions = [
    (f[0], int(f[1]), int(f[2]))
    for f in (l.split("\t") for l in (ROOT / "fixtures/regions.bed").read_text().splitlines())
    if not f[0].startswith("#")
]
session = ort.InferenceSession(ROOT / "fixtures/models/demo.onnx", providers=["CPUExecutionProvider"])
tasks = json.loads(session.get_modelmeta().custom_metadata_map["mpra_score.tasks"])


# The share of a window that may be unknown.
MAX_UNKNOWN = 0.25


def one_hot(sequence: str) -> np.ndarray:
    row = np.zeros((FRAME, 4), dtype=np.float32)
    for i, base in enumerate(sequence):
        if base in "ACGT":
            row[OFFSET + i, "ACGT".index(base)] = 1
    return row


def predict(sequences: list[str]) -> np.ndarray:
    return session.run(None, {"sequence": np.stack([one_hot(s) for s in sequences])})[0]


def window_at(contig: str, start: int) -> str:
    bases = genome[contig]
    return "".join(bases[p] if 0 <= p < len(bases) else "N" for p in range(start, start + WINDOW))


# Everything, by search: scored windows, their activities and effects.
activities: dict[tuple[str, int], np.ndarray] = {}
effects: dict[tuple[str, int], np.ndarray] = {}
unknown: dict[tuple[str, int], int] = {}
for contig, start, end in regions:
    for w in range(-WINDOW + 1, end):
        if w % STRIDE or w + WINDOW <= start or (contig, w) in activities:
            continue
        sequence = window_at(contig, w)
        unknown[contig, w] = sum(b not in "ACGT" for b in sequence)
        if unknown[contig, w] > MAX_UNKNOWN * WINDOW:
            continue
        rows, places = [sequence], []
        for i, own in enumerate(sequence):
            for b, other in enumerate("ACGT"):
                if own in "ACGT" and other != own:
                    rows.append(sequence[:i] + other + sequence[i + 1 :])
                    places.append((i, b))
        out = predict(rows)
        table = np.full((WINDOW, 4, len(tasks)), np.nan)
        for i, own in enumerate(sequence):
            if own in "ACGT":
                table[i, "ACGT".index(own)] = 0
        for (i, b), activity in zip(places, out[1:]):
            table[i, b] = activity - out[0]
        activities[contig, w], effects[contig, w] = out[0], table

checks = 0


def check(what: str, condition: bool) -> None:
    global checks
    if not condition:
        sys.exit(f"crosscheck FAILED: {what}")
    checks += 1
    print(f"ok: {what}")


def run(out: Path, *more: str) -> None:
    command = [
        PROGRAM, "-q", "--bed", ROOT / "fixtures/regions.bed", "--fasta", ROOT / "fixtures/genome.fa",
        "--model", ROOT / "fixtures/models/demo.onnx", "--out", out, "--max-unknown", str(MAX_UNKNOWN), *more,
    ]
    subprocess.run(command, check=True)


with tempfile.TemporaryDirectory() as scratch:
    out = Path(scratch) / "out"
    run(out, "--windows", "--format", "bigwig,bedgraph")
    wanted = sorted({(c, p) for c, s, e in regions for p in range(s, e)})
    for t, task in enumerate(tasks):
        importance = pyBigWig.open(str(out / f"{task}.importance.bw"))
        activity = pyBigWig.open(str(out / f"{task}.activity.bw"))
        check(f"{task}: pyBigWig finds all contigs", importance.chroms() == {c: len(s) for c, s in genome.items()})
        worst = worst_activity = 0.0
        for contig, p in wanted:
            over = [w for w in range(p - WINDOW + 1, p + 1) if (contig, w) in activities]
            (value,) = importance.values(contig, p, p + 1)
            if genome[contig][p] not in "ACGT" or not over:
                worst = max(worst, 0.0 if np.isnan(value) else np.inf)
            else:
                per_window = []
                for w in over:
                    e = effects[contig, w][p - w, :, t]
                    loss, gain = max(0, -np.nanmin(e)), max(0, np.nanmax(e))
                    # Of equally large ones the loss; where that hangs on the last bits, either.
                    over_loss = gain - loss - 1e-5 * max(1, loss)
                    either = (-gain, loss) if abs(over_loss) < 1e-6 else 2 * (-gain if over_loss > 0 else loss,)
                    per_window.append(either)
                low, high = np.mean(per_window, axis=0)
                worst = max(worst, low - value, value - high)
            centre = [w for w in over if w + 58 <= p < w + 58 + STRIDE]
            (value,) = activity.values(contig, p, p + 1)
            expected = activities[contig, centre[0]][t] if centre else np.nan
            same = np.isnan(value) if not centre else abs(value - expected) <= TOLERANCE
            worst_activity = max(worst_activity, 0.0 if same else np.inf)
        check(f"{task}: importance within {TOLERANCE} (largest difference {worst:.1e})", worst <= TOLERANCE)
        check(f"{task}: activity within {TOLERANCE}", worst_activity == 0)
        outside = sum(b - a for c in genome for a, b, _ in importance.intervals(c) or ())
        check(f"{task}: no value outside the regions", outside <= len(wanted))
        for c, s, e in regions:
            values = np.array(importance.values(c, s, e))
            if np.isnan(values).all():
                continue
            for kind, expected in [("mean", np.nanmean(values)), ("max", np.nanmax(values)), ("min", np.nanmin(values))]:
                (found,) = importance.stats(c, s, e, type=kind, exact=True)
                if abs(found - expected) > 1e-5:
                    sys.exit(f"crosscheck FAILED: pyBigWig {kind} of {c}:{s}-{e} is {found}, not {expected}")
        check(f"{task}: pyBigWig stats(exact=True) over regions", True)
        lines = [l.split("\t") for l in (out / f"{task}.importance.bedGraph").read_text().splitlines()]
        same = all(
            importance.intervals(c, int(a), int(b)) == ((int(a), int(b), float(np.float32(v))),)
            for c, a, b, v in lines[::7]
        )
        check(f"{task}: bedGraph and bigWig hold the same intervals", same)
    with gzip.open(out / "windows.tsv.gz", "rt") as text:
        rows = [l.rstrip("\n").split("\t") for l in text if not l.startswith("#")]
    check("windows.tsv.gz lists every scored window once", sorted((r[0], int(r[1])) for r in rows) == sorted(activities))
    check("and how many of its bases are unknown", all(int(r[4]) == unknown[r[0], int(r[1])] for r in rows))
    worst = max(np.abs(np.array(r[5:], dtype=float) - activities[r[0], int(r[1])]).max() for r in rows)
    check(f"windows.tsv.gz activities within {TOLERANCE}", worst <= TOLERANCE)

    equal = Path(scratch) / "equal.bed"
    equal.write_text("chr1\t500\t795\nchr2\t350\t645\nchr1\t1700\t1995\n")
    out = Path(scratch) / "npz"
    subprocess.run(
        [PROGRAM, "-q", "--bed", equal, "--fasta", ROOT / "fixtures/genome.fa", "--model",
         ROOT / "fixtures/models/demo.onnx", "--out", out, "--saturation", "--max-unknown", str(MAX_UNKNOWN)],
        check=True)
    archive = np.load(out / "saturation.npz")
    table, hot = archive["effects"], archive["one_hot"]
    check("numpy reads saturation.npz", table.shape == (3, 295, 4, 4) and hot.shape == (3, 295, 4))
    check("its task names", [t.decode() for t in archive["tasks"]] == tasks)
    worst = 0.0
    for row, (contig, start) in enumerate([("chr1", 500), ("chr2", 350)]):
        for i in range(0, 295, 5):
            p = start + i
            over = [w for w in range(p - WINDOW + 1, p + 1) if (contig, w) in activities]
            if genome[contig][p] in "ACGT":
                expected = np.mean([effects[contig, w][p - w] for w in over], axis=0)
                worst = max(worst, np.abs(table[row, i] - expected).max())
    check(f"effects within {TOLERANCE} (largest difference {worst:.1e})", worst <= TOLERANCE)

    # Variants: single changes, insertions, deletions and exchanges, on written-out haplotypes.
    alleles = []
    for contig, p in [("chr1", 300), ("chr1", 622), ("chr1", 1085), ("chr2", 0), ("chr2", 444), ("chr2", 990)]:
        bases = genome[contig][p : p + 6]
        first, other = bases[0], "C" if bases[0] == "A" else "A"
        alleles += [(contig, p, first, other), (contig, p, first, first + "TGACTCA"), (contig, p, bases, first),
                    (contig, p, bases[:3], other + ("G" if bases[1] != "G" else "T") + ("T" if bases[2] != "T" else "C"))]
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    text += "".join(f"{c}\t{p + 1}\t.\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in alleles)
    vcf, scored = Path(scratch) / "in.vcf", Path(scratch) / "scored.vcf.gz"
    vcf.write_text(text)
    subprocess.run(
        [PROGRAM, "variants", "-q", "--vcf", vcf, "--fasta", ROOT / "fixtures/genome.fa", "--model",
         ROOT / "fixtures/models/demo.onnx", "--out", scored, "--background", "none",
         "--max-unknown", "0.5"], check=True)
    with gzip.open(scored, "rt") as lines:
        records = [l.rstrip("\n").split("\t") for l in lines if not l.startswith("#")]
    check("variants come back in order", [(r[0], int(r[1]) - 1, r[3], r[4]) for r in records] == alleles)
    worst = 0.0
    for record, (contig, p, ref, alt) in zip(records, alleles):
        info = dict(entry.split("=") for entry in record[7].split(";"))
        haplotype = genome[contig][:p] + alt + genome[contig][p + len(ref) :]
        both = []
        for w in range(p - WINDOW + 1, p + 1):
            if w % STRIDE == 0:
                pair = ["".join(s[i] if 0 <= i < len(s) else "N" for i in range(w, w + WINDOW))
                        for s in (genome[contig], haplotype)]
                if all(2 * sum(b not in "ACGT" for b in s) <= WINDOW for s in pair):
                    both.append(np.subtract(*predict(pair)[::-1]))
        expected = np.mean(both, axis=0)
        found = [float(info[f"MPRA_{task}"]) for task in tasks]
        worst = max(worst, np.abs(expected - found).max())
    check(f"effects of {len(alleles)} alleles within {TOLERANCE} (largest difference {worst:.1e})", worst <= TOLERANCE)

    crosscheck_vcf.run(PROGRAM, ROOT, Path(scratch), check)
    crosscheck_haplotypes.run(PROGRAM, ROOT, Path(scratch), check)
    crosscheck_suite.run(PROGRAM, ROOT, Path(scratch), check, predict, tasks, genome)
    crosscheck_elsewhere.run(PROGRAM, ROOT, Path(scratch), check)

print(f"crosscheck: {checks} passed, 0 failed")
