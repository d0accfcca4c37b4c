#!/usr/bin/env python3
"""End to end, from FASTA to bigWig: bases a second of `--genome` on a random genome, two threads.

Each network runs five times, alternating; printed are medians of the program's own run.json, which
counts reading, scoring and writing all tracks (activity and importance of every task).
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", default="target/release/mpra-score")
parser.add_argument("--models", default="target/bench")
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()

# Bases scored: some seconds each.
NETWORKS = {"paper": 6_000_000, "compact": 1_500_000, "dragonn": 400_000, "authors": 400_000}
TARGETS = {"paper": 800_000}

with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    fasta = folder / "genome.fa"
    bases = np.random.default_rng(1).integers(0, 4, max(NETWORKS.values()))
    text = np.frombuffer(b"ACGT", dtype=np.uint8)[bases].tobytes().decode()
    lines = (text[i : i + 100] for i in range(0, len(text), 100))
    fasta.write_text(">c\n" + "\n".join(lines) + "\n")
    rates: dict[str, list[float]] = {name: [] for name in NETWORKS}
    for _ in range(args.rounds):
        for name, length in NETWORKS.items():
            bed = folder / "region.bed"
            bed.write_text(f"c\t0\t{length}\n")
            command = [
                args.program, "-q", "--bed", bed, "--fasta", fasta,
                "--model", f"{args.models}/{name}.onnx", "--out", folder / "out", "--force",
                "--threads", "2", "--engine", "fast",
            ]
            subprocess.run(command, check=True)
            run = json.loads((folder / "out" / "run.json").read_text())
            rates[name].append(run["counts"]["bases_scored"] / run["seconds"])

print("end to end, FASTA to bigWig, two threads, medians of", args.rounds)
for name, values in rates.items():
    median = statistics.median(values)
    target = TARGETS.get(name)
    verdict = "" if target is None else f"  target {target}: {'met' if median >= target else 'missed'}"
    print(f"{name:<10}{median:>12,.0f} bases/s{verdict}")
