"""What the RNA counts of Sharpr-MPRA's scale-up say without their DNA; docs/results.md.

    scaleup_rna.py COUNTS LABELS_HEPG2 LABELS_K562 [TILES.tsv.gz]

COUNTS is a table of tiles (id, design, chrom, start, end, seq, and columns of counts); LABELS have
region_id and values. Prints figures by regions; with TILES writes a source of `values` for `mpra-score
train --recipe`: every third tile of a region, the mean of five neighbours' log2 of RNA. Regions of the
chromosomes that are kept apart (chr5, chr8, chr18) are left out of it. Needs numpy, pandas, scikit-learn.
"""

import re
import sys

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

CELLS = {"H": ["HepG2_minP_r1", "HepG2_minP_r2"], "K": ["K562_minP_r1", "K562_minP_r2"], "S": ["K562_SV40P_r1"]}
APART = ["chr5", "chr8", "chr18"]
TEST = ["chr2", "chr7", "chr12"]


def log_levels(tiles):
    """log2(counts per million / 2 + 1), centred by design; replicates' means under the cells' letters."""
    for columns in CELLS.values():
        for column in columns:
            of_design = tiles.groupby("design")[column].transform("sum")
            level = np.log2(tiles[column] / of_design * 5e5 + 1)
            tiles["log_" + column] = level - level.groupby(tiles["design"]).transform("mean")
    for cell, columns in CELLS.items():
        tiles[cell] = tiles[["log_" + c for c in columns]].mean(axis=1)


def within_strata(positive, score, gc, strata=20):
    """AUROC over pairs of like GC."""
    stratum = pd.qcut(gc, strata, labels=False, duplicates="drop")
    total = pairs = 0
    for s in range(strata):
        here = stratum == s
        n = positive[here].sum() * (~positive[here]).sum()
        if n:
            total += n * roc_auc_score(positive[here], score[here])
            pairs += n
    return total / pairs


def main(counts, labels_hepg2, labels_k562, out=None):
    tiles = pd.read_csv(counts, sep="\t")
    # CELL_STATE_ID_TILE_CHROM_CENTER: a region's name is that without the tile's number.
    tiles["region"] = [re.sub(r"^([^_]+_\d+_\d+)_\d+_", r"\1_", name) for name in tiles["id"]]
    log_levels(tiles)
    tiles["gc"] = tiles["seq"].str.count("[GC]") / tiles["seq"].str.len()
    for r in "12":
        tiles["ratio" + r] = tiles[f"log_HepG2_minP_r{r}"] - tiles[f"log_K562_minP_r{r}"]
    both = tiles.dropna(subset=["ratio1", "ratio2"])
    print(f"replicates of log2(HepG2/K562): {both.ratio1.corr(both.ratio2):.3f} by {len(both)} tiles", end=", ")
    mean = tiles.groupby("region")[["H", "K", "S", "gc", "ratio1", "ratio2"]].mean()
    chrom = tiles.groupby("region")["chrom"].first()
    by_region = mean.dropna(subset=["ratio1", "ratio2"])
    print(f"{by_region.ratio1.corr(by_region.ratio2):.3f} by {len(by_region)} regions")
    for cell, path in (("HepG2", labels_hepg2), ("K562", labels_k562)):
        labels = pd.read_csv(path, sep="\t").drop_duplicates("region_id").set_index("region_id")["values"]
        mean[cell] = labels.reindex(mean.index)
    for ratio in ("ratio1", "ratio2"):
        known = mean[mean[ratio].notna() & mean["HepG2"].isin(["activating", "neutral"])]
        apart = known[known["K562"].isin(["activating", "neutral"]) & (known["HepG2"] != known["K562"])]
        auroc = roc_auc_score(apart["HepG2"] == "activating", apart[ratio])
        print(f"active in HepG2 alone against K562 alone, {ratio}: AUROC {auroc:.3f} (n {len(apart)})")
    test = mean[chrom.reindex(mean.index).isin(TEST)]
    print(test[["H", "K", "S", "gc"]].corr().round(3).to_string())
    for level, cell in (("H", "HepG2"), ("K", "K562"), ("S", "K562")):
        known = test[test[level].notna() & test[cell].isin(["activating", "neutral"])]
        positive = known[cell] == "activating"
        strata = within_strata(positive, known[level], known["gc"])
        print(f"{level}, labels of {cell}: AUROC {roc_auc_score(positive, known[level]):.3f}, within GC strata {strata:.3f} (n {len(known)})")
    if out:
        tiles = tiles[~tiles["chrom"].isin(APART)].sort_values(["region", "start"])
        groups = tiles.groupby("region")
        for cell in CELLS:
            tiles[cell] = groups[cell].transform(lambda v: v.rolling(5, center=True, min_periods=2).mean())
        tiles = tiles[groups.cumcount() % 3 == 0]
        tiles[["region", "seq", *CELLS]].to_csv(out, sep="\t", index=False, na_rep="NA", float_format="%.4f")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
