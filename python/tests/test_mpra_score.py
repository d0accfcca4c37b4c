"""The Python module beside the command line and ONNX Runtime."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import onnxruntime
import polars
import pytest

import mpra_score
from mpra_score import Error, Model

ROOT = Path(__file__).resolve().parents[2]
FASTA = ROOT / "fixtures/genome.fa"
DEMO = ROOT / "fixtures/models/demo.onnx"
BASES = "ACGT"


def random_sequences(n: int, length: int, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(row) for row in np.array(list(BASES))[rng.integers(0, 4, (n, length))]]


def one_hot(sequences: list[str]) -> np.ndarray:
    return np.array([[[float(c == b) for c in s] for b in BASES] for s in sequences], np.float32)


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mpra_score._cli", *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.open(DEMO, threads=2)


def network(x: np.ndarray) -> np.ndarray:
    """The model by ONNX Runtime alone; x: [n, 4, length]."""
    session = onnxruntime.InferenceSession(DEMO)
    given = session.get_inputs()[0]
    columns = given.shape[1] if given.shape[2] == 4 else given.shape[2]
    # The window lies in the middle of a longer input.
    whole = np.zeros((len(x), 4, columns), np.float32)
    offset = (columns - x.shape[2]) // 2
    whole[:, :, offset : offset + x.shape[2]] = x
    return session.run(None, {given.name: whole if given.shape[1] == 4 else whole.transpose(0, 2, 1)})[0]


def test_predictions_and_effects_are_the_models(model: Model) -> None:
    sequences = random_sequences(3, model.window)
    x = one_hot(sequences)
    expected = network(x)
    assert np.abs(model.predict(sequences) - expected).max() < 1e-5
    found = model.saturation(sequences)
    assert found.effects.shape == (3, len(model.tasks), 4, model.window)
    for base in (0, 17, model.window - 1):
        for letter in range(4):
            mutant = x.copy()
            mutant[:, :, base] = 0
            mutant[:, letter, base] = 1
            assert np.abs(found.effects[:, :, letter, base] - (network(mutant) - expected)).max() < 1e-5
    assert np.abs(found.mutants[:, 2, 5] - found.reference - found.effects[:, :, 2, 5]).max() < 1e-6
    # Importance is the largest of reference - mutant, with its sign.
    losses = -found.effects
    largest = np.abs(losses).max(2)
    assert np.abs(np.abs(found.importance) - largest).max() < 2e-5
    assert np.array_equal(found.importance, model.importance(sequences))


def test_results_are_the_command_lines(model: Model, tmp_path: Path) -> None:
    sequences = random_sequences(5, model.window + 60, seed=2)
    fasta = tmp_path / "s.fa"
    fasta.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(sequences)))
    done = command("predict", fasta, "--model", DEMO, "--saturation", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = mpra_score.Table.read(tmp_path / "out/predictions.tsv")
    activities = model.predict(sequences)
    found = model.saturation(sequences)
    assert np.array_equal(found.reference, activities)
    for t, task in enumerate(model.tasks):
        assert np.array_equal(np.float32(table[f"{task}.mean_activity"]), activities[:, t])
    with np.load(tmp_path / "out/saturation.npz") as saved:
        assert np.array_equal(saved["effects"], found.effects.transpose(0, 3, 2, 1), equal_nan=True)


def test_threads_engines_and_strands(model: Model) -> None:
    sequences = random_sequences(4, model.window, seed=3)
    found = model.saturation(sequences)
    alone = Model.open(DEMO, threads=1).saturation(sequences)
    assert np.array_equal(found.effects, alone.effects)
    full = Model.open(DEMO, engine="full", batch=7)
    assert full.info["engine"] == "full" and model.info["engine"] == "fast"
    assert np.abs(full.saturation(sequences).effects - found.effects).max() < 1e-5
    both = Model.open(DEMO, strand="both")
    turned = [s[::-1].translate(str.maketrans("ACGT", "TGCA")) for s in sequences]
    assert np.abs(both.predict(sequences) - (model.predict(sequences) + model.predict(turned)) / 2).max() < 1e-5
    ensemble = Model.open(["default", "paper"])
    one, two = Model.open("default"), Model.open("paper")
    mean = (one.predict(sequences) + two.predict(sequences)) / 2
    assert ensemble.info["members"] == 2 and np.abs(ensemble.predict(sequences) - mean).max() < 1e-5


class Tensor:
    """What gives an array by __array__ alone."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.values


class ByDlpack:
    """What gives an array by DLPack alone, as torch's tensors do."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **options: object) -> object:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


def test_contributions(model: Model) -> None:
    sequences = random_sequences(4, model.window)
    x = one_hot(sequences)
    reference = np.full((4, 1, *x.shape[1:]), 0.25, np.float32)
    found = model.contributions(sequences, references=reference)
    assert found.shape == (4, len(model.tasks), 4, model.window)
    np.testing.assert_allclose(found, model.contributions(sequences, references="uniform"), atol=1e-6)
    # They add up to the difference of activities.
    difference = network(x) - network(reference[:, 0])
    np.testing.assert_allclose((found * x[:, None]).sum((2, 3)), difference, atol=1e-4)
    # Two references are their mean.
    zeros = np.zeros_like(reference)
    both = model.contributions(sequences, references=np.concatenate([reference, zeros], 1))
    np.testing.assert_allclose(both, 0.5 * (found + model.contributions(sequences, references="zeros")), atol=1e-6)
    # By the path, too, up to the quadrature.
    path = model.contributions(sequences, "integrated-gradients", steps=300)
    np.testing.assert_allclose((path * x[:, None]).sum((2, 3)), difference, atol=0.05)
    again = model.contributions(sequences, shuffles=3, seed=7)
    np.testing.assert_array_equal(again, Model.open(DEMO, threads=1).contributions(sequences, shuffles=3, seed=7))
    longer = random_sequences(1, model.window + 10)
    assert np.isfinite(model.contributions(longer, "gradient-input")).all()
    with pytest.raises(Error, match="references"):
        model.contributions(longer, references=reference[:1])
    with pytest.raises(ValueError, match="deeplift"):
        model.contributions(sequences, "saliency")


def test_tables_of_kmers(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    weights = {a + b + c: round(float(rng.normal()), 3) for a in BASES for b in BASES for c in BASES}
    table = tmp_path / "weights.tsv"
    table.write_text("".join(f"{kmer}\t{weight}\n" for kmer, weight in weights.items()))

    def score(sequence: str) -> float:
        return sum(weights[sequence[i : i + 3]] for i in range(len(sequence) - 2))

    model = Model.open(table, threads=2)
    sequences = random_sequences(4, model.window)
    expected = np.array([[score(s)] for s in sequences])
    assert np.abs(model.predict(sequences) - expected).max() < 1e-4
    found = model.saturation(sequences)
    for base in (0, 1, 70, model.window - 1):
        for letter in range(4):
            mutants = [s[:base] + BASES[letter] + s[base + 1 :] for s in sequences]
            effects = np.array([score(m) for m in mutants]) - expected[:, 0]
            assert np.abs(found.effects[:, 0, letter, base] - effects).max() < 1e-4


def test_sequences_as_people_have_them(model: Model) -> None:
    sequences = random_sequences(2, model.window, seed=4)
    expected = model.predict(sequences)
    x = one_hot(sequences)
    for given in (
        x, x.astype(np.float64), x.astype(np.int8), x.astype(bool), x.transpose(0, 2, 1), np.asfortranarray(x),
        Tensor(x), ByDlpack(x), np.array(sequences), tuple(sequences), [s.lower() for s in sequences],
    ):
        assert np.array_equal(model.predict(given), expected), type(given)
    assert np.array_equal(model.predict(sequences[0]), expected[:1])
    assert np.array_equal(model.predict(x[0]), expected[:1])
    # Unknown bases: every window of a sequence as long as one has them.
    unknown = x.copy()
    unknown[:, :, 3] = 0
    assert np.isnan(model.predict(unknown)).all()
    unknown[:, :, 3] = 0.25
    assert np.isnan(model.predict(unknown)).all()
    assert model.predict([]).shape == (0, len(model.tasks))
    for bad in (x[:, :3], np.zeros((2, 5, 6)), x * 2, [sequences[0], "ACG"], ["AC!T"], 7, ["é" * model.window]):
        with pytest.raises((ValueError, TypeError)):
            model.predict(bad)


def test_errors_have_the_programs_words(model: Model, tmp_path: Path) -> None:
    with pytest.raises(Error, match="shorter than the model's window") as short:
        model.predict(["ACGT"])
    assert short.value.hint is None
    with pytest.raises(Error, match="nothing.onnx"):
        Model.open(tmp_path / "nothing.onnx")
    with pytest.raises(ValueError, match="engine"):
        Model.open(DEMO, engine="faster")
    bed = tmp_path / "r.bed"
    bed.write_text("chr1\t0\t9999\n")
    with pytest.raises(Error, match="reaches past the end of chr1") as past:
        mpra_score.score(bed, FASTA, tmp_path / "o", model=DEMO)
    assert past.value.hint and "--skip-invalid" in past.value.hint
    assert not (tmp_path / "o").exists()
    with pytest.raises(Error, match="unexpected argument"):
        mpra_score.score(bed, FASTA, tmp_path / "o", colour="red")
    done = command("--bed", bed, "--fasta", FASTA, "--out", tmp_path / "o", "--model", DEMO)
    assert done.returncode == 1 and str(past.value).splitlines()[0] in done.stderr
    with pytest.raises(Error):
        model.saturation(random_sequences(1, model.window), stride=0)


def test_jobs_write_what_the_command_line_does(tmp_path: Path) -> None:
    words = ["--bed", ROOT / "fixtures/regions.bed", "--fasta", FASTA, "--model", DEMO, "--skip-invalid", "--format", "bigwig,bedgraph"]
    assert command(*words, "--out", tmp_path / "a").returncode == 0
    results = mpra_score.score(
        ROOT / "fixtures/regions.bed", FASTA, tmp_path / "b", model=DEMO, skip_invalid=True, format=["bigwig", "bedgraph"]
    )
    names = [p.name for p in results.files if p.name != "run.json"]
    assert len(names) > 8
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert results.run["job"] == "score" and results.run["settings"]["tasks"]
    table = results.table("regions.tsv")
    frame = polars.DataFrame(table)
    assert frame.shape == (len(table), len(table.column_names)) and frame["start"].dtype == polars.Int64
    assert frame["name"].to_list() == table["name"]
    task = results.run["settings"]["tasks"][0]
    column = table[f"{task}.mean_activity"]
    assert np.array_equal(frame[f"{task}.mean_activity"].to_numpy(), column, equal_nan=True) and np.isnan(column).any()
    with pytest.raises(KeyError, match="the columns are"):
        table["nothing"]
    mpra_score.report(results.folder)
    assert (results.folder / "report.html").stat().st_size > 10_000
    # A second job in the same process, and one that fails, leave the next as they found it.
    with pytest.raises(Error, match="--force"):
        mpra_score.score(ROOT / "fixtures/regions.bed", FASTA, tmp_path / "b", model=DEMO)


def test_variants(model: Model) -> None:
    genome = "".join(FASTA.read_text().split(">")[1].split("\n")[1:]).upper()
    at = 1100
    ref = genome[at - 1]
    alts = [b for b in BASES if b != ref]
    rows = [("chr1", at, ref, alt) for alt in alts] + [("chr1", at, "N" if ref == "A" else "A", "T"), ("chr9", 5, "A", "C")]
    rows += rows[:1]
    table = model.variant_effects(rows, FASTA, background="none")
    assert len(table) == 6 and table["alt"][:3] == alts and table["status"][:3] == ["ok"] * 3
    assert table["status"][3] != "ok" and table["status"][4] != "ok"
    for task in model.tasks:
        effects = table[task]
        assert np.isfinite(effects[:3]).all() and np.isnan(effects[3:5]).all() and effects[5] == effects[0]
    with pytest.raises(ValueError, match="a tab"):
        model.variant_effects([("chr1\t", 1, "A", "C")], FASTA)


def test_notebooks_and_modisco(model: Model, tmp_path: Path) -> None:
    found = model.saturation(random_sequences(5, model.window, seed=6))
    html = found._repr_html_()
    drawn = ET.fromstring(html)
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}svg"))) == 3 and "and 2 more" in html
    found.tasks = ["<script>alert(1)</script>\"&", *found.tasks[1:]]
    ET.fromstring(found._repr_html_())
    assert "<script>" not in found._repr_html_()
    assert len(found[1:3]) == 2 and len(list(found)) == 5 and found[-1].sequences == found.sequences[-1:]
    with pytest.raises(IndexError):
        found[5]
    found.save_modisco(tmp_path / "s.npz", tmp_path / "a.npz", 1)
    with np.load(tmp_path / "s.npz") as s, np.load(tmp_path / "a.npz") as a:
        assert s["arr_0"].shape == a["arr_0"].shape == (5, 4, model.window)
        assert np.abs(a["arr_0"].sum(1)).max() < 1e-5
    with pytest.raises(KeyError, match="the tasks are"):
        found.hypothetical("nothing")


def test_other_threads_run_meanwhile() -> None:
    model = Model.open(DEMO, engine="full", threads=1)
    sequences = random_sequences(2, model.window + 100, seed=7)
    done = threading.Event()

    def work() -> None:
        model.saturation(sequences, stride=20)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    ticks = 0
    while not done.is_set():
        time.sleep(0.005)
        ticks += 1
    thread.join()
    assert ticks > 3, "the interpreter was locked"


ENDLESS = """
import sys, threading, os, signal, time
import mpra_score
model = mpra_score.Model.open(sys.argv[1], engine="full", threads=1)
print("ready", flush=True)
try:
    model.saturation(["ACGT" * 2000] * 50, stride=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""


def test_interrupts() -> None:
    job = subprocess.Popen([sys.executable, "-c", ENDLESS, DEMO], stdout=subprocess.PIPE, text=True)
    assert job.stdout and job.stdout.readline() == "ready\n"
    time.sleep(0.5)
    job.send_signal(signal.SIGINT)
    assert job.wait(timeout=60) == 7 and job.stdout.read() == "interrupted\n"


def test_the_command() -> None:
    done = command("--version")
    assert done.returncode == 0 and done.stdout.strip() == f"mpra-score {mpra_score.__version__}"
    assert command("--nothing").returncode == 2
    info = command("model", "info", DEMO)
    assert info.returncode == 0 and "window" in info.stdout


def test_types() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, ROOT / "python/mpra_score"],
        capture_output=True, text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_examples_of_the_docs() -> None:
    import doctest

    assert doctest.testmod(mpra_score).failed == 0
    assert json.dumps(Model.open("default").info)
