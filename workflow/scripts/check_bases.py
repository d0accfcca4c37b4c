#!/usr/bin/env python3
"""Whether merged tracks hold every base that the shards scored, and every region that was asked for.

usage: check_bases.py MERGED (--fai INDEX | --bed BED) --shards SHARD...

Three counts of bases must be one: the sum of the shards' own (run.json), that of the merged results, and what the header of
each bigWig of importance says it covers. Rows must be the contigs of the index, whole, or as many as the BED has.
"""

import argparse
import gzip
import json
import struct
import sys
from pathlib import Path


def counts(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())["counts"]


def covered(track: Path) -> int:
    """Bases with a value, by the summary that a bigWig's header points to."""
    with open(track, "rb") as file:
        header = file.read(64)
        order = "<" if struct.unpack("<I", header[:4])[0] == 0x888FFC26 else ">"
        (at,) = struct.unpack(order + "Q", header[44:52])
        if not at:
            return 0
        file.seek(at)
        return struct.unpack(order + "Q", file.read(8))[0]


def rows_of(bed: Path) -> int:
    with (gzip.open if bed.suffix in (".gz", ".bgz") else open)(bed, "rt") as file:
        return sum(bool(line.strip()) and not line.startswith(("#", "track", "browser")) for line in file)


def faults(merged: Path, shards: list[Path], fai: Path | None, bed: Path | None) -> list[str]:
    found = []

    def same(what: str, have: int, asked: int) -> None:
        if have != asked:
            found.append(f"{what}: {have:,}, but should be {asked:,}")

    parts, whole = [counts(shard) for shard in shards], counts(merged)
    scored = sum(part["bases_scored"] for part in parts)
    same("bases of the merged results", whole["bases_scored"], scored)
    same("windows of the merged results", whole["windows_scored"], sum(part["windows_scored"] for part in parts))
    for track in sorted(merged.glob("*.importance.bw")):
        same(f"bases of {track.name}", covered(track), scored)
    if bed:
        lost = sum(whole.get("rows_not_lifted", {}).values())
        same("rows of the BED that have a row", whole["rows"] + lost, rows_of(bed))
    elif fai and fai.exists():
        # A contig's rows begin `name 0 length`.
        contigs = sorted(tuple(line.split("\t")[:2]) for line in fai.read_text().splitlines())
        with open(merged / "regions.tsv") as table:
            next(table)
            regions = sorted((row[0], row[2]) for row in (line.split("\t") for line in table) if row[1] == "0")
        same("bases of the regions", sum(int(end) for _, end in regions), sum(int(length) for _, length in contigs))
        if regions != contigs:
            found.append(f"regions.tsv does not have the contigs of {fai}, whole")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("merged", type=Path)
    parser.add_argument("--fai", type=Path)
    parser.add_argument("--bed", type=Path)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    args = parser.parse_args()
    found = faults(args.merged, args.shards, args.fai, args.bed)
    for fault in found:
        print(f"error: {args.merged}: {fault}", file=sys.stderr)
    if not found:
        print(f"{counts(args.merged)['bases_scored']:,} bases, as {len(args.shards)} shards have scored")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
