#!/usr/bin/env python3
"""Writes a genome of any size: a Markov chain of a real sequence's k-mers, in contigs as long as the human ones (GRCh38), shortened in
proportion. For timing whole genomes where there is none.

usage: genome.py SEQUENCE.fa OUT.fa [--bases 3.1e9] [--order 5] [--seed 1]

The same arguments give the same bytes. Contigs begin and end with 10,000 N, as chromosomes do.
"""

import argparse
from pathlib import Path

import numpy as np

# Mb of GRCh38's chromosomes 1 to 22, X, Y.
LENGTHS = [248.96, 242.19, 198.3, 190.21, 181.54, 170.81, 159.35, 145.14, 138.39, 133.8, 135.09, 133.28, 114.36, 107.04, 101.99, 90.34,
           83.26, 80.37, 58.62, 64.44, 46.71, 50.82, 156.04, 57.23]
NAMES = [f"chr{n}" for n in [*range(1, 23), "X", "Y"]]
LINE = 60
GAP = 10_000
# Chains that run side by side.
CHAINS = 1 << 16


def thresholds(fasta: Path, order: int) -> np.ndarray:
    """Of each k-mer the cumulated chances of the next base, [4^order, 4]."""
    codes = np.full(256, 4, np.uint8)
    for code, pair in enumerate((b"Aa", b"Cc", b"Gg", b"Tt")):
        codes[list(pair)] = code
    counts = np.ones((4**order, 4))
    for part in fasta.read_bytes().split(b">")[1:]:
        sequence = codes[np.frombuffer(b"".join(part.split(b"\n")[1:]), np.uint8)]
        word = np.zeros(len(sequence) - order, np.int64)
        known = np.ones(len(word), bool)
        for i in range(order):
            word = word * 4 + sequence[i : i + len(word)]
            known &= sequence[i : i + len(word)] < 4
        following = sequence[order:]
        known &= following < 4
        np.add.at(counts, (word[known], following[known]), 1)
    return (counts / counts.sum(1, keepdims=True)).cumsum(1).astype(np.float32)


def chain(bases: int, chances: np.ndarray, order: int, rng: np.random.Generator) -> np.ndarray:
    """Letters of a contig."""
    chains = min(CHAINS, max(1, bases // 1000))
    steps = -(-bases // chains)
    mask = 4**order - 1
    state = rng.integers(0, mask + 1, chains)
    out = np.empty((steps, chains), np.uint8)
    for step in range(steps):
        draw = rng.random(chains, np.float32)
        base = (draw[:, None] > chances[state, :3]).sum(1)
        out[step] = base
        state = (state * 4 + base) & mask
    # Each chain is a stretch of its own.
    return np.frombuffer(b"ACGT", np.uint8)[out.T.reshape(-1)[:bases]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("sequence", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--bases", type=float, default=3.1e9)
    arguments.add_argument("--order", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    chances = thresholds(given.sequence, given.order)
    rng = np.random.default_rng(given.seed)
    offset = 0
    with given.out.open("wb") as out, Path(f"{given.out}.fai").open("w") as index:
        for name, megabases in zip(NAMES, LENGTHS):
            length = round(given.bases * megabases / sum(LENGTHS))
            gap = min(GAP, length // 10)
            letters = np.full(length, ord("N"), np.uint8)
            letters[gap : length - gap] = chain(length - 2 * gap, chances, given.order, rng)
            header = f">{name}\n".encode()
            index.write(f"{name}\t{length}\t{offset + len(header)}\t{LINE}\t{LINE + 1}\n")
            whole = length // LINE * LINE
            lines = np.full((length // LINE, LINE + 1), ord("\n"), np.uint8)
            lines[:, :LINE] = letters[:whole].reshape(-1, LINE)
            rest = letters[whole:].tobytes()
            text = header + lines.tobytes() + (rest + b"\n" if rest else b"")
            out.write(text)
            offset += len(text)
            print(f"{name}: {length:,} bases", flush=True)


if __name__ == "__main__":
    main()
