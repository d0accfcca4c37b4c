#!/usr/bin/env python3
"""Training: examples a second of `mpra-score train` beside PyTorch, the same networks and batch.

Random sequences and labels, batch 128, Adam, one thread count. mpra-score's time is that of its epochs
after the first, as training.tsv has them (its validation side is one example in ten, which it predicts
once an epoch and PyTorch does not); PyTorch's is of steps after ten that are not counted. Without PyTorch
or pyarrow it says what is missing and ends with 0.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
except ImportError as missing:
    print(f"training: not measured, Python has no {missing.name} (pip install torch pyarrow)")
    sys.exit(0)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", default="target/release/mpra-score")
parser.add_argument("--presets", default="authors,compact")
parser.add_argument("--examples", type=int, default=6400)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)
WINDOW, TASKS, BATCH = 145, 4, 128
random = np.random.default_rng(1)


def conv(*layers):
    """Convolutions of (inputs, filters, width), each with ReLU."""
    out = []
    for inputs, filters, width in layers:
        out += [torch.nn.Conv1d(inputs, filters, width), torch.nn.ReLU()]
    return out


NETWORKS = {
    "authors": lambda: torch.nn.Sequential(
        *conv((4, 100, 8), (100, 100, 15)),
        torch.nn.MaxPool1d(124), torch.nn.Flatten(), torch.nn.Linear(100, TASKS),
    ),
    "compact": lambda: torch.nn.Sequential(
        *conv((4, 128, 5), (128, 128, 5), (128, 32, 1), (32, 48, 5)),
        torch.nn.Flatten(), torch.nn.Linear(48 * 133, TASKS),
    ),
}


def pytorch(preset: str) -> float:
    network = NETWORKS[preset]()
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    x = torch.nn.functional.one_hot(torch.randint(4, (BATCH, WINDOW)), 4)
    x = x.float().transpose(1, 2).contiguous()
    y = torch.randn(BATCH, TASKS)

    def step():
        adam.zero_grad()
        ((network(x) - y) ** 2).mean().backward()
        adam.step()

    for _ in range(10):
        step()
    steps = max(20, args.examples // BATCH)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * BATCH / (time.perf_counter() - start)


def ours(preset: str, folder: Path) -> float:
    n = args.examples
    sides = np.where(np.arange(n) % 10 == 0, "validation", "train")
    sides[1] = "test"
    table = {
        "sequence": ["".join(r) for r in np.array(list("ACGT"))[random.integers(0, 4, (n, WINDOW))]],
        "split": sides,
        "weight": np.ones(n),
    }
    names = [f"t{i}" for i in range(TASKS)]
    for name in names:
        table[f"{name}.activity"] = random.normal(size=n)
    table = pa.table(table).replace_schema_metadata(
        {"mpra_score.tasks": json.dumps([{"name": name} for name in names])}
    )
    pq.write_table(table, folder / "examples.parquet")
    out = folder / preset
    subprocess.run(
        [args.program, "train", "-q", "--data", folder / "examples.parquet", "--preset", preset,
         "--epochs", "3", "--patience", "9", "--threads", str(args.threads), "--out", out],
        check=True,
    )
    seconds = [float(row.split("\t")[-1]) for row in (out / "training.tsv").read_text().split("\n")[2:4]]
    return 2 * (sides == "train").sum() / sum(seconds)


with tempfile.TemporaryDirectory() as folder:
    for preset in args.presets.split(","):
        a, b = ours(preset, Path(folder)), pytorch(preset)
        print(f"training {preset}: {a:,.0f} examples/s, PyTorch {torch.__version__} {b:,.0f}: {a / b:.2f}")
