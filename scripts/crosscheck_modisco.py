"""`mpra-score motifs discover` beside modisco-lite, on the same contributions of one task: which of its patterns are found.

By hand, where modisco-lite, h5py and numpy are installed:

    crosscheck_modisco.py MPRA_SCORE RESULTS TASK [WINDOW]

RESULTS is a folder of the main job with saturation.npz; WINDOW must be shorter than the regions (default 290).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np


def likeness(a: np.ndarray, b: np.ndarray) -> tuple[float, str]:
    """The best cosine of two matrices [columns, 4] over strands and offsets that share five columns."""
    best, strand = -1.0, "+"
    for turned, sign in ((b, "+"), (b[::-1, ::-1], "-")):
        for offset in range(5 - len(turned), len(a) - 4):
            from_, to = max(0, offset), min(len(a), offset + len(turned))
            value = (a[from_:to] * turned[from_ - offset : to - offset]).sum() / np.linalg.norm(a) / np.linalg.norm(turned)
            if value > best:
                best, strand = float(value), sign
    return best, strand


def trimmed(contributions: np.ndarray) -> slice:
    worth = np.abs(contributions.sum(1))
    much = np.flatnonzero(worth >= 0.25 * worth.max())
    return slice(much[0], much[-1] + 1)


def main() -> None:
    program, results, task = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    window = sys.argv[4] if len(sys.argv) > 4 else "290"
    z = np.load(results / "saturation.npz")
    effects = np.nan_to_num(z["effects"][..., [t.decode() for t in z["tasks"]].index(task)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "s.npz", z["one_hot"].astype(np.float32).transpose(0, 2, 1))
        np.savez(folder / "a.npz", (effects - effects.mean(2, keepdims=True)).astype(np.float32).transpose(0, 2, 1))
        began = time.perf_counter()
        modisco = Path(sys.executable).parent / "modisco"
        subprocess.run([modisco, "motifs", "-s", folder / "s.npz", "-a", folder / "a.npz", "-n", "20000", "-w", window, "-o", folder / "m.h5"], check=True)
        theirs_took = time.perf_counter() - began
        began = time.perf_counter()
        subprocess.run([program, "motifs", "discover", results, "--tasks", task, "--out", folder / "d", "-q"], check=True)
        ours_took = time.perf_counter() - began
        ours = json.loads((folder / "d" / "motifs.json").read_text())
        print(f"{len(effects)} regions, {task}: modisco-lite {theirs_took:.1f} s, ours {ours_took:.1f} s")
        taken = set()
        with h5py.File(folder / "m.h5") as file:
            for kind, sign in (("pos_patterns", "positive"), ("neg_patterns", "negative")):
                for pattern in sorted(file.get(kind, {}), key=lambda p: int(p.split("_")[-1])):
                    group = file[kind][pattern]
                    contributions, shares = group["contrib_scores"][:], group["sequence"][:]
                    core = trimmed(contributions)
                    consensus = "".join("ACGT"[c.argmax()] if c.max() > 0.5 else "acgt"[c.argmax()] for c in shares[core])
                    found = [(*likeness(contributions[core], np.array(o["contributions"])), o) for o in ours if o["sign"] == sign]
                    found.sort(key=lambda f: -f[0])
                    n = int(group["seqlets"]["n_seqlets"][0])
                    line = f"{kind[:3]} {pattern} {n} seqlets {consensus}:"
                    if found:
                        value, strand, o = found[0]
                        taken.add(o["name"])
                        line += f" {o['name']} {o['seqlets']} seqlets {o['consensus']} ({strand}), likeness {value:.3f}"
                    print(line)
        for o in ours:
            if o["name"] not in taken:
                print(f"ours alone: {o['name']} {o['seqlets']} seqlets {o['consensus']} contribution {o['contribution']:.3f}")


if __name__ == "__main__":
    main()
