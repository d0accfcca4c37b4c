#!/usr/bin/env python3
"""All changes of whole windows, networks that are no chain: mpra-score's engines beside a Python loop.

The Python loop gives ready-made one-hot mutants to onnxruntime, two threads, at the best of some batch
sizes (found beforehand); mpra-score is timed by its own run.json: from sequence on disk to tracks on
disk, each window a region of its own. They take turns; printed are medians. Write the networks with
`cargo run --release --example bench_models -- target/bench`.
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
parser.add_argument("models", nargs="+", type=Path, help="ONNX files with input [batch, 4, window]")
parser.add_argument("--program", default="target/release/mpra-score")
parser.add_argument("--seconds", type=float, default=6, help="of a measurement of the loop, roughly")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()

options = ort.SessionOptions()
options.intra_op_num_threads = args.threads


def mutants(codes: np.ndarray) -> np.ndarray:
    """All single-base changes of a window, [3 * window, 4, window]."""
    window = len(codes)
    rows = np.repeat(codes[None], 3 * window, axis=0)
    place = np.arange(3 * window) // 3
    rows[np.arange(3 * window), place] = (codes[place] + np.tile([1, 2, 3], window)) % 4
    return np.eye(4, dtype=np.float32)[rows].transpose(0, 2, 1).copy()


print("network\tbases\tloop, windows/s (batch)\tfull\tof the loop\tfast\ttimes the loop")
for model in args.models:
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (node,) = session.get_inputs()
    window = node.shape[2]
    codes = np.random.default_rng(1).integers(0, 4, window)
    one_hot = mutants(codes)

    def loop(batch: int, rows: int) -> float:
        start = time.perf_counter()
        for at in range(0, rows, batch):
            session.run(None, {node.name: one_hot[at : min(at + batch, rows)]})
        return rows / (time.perf_counter() - start)

    some = min(len(one_hot), 128)
    loop(8, 8)
    batch = max([4, 8, 16, 32, 64], key=lambda batch: loop(batch, some))
    passes = loop(batch, some)
    windows = max(2, round(args.seconds * passes / len(one_hot)))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        fasta, bed = folder / "g.fa", folder / "r.bed"

        def ours(engine: str, windows: int) -> float:
            bases = np.random.default_rng(2).integers(0, 4, windows * window)
            fasta.write_text(">c\n" + "".join("ACGT"[b] for b in bases) + "\n")
            Path(f"{fasta}.fai").unlink(missing_ok=True)
            rows = (f"c\t{i * window}\t{(i + 1) * window}\n" for i in range(windows))
            bed.write_text("".join(rows))
            command = [
                args.program, "-q", "--bed", bed, "--fasta", fasta, "--model", model,
                "--out", folder / "out", "--force", "--anchor", "region", "--stride", str(window),
                "--threads", str(args.threads), "--engine", {"fast": "auto"}.get(engine, engine),
            ]  # fmt: skip
            subprocess.run(command, check=True)
            run = json.loads((folder / "out" / "run.json").read_text())
            return windows / run["seconds"]

        loops, full, fast = [], [], []
        for _ in range(args.rounds):
            loops.append(statistics.mean(loop(batch, len(one_hot)) for _ in range(windows)) / len(one_hot))
            full.append(ours("full", windows))
            fast.append(ours("fast", 6 * windows))
    loops, full, fast = map(statistics.median, (loops, full, fast))
    print(
        f"{model.stem}\t{window}\t{loops:.3f} ({batch})\t{full:.3f}\t{full / loops:.2f}"
        f"\t{fast:.3f}\t{fast / loops:.2f}",
        flush=True,
    )
