"""A null for `mpra-score overlap enrichment`: every region gets the annotation of another region drawn
at random, turned in a circle by a random distance; or, with `place`, at the place that it has there: what
is left then is that annotations and scores both prefer some part of a region, its middle for instance.

Usage: null_annotation.py regions.bed merged_annotation.bed out.bed [seed [place]]
"""

import bisect
import random
import sys


def main(regions_path, sites_path, out_path, seed=1, place=None):
    random.seed(int(seed))
    regions = []
    for line in open(regions_path):
        contig, start, end = line.split()[:3]
        regions.append((contig, int(start), int(end)))
    sites = {}
    for line in open(sites_path):
        contig, start, end = line.split()[:3]
        sites.setdefault(contig, []).append((int(start), int(end)))
    for found in sites.values():
        found.sort()

    def pattern(contig, start, end):
        found = sites.get(contig, [])
        at = max(0, bisect.bisect_left(found, (start, 0)) - 1)
        parts = []
        while at < len(found) and found[at][0] < end:
            first, last = max(found[at][0], start) - start, min(found[at][1], end) - start
            if first < last:
                parts.append((first, last))
            at += 1
        return parts

    patterns = [pattern(*region) for region in regions]
    random.shuffle(patterns)
    with open(out_path, "w") as out:
        for (contig, start, end), parts in zip(regions, patterns):
            length = end - start
            by = 0 if place else random.randrange(length)
            for first, last in parts:
                # Patterns of longer regions are cut to this one.
                first, last = first % length + by, min(last, length) + by
                for a, b in ((first, min(last, length)), (max(first, length) - length, last - length)):
                    if a < b:
                        out.write(f"{contig}\t{start + a}\t{start + b}\n")


main(*sys.argv[1:])
