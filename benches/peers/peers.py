#!/usr/bin/env python3
"""Times in-silico mutagenesis of the same windows with the same weights by several programs.

Every peer scores whole windows (all 3 x 145 changes of each) and is checked against forward passes
in Python onnxruntime, one a mutant. Peers run in processes of their own, each with the interpreter
that has its packages, and take turns. See README.md beside this file.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

WINDOW = 145
THREADS = 2
BASES = "ACGT"


# ----------------------------------------------------------------------------- the networks


class Chain:
    """A sequential network read from ONNX: steps over activations `[channels, positions]`."""

    def __init__(self, path):
        import onnx
        from onnx import numpy_helper

        model = onnx.load(path)
        graph = model.graph
        weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
        self.input = graph.input[0].name
        self.channels_last = shape[2] == 4
        self.columns = shape[1] if self.channels_last else shape[2]
        metadata = {p.key: p.value for p in model.metadata_props}
        frame = json.loads(metadata.get("mpra_score.frame", "{}"))
        self.offset = frame.get("offset", 0)
        self.steps = []

        transposed = self.channels_last  # is the tensor at hand [positions, channels]?
        channels, length = 4, self.columns
        flattened_transposed = None
        tensor = self.input
        for node in graph.node:
            if node.input[0] != tensor:
                raise ValueError(f"not a chain at {node.op_type}")
            tensor = node.output[0]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values = [weights[i] for i in node.input[1:]]
            kind = node.op_type
            if kind == "Transpose":
                if list(attributes["perm"]) != [0, 2, 1]:
                    raise ValueError("a Transpose other than 0, 2, 1")
                transposed = not transposed
            elif kind == "Conv":
                plain = all(
                    set(attributes.get(name, [default])) == {default}
                    for name, default in (("pads", 0), ("strides", 1), ("dilations", 1))
                )
                if transposed or not plain or attributes.get("group", 1) != 1:
                    raise ValueError("a Conv that is not plain")
                weight = values[0]
                bias = values[1] if len(values) > 1 else np.zeros(len(weight), np.float32)
                self.steps.append(("conv", weight, bias))
                channels, length = weight.shape[0], length - weight.shape[2] + 1
            elif kind == "Relu":
                self.steps.append(("relu",))
            elif kind == "BatchNormalization":
                if transposed:
                    raise ValueError("a BatchNormalization over positions")
                self.steps.append(("norm", *values, attributes.get("epsilon", 1e-5)))
            elif kind == "MaxPool":
                (size,), (stride,) = attributes["kernel_shape"], attributes["strides"]
                if transposed or size != stride or any(attributes.get("pads", [0])):
                    raise ValueError("a MaxPool that overlaps or pads")
                self.steps.append(("pool", size))
                length //= size
            elif kind == "Flatten":
                flattened_transposed = transposed
            elif kind == "Gemm":
                weight, bias = values
                if attributes.get("transA", 0) or flattened_transposed is None:
                    raise ValueError("a Gemm that is not a dense layer")
                if not attributes.get("transB", 0):
                    weight = weight.T
                tasks = weight.shape[0]
                if flattened_transposed:
                    weight = weight.reshape(tasks, length, channels).transpose(0, 2, 1)
                else:
                    weight = weight.reshape(tasks, channels, length)
                self.steps.append(("dense", np.ascontiguousarray(weight), bias))
            else:
                raise ValueError(f"no conversion of {kind}")

    def one_hot(self, windows):
        """Windows as indices `[n, 145]` to `[n, 4, columns]`, zero around the window."""
        out = np.zeros((len(windows), 4, self.columns), np.float32)
        n, p = np.indices(windows.shape)
        out[n, windows, p + self.offset] = 1
        return out


def torch_model(chain):
    """The network as PyTorch layers over `[batch, 4, columns]`."""
    import torch
    from torch import nn

    layers = []
    for kind, *values in chain.steps:
        if kind == "conv":
            layer = nn.Conv1d(values[0].shape[1], values[0].shape[0], values[0].shape[2])
            fill(layer.weight, values[0])
            fill(layer.bias, values[1])
        elif kind == "relu":
            layer = nn.ReLU()
        elif kind == "norm":
            layer = torch_norm(values)
        elif kind == "pool":
            layer = nn.MaxPool1d(values[0])
        else:
            layers.append(nn.Flatten())
            tasks = values[0].shape[0]
            layer = nn.Linear(values[0][0].size, tasks)
            fill(layer.weight, values[0].reshape(tasks, -1))
            fill(layer.bias, values[1])
        layers.append(layer)
    return nn.Sequential(*layers).eval().requires_grad_(False)


def fill(parameter, value):
    import torch

    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(value)))


def torch_norm(values):
    from torch import nn

    scale, shift, mean, variance, epsilon = values
    layer = nn.BatchNorm1d(len(scale), eps=epsilon)
    for parameter, value in (
        (layer.weight, scale),
        (layer.bias, shift),
        (layer.running_mean, mean),
        (layer.running_var, variance),
    ):
        fill(parameter, value)
    return layer


def yuzu_model(chain):
    """The same function as layers that yuzu can take: convolutions must keep the length.

    Kernels of even width get a column of zeros. Without pooling, convolutions are padded alike on
    both sides and the dense layer has zero weights where padding reaches. With pooling, whose first
    cell must begin at the first position, kernels get width - 1 columns of zeros in front instead,
    so that only positions past the end see padding, and pooling leaves those out.
    """
    from torch import nn
    from yuzu.models import Flatten

    pooled = any(kind == "pool" for kind, *_ in chain.steps)
    layers = []
    length = chain.columns  # as yuzu sees it
    start, valid = 0, chain.columns  # positions the original network has
    for kind, *values in chain.steps:
        if kind == "conv":
            weight = values[0]
            width = weight.shape[2]
            front = width - 1 if pooled else 1 - width % 2
            weight = np.pad(weight, ((0, 0), (0, 0), (front, 0)))
            padding = weight.shape[2] // 2
            layer = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2], padding=padding)
            fill(layer.weight, weight)
            fill(layer.bias, values[1])
            start += padding - front
            valid -= width - 1
        elif kind == "relu":
            layer = nn.ReLU()
        elif kind == "norm":
            layer = torch_norm(values)
        elif kind == "pool":
            assert start == 0
            layer = nn.MaxPool1d(values[0])
            length //= values[0]
            valid //= values[0]
        else:
            tasks, channels, _ = values[0].shape
            weight = np.zeros((tasks, length, channels), np.float32)
            weight[:, start : start + valid] = values[0].transpose(0, 2, 1)
            layers.append(Flatten())
            layer = nn.Linear(length * channels, tasks)
            fill(layer.weight, weight.reshape(tasks, -1))
            fill(layer.bias, values[1])
        layers.append(layer)
    return nn.Sequential(*layers).eval().requires_grad_(False)


def keras_model(chain):
    """The network as a Keras functional model over `[batch, columns, 4]`."""
    import tensorflow as tf

    layers = tf.keras.layers
    tensor = source = tf.keras.Input((chain.columns, 4))
    loads = []
    for kind, *values in chain.steps:
        if kind == "conv":
            layer = layers.Conv1D(values[0].shape[0], values[0].shape[2])
            loads.append((layer, [values[0].transpose(2, 1, 0), values[1]]))
        elif kind == "relu":
            layer = layers.ReLU()
        elif kind == "norm":
            layer = layers.BatchNormalization(epsilon=values[4])
            loads.append((layer, values[:4]))
        elif kind == "pool":
            layer = layers.MaxPooling1D(values[0])
        else:
            tensor = layers.Flatten()(tensor)
            tasks = values[0].shape[0]
            layer = layers.Dense(tasks)
            loads.append((layer, [values[0].transpose(2, 1, 0).reshape(-1, tasks), values[1]]))
        tensor = layer(tensor)
    model = tf.keras.Model(source, tensor)
    for layer, weights in loads:
        layer.set_weights(weights)
    return model


# ----------------------------------------------------------------------------- the peers
#
# Each is made from the chain and the model's path; `run(windows)` scores windows `[n, 145]` and
# returns effects `[n, 145, 4, tasks]`, mutant - reference, or what else the peer gives.


class OnnxRuntime:
    """One forward pass a mutant, mutants of one window made at once."""

    def __init__(self, chain, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.chain = chain
        self.version = f"onnxruntime {onnxruntime.__version__}"
        self.batch = 16
        self.batch = best(self, [16, 64, 145, 435])

    def predict(self, x):
        if self.chain.channels_last:
            x = x.transpose(0, 2, 1)
        parts = [
            self.session.run(None, {self.chain.input: np.ascontiguousarray(x[i : i + self.batch])})[0]
            for i in range(0, len(x), self.batch)
        ]
        return np.concatenate(parts)

    def run(self, windows):
        x = self.chain.one_hot(windows)
        reference = self.predict(x)
        effects = np.zeros((len(windows), WINDOW, 4, reference.shape[1]), np.float32)
        position = np.repeat(np.arange(WINDOW), 3)
        mutant = np.arange(len(position))
        for n, window in enumerate(windows):
            base = (window[position] + np.tile([1, 2, 3], WINDOW)) % 4
            mutants = np.repeat(x[n : n + 1], len(position), axis=0)
            mutants[mutant, :, self.chain.offset + position] = 0
            mutants[mutant, base, self.chain.offset + position] = 1
            effects[n, position, base] = self.predict(mutants) - reference[n]
        return effects


class Tangermeme:
    """`saturation_mutagenesis`: a forward pass for each of the four bases at each position."""

    def __init__(self, chain, path):
        import tangermeme
        import torch
        from tangermeme.saturation_mutagenesis import saturation_mutagenesis

        torch.set_num_threads(THREADS)
        self.mutagenesis = saturation_mutagenesis
        self.model = torch_model(chain)
        self.chain = chain
        self.torch = torch
        self.version = f"tangermeme {tangermeme.__version__}, torch {torch.__version__}"
        self.batch = 32
        self.batch = best(self, [145, 580])

    def run(self, windows):
        x = self.torch.from_numpy(self.chain.one_hot(windows))
        start = self.chain.offset
        reference, mutants = self.mutagenesis(
            self.model,
            x,
            start=start,
            end=start + WINDOW,
            batch_size=self.batch,
            raw_outputs=True,
            device="cpu",
        )
        effects = mutants - reference[:, None, None]  # [n, 4, 145, tasks]
        return effects.permute(0, 2, 1, 3).numpy()


class Yuzu:
    """Compressed sensing: gives the length of each change's effect vector over the tasks."""

    norm = True

    def __init__(self, chain, path):
        import importlib.metadata

        import torch
        import yuzu

        torch.set_num_threads(THREADS)
        self.yuzu = yuzu
        self.model = yuzu_model(chain)
        self.chain = chain
        self.version = f"yuzu-ism {importlib.metadata.version('yuzu-ism')}, torch {torch.__version__}"
        self.computed = yuzu.precompute(self.model, chain.columns, random_state=0)
        self.batch = 1
        self.batch = best(self, [1, 2])
        self.note = f"alpha {self.computed.alpha:.2f}"

    def run(self, windows):
        x = self.chain.one_hot(windows)
        scores = self.yuzu.yuzu_ism(self.model, x, self.computed, batch_size=self.batch)
        start = self.chain.offset
        return scores[:, :, start : start + WINDOW].transpose(0, 2, 1)[..., None]


class FastIsm:
    """A Keras model of the affected ranges; one call a base, which replaces every position in turn."""

    def __init__(self, chain, path):
        import importlib.metadata

        import tensorflow as tf
        from fastism import FastISM

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        ranges = [(chain.offset + i, chain.offset + i + 1) for i in range(WINDOW)]
        self.model = keras_model(chain)
        # Its own test demands 1e-6 relative to outputs; the check here is against onnxruntime.
        self.ism = FastISM(self.model, change_ranges=ranges, test_correctness=False)
        self.chain = chain
        self.tf = tf
        version = importlib.metadata.version
        self.version = f"fastism {version('fastism')}, tensorflow {tf.__version__}"
        self.batch = 64  # its overhead is one small call a change, shared by the batch

    def run(self, windows):
        out = []
        for first in range(0, len(windows), self.batch):
            x = self.chain.one_hot(windows[first : first + self.batch]).transpose(0, 2, 1)
            x = self.tf.constant(x)
            reference = self.model(x, training=False).numpy()
            mutants = [self.ism(x, replace_with=row) for row in np.eye(4).tolist()]
            out.append(np.stack(mutants, axis=2) - reference[:, None, None])
        return np.concatenate(out)


PEERS = {"onnxruntime": OnnxRuntime, "tangermeme": Tangermeme, "yuzu": Yuzu, "fastism": FastIsm}


def best(peer, batches, count=2):
    """The fastest of several batch sizes on a few windows, each after a warm-up."""
    windows = np.random.default_rng(7).integers(0, 4, (count, WINDOW))
    times = {}
    for peer.batch in batches:
        peer.run(windows)
        start = time.perf_counter()
        peer.run(windows)
        times[peer.batch] = time.perf_counter() - start
    return min(times, key=times.get)


def worker(name, path):
    """Answers requests, one JSON a line: score so many windows, and perhaps keep the result."""
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers

    def answer(**fields):
        print(json.dumps(fields), file=reply, flush=True)

    try:
        start = time.perf_counter()
        peer = PEERS[name](Chain(path), path)
        setup = time.perf_counter() - start
        note = f"batch up to {peer.batch}" + (f", {peer.note}" if hasattr(peer, "note") else "")
        answer(version=peer.version, setup=setup, note=note, norm=hasattr(peer, "norm"))
        for line in sys.stdin:
            request = json.loads(line)
            windows = np.load(request["windows"])
            start = time.perf_counter()
            result = peer.run(windows)
            seconds = time.perf_counter() - start
            if request.get("keep"):
                np.save(request["keep"], result)
            answer(seconds=seconds)
    except Exception as error:  # noqa: BLE001: whatever it is, it is the answer
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")


# ----------------------------------------------------------------------------- the comparison


class Worker:
    """A peer in a process of its own."""

    def __init__(self, name, python, model, log):
        environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS), TF_CPP_MIN_LOG_LEVEL="2")
        environment["CUDA_VISIBLE_DEVICES"] = ""
        self.process = subprocess.Popen(
            [python, __file__, "--worker", name, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(log, "a"),
            text=True,
            env=environment,
        )
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"ended with {self.process.wait()}"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def run(self, windows, keep=None):
        print(json.dumps({"windows": windows, "keep": keep}), file=self.process.stdin, flush=True)
        return self.read()["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class MpraScore:
    """The command line on a FASTA of the windows end to end; time as its run.json has it."""

    def __init__(self, program, model, engine, folder):
        self.command = [program, "--model", model, "--engine", engine, "--threads", str(THREADS)]
        self.command += ["--anchor", "region", "--stride", str(WINDOW), "--quiet", "--force"]
        self.folder = folder / f"mpra-{engine}"
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.about = {"version": version.stdout.strip(), "note": f"--engine {engine}", "norm": False}

    def run(self, windows, keep=None):
        sequence = np.load(windows)
        fasta, bed = f"{windows}.fa", f"{windows}.bed"
        if not Path(bed).exists():
            letters = "".join(np.array(list(BASES))[sequence.ravel()])
            Path(fasta).write_text(f">random\n{letters}\n")
            rows = (f"random\t{i * WINDOW}\t{(i + 1) * WINDOW}\n" for i in range(len(sequence)))
            Path(bed).write_text("".join(rows))
        command = [*self.command, "--bed", bed, "--fasta", fasta, "--out", str(self.folder)]
        if keep:
            command.append("--saturation")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        run = json.loads((self.folder / "run.json").read_text())
        if run["counts"]["windows_scored"] != len(sequence):
            raise RuntimeError(f"scored {run['counts']['windows_scored']} of {len(sequence)} windows")
        if keep:
            np.save(keep, np.load(self.folder / "saturation.npz")["effects"])
        return run["seconds"]

    def close(self):
        pass


def difference(result, reference, windows, norm):
    """The largest difference over all changes; the reference base's own column is left out."""
    if norm:
        reference = np.sqrt(np.square(reference, dtype=np.float64).sum(-1, keepdims=True))
    changed = np.arange(4) != windows[..., None]
    return float(np.abs(result - reference)[changed].max()), float(np.abs(reference[changed]).max())


def compare(model, settings, folder):
    rng = np.random.default_rng(1)
    windows = rng.integers(0, 4, (max(settings.windows.values()), WINDOW))
    files = {}
    for count in {*settings.windows.values(), settings.check, 1}:
        files[count] = str(folder / f"{count}.npy")
        np.save(files[count], windows[:count])

    makers = {
        "onnxruntime": lambda: Worker("onnxruntime", settings.python, model, settings.log),
        "tangermeme": lambda: Worker("tangermeme", settings.python, model, settings.log),
        "yuzu": lambda: Worker("yuzu", settings.python, model, settings.log),
        "fastism": lambda: Worker("fastism", settings.tf_python, model, settings.log),
        "mpra-score full": lambda: MpraScore(settings.mpra_score, model, "full", folder),
        "mpra-score fast": lambda: MpraScore(settings.mpra_score, model, "fast", folder),
    }
    rows, peers = {}, {}

    def attempt(name, action):
        try:
            return action()
        except Exception as error:  # noqa: BLE001: reported in the table
            rows[name] = {"failed": str(error)}
            peers.pop(name, None)
            print(f"  {name}: failed: {error}", file=sys.stderr)

    for name in settings.peers:
        peer = attempt(name, makers[name])
        if peer:
            peers[name] = peer
            rows[name] = {**peer.about, "seconds": []}
    reference = None
    for name in list(peers):
        keep = str(folder / f"{name}.npy")
        if attempt(name, lambda: peers[name].run(files[settings.check], keep)) is None:
            continue
        if name == "onnxruntime":
            reference = np.load(keep)
        if reference is None:
            sys.exit("onnxruntime did not run: nothing to compare with")
        row = rows[name]
        row["difference"], row["largest"] = difference(
            np.load(keep), reference, windows[: settings.check], row["norm"]
        )
        if name.startswith("mpra-score"):
            row["setup"] = attempt(name, lambda: peers[name].run(files[1]))
    for _ in range(settings.rounds):
        for name in list(peers):
            count = settings.windows[name]
            seconds = attempt(name, lambda: peers[name].run(files[count]))
            if seconds is not None:
                rows[name]["seconds"].append(seconds)
                rows[name]["windows"] = count
    for peer in peers.values():
        peer.close()
    return rows


def table(rows):
    rates = {
        name: row["windows"] / statistics.median(row["seconds"])
        for name, row in rows.items()
        if row.get("seconds")
    }
    lines = [
        "| | windows | windows/s | x onnxruntime | setup, s | largest difference | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if "failed" in row:
            reason = " ".join(row["failed"].split())[:300]
            lines.append(f"| {name} | | | | | | failed: {reason} |")
            continue
        each = sorted(row["windows"] / s for s in row["seconds"])
        lines.append(
            f"| {name} | {row['windows']} | {rates[name]:,.1f} ({each[0]:,.1f} to {each[-1]:,.1f}) "
            f"| {rates[name] / rates['onnxruntime']:,.2f} | {row['setup']:.2f} "
            f"| {row['difference']:.1e} of {row['largest']:.1f} | {row['note']} |"
        )
    return "\n".join(lines)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--worker":
        return worker(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", help="ONNX files")
    parser.add_argument("--mpra-score", required=True, help="the program")
    parser.add_argument("--tf-python", default=sys.executable, help="an interpreter with fastISM")
    parser.add_argument("--peers", help="only these, with commas; onnxruntime always")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, by turns")
    parser.add_argument("--check", type=int, default=4, help="windows for the differences")
    parser.add_argument("--slow", type=int, default=8, help="windows for peers but the two below")
    parser.add_argument("--fastism", type=int, default=64, help="windows for fastISM")
    parser.add_argument("--fast", type=int, default=20000, help="windows for mpra-score fast")
    parser.add_argument("--json", help="also write the figures here")
    settings = parser.parse_args()
    settings.python = sys.executable
    names = ["onnxruntime", "tangermeme", "yuzu", "fastism", "mpra-score full", "mpra-score fast"]
    wanted = (settings.peers or ",".join(names)).split(",")
    settings.peers = [n for n in names if n in wanted or n == "onnxruntime"]
    settings.windows = {n: settings.slow for n in names}
    settings.windows |= {"fastism": settings.fastism, "mpra-score fast": settings.fast}

    report = {"python": platform.python_version(), "networks": {}}
    with tempfile.TemporaryDirectory() as top:
        settings.log = str(Path(top) / "log")
        for model in settings.models:
            name = Path(model).stem
            folder = Path(top) / name
            folder.mkdir()
            rows = compare(str(Path(model).resolve()), settings, folder)
            report["networks"][name] = rows
            print(f"### {name}\n\n{table(rows)}\n", flush=True)
        versions = {r["version"] for n in report["networks"].values() for r in n.values() if "version" in r}
        print("; ".join(sorted(versions)))
        if any("failed" in r for n in report["networks"].values() for r in n.values()):
            sys.stderr.write(Path(settings.log).read_text()[-20000:])
    if settings.json:
        Path(settings.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
