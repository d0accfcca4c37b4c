"""One picture a chromatin state: mean of tracks along the regions that were chosen for it.

    python3 scripts/state_panels.py --regions sharpr_regions.hg19.bed --cells Hepg2,K562 \
        --out states.svg HepG2=HepG2_minP.activity.bw K562=K562_minP.activity.bw

Regions of Sharpr-MPRA are named CELL_STATE_...: the cell in which they were chosen and the number of its
state. A panel has a curve for each track (colour) and each cell (whole line for the first, dashed for the
second), where at least half of its regions have a value; all panels share their axes. Positions are relative to the region's middle.
"""
import argparse
from collections import defaultdict

import numpy as np
import pyBigWig

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
DASHES = ["", "4 2", "1 2", "6 2 1 2"]
WIDTH, HEIGHT, GAP, COLUMNS = 150, 90, 14, 5
LEFT, TOP = 46, 40


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", required=True)
    parser.add_argument("--cells", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("tracks", nargs="+", metavar="NAME=TRACK.bw")
    args = parser.parse_args()
    cells = args.cells.split(",")
    regions = defaultdict(list)
    with open(args.regions) as file:
        for line in file:
            chrom, start, end, name = line.split()[:4]
            cell, state = name.split("_")[:2]
            if cell in cells:
                regions[int(state), cell].append((chrom, int(start), int(end)))
    length = min(end - start for of in regions.values() for _, start, end in of)
    tracks = dict(track.split("=", 1) for track in args.tracks)
    curves = {}
    for name, path in tracks.items():
        with pyBigWig.open(path) as track:
            for key, of in regions.items():
                rows = [track.values(chrom, start, start + length, numpy=True) for chrom, start, _ in of]
                known = np.isfinite(rows).sum(axis=0)
                # Elsewhere only those that another region overlaps have a value.
                most = np.where(known >= len(of) / 2, np.nansum(rows, axis=0), np.nan)
                curves[name, key] = most / np.maximum(known, 1)
    states = sorted({state for state, _ in regions})
    low = min(np.nanmin(c) for c in curves.values())
    high = max(np.nanmax(c) for c in curves.values())
    drawn = np.isfinite(list(curves.values())).any(axis=0).nonzero()[0]
    first, last = drawn[0], drawn[-1]
    step = 0.25 if high - low < 1.5 else 0.5
    ticks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    rows = -(-len(states) // COLUMNS)
    total = (LEFT + COLUMNS * (WIDTH + GAP), TOP + rows * (HEIGHT + 2 * GAP) + 30)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total[0]}" height="{total[1]}" '
        'font-family="sans-serif" font-size="10">',
        f'<rect width="{total[0]}" height="{total[1]}" fill="white"/>',
    ]
    x = LEFT
    for t, name in enumerate(tracks):
        for c, cell in enumerate(cells):
            out.append(
                f'<path d="M{x} 16h24" stroke="{COLOURS[t]}" stroke-width="1.5" stroke-dasharray="{DASHES[c]}"/>'
                f'<text x="{x + 28}" y="20">{name}, regions of {cell}</text>'
            )
            x += 170
    for number, state in enumerate(states):
        left = LEFT + number % COLUMNS * (WIDTH + GAP)
        top = TOP + number // COLUMNS * (HEIGHT + 2 * GAP)
        y = lambda value: top + HEIGHT * (high - value) / (high - low)
        many = ", ".join(f"{len(regions[state, cell])}" for cell in cells)
        out.append(f'<text x="{left}" y="{top - 4}">state {state} ({many} regions)</text>')
        for tick in ticks:
            colour = "#999" if tick == 0 else "#e5e5e5"
            out.append(f'<path d="M{left} {y(tick):.1f}h{WIDTH}" stroke="{colour}" stroke-width="0.7"/>')
            if number % COLUMNS == 0:
                out.append(f'<text x="{left - 4}" y="{y(tick) + 3:.1f}" text-anchor="end">{tick:g}</text>')
        for t, name in enumerate(tracks):
            for c, cell in enumerate(cells):
                if not regions[state, cell]:
                    continue
                curve = curves[name, (state, cell)]
                points = " ".join(
                    f"{left + WIDTH * (i - first) / (last - first):.1f},{y(v):.1f}"
                    for i, v in enumerate(curve)
                    if i % 3 == 0 and np.isfinite(v)
                )
                out.append(
                    f'<polyline points="{points}" fill="none" stroke="{COLOURS[t]}" stroke-width="1.3" '
                    f'stroke-dasharray="{DASHES[c]}"/>'
                )
    y = TOP + rows * (HEIGHT + 2 * GAP) + 4
    out.append(f'<text x="{LEFT}" y="{y}">each panel: {first - length // 2} to {last - length // 2} bases from the middle</text></svg>')
    with open(args.out, "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
