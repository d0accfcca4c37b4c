#!/usr/bin/env python3
"""Predictions alone: mpra-score --engine full beside a Python onnxruntime loop, same windows.

Both run the same model on the same random sequence, two threads, alternating, five rounds; printed
are medians. The Python loop gets ready-made one-hot arrays (encoding is not timed) and every batch
size; its best counts. mpra-score is timed by its own run.json: from sequence on disk to tracks on
disk.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", default="target/release/mpra-score")
parser.add_argument("--model", required=True, help="ONNX file with input [batch, window, 4]")
parser.add_argument("--windows", type=int, default=4000)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

options = ort.SessionOptions()
options.intra_op_num_threads = args.threads
session = ort.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
(node,) = session.get_inputs()
window = node.shape[1]
assert node.shape[2] == 4, "the input must be [batch, window, 4]"

random = np.random.default_rng(1)
bases = random.integers(0, 4, args.windows * window)
one_hot = np.eye(4, dtype=np.float32)[bases].reshape(args.windows, window, 4)


def python(batch: int) -> float:
    start = time.perf_counter()
    for at in range(0, args.windows, batch):
        session.run(None, {node.name: one_hot[at : at + batch]})
    return args.windows / (time.perf_counter() - start)


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    fasta, bed = folder / "g.fa", folder / "r.bed"
    fasta.write_text(">c\n" + "".join("ACGT"[b] for b in bases) + "\n")
    bed.write_text(f"c\t0\t{len(bases)}\n")

    def ours() -> float:
        command = [
            args.program, "-q", "--bed", bed, "--fasta", fasta, "--model", args.model,
            "--out", folder / "out", "--force", "--no-importance", "--stride", str(window),
            "--threads", str(args.threads), "--engine", "full",
        ]
        subprocess.run(command, check=True)
        run = json.loads((folder / "out" / "run.json").read_text())
        assert run["counts"]["windows_scored"] == args.windows
        return args.windows / run["seconds"]

    batches = [4, 8, 16, 32, 64, 128]
    rates: dict[object, list[float]] = {b: [] for b in [*batches, "mpra-score"]}
    for _ in range(args.rounds):
        for batch in batches:
            rates[batch].append(python(batch))
        rates["mpra-score"].append(ours())

medians = {name: statistics.median(values) for name, values in rates.items()}
for name, rate in medians.items():
    label = name if name == "mpra-score" else f"Python onnxruntime, batch {name}"
    print(f"{label:<32}{rate:>10.0f} windows/s")
best = max(medians[b] for b in batches)
print(f"{'ratio to the best batch':<32}{medians['mpra-score'] / best:>10.2f}")
