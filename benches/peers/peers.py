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
import threading
import time
import traceback
from pathlib import Path

import numpy as np

WINDOW = 145
THREADS = 2
BASES = "ACGT"


# ----------------------------------------------------------------------------- the networks


class Chain:
    """A network read from ONNX: steps over activations `[channels, positions]`.

    Each step takes what the step before it gives; "add", "multiply" and "join" also take what an earlier step gave.
    """

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
        self.window = frame.get("window", self.columns)
        self.steps = []

        transposed = self.channels_last  # is the tensor at hand [positions, channels]?
        channels, length = 4, self.columns
        flattened_transposed = None
        tensor = self.input
        given = {}  # by which step, with how many channels and positions
        for node in graph.node:
            if tensor not in node.input:
                raise ValueError(f"no chain with additions at {node.op_type}")
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            others = [i for i in node.input if i != tensor]
            values = [weights[i] for i in others if i in weights]
            tensor = node.output[0]
            kind = node.op_type
            if kind in ("Add", "Mul", "Concat") and (len(others) != 1 or others[0] not in given):
                raise ValueError(f"{kind} of something else than an earlier step")
            if kind == "Transpose":
                if list(attributes["perm"]) != [0, 2, 1]:
                    raise ValueError("a Transpose other than 0, 2, 1")
                transposed = not transposed
            elif kind == "Conv":
                before, after = attributes.get("pads", [0, 0])
                groups = attributes.get("group", 1)
                if transposed or before != after or attributes.get("strides", [1]) != [1]:
                    raise ValueError("a Conv with strides or uneven padding")
                weight = values[0]
                bias = values[1] if len(values) > 1 else np.zeros(len(weight), np.float32)
                (dilation,) = attributes.get("dilations", [1])
                self.steps.append(("conv", weight, bias, before, dilation, groups))
                channels, length = weight.shape[0], length + 2 * before - dilation * (weight.shape[2] - 1)
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
            elif kind == "Sigmoid":
                self.steps.append(("sigmoid",))
            elif kind in ("Add", "Mul"):
                step, length = given[others[0]][0], max(length, given[others[0]][2])
                self.steps.append(({"Add": "add", "Mul": "multiply"}[kind], step))
            elif kind == "Concat":
                if attributes["axis"] != 1 or list(node.input) != [others[0], node.input[1]]:
                    raise ValueError("a Concat that does not put an earlier step's channels in front")
                self.steps.append(("join", given[others[0]][0]))
                channels += given[others[0]][1]
            elif kind == "Unsqueeze":
                if [int(v) for v in values[0]] != [2]:
                    raise ValueError("an Unsqueeze other than of positions")
                self.steps.append(("unsqueeze",))
            elif kind == "Slice":
                start, end, axis, *steps = (int(v[0]) for v in values)
                if axis != 2 or steps not in ([], [1]):
                    raise ValueError("a Slice that is no range of positions")
                self.steps.append(("crop", start, end))
                length = end - start
            elif kind == "GlobalAveragePool":
                self.steps.append(("mean", length))
                length = 1
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
                channels, length = tasks, 1
            else:
                raise ValueError(f"no conversion of {kind}")
            given[tensor] = len(self.steps) - 1, channels, length

    def one_hot(self, windows):
        """Windows as indices `[n, window]` to `[n, 4, columns]`, zero around the window."""
        out = np.zeros((len(windows), 4, self.columns), np.float32)
        n, p = np.indices(windows.shape)
        out[n, windows, p + self.offset] = 1
        return out


def torch_model(chain):
    """The network as PyTorch layers over `[batch, 4, columns]`."""
    import torch
    from torch import nn

    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            layers = [torch_layer(kind, values) for kind, *values in chain.steps]
            self.layers = nn.ModuleList(layers)

        def forward(self, x):
            given = []
            for layer, (kind, *values) in zip(self.layers, chain.steps):
                if kind == "add":
                    x = x + given[values[0]]
                elif kind == "multiply":
                    x = x * given[values[0]]
                elif kind == "join":
                    x = torch.cat([given[values[0]], x], 1)
                elif kind == "unsqueeze":
                    x = x.unsqueeze(-1)
                elif kind == "crop":
                    x = x[..., values[0] : values[1]]
                elif kind == "mean":
                    x = x.mean(-1, keepdim=True)
                else:
                    x = layer(x)
                given.append(x)
            return x

    return Steps().eval().requires_grad_(False)


def torch_layer(kind, values):
    """A step as a layer; an empty one for what `forward` does itself."""
    from torch import nn

    if kind == "conv":
        return torch_conv(*values)
    if kind == "relu":
        return nn.ReLU()
    if kind == "sigmoid":
        return nn.Sigmoid()
    if kind == "norm":
        return torch_norm(values)
    if kind == "pool":
        return nn.MaxPool1d(values[0])
    if kind == "dense":
        return nn.Sequential(nn.Flatten(), torch_dense(values[0].reshape(len(values[1]), -1), values[1]))
    return nn.Identity()


def torch_conv(weight, bias, padding, dilation, groups=1):
    from torch import nn

    outputs, inputs, width = weight.shape
    layer = nn.Conv1d(inputs * groups, outputs, width, padding=padding, dilation=dilation, groups=groups)
    fill(layer.weight, weight)
    fill(layer.bias, bias)
    return layer


def torch_dense(weight, bias):
    from torch import nn

    layer = nn.Linear(weight.shape[1], weight.shape[0])
    fill(layer.weight, weight)
    fill(layer.bias, bias)
    return layer


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

    Those that do stay as they are. Of others, kernels of even width get a column of zeros. Without pooling, convolutions are padded alike on
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
            weight, bias, padding, dilation, groups = values
            if groups != 1:
                raise ValueError("yuzu has no convolutions of groups of channels")
            width = weight.shape[2]
            if 2 * padding != dilation * (width - 1):
                if padding or dilation != 1:
                    raise ValueError("a convolution that is padded and changes the length")
                front = width - 1 if pooled else 1 - width % 2
                weight = np.pad(weight, ((0, 0), (0, 0), (front, 0)))
                padding = weight.shape[2] // 2
                start += padding - front
                valid -= width - 1
            layer = torch_conv(weight, bias, padding, dilation)
        elif kind == "relu":
            layer = nn.ReLU()
        elif kind == "norm":
            layer = torch_norm(values)
        elif kind == "pool":
            assert start == 0
            layer = nn.MaxPool1d(values[0])
            length //= values[0]
            valid //= values[0]
        elif kind == "dense":
            weight = values[0]
            tasks, channels, _ = weight.shape
            if length:
                weight = np.zeros((tasks, length, channels), np.float32)
                weight[:, start : start + valid] = values[0].transpose(0, 2, 1)
                layers.append(Flatten())
                length = None  # what follows sees no positions
            layer = torch_dense(weight.reshape(tasks, -1), values[1])
        else:
            raise ValueError(f"yuzu runs layers one after the other: it has no {kind!r}")
        layers.append(layer)
    return nn.Sequential(*layers).eval().requires_grad_(False)


def keras_model(chain):
    """The network as a Keras functional model over `[batch, columns, 4]`."""
    import tensorflow as tf

    layers = tf.keras.layers
    tensor = source = tf.keras.Input((chain.columns, 4))
    loads, given = [], []
    for kind, *values in chain.steps:
        if kind == "conv":
            weight, bias, padding, dilation, groups = values
            if groups != 1:
                raise ValueError("Keras 2 has no convolutions of groups of channels on the CPU")
            if padding and 2 * padding != dilation * (weight.shape[2] - 1):
                raise ValueError("a convolution that is padded and changes the length")
            layer = layers.Conv1D(
                *(weight.shape[0], weight.shape[2]),
                padding="same" if padding else "valid",
                dilation_rate=dilation,
            )
            loads.append((layer, [weight.transpose(2, 1, 0), bias]))
        elif kind == "relu":
            layer = layers.ReLU()
        elif kind == "norm":
            layer = layers.BatchNormalization(epsilon=values[4])
            loads.append((layer, values[:4]))
        elif kind == "pool":
            layer = layers.MaxPooling1D(values[0])
        elif kind == "add":
            tensor, layer = [tensor, given[values[0]]], layers.Add()
        elif kind == "crop":
            layer = layers.Cropping1D((values[0], tensor.shape[1] - values[1]))
        elif kind == "mean":
            layer = layers.GlobalAveragePooling1D(keepdims=True)
        elif kind != "dense":
            raise ValueError(f"no conversion of {kind!r} to Keras")
        else:
            if len(tensor.shape) > 2:
                tensor = layers.Flatten()(tensor)
            tasks = values[0].shape[0]
            layer = layers.Dense(tasks)
            loads.append((layer, [values[0].transpose(2, 1, 0).reshape(-1, tasks), values[1]]))
        tensor = layer(tensor)
        given.append(tensor)
    model = tf.keras.Model(source, tensor)
    for layer, weights in loads:
        layer.set_weights(weights)
    return model


# ----------------------------------------------------------------------------- the peers
#
# Each is made from the chain and the model's path; `run(windows, part)` scores windows `[n, window]`
# and returns effects `[n, positions, 4, tasks]`, mutant - reference, or what else the peer gives, of
# the positions that `places(part)` lists: of all if `part` is 1, or else of about one in so many.
# A peer whose time is not in proportion to the positions sets `seconds`, what whole windows take.


class Peer:
    note = None
    norm = False
    seconds = None

    def places(self, part):
        return np.arange(part // 2, self.chain.window, part)

    def timed(self, windows, part):
        """The effects, and the seconds that whole windows take."""
        start = time.perf_counter()
        effects = self.run(windows, part)
        taken = time.perf_counter() - start
        return effects, self.seconds or taken * self.chain.window / len(self.places(part))

    def best(self, batches):
        """The time and size of the fastest of several batches; short windows get a warm-up each."""
        window = self.chain.window
        windows = np.random.default_rng(7).integers(0, 4, (1, window) if window > 145 else (2, window))
        times = {}
        for self.batch in batches:
            seconds = [self.timed(windows, -(-window // 145))[1] for _ in range(1 if window > 145 else 2)]
            times[self.batch] = seconds[-1]
        return min((t, b) for b, t in times.items())


class OnnxRuntime(Peer):
    """One forward pass a mutant, mutants of one window made at once."""

    def __init__(self, chain, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.chain = chain
        self.version = f"onnxruntime {onnxruntime.__version__}"
        _, self.batch = self.best([4, 16, 64, 145, 435])

    def predict(self, x):
        if self.chain.channels_last:
            x = x.transpose(0, 2, 1)
        parts = [
            self.session.run(None, {self.chain.input: np.ascontiguousarray(x[i : i + self.batch])})[0]
            for i in range(0, len(x), self.batch)
        ]
        return np.concatenate(parts)

    def run(self, windows, part=1):
        x = self.chain.one_hot(windows)
        places = self.places(part)
        reference = self.predict(x)
        effects = np.zeros((len(windows), len(places), 4, reference.shape[1]), np.float32)
        row = np.repeat(np.arange(len(places)), 3)
        mutant, position = np.arange(len(row)), places[row]
        for n, window in enumerate(windows):
            base = (window[position] + np.tile([1, 2, 3], len(places))) % 4
            mutants = np.repeat(x[n : n + 1], len(row), axis=0)
            mutants[mutant, :, self.chain.offset + position] = 0
            mutants[mutant, base, self.chain.offset + position] = 1
            effects[n, row, base] = self.predict(mutants) - reference[n]
        return effects


class Tangermeme(Peer):
    """`saturation_mutagenesis`, by the faster of its ways.

    With `fast` it recomputes only what a change reaches, after it has captured the model, which takes
    seconds and which it does in each call that would otherwise take half a minute. Here the calls are
    shorter, and stand for long ones: the model is captured in the first call, and kept.
    """

    def __init__(self, chain, path):
        import warnings

        import tangermeme
        import torch
        from tangermeme.saturation_mutagenesis import saturation_mutagenesis

        torch.set_num_threads(THREADS)
        self.mutagenesis = saturation_mutagenesis
        self.model = torch_model(chain)
        self.chain = chain
        self.torch = torch
        self.version = f"tangermeme {tangermeme.__version__}, torch {torch.__version__}"
        module = sys.modules["tangermeme.saturation_mutagenesis"]
        module._FAST_MIN_SECONDS = 0
        module._FAST_MAX_RELATIVE_TIME = np.inf  # which way is faster is measured below
        self.capture, module._fast_path = module._fast_path, self.captured
        self.known = {}
        self.fast = False
        slow = self.best([145])
        self.fast = True
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            fast = self.best([32, 145, 435])
        self.fast = fast < slow and any(self.known.values())
        _, self.batch = fast if self.fast else slow
        refused = [str(w.message) for w in said if "using fast=False" in str(w.message)]
        self.note = "fast" if self.fast else "fast=False: " + (refused or ["its fast way is slower"])[0]

    def captured(self, model, x, args, start, end, *settings):
        """Instead of its `_fast_path`: captures once for a span, then exchanges the sequences."""
        if (start, end) not in self.known:
            self.known[start, end] = self.capture(model, x, args, start, end, *settings)[0]
        fast = self.known[start, end]
        if fast:
            fast.X, fast._example = x, None
        return fast, None, 0

    def places(self, part):
        """It takes a span only: the first part, which for halves is as good as the second."""
        return np.arange(-(-self.chain.window // part))

    def run(self, windows, part=1):
        x = self.torch.from_numpy(self.chain.one_hot(windows))
        start = self.chain.offset
        reference, mutants = self.mutagenesis(
            self.model,
            x,
            start=start,
            end=start + len(self.places(part)),
            batch_size=self.batch,
            raw_outputs=True,
            device="cpu",
            fast=self.fast,
        )
        effects = mutants - reference[:, None, None]  # [n, 4, positions, tasks]
        return effects.permute(0, 2, 1, 3).numpy()


class Yuzu(Peer):
    """Compressed sensing: gives the length of each change's effect vector over the tasks."""

    norm = True

    def __init__(self, chain, path):
        import importlib.metadata

        import torch
        import yuzu

        torch.set_num_threads(THREADS)
        # On some processors PyTorch's batched inverse (oneMKL) fails or never ends on these matrices.
        torch.linalg.inv = lambda matrices: torch.from_numpy(np.linalg.inv(matrices.numpy()))
        self.yuzu = yuzu
        self.model = yuzu_model(chain)
        self.chain = chain
        self.version = f"yuzu-ism {importlib.metadata.version('yuzu-ism')}, torch {torch.__version__}"
        # Its own 50 sizes up to 1.49 would take many minutes with long windows: few stand for them.
        sizes = None if chain.window <= 145 else [1.1, 1.3, 1.49]
        self.computed = yuzu.precompute(self.model, chain.columns, alpha=sizes, random_state=0)
        _, self.batch = self.best([1, 2]) if chain.window <= 145 else (None, 1)
        correlation = self.computed.results[-1, 2]
        self.note = f"alpha {self.computed.alpha:.2f}, correlation {correlation:.4f}"

    def places(self, part):
        return np.arange(self.chain.window)  # it has no way to score a part

    def run(self, windows, part=1):
        x = self.chain.one_hot(windows)
        scores = self.yuzu.yuzu_ism(self.model, x, self.computed, batch_size=self.batch)
        start = self.chain.offset
        return scores[:, :, start : start + self.chain.window].transpose(0, 2, 1)[..., None]


class FastIsm(Peer):
    """A Keras model of the affected ranges; one call a base, which replaces every position in turn."""

    def __init__(self, chain, path):
        import importlib.metadata

        import tensorflow as tf
        from fastism import FastISM

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.model = keras_model(chain)
        self.make = FastISM
        self.part = None
        self.chain = chain
        self.tf = tf
        version = importlib.metadata.version
        self.version = f"fastism {version('fastism')}, tensorflow {tf.__version__}"
        # Its overhead is one small call a change, shared by the batch; long windows fill their calls.
        self.batch = 64 if chain.window <= 600 else 16

    def run(self, windows, part=1):
        if part != self.part:
            ranges = [(at, at + 1) for at in (self.chain.offset + self.places(part)).tolist()]
            # Its own test demands 1e-6 relative to outputs; the check here is against onnxruntime.
            self.ism = self.make(self.model, change_ranges=ranges, test_correctness=False)
            self.part = part
            self.prepare = self.ism.pre_change_range_loop_prep
            self.ism.pre_change_range_loop_prep = self.prepared
        start, self.once = time.perf_counter(), 0
        out = []
        for first in range(0, len(windows), self.batch):
            x = self.chain.one_hot(windows[first : first + self.batch]).transpose(0, 2, 1)
            x = self.tf.constant(x)
            reference = self.model(x, training=False).numpy()
            mutants = [self.ism(x, replace_with=row) for row in np.eye(4).tolist()]
            out.append(np.stack(mutants, axis=2) - reference[:, None, None])
        rest = time.perf_counter() - start - self.once
        self.seconds = self.once + rest * self.chain.window / len(self.places(part))
        return np.concatenate(out)

    def prepared(self, *inputs):
        """The forward pass of the unchanged windows, as long for a part of the positions as for all."""
        start = time.perf_counter()
        output = self.prepare(*inputs)
        self.once += time.perf_counter() - start
        return output


class Module(Peer):
    """mpra-score's own Python module, on arrays in memory as the peers are."""

    batch = 1

    def __init__(self, chain, path):
        import mpra_score

        self.model = mpra_score.Model.open(path, threads=THREADS)
        self.chain = chain
        self.version = f"mpra-score {mpra_score.__version__}"

    def run(self, windows, part=1):
        letters = np.frombuffer(b"ACGT", "S1")[windows]
        found = self.model.saturation([b"".join(row).decode() for row in letters])
        return found.effects.transpose(0, 3, 2, 1)[:, self.places(part)]


PEERS = {"onnxruntime": OnnxRuntime, "tangermeme": Tangermeme, "yuzu": Yuzu, "fastism": FastIsm, "module": Module}


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
        note = f"batch up to {peer.batch}" + (f", {peer.note}" if peer.note else "")
        answer(version=peer.version, setup=setup, note=note, norm=peer.norm, batch=peer.batch)
        for line in sys.stdin:
            request = json.loads(line)
            windows = np.load(request["windows"])
            result, seconds = peer.timed(windows, request["part"])
            if request["keep"]:
                np.save(request["keep"], result)
            answer(seconds=seconds, places=peer.places(request["part"]).tolist())
    except Exception as error:  # noqa: BLE001: whatever it is, it is the answer
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")


# ----------------------------------------------------------------------------- the comparison


class Worker:
    """A peer in a process of its own."""

    def __init__(self, name, python, model, log, limit=3600):
        self.limit = limit
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
        timer = threading.Timer(self.limit, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        ended = f"ended without an answer, or had none within {self.limit:.0f} s"
        answer = json.loads(line) if line else {"error": ended}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def run(self, windows, keep=None, part=1):
        """Seconds that whole windows take, going by the part that is scored (see `places`)."""
        request = {"windows": windows, "keep": keep, "part": part}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.read()
        self.places = answer["places"]
        return answer["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class MpraScore:
    """The command line on a FASTA of the windows end to end; time as its run.json has it."""

    def __init__(self, program, model, engine, folder, window=WINDOW):
        self.window = window
        self.command = [program, "--model", model, "--engine", engine, "--threads", str(THREADS)]
        self.command += ["--anchor", "region", "--stride", str(window), "--quiet", "--force"]
        self.folder = folder / f"mpra-{engine}"
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.about = {"version": version.stdout.strip(), "note": f"--engine {engine}", "norm": False}

    def run(self, windows, keep=None):
        sequence = np.load(windows)
        fasta, bed = f"{windows}.fa", f"{windows}.bed"
        if not Path(bed).exists():
            letters = "".join(np.array(list(BASES))[sequence.ravel()])
            Path(fasta).write_text(f">random\n{letters}\n")
            rows = (f"random\t{i * self.window}\t{(i + 1) * self.window}\n" for i in range(len(sequence)))
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
