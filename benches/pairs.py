"""Interactions of all pairs of changes, fast engine against batches of double mutants: pairs.py PROGRAM MODEL [MODEL ...].

Runs `mpra-score pairs` as a user does, both engines by turns on the same random sequences of a window each (the fast one on more of
them), and prints pairs of changes a second (of run.json, start-up and output included), their ratio, and the largest difference of an interaction. MODEL is a file
(`cargo run --example bench_models -- DIR` writes those of the table) or a name, such as `default`.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np


def run(program: str, model: str, engine: str, sequences: Path, out: Path, distance: int, threads: int) -> float:
    command = [program, "pairs", "-q", sequences, "--model", model, "--engine", engine, "--distance", distance, "--pictures", 0,
               "--threads", threads, "--out", out, "--force"]
    subprocess.run([str(word) for word in command], check=True)
    told = json.loads((out / "run.json").read_text())
    return told["counts"]["pairs_of_changes"] / told["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--distance", type=int, default=20)
    parser.add_argument("--sequences", type=int, default=64, help="of the fast engine")
    parser.add_argument("--slow", type=int, default=1, help="sequences of the full engine")
    parser.add_argument("--window", type=int, default=145, help="bases of the models' windows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    print("model\tfull, pairs/s\tfast, pairs/s\tratio\tlargest difference")
    with tempfile.TemporaryDirectory() as folder:
        for model in args.models:
            sequences = ["".join(rng.choice(list("ACGT"), args.window)) for _ in range(args.sequences)]
            speeds: dict[str, list[float]] = {"full": [], "fast": []}
            found = {}
            for _ in range(args.rounds):
                for engine, count in [("full", args.slow), ("fast", args.sequences)]:
                    path = Path(folder) / f"{engine}.fa"
                    path.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences[:count])))
                    out = Path(folder) / engine
                    speeds[engine].append(run(args.program, model, engine, path, out, args.distance, args.threads))
                    with np.load(out / "pairs.npz") as arrays:
                        found[engine] = arrays["interactions"][: args.slow]
            apart = np.nanmax(np.abs(found["full"] - found["fast"]))
            full, fast = (statistics.median(speeds[engine]) for engine in ("full", "fast"))
            print(f"{Path(model).stem}\t{full:,.0f}\t{fast:,.0f}\t{fast / full:,.0f}\t{apart:.1e}", flush=True)


if __name__ == "__main__":
    main()
