"""What a notebook shows: letters as high as importance, and the map of all changes, as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._model import Saturation

# Okabe and Ito's colours, as in the program's report.
_COLOURS = {"A": "#009e73", "C": "#0072b2", "G": "#e69f00", "T": "#d55e00", "N": "#7f7f7f"}
_UP, _DOWN = "#d55e00", "#0072b2"
_SHOWN = 3
_WIDTH, _LEFT, _HEIGHT, _CELL = 900, 70, 70, 8
# Letters in a box of 1 by 1, upwards.
_GLYPHS = {
    "A": "M0 0L.4 1H.6L1 0H.79L.7.24H.3L.21 0ZM.36.4H.64L.5.78Z",
    "C": "M1 .34C.95.12.78 0 .54 0C.2 0 0 .2 0 .5S.2 1 .54 1C.78 1 .95.88 1 .68L.79.62C.75.76.67.83.53.83C.33.83.21.7.21.5S.33.17.53.17C.67.17.76.25.79.4Z",
    "G": "M1 .52H.54V.36H.79V.24C.72.19.64.17.55.17C.34.17.21.3.21.5S.34.83.55.83C.67.83.75.78.79.68L.99.74C.92.92.77 1 .55 1C.2 1 0 .8 0 .5S.2 0 .55 0C.74 0 .89.05 1 .14Z",
    "T": "M.4 0H.6V.82H1V1H0V.82H.4Z",
    "N": "M.3 0H.7V1H.3Z",
}


def saturation(found: Saturation) -> str:
    """The first sequences, all tasks."""
    parts = [f"<div><p>{escape(repr(found))}</p>"]
    for n in range(min(_SHOWN, len(found))):
        parts.append(_one(found, n))
    if len(found) > _SHOWN:
        parts.append(f"<p>and {len(found) - _SHOWN} more</p>")
    return "".join(parts) + "</div>"


def _one(found: Saturation, n: int) -> str:
    letters = found.sequences[n]
    length = len(letters)
    base = (_WIDTH - _LEFT - 10) / max(1, length)
    out, top = [], 4.0
    for t, task in enumerate(found.tasks):
        importance = np.nan_to_num(found.importance[n, t])
        effects = np.nan_to_num(found.effects[n, t])
        most = float(np.abs(importance).max(initial=0)) or 1.0
        middle = top + 14 + _HEIGHT / 2
        out.append(f'<text x="{_LEFT}" y="{top + 10:.0f}" font-size="11" font-weight="600">{escape(task)}: importance, activity {found.reference[n, t]:.3f}</text>')
        for value in (most, -most):
            y = middle - value / most * _HEIGHT / 2
            out.append(f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" font-size="9" text-anchor="end">{value:.3g}</text>')
        out.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{middle}" y2="{middle}" stroke="#bbb"/>')
        for at in np.flatnonzero(importance):
            i = int(at)
            height = float(importance[i]) / most * _HEIGHT / 2
            letter = letters[i]
            out.append(
                f'<path d="{_GLYPHS[letter]}" fill="{_COLOURS[letter]}" fill-rule="evenodd" '
                f'transform="translate({_LEFT + i * base:.2f} {middle}) scale({base * 0.94:.3f} {-height:.3f})"/>'
            )
        top += 14 + _HEIGHT + 6
        largest = float(np.abs(effects).max(initial=0)) or 1.0
        for b, letter in enumerate("ACGT"):
            y = top + b * _CELL
            out.append(f'<text x="{_LEFT - 4}" y="{y + 7}" font-size="8" text-anchor="end" fill="{_COLOURS[letter]}">{letter}</text>')
            for i in range(length):
                value = float(effects[b, i])
                reference = letters[i] == letter
                if not reference and abs(value) < 0.02 * largest:
                    continue
                colour, opacity = ("#ccc", 0.8) if reference else (_UP if value > 0 else _DOWN, 0.1 + 0.9 * abs(value) / largest)
                out.append(
                    f'<rect x="{_LEFT + i * base:.2f}" y="{y}" width="{max(0.4, base - 0.3):.2f}" height="{_CELL - 0.5}" fill="{colour}" '
                    f'fill-opacity="{opacity:.2f}"><title>{i + 1} {letters[i]}&gt;{letter} {value:.4g}</title></rect>'
                )
        top += 4 * _CELL + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top:.0f}" width="{_WIDTH}" '
        f'style="background:#fff;max-width:100%" font-family="Helvetica, Arial, sans-serif" role="img" '
        f'aria-label="importance and effects of all changes, sequence {n + 1}">{"".join(out)}</svg>'
    )
