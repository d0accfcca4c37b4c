"""Attribution methods beside measurements: which says best what a change does, and where what matters lies?

    python3 scripts/compare_methods.py effects --measured kircher.vcf.gz NAME=results ...
    python3 scripts/compare_methods.py snps --snps siphy.bed --task HepG2_minP NAME=results ...

effects: results are folders of `mpra-score --saturation` over the elements; of every measured single-base change
(INFO/ELEM, INFO/EFF, INFO/BC) the predicted effect is what the method says of the alternative less what it says of the reference base:
of ISM the effect of the change, of others the difference of contributions. r by element, task and method, with 95% bootstrap intervals
over positions.

snps: does the size of a track (TASK.importance.bw, or .METHOD.bw) tell SNPs that are conserved (column 5 of the BED is 1) from others
in regions? AUC with 95% bootstrap intervals.
"""
import argparse
import csv
import glob
import gzip

import numpy as np
import pyBigWig

LETTERS = "ACGT"


def measured(path, least):
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.startswith("#"):
                continue
            contig, position, _, ref, alt, _, _, info = line.rstrip("\n").split("\t")[:8]
            info = dict(pair.split("=") for pair in info.split(";") if "=" in pair)
            if len(ref) == len(alt) == 1 and int(info.get("BC", least)) >= least:
                yield info["ELEM"], contig, int(position) - 1, ref, alt, float(info["EFF"])


def pearson(x, y):
    return np.corrcoef(x, y)[0, 1] if len(x) > 2 else np.nan


def effects(args):
    changes = list(measured(args.measured, args.barcodes))
    print("| method | task | element | changes | r |\n|---|---|---|---|---|")
    for named in args.results:
        name, folder = named.split("=", 1)
        with open(f"{folder}/regions.tsv") as file:
            regions = list(csv.DictReader(file, delimiter="\t"))
        data = np.load(f"{folder}/saturation.npz")
        values = data["effects"] if "effects" in data else data["contributions"]
        for task, task_name in enumerate(data["tasks"]):
            for row, region in enumerate(regions):
                start, end = int(region["start"]), int(region["end"])
                found = []
                for element, contig, at, ref, alt, effect in changes:
                    if element != region["name"] or contig != region["contig"] or not start <= at < end:
                        continue
                    base = values[row, at - start, :, task]
                    found.append((at, base[LETTERS.index(alt)] - base[LETTERS.index(ref)], effect))
                at, x, y = (np.array(column) for column in zip(*found))
                known = np.isfinite(x)
                at, x, y = at[known], x[known], y[known]
                random = np.random.default_rng(1)
                places = np.unique(at)
                of = {place: np.flatnonzero(at == place) for place in places}
                drawn = []
                for _ in range(500):
                    rows = np.concatenate([of[p] for p in random.choice(places, len(places))])
                    drawn.append(pearson(x[rows], y[rows]))
                low, high = np.quantile(drawn, [0.025, 0.975])
                print(f"| {name} | {task_name.decode()} | {region['name']} | {len(x)} | {pearson(x, y):.3f} ({low:.3f} to {high:.3f}) |")


def auc(values, labels):
    order = values.argsort(kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(1, len(values) + 1)
    n = labels.sum()
    return (ranks[labels].sum() - n * (n + 1) / 2) / (n * (len(labels) - n))


def snps(args):
    with open(args.snps) as file:
        rows = [line.split("\t") for line in file]
    print("| method | SNPs | conserved | AUC |\n|---|---|---|---|")
    for named in args.results:
        name, folder = named.split("=", 1)
        tracks = [t for t in glob.glob(f"{folder}/{args.task}.*.bw") if ".activity." not in t]
        track = pyBigWig.open(tracks[0])
        values, labels = [], []
        for contig, start, _, _, conserved in rows:
            if contig in track.chroms() and int(start) < track.chroms()[contig]:
                value = track.values(contig, int(start), int(start) + 1)[0]
                if value == value:
                    values.append(abs(value))
                    labels.append(int(conserved) == 1)
        values, labels = np.array(values), np.array(labels)
        random = np.random.default_rng(1)
        drawn = []
        for _ in range(1000):
            some = random.integers(0, len(values), len(values))
            if 0 < labels[some].sum() < len(some):
                drawn.append(auc(values[some], labels[some]))
        low, high = np.quantile(drawn, [0.025, 0.975])
        print(f"| {name} | {len(values)} | {labels.sum()} | {auc(values, labels):.3f} ({low:.3f} to {high:.3f}) |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    of = kinds.add_parser("effects")
    of.add_argument("--measured", required=True)
    of.add_argument("--barcodes", type=int, default=10)
    of.add_argument("results", nargs="+")
    of.set_defaults(run=effects)
    of = kinds.add_parser("snps")
    of.add_argument("--snps", required=True)
    of.add_argument("--task", required=True)
    of.add_argument("results", nargs="+")
    of.set_defaults(run=snps)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
