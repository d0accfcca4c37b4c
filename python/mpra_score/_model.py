"""Models, and what they say of sequences in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core, _html, _jobs, _runtime
from ._sequences import Codes, codes, text

Floats = npt.NDArray[np.float32]
File = str | os.PathLike[str]


class Model:
    """A model: activities of sequences, the effects of all their changes, importance. Made by `Model.open`."""

    def __init__(self, scorer: _core.Scorer, names: list[str], flags: dict[str, Any]) -> None:
        self._scorer = scorer
        self._names = names
        self._flags = flags
        self._info = {"model": ", ".join(names), **scorer.info()}

    @classmethod
    def open(
        cls,
        model: File | Sequence[File] = "default",
        *,
        threads: int | None = None,
        engine: str = "auto",
        strand: str = "forward",
        batch: int = 16,
        alphabet: str | None = None,
        task_names: Sequence[str] | None = None,
        frame: int | tuple[int, int] | None = None,
        output: str | None = None,
        reduce: str | None = None,
        max_unknown: float | None = None,
    ) -> Model:
        """Opens a model.

        `model`: an ONNX file, a table of k-mers, a gkm-SVM model, or the name of one that the program carries ("default", "paper", "distilled"); several are an
        ensemble, whose mean is given. `threads`: all cores where None. `engine`: "auto", "fast" or "full". `strand`: "forward",
        or "both" for the mean with the reverse complement. The others are the flags of `mpra-score score`: what the model's file does not say.

        Raises `mpra_score.Error`.
        """
        several = [model] if isinstance(model, str | os.PathLike) else list(model)
        names = [os.fspath(m) for m in several]
        frames = None if frame is None else (frame, None) if isinstance(frame, int) else (frame[0], frame[1])
        options: dict[str, Any] = {
            "alphabet": alphabet,
            "task_names": None if task_names is None else list(task_names),
            "frame": frames,
            "output": output,
            "reduce": reduce,
            "max_unknown": max_unknown,
        }
        threads = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads or os.cpu_count() or 1
        scorer = _core.Scorer(
            names, threads=threads, engine=engine, strand=strand, batch=batch, ort_lib=_runtime.find(), **options
        )
        flags = {"model": ",".join(names), "threads": threads, "engine": engine, "strand": strand, "batch": batch, **options}
        if frames is not None:
            flags["frame"] = str(frames[0]) if frames[1] is None else f"{frames[0]}:{frames[1]}"
        return cls(scorer, names, flags)

    @property
    def info(self) -> dict[str, Any]:
        """What is known of it: window, tasks, engine, sha256, ..."""
        return dict(self._info)

    @property
    def window(self) -> int:
        """Bases in a window."""
        return int(self._info["window"])

    @property
    def tasks(self) -> list[str]:
        """Names of the activities."""
        return list(self._info["tasks"])

    def __repr__(self) -> str:
        return f"Model({self._info['model']}, window {self.window}, tasks {', '.join(self.tasks)}, engine {self._info['engine']})"

    def _stride(self, stride: int | None) -> int:
        return min(5, self.window) if stride is None else stride

    def predict(self, sequences: Any, *, stride: int | None = None) -> Floats:
        """Activities `[n, tasks]`: of sequences longer than a window the mean over windows `stride` bases apart (5
        where None, as `mpra-score predict`), the first at the first base; NaN where every window has unknown bases.

        `sequences`: strings, or one-hot `[n, 4, length]` or `[n, length, 4]`.
        """
        return self._scorer.activities(codes(sequences), self._stride(stride))

    def importance(self, sequences: Any, *, stride: int | None = None) -> Floats:
        """Importance `[n, tasks, length]` of each base: among its three changes the difference reference - mutant that is largest
        in absolute value, with its sign; positive where the base drives expression. The mean over windows that hold the base; NaN
        where there is none.
        """
        _, importance = self._scorer.importance(codes(sequences), self._stride(stride))
        return importance.transpose(0, 2, 1)

    def saturation(self, sequences: Any, *, stride: int | None = None) -> Saturation:
        """The effects of every change of every base: in-silico mutagenesis."""
        found = codes(sequences)
        reference, importance, effects = self._scorer.effects(found, self._stride(stride))
        return Saturation(self.tasks, found, reference, importance.transpose(0, 2, 1), effects.transpose(0, 3, 2, 1))

    def contributions(
        self,
        sequences: Any,
        method: str = "deeplift",
        *,
        references: str | npt.ArrayLike | None = None,
        shuffles: int = 20,
        seed: int = 1,
        steps: int = 50,
        stride: int | None = None,
    ) -> Floats:
        """Hypothetical contributions `[n, tasks, 4, length]`: of every letter in the place of every base, its share in what the activity
        is above that of references. Times the one-hot sequence they are the contributions of its bases, which add up to the
        difference of activities (of "gradient-input" they do not).

        `method`: "deeplift" (the rescale rule; over several references also called DeepSHAP), "integrated-gradients" (at `steps` points of
        a Gauss-Legendre rule) or "gradient-input". `references`: "zeros", "uniform" (a quarter of each letter), "gc", "shuffles"
        (`shuffles` of them, which keep the pairs of neighbours; by `seed`), or an array `[n, references, 4, length]` for sequences as long as
        a window, of the forward strand; "shuffles" for deeplift and "uniform" for integrated gradients where None. Sequences longer than a
        window: the mean over windows `stride` bases apart.
        """
        found = codes(sequences)
        given: Floats | None = None
        if references is not None and not isinstance(references, str):
            given = np.ascontiguousarray(np.asarray(references, np.float32).transpose(0, 1, 3, 2))
        kind = references if isinstance(references, str) else "uniform" if method == "integrated-gradients" else "shuffles"
        values = self._scorer.contributions(found, self._stride(stride), method, steps, kind, shuffles, seed, given)
        return values.transpose(0, 3, 2, 1)

    def variant_effects(
        self, variants: Iterable[tuple[str, int, str, str]], fasta: File, **options: Any
    ) -> _core.Table:
        """Effects of variants, `(contig, position from 1, REF, ALT)`, a row each in their order: `contig`, `pos`, `ref`, `alt`, and for
        each task `<task>` (activity of ALT - activity of REF), `<task>.p` where there is a background, and `status`.

        `options`: flags of `mpra-score variants`, such as `background="none"` for effects without p-values.
        """
        rows = list(variants)
        with tempfile.TemporaryDirectory() as scratch:
            given, scored, table = (Path(scratch) / name for name in ("in.vcf", "out.vcf", "table.tsv"))
            lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
            for contig, at, ref, alt in rows:
                if any(c in str(field) for field in (contig, ref, alt) for c in "\t\n\r"):
                    raise ValueError(f"variant {(contig, at, ref, alt)}: a tab or a line end")
                lines.append(f"{contig}\t{int(at)}\t.\t{ref}\t{alt}\t.\t.\t.")
            given.write_text("\n".join(lines) + "\n")
            _jobs.run("variants", vcf=given, fasta=fasta, out=scored, **self._flags | options)
            table.write_text(_variants_table(scored, self.tasks))
            return _core.Table.read(table)


def _variants_table(vcf: Path, tasks: list[str]) -> str:
    """The records of a scored VCF, of one ALT each, as a table."""
    records = []
    for line in vcf.read_text().splitlines():
        if not line.startswith("#"):
            cells = line.split("\t")
            records.append((cells, dict(f.partition("=")[::2] for f in cells[7].split(";"))))
    with_p = any(key.startswith("MPRA_P") for _, fields in records for key in fields)
    header = ["contig", "pos", "ref", "alt", "status"]
    for task in tasks:
        header += [task, *([f"{task}.p"] if with_p else [])]
    out = ["\t".join(header)]
    for cells, fields in records:
        row = [cells[0], cells[1], cells[3], cells[4], fields.get("MPRA_SKIP", "ok")]
        for task in tasks:
            row.append(_number(fields.get(f"MPRA_{task}")))
            if with_p:
                row.append(_number(fields.get(f"MPRA_P_{task}")))
        out.append("\t".join(row))
    return "\n".join(out) + "\n"


def _number(value: str | None) -> str:
    return "NA" if value in (None, ".", "") else str(value)


class Saturation:
    """The effects of every change of every base of some sequences.

    - `tasks`: names of the activities.
    - `codes`: `[n, length]`, 0 to 3 for A, C, G, T, 4 unknown.
    - `reference`: activities of the sequences as they are, `[n, tasks]`.
    - `effects`: mutant - reference, `[n, tasks, 4, length]` (A, C, G, T; 0 for the base that is there; NaN where there is none).
    - `importance`: `[n, tasks, length]`.

    Shown in a notebook it draws letters as high as importance, and the map of all changes.
    """

    def __init__(self, tasks: list[str], codes: Codes, reference: Floats, importance: Floats, effects: Floats) -> None:
        self.tasks = tasks
        self.codes = codes
        self.reference = reference
        self.importance = importance
        self.effects = effects

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, which: int | slice) -> Saturation:
        if isinstance(which, int):
            if not -len(self) <= which < len(self):
                raise IndexError(f"sequence {which} of {len(self)}")
            which = slice(which, which + 1 or None)
        return Saturation(
            self.tasks, self.codes[which], self.reference[which], self.importance[which], self.effects[which]
        )

    def __iter__(self) -> Iterator[Saturation]:
        return (self[i] for i in range(len(self)))

    @property
    def sequences(self) -> list[str]:
        """The sequences, as letters."""
        return [text(row) for row in self.codes]

    @property
    def one_hot(self) -> Floats:
        """`[n, 4, length]`; zeros for unknown bases."""
        one_hot: Floats = (self.codes[:, None, :] == np.arange(4, dtype=np.uint8)[None, :, None]).astype(np.float32)
        return one_hot

    @property
    def mutants(self) -> Floats:
        """Activities of the mutants, `[n, 4, length, tasks]`, as tangermeme's `saturation_mutagenesis(raw_outputs=True)` has them."""
        mutants: Floats = (self.reference[:, :, None, None] + self.effects).transpose(0, 2, 3, 1)
        return mutants

    def _task(self, task: str | int) -> int:
        if isinstance(task, str):
            if task not in self.tasks:
                raise KeyError(f"{task!r}; the tasks are {', '.join(self.tasks)}")
            return self.tasks.index(task)
        return range(len(self.tasks))[task]

    def hypothetical(self, task: str | int) -> Floats:
        """Hypothetical contributions of a task, `[n, 4, length]`, as TF-MoDISco takes them: effects less their mean over the four
        bases; 0 where there is none.
        """
        effects = np.nan_to_num(self.effects[:, self._task(task)])
        centred: Floats = effects - effects.mean(1, keepdims=True)
        return centred

    def save_modisco(self, sequences: File, contributions: File, task: str | int) -> None:
        """Writes the two files of `modisco motifs -s SEQUENCES -a CONTRIBUTIONS` (`.npz`)."""
        np.savez_compressed(sequences, self.one_hot)
        np.savez_compressed(contributions, self.hypothetical(task))

    def __repr__(self) -> str:
        n, length = self.codes.shape
        return f"Saturation of {n} sequence(s) of {length} bases, tasks {', '.join(self.tasks)}"

    def _repr_html_(self) -> str:
        return _html.saturation(self)
