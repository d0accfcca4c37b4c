#!/usr/bin/env python3
"""End to end, from VCF to scored VCF: single-base changes a second, two threads, all 5 windows.

A random genome and, on it, VCFs with a change every so many bases. Each runs three times,
alternating; printed are medians of records over wall-clock seconds of the whole program, and of
processor seconds (which other work on the machine disturbs less) times two threads. With --large N
also one run of N records, with the most memory it took and whether the order was kept.
"""

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--program", default="target/release/mpra-score")
parser.add_argument("--models", default="target/bench")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--large", type=int, default=0, metavar="N")
parser.add_argument("--table", action="store_true", help="with --large: write the table, too")
args = parser.parse_args()

TARGET = 50_000
# Bases between changes, and changes; the last as sparse as the markers of a genotyping chip.
DENSITIES = {3: 1_000_000, 30: 500_000, 300: 200_000, 3_000: 200_000}
NETWORK = "paper"

rng = np.random.default_rng(1)


def write_genome(path: Path, length: int) -> bytes:
    codes = rng.integers(0, 4, length, dtype=np.uint8)
    text = np.frombuffer(b"ACGT", dtype=np.uint8)[codes].tobytes()
    with open(path, "wb") as out:
        out.write(b">c\n")
        for i in range(0, length, 100):
            out.write(text[i : i + 100] + b"\n")
    return text


def write_vcf(path: Path, genome: bytes, gap: int, count: int) -> None:
    other = {b"A"[0]: "G", b"C"[0]: "T", b"G"[0]: "A", b"T"[0]: "C"}
    with open(path, "w") as out:
        out.write(f"##fileformat=VCFv4.2\n##contig=<ID=c,length={len(genome)}>\n")
        out.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for i in range(count):
            at = 500 + i * gap
            base = genome[at]
            out.write(f"c\t{at + 1}\trs{i}\t{chr(base)}\t{other[base]}\t.\tPASS\tAF=0.1\n")


def resident(pid: int) -> float:
    """The most memory a process has had so far, in MB (Linux; 0 elsewhere)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0][1]) / 1024 if lines else 0


def run(fasta: Path, vcf: Path, out: Path, extra: list[str]) -> tuple[float, float, float]:
    command = [
        args.program, "variants", "-q", "--vcf", vcf, "--fasta", fasta, "--out", out, "--force",
        "--model", f"{args.models}/{NETWORK}.onnx", "--threads", "2", "--engine", "fast", *extra,
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with subprocess.Popen(command) as child:
        # Not ru_maxrss: of a child it begins with what this process has.
        most = 0
        while child.poll() is None:
            most = max(most, resident(child.pid))
            time.sleep(0.02)
    assert child.returncode == 0, command
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, most


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    fasta = folder / "genome.fa"
    longest = max(gap * count for gap, count in DENSITIES.items()) if args.rounds else 0
    genome = write_genome(fasta, max(longest, args.large * 3) + 1_000)
    # So that no run spends its time on indexing.
    index = f"c\t{len(genome)}\t3\t100\t101\n"
    (folder / "genome.fa.fai").write_text(index)
    cases = []
    for gap, count in DENSITIES.items() if args.rounds else []:
        vcf = folder / f"{gap}.vcf"
        write_vcf(vcf, genome, gap, count)
        for name, extra in [("no background", ["--background", "none"]), ("p-values", [])]:
            cases.append((gap, count, name, vcf, extra))
    walls: dict[tuple[int, str], list[float]] = {}
    cpus: dict[tuple[int, str], list[float]] = {}
    for _ in range(args.rounds):
        for gap, count, name, vcf, extra in cases:
            seconds, cpu, _ = run(fasta, vcf, folder / "out.vcf.gz", extra)
            walls.setdefault((gap, name), []).append(count / seconds)
            cpus.setdefault((gap, name), []).append(2 * count / cpu)
    if args.rounds:
        print(f"SNVs a second, VCF to .vcf.gz with .tbi, {NETWORK} network, 4 tasks, 5 windows, two threads")
    for gap, _, name, _, _ in cases:
        wall = statistics.median(walls[gap, name])
        cpu = statistics.median(cpus[gap, name])
        verdict = "met" if wall >= TARGET else "missed"
        print(
            f"every {gap:>5} bases, {name:<14}{wall:>10,.0f} /s  target {TARGET}: {verdict}"
            f"   ({cpu:,.0f} /s by processor time)"
        )
    if args.large:
        vcf, out = folder / "large.vcf", folder / "large.out.vcf"
        write_vcf(vcf, genome, 3, args.large)
        table = ["--table", str(folder / "table.tsv")] if args.table else []
        with open(vcf, "rb") as a:
            seconds, _, most = run(fasta, vcf, out, table)
            with open(out, "rb") as b:
                same = 0
                a_lines = (l for l in a if not l.startswith(b"#"))
                b_lines = (l for l in b if not l.startswith(b"#"))
                for x, y in zip(a_lines, b_lines, strict=True):
                    assert x.split(b"\t")[:7] == y.split(b"\t")[:7], (x, y)
                    same += 1
        print(
            f"{same:,} records in {seconds:.0f} s, order kept, at most {most:,.0f} MB"
            + (", with the table" if args.table else "")
        )
