"""Is the base that an assay labels, one a region, where a track says that the region's strength lies?

    python3 scripts/labelled_bases.py --regions regions.bed --labels labels.tsv.gz \
        [--values activating] NAME=importance.bw ...

The labels' columns are chrom, start, end, region_id, values; region_id is the region's name in the BED.
Of each track and class of regions, with 95% bootstrap intervals over regions:

  distance   bases from the labelled base to the base of largest |value|
  random     the same from a base at random, of those at which labels can lie (they are on a grid)
  other      the same from the base of largest |value| of another region, drawn at random: both may
             lie in the middle of their regions without knowing of each other
  rank       share of the region's bases whose |value| (mean over --around bases) is below that of the
             labelled base's; 0.5 if it were one at random, of equal ones half
  signed     the same of the value itself
  nearer     other - distance
"""
import argparse
import csv
import gzip

import numpy as np
import pyBigWig


def labels(path, wanted):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["values"] == wanted:
                yield row["region_id"], row["chrom"], int(row["start"])


def smooth(values, around):
    kernel = np.ones(around)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def interval(values, seed):
    random = np.random.default_rng(seed)
    means = [values[random.integers(0, len(values), len(values))].mean() for _ in range(1000)]
    return values.mean(), *np.quantile(means, [0.025, 0.975])


def share_below(values, at):
    return (values < values[at]).mean() + (values == values[at]).mean() / 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--values", default="activating,neutral")
    parser.add_argument("--chroms", help="only these, joined by commas")
    parser.add_argument("--around", type=int, default=5)
    parser.add_argument("tracks", nargs="+")
    args = parser.parse_args()
    regions = {}
    with open(args.regions) as file:
        for line in file:
            chrom, start, end, name = line.split()[:4]
            regions[name] = chrom, int(start), int(end)
    chroms = args.chroms.split(",") if args.chroms else None
    print("track\tclass\tregions\tstatistic\tmean\tlow\thigh")
    for track in args.tracks:
        name, path = track.split("=", 1)
        bigwig = pyBigWig.open(path)
        for wanted in args.values.split(","):
            rows = []
            offsets = []
            for region, chrom, base in labels(args.labels, wanted):
                if region not in regions or (chroms and chrom not in chroms):
                    continue
                _, start, end = regions[region]
                values = np.array(bigwig.values(chrom, start, end))
                missing = np.isnan(values)
                if not start <= base < end or missing.mean() > 0.1:
                    continue
                # At the ends of a region, where no window of the lattice reaches.
                values[missing] = 0
                offsets.append(base - start)
                rows.append((values, base - start))
            # Where labels can lie in a region.
            grid = np.unique(offsets)
            tops = [np.argmax(np.abs(values)) for values, _ in rows]
            others = np.random.default_rng(1).permutation(tops)
            found = []
            for (values, at), other in zip(rows, others):
                top = np.argmax(np.abs(values))
                size = smooth(np.abs(values), args.around)
                signed = smooth(values, args.around)
                found.append((
                    abs(top - at),
                    np.abs(top - grid).mean(),
                    abs(other - at),
                    share_below(size[grid], np.searchsorted(grid, at)),
                    share_below(signed[grid], np.searchsorted(grid, at)),
                ))
            found = np.array(found, float)
            for i, statistic in enumerate(["distance", "random", "other", "rank", "signed"]):
                mean, low, high = interval(found[:, i], 1)
                print(f"{name}\t{wanted}\t{len(found)}\t{statistic}\t{mean:.3f}\t{low:.3f}\t{high:.3f}")
            nearer = interval(found[:, 2] - found[:, 0], 1)
            print(f"{name}\t{wanted}\t{len(found)}\tnearer\t" + "\t".join(f"{v:.3f}" for v in nearer))


if __name__ == "__main__":
    main()
