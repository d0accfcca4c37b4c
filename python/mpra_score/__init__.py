"""Base-resolution regulatory activity and importance from MPRA sequence models.

>>> import mpra_score
>>> model = mpra_score.Model.open("default")
>>> found = model.saturation(["ACGT" * 40])
>>> found.effects.shape        # sequences, tasks, A C G T, bases
(1, 4, 4, 160)

Sequences are strings or one-hot arrays (NumPy, torch, JAX). Jobs from files to files, such as `score` and `variants`, are those of the
command `mpra-score`, with its flags as keywords. What cannot be done raises `Error`, with the program's words.
"""

from ._core import Error, Table, __version__
from ._jobs import Results, dataset, evaluate, fdr, merge, overlap, report, run, score, sharpr, train, variants
from ._model import Model, Saturation

__all__ = [
    "Error",
    "Model",
    "Results",
    "Saturation",
    "Table",
    "__version__",
    "dataset",
    "evaluate",
    "fdr",
    "merge",
    "overlap",
    "report",
    "run",
    "score",
    "sharpr",
    "train",
    "variants",
]
