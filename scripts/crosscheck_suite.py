"""`mpra-score evaluate --suite` on the fixtures against scikit-learn, scipy and numpy.

The statistics from `predictions.tsv.gz`; the model's predictions from Python onnxruntime; the k-mer
regression by scikit-learn's `Ridge`, its penalty chosen fold by fold.
"""

import csv
import gzip
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, roc_auc_score

WINDOW, STEP, K = 145, 5, 2
PENALTIES = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
MAP = {"A": "HepG2_minP", "C": "K562_minP"}


def table(path: Path) -> list[dict[str, str]]:
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def residuals(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones_like(z), z])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def figures(kind: str, measured: np.ndarray, x: np.ndarray, gc: np.ndarray, strata: np.ndarray) -> dict[str, float]:
    """What each statistic is, by other programs; nan where it is not defined."""
    if kind == "labels":
        right = pairs = 0.0
        for stratum in np.unique(strata):
            own = strata == stratum
            both = measured[own].sum() * (1 - measured[own]).sum()
            if both:
                right += both * roc_auc_score(measured[own], x[own])
                pairs += both
        return {
            "auroc": roc_auc_score(measured, x),
            "average_precision": average_precision_score(measured, x),
            "conditional_auroc": right / pairs,
        }
    found = {"pearson": pearsonr(x, measured).statistic, "spearman": spearmanr(x, measured).statistic}
    left = residuals(x, gc)
    found["partial_pearson"] = np.nan
    if np.abs(left).max() > 1e-9:
        found["partial_pearson"] = pearsonr(left, residuals(measured, gc)).statistic
    centred = [np.array([v - values[strata == s].mean() for v, s in zip(values, strata)]) for values in (x, measured)]
    found["stratum_pearson"] = np.nan
    if np.abs(centred[0]).max() > 1e-9:
        found["stratum_pearson"] = pearsonr(*centred).statistic
    if kind == "values":
        found["mse"] = np.mean((x - measured) ** 2)
    else:
        found["sign_agreement"] = np.mean(0.5 + 0.5 * np.sign(x) * np.sign(measured))
    return found


def shares(sequence: str) -> np.ndarray:
    words = ["".join(w) for w in product("ACGT", repeat=K)]
    other = {w: w[::-1].translate(str.maketrans("ACGT", "TGCA")) for w in words}
    pairs = sorted({min(w, other[w]) for w in words})
    counts = dict.fromkeys(pairs, 0.0)
    for i in range(len(sequence) - K + 1):
        word = sequence[i : i + K]
        counts[min(word, other[word])] += 1
    return np.array(list(counts.values())) / (len(sequence) - K + 1)


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> Ridge:
    trace = ((x - x.mean(axis=0)) ** 2).sum()
    return Ridge(alpha=penalty * trace / x.shape[1]).fit(x, y)


def out_of_fold(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    predictions = np.empty_like(y)
    for fold in np.unique(folds):
        rest = np.unique(folds[folds != fold])
        if len(rest) == 1:
            best = 1.0
        else:
            errors = []
            for penalty in PENALTIES:
                sse = 0.0
                for inner in rest:
                    known = (folds != fold) & (folds != inner)
                    model = ridge(x[known], y[known], penalty)
                    sse += ((y[folds == inner] - model.predict(x[folds == inner])) ** 2).sum()
                errors.append(sse)
            best = PENALTIES[int(np.argmin(errors))]
        model = ridge(x[folds != fold], y[folds != fold], best)
        predictions[folds == fold] = model.predict(x[folds == fold])
    return predictions


def close(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    return float(np.nanmax(np.abs(a - b), initial=0.0))


def run(program: Path, root: Path, scratch: Path, check, predict, tasks: list[str], genome: dict[str, str]) -> None:
    out = scratch / "judged"
    subprocess.run(
        [program, "evaluate", "-q", "--suite", root / "fixtures/suite/suite.toml", "--model",
         root / "fixtures/models/demo.onnx", "--map", ",".join(f"{a}={b}" for a, b in MAP.items()), "--out", out],
        check=True)
    rows = [r for r in table(out / "predictions.tsv.gz") if r["status"] == "ok"]
    judges = table(out / "judges.tsv")
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((row["judge"], row["cell"]), []).append(row)
    kinds = {r["judge"]: r["kind"] for r in judges}
    worst, compared = 0.0, 0
    for (judge, cell), own in groups.items():
        column = lambda name: np.array([float("nan" if r[name] == "NA" else r[name]) for r in own])
        for who in ("model", "gc", "kmer"):
            expected = figures(kinds[judge], column("measured"), column(who), column("gc"), column("stratum"))
            if who == "gc" and "mse" in expected:
                expected["mse"] = np.nan
            for row in judges:
                if (row["judge"], row["cell"], row["subset"], row["predictor"]) == (judge, cell, "all", who):
                    found = float("nan" if row["value"] == "NA" else row["value"])
                    worst = max(worst, close([found], [expected[row["statistic"]]]))
                    compared += 1
    check(f"{compared} figures of a suite as by scikit-learn and scipy (largest difference {worst:.1e})", worst < 1e-9 and compared > 60)

    letters = {r["name"]: r["sequence"] for r in table(root / "fixtures/suite/values.tsv")}
    worst_model = worst_kmer = 0.0
    for cell, task in MAP.items():
        own = groups["numbers", cell]
        x = np.stack([shares(letters[r["id"]]) for r in own])
        y = np.array([float(r["measured"]) for r in own])
        folds = np.array([int(r["fold"]) for r in own])
        found = np.array([float(r["kmer"]) for r in own])
        worst_kmer = max(worst_kmer, close(found, out_of_fold(x, y, folds)))
        for row in own:
            sequence = letters[row["id"]]
            windows = [sequence[i : i + WINDOW] for i in range(0, len(sequence) - WINDOW + 1, STEP)]
            expected = predict(windows)[:, tasks.index(task)].mean()
            worst_model = max(worst_model, abs(expected - float(row["model"])))
    check(f"mean predictions of sequences (largest difference {worst_model:.1e})", worst_model < 1e-5)
    check(f"k-mer regression as by scikit-learn's Ridge (largest difference {worst_kmer:.1e})", worst_kmer < 1e-6)

    worst = 0.0
    for row in groups["changes", "A"]:
        contig, position, reference, alternative = row["id"].split(":")
        start = int(position) - 1 - WINDOW // 2
        window = genome[contig][start : start + WINDOW]
        changed = window[: WINDOW // 2] + alternative + window[WINDOW // 2 + 1 :]
        assert window[WINDOW // 2] == reference
        before, after = predict([window, changed])[:, tasks.index(MAP["A"])]
        worst = max(worst, abs(after - before - float(row["model"])))
    check(f"effects of {len(groups['changes', 'A'])} alleles of a suite (largest difference {worst:.1e})", worst < 1e-5)
