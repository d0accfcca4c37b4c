#!/usr/bin/env python3
"""Times in-silico mutagenesis of published architectures by other programs and by mpra-score.

Windows a second, all 3 x bases changes of each, two threads; every peer's changes at some positions
are compared with forward passes in Python onnxruntime. The peers are those of peers.py, each in a
process of its own, and take turns. How many windows are scored depends on `--seconds`; a peer that
needs longer for one window scores a part of its positions, from which the rate is extrapolated: the
output says so. See README.md beside this file.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from peers import Chain, MpraScore, Worker, difference

NAMES = ["onnxruntime", "tangermeme", "yuzu", "fastism"]
# Our own: from arrays to arrays, as the peers are timed; and the program, from files to files, with its start-up.
OWN = {"module": "mpra-score in Python", "mpra-score": "mpra-score, files"}
WRONG = 0.1  # of the largest effect: what differs more is no result
FINEST = {"onnxruntime": 64, "tangermeme": 2, "yuzu": 1, "fastism": 64, "module": 1}  # smallest parts: one in so many


class Peer:
    """A worker and how much it scores in a measurement."""

    def __init__(self, name, python, model, settings):
        self.worker = Worker(name, python, model, settings.log, settings.limit)
        self.about = self.worker.about
        self.together = self.about["batch"] if name == "fastism" else 1  # windows
        self.finest = FINEST[name]
        self.close = self.worker.close
        self.part = self.finest

    def run(self, windows, keep=None):
        return self.worker.run(windows, keep, self.part)

    def size(self, seconds, budget):
        """How many windows for a budget, after `together` took so long."""
        one = seconds / self.together
        self.part = min(self.finest, max(1, round(self.together * one / budget)))
        return self.together if self.part > 1 else max(self.together, round(budget / one))

    def check(self, file, windows, keep, session, chain):
        self.run(file, keep)
        places = np.array(self.worker.places)
        some = np.unique(np.linspace(0, len(places) - 1, 24).round().astype(int))
        result, codes = np.load(keep)[0, some], windows[0, places[some]]
        return difference(result, truth(session, chain, windows[0], places[some]), codes, self.about["norm"])


class Ours(MpraScore):
    """mpra-score's fast engine, whole windows from files to files."""

    part = 1

    def size(self, seconds, budget):
        return max(1, round(budget / seconds * self.together))

    def check(self, file, windows, keep, session, chain):
        self.run(file, keep)
        some = np.linspace(0, chain.window - 1, 24).round().astype(int)
        reference = truth(session, chain, windows[0], some)
        return difference(np.load(keep)[0, some], reference, windows[0, some], False)


def truth(session, chain, window, places):
    """Effects of all changes at these places by forward passes, one a mutant."""
    rows = np.repeat(window[None], 1 + 4 * len(places), axis=0)
    rows[np.arange(1, len(rows)), np.repeat(places, 4)] = np.tile(np.arange(4), len(places))
    x = chain.one_hot(rows)
    x = np.ascontiguousarray(x.transpose(0, 2, 1) if chain.channels_last else x)
    outputs = np.concatenate([session.run(None, {chain.input: row[None]})[0] for row in x])
    return (outputs[1:] - outputs[0]).reshape(len(places), 4, -1)


def measure(model, settings, folder):
    """Rates by peer, and remarks: why there is none, or what it goes by."""
    import onnxruntime

    chain = Chain(model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)

    def file(count):
        path = folder / f"{count}.npy"
        if not path.exists():
            np.save(path, rng.integers(0, 4, (count, chain.window)))
        return str(path)

    peers, seconds, counts, remarks = {}, {}, {}, {}
    for name in [n for n in [*NAMES, *OWN] if n in settings.peers]:
        peer = None
        print(f"{time.strftime('%H:%M:%S')} {Path(model).stem}: {name}", file=sys.stderr, flush=True)
        try:
            if name == "mpra-score":
                peer = Ours(settings.program, model, "fast", folder, chain.window)
                peer.together = 24 if chain.window <= 300 else 1
            else:
                python = settings.tf_python if name == "fastism" else sys.executable
                peer = Peer(name, python, model, settings)
            count = peer.together
            peer.run(file(count))
            counts[name] = peer.size(peer.run(file(count)), settings.seconds)
            file_ = file(max(peer.together, 1))
            off, largest = peer.check(file_, np.load(file_), str(folder / f"{name}.npy"), session, chain)
            remarks[name] = f"differs by {off:.1e} where effects reach {largest:.2g}; {peer.about['note']}"
            if not off <= WRONG * largest:
                raise RuntimeError(f"wrong numbers: {remarks[name]}")
            peers[name], seconds[name] = peer, []
            if peer.part > 1:
                kind = "first" if name == "tangermeme" else "evenly spread"
                remarks[name] += f"; EXTRAPOLATED from the {kind} 1/{peer.part} of the positions"
        except Exception as error:  # noqa: BLE001: reported in the table
            remarks[name] = " ".join(f"no figure: {error}".split())[:300]
            if hasattr(peer, "worker"):
                peer.close()
    for _ in range(settings.rounds):
        for name, peer in peers.items():
            seconds[name].append(peer.run(file(counts[name])))
    for name, peer in peers.items():
        peer.close()
        remarks[name] = f"{counts[name]} windows; {remarks[name]}"
    rates = {name: counts[name] / statistics.median(taken) for name, taken in seconds.items()}
    return chain.window, rates, remarks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="ONNX files")
    parser.add_argument("--program", default="target/release/mpra-score")
    parser.add_argument("--tf-python", default=sys.executable, help="an interpreter with fastISM")
    parser.add_argument("--peers", default=",".join([*NAMES, *OWN]), help="only these, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, by turns")
    parser.add_argument("--limit", type=float, default=120, help="seconds for a set-up or a measurement")
    parser.add_argument("--seconds", type=float, default=4, help="of a measurement, roughly")
    settings = parser.parse_args()
    settings.peers = settings.peers.split(",")

    head = ["network", "bases", *NAMES, *OWN.values(), "of the best peer"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    with tempfile.TemporaryDirectory() as top:
        settings.log = str(Path(top) / "log")
        for model in settings.models:
            folder = Path(top) / model.stem
            folder.mkdir()
            try:
                window, rates, remarks = measure(str(model.resolve()), settings, folder)
            except ValueError as error:  # the converter does not know its operators
                print(f"{model.stem}: {error}", flush=True)
                continue
            for name, remark in remarks.items():
                print(f"{model.stem}, {name}: {remark}", flush=True)
            best = max((rate for name, rate in rates.items() if name not in OWN), default=None)
            ours = next((rates[n] for n in OWN if n in rates), None)
            cells = [f"{rates[n]:.4g}" if n in rates else "-" for n in [*NAMES, *OWN]]
            ratio = f"{ours / best:.2f}" if ours and best else "-"
            lines.append("| " + " | ".join([model.stem, str(window), *cells, ratio]) + " |")
    print("\nWindows a second:\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
