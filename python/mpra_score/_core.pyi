from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

__version__: str

class Error(Exception):
    hint: str | None

class Scorer:
    def __new__(
        cls,
        models: Sequence[str | PathLike[str]],
        *,
        threads: int,
        engine: str,
        strand: str,
        batch: int,
        ort_lib: str | PathLike[str] | None = None,
        alphabet: str | None = None,
        task_names: Sequence[str] | None = None,
        frame: tuple[int, int | None] | None = None,
        output: str | None = None,
        reduce: str | None = None,
        max_unknown: float | None = None,
    ) -> Scorer: ...
    def info(self) -> dict[str, Any]: ...
    def activities(self, codes: npt.NDArray[np.uint8], stride: int) -> npt.NDArray[np.float32]: ...
    def importance(
        self, codes: npt.NDArray[np.uint8], stride: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
    def effects(
        self, codes: npt.NDArray[np.uint8], stride: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
    def contributions(
        self,
        codes: npt.NDArray[np.uint8],
        stride: int,
        method: str,
        steps: int,
        references: str,
        shuffles: int,
        seed: int,
        given: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]: ...

class Table:
    """Columns of whole numbers, numbers or text; taken by polars, pyarrow and pandas without a copy (Arrow's C stream)."""

    @staticmethod
    def read(path: str | PathLike[str]) -> Table: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def num_rows(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, name: str) -> Any: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

def run(words: Sequence[str]) -> None: ...
def main(words: Sequence[str]) -> int: ...
