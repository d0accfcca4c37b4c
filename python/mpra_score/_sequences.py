"""Sequences as users have them, as base codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]

_CODES = np.full(256, 255, np.uint8)
_CODES[[ord(c) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-"]] = 4
for _code, _pair in enumerate(("Aa", "Cc", "Gg", "Tt")):
    _CODES[[ord(c) for c in _pair]] = _code


def codes(sequences: Any) -> Codes:
    """Base codes `[n, length]`: 0 to 3 for A, C, G, T, 4 for what is unknown.

    `sequences`: a str or a sequence of str of one length; or one-hot `[n, 4, length]` or `[n, length, 4]` (rows or columns
    A, C, G, T), or of one sequence without `n`, as a NumPy array or what becomes one (`__array__`, DLPack: torch tensors, JAX
    arrays); a column of zeros, or of four quarters, is an unknown base.

    Raises ValueError where that is not what they are.
    """
    if isinstance(sequences, str):
        return codes([sequences])
    if isinstance(sequences, Sequence) and all(isinstance(s, str) for s in sequences):
        return _letters(sequences)
    array = _array(sequences)
    if array.dtype.kind in "UO":
        return _letters([str(s) for s in array.ravel()])
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 4 not in array.shape[1:]:
        raise ValueError(f"an array of shape {array.shape}; expected one-hot [n, 4, length] or [n, length, 4], or strings")
    return _one_hot(array if array.shape[1] == 4 else array.swapaxes(1, 2))


def _array(values: Any) -> npt.NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):
        # A tensor that has a gradient gives no array.
        values = values.detach().cpu()
    if hasattr(values, "__dlpack__"):
        return np.from_dlpack(values)
    return np.asarray(values)


def _letters(sequences: Sequence[str]) -> Codes:
    lengths = {len(s) for s in sequences}
    if len(lengths) > 1:
        raise ValueError(f"sequences of {min(lengths)} to {max(lengths)} bases; expected one length")
    text = "".join(sequences)
    if not text.isascii():
        raise ValueError("a sequence with something that is no base")
    found: Codes = _CODES[np.frombuffer(text.encode(), np.uint8)].reshape(len(sequences), lengths.pop() if lengths else 0)
    if (found == 255).any():
        row = int(np.argmax((found == 255).any(1)))
        raise ValueError(f"sequence {row}: something that is no base")
    return found


def _one_hot(array: npt.NDArray[Any]) -> Codes:
    """`array`: [n, 4, length]."""
    found: Codes = array.argmax(1).astype(np.uint8)
    most, total = array.max(1), array.sum(1)
    known = (most == 1) & (total == 1)
    unknown = (total == 0) & (most == 0) | (most == 0.25) & (total == 1)
    odd = ~(known | unknown)
    if odd.any():
        row, base = (int(i) for i in np.argwhere(odd)[0])
        raise ValueError(f"sequence {row}, base {base}: {array[row, :, base].tolist()} is not one-hot")
    found[~known] = 4
    return found


def text(row: Codes) -> str:
    """A row of codes as letters."""
    letters: Codes = np.frombuffer(b"ACGTN", np.uint8)[row]
    return letters.tobytes().decode()
