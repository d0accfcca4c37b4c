"""The program's jobs, from files to files: the same words, checks and bytes as on the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import _core, _runtime

File = str | os.PathLike[str]


def _words(options: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, Iterable) and not isinstance(value, str | bytes | os.PathLike):
            for each in value:
                words += [flag, os.fspath(each) if isinstance(each, os.PathLike) else str(each)]
        else:
            words += [flag, os.fspath(value) if isinstance(value, os.PathLike) else str(value)]
    return words


def run(*command: str | os.PathLike[str], quiet: bool = True, **options: Any) -> None:
    """Runs a command of the program: `run("overlap", "enrichment", scores=["a=a.bw"], annotation="p.bed", out="o")`.

    Options are flags with `_` for `-`: True is a flag alone, a list a flag for each, None and False none. Ctrl-C ends
    it. `quiet`: without progress and summary on standard error.

    Raises `mpra_score.Error` with the program's words, and its `hint`.
    """
    _runtime.use()
    words = [os.fspath(c) for c in command] + _words(options)
    _core.run(words + (["--quiet"] if quiet else []))


class Results:
    """A folder of results."""

    def __init__(self, folder: File) -> None:
        self.folder = Path(folder)

    @property
    def run(self) -> dict[str, Any]:
        """`run.json`: what was run, on what, with what."""
        return json.loads((self.folder / "run.json").read_text())  # type: ignore[no-any-return]

    @property
    def files(self) -> list[Path]:
        """The files that the job wrote."""
        return [self.folder / name for name in self.run["outputs"]]

    def table(self, name: str) -> _core.Table:
        """A table of the folder, such as `regions.tsv`."""
        return _core.Table.read(self.folder / name)

    def __repr__(self) -> str:
        return f"Results({os.fspath(self.folder)!r})"


def _into(out: File, *command: File, **options: Any) -> Results:
    """Runs a job that writes a folder."""
    run(*command, out=out, **options)
    return Results(out)


def score(bed: File, fasta: File, out: File, **options: Any) -> Results:
    """The main job, `mpra-score score`: activity and importance tracks of regions, `regions.tsv`."""
    return _into(out, "score", bed=bed, fasta=fasta, **options)


def variants(vcf: File, fasta: File, out: File, **options: Any) -> Path:
    """`mpra-score variants`: a scored VCF or BCF; with `table=FILE` also the ranking."""
    run("variants", vcf=vcf, fasta=fasta, out=out, **options)
    return Path(out)


def overlap(kind: str, out: File, **options: Any) -> Results:
    """`mpra-score overlap KIND`: "enrichment", "by-name", "profile" or "correlate"."""
    return _into(out, "overlap", kind, **options)


def evaluate(out: File, **options: Any) -> Results:
    """`mpra-score evaluate`: predictions against measurements."""
    return _into(out, "evaluate", **options)


def train(out: File, **options: Any) -> Results:
    """`mpra-score train`: a network fitted to measured sequences, exported as ONNX."""
    return _into(out, "train", **options)


def sharpr(out: File, **options: Any) -> Results:
    """`mpra-score sharpr`: activities of bases from tiled constructs."""
    return _into(out, "sharpr", **options)


def dataset(out: File, **options: Any) -> Results:
    """`mpra-score dataset`: training examples from counts."""
    return _into(out, "dataset", **options)


def fdr(out: File, **options: Any) -> Results:
    """`mpra-score fdr`: q-values with scores as side information."""
    return _into(out, "fdr", **options)


def report(*results: File, **options: Any) -> None:
    """`mpra-score report`: a page that shows results."""
    run("report", *results, **options)


def merge(*shards: File, out: File, **options: Any) -> Results:
    """`mpra-score merge`: one result of the shards of a job."""
    return _into(out, "merge", *shards, **options)
