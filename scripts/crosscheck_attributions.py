#!/usr/bin/env python3
"""Contributions beside Captum, tangermeme and PyTorch's autograd, on the same networks, references and inputs, with times.

usage: crosscheck_attributions.py [FILE.onnx ...] [--sequences 16] [--references 20] [--threads 2]

Needs torch, captum, tangermeme, onnx and the module mpra_score (pip install .). A residual network of random weights comes
last; without a file, `models/*.onnx` before it. Files must be chains of Conv, Relu, BatchNormalization,
MaxPool, Flatten and dense layers. Prints a line for each network and method: the largest difference of hypothetical
contributions relative to 1 or the largest of them, and seconds for all tasks. Ends with 1 where one is above 1e-4.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from captum.attr import DeepLift, IntegratedGradients
from onnx import numpy_helper
from tangermeme.deep_lift_shap import deep_lift_shap
from tangermeme.ersatz import dinucleotide_shuffle

import mpra_score

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("onnx", nargs="*", type=Path)
parser.add_argument("--sequences", type=int, default=16)
parser.add_argument("--references", type=int, default=20)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)


class Permute(torch.nn.Module):
    def __init__(self, order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(self.order)


class Embed(torch.nn.Module):
    """A window set into a longer input."""

    def __init__(self, offset, length):
        super().__init__()
        self.offset, self.length = offset, length

    def forward(self, x):
        return torch.nn.functional.pad(x, (self.offset, self.length - self.offset - x.shape[-1]))


def chain(path, window):
    """A PyTorch module of an ONNX chain, which takes [n, 4, window]."""
    model = onnx.load(path)
    graph = model.graph
    weights = {t.name: torch.tensor(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    four_last = shape[-1] == 4
    length = shape[-2] if four_last else shape[-1]
    layers = []
    if length != window:
        layers.append(Embed((length - window) // 2, length))
    if four_last:
        layers.append(Permute((0, 2, 1)))
    for node in graph.node:
        inputs = [weights[name] for name in node.input if name in weights]
        attribute = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            pads = attribute.get("pads", [0, 0])
            assert pads[0] == pads[-1], "uneven padding"
            w = inputs[0]
            if w.ndim == 4:
                raise SystemExit(f"{path}: two-dimensional convolutions are not read here")
            layer = torch.nn.Conv1d(w.shape[1], w.shape[0], w.shape[2], padding=pads[0], bias=len(inputs) > 1)
            layer.weight.data = w
            if len(inputs) > 1:
                layer.bias.data = inputs[1]
        elif node.op_type == "Relu":
            layer = torch.nn.ReLU()
        elif node.op_type == "BatchNormalization":
            layer = torch.nn.BatchNorm1d(len(inputs[0]), eps=attribute.get("epsilon", 1e-5))
            layer.weight.data, layer.bias.data, layer.running_mean.data, layer.running_var.data = inputs
        elif node.op_type == "MaxPool":
            size = attribute["kernel_shape"][-1]
            layer = torch.nn.MaxPool1d(size, attribute.get("strides", [1])[-1])
        elif node.op_type in ("Flatten", "Reshape"):
            layer = torch.nn.Flatten()
        elif node.op_type in ("Gemm", "MatMul"):
            w = inputs[0] if attribute.get("transB") else inputs[0].T
            layer = torch.nn.Linear(w.shape[1], w.shape[0])
            layer.weight.data = w
            layer.bias.data = inputs[1] if len(inputs) > 1 else torch.zeros(w.shape[0])
        elif node.op_type == "Add":
            layers[-1].bias.data = inputs[0].reshape(-1)
            continue
        elif node.op_type == "Transpose":
            layer = Permute(tuple(attribute["perm"]))
        elif node.op_type in ("Identity", "Dropout"):
            continue
        else:
            raise SystemExit(f"{path}: the operator {node.op_type} is not read here")
        layers.append(layer)
    return torch.nn.Sequential(*layers).eval()


class Residual(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv1d(4, 32, 9, padding=4)
        self.convs = torch.nn.ModuleList(torch.nn.Conv1d(32, 32, 3, padding=2**i, dilation=2**i) for i in range(4))
        self.relus = torch.nn.ModuleList(torch.nn.ReLU() for _ in range(5))
        self.head = torch.nn.Linear(32, 4)

    def forward(self, x):
        x = self.relus[0](self.first(x))
        for conv, relu in zip(self.convs, self.relus[1:], strict=True):
            x = x + relu(conv(x))
        return self.head(x.mean(-1))


def networks(folder):
    for path in args.onnx or sorted((Path(__file__).parent.parent / "models").glob("*.onnx")):
        yield path.stem, path
    path = folder / "residual.onnx"
    torch.onnx.export(
        Residual().eval(), (torch.zeros(1, 4, 145),), path, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}}, dynamo=False
    )
    yield "residual", path


def timed(run):
    begun = time.perf_counter()
    found = run()
    return found, time.perf_counter() - begun


worst = 0.0


def tell(name, method, own, theirs, seconds):
    global worst
    difference = float(np.abs(own - theirs).max() / max(1.0, np.abs(theirs).max()))
    worst = max(worst, difference)
    print(f"{name}\t{method}\tdifference {difference:.1e}\t{seconds[0]:.2f} s, theirs {seconds[1]:.2f} s: {seconds[1] / seconds[0]:.1f}")


with tempfile.TemporaryDirectory() as scratch:
    for name, path in networks(Path(scratch)):
        model = mpra_score.Model.open(path, threads=args.threads)
        tasks, window = range(len(model.tasks)), model.window
        if name == "residual":
            torch.manual_seed(2)
            twin = Residual().eval()
            weights = [torch.tensor(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer]
            by_shape = {tuple(w.shape): [v for v in weights if v.shape == w.shape] for w in weights}
            state = {key: by_shape[tuple(value.shape)].pop(0) for key, value in twin.state_dict().items()}
            twin.load_state_dict(state)
        else:
            twin = chain(path, window)
        rng = np.random.default_rng(3)
        codes = rng.integers(0, 4, (args.sequences, window))
        one_hot = torch.tensor(np.eye(4, dtype=np.float32)[codes].transpose(0, 2, 1))
        with torch.no_grad():
            gap = np.abs(twin(one_hot).numpy() - model.predict(one_hot.numpy())).max()
        assert gap < 1e-4, f"{name}: the PyTorch twin is another network ({gap})"
        model.contributions(one_hot[:1].numpy(), "gradient-input")

        # Gradients.
        x = one_hot.clone().requires_grad_()
        theirs, seconds = timed(lambda: np.stack([torch.autograd.grad(twin(x)[:, t].sum(), x)[0].numpy() for t in tasks], 1))
        own, mine = timed(lambda: model.contributions(one_hot.numpy(), "gradient-input"))
        tell(name, "gradient (autograd)", own, theirs, (mine, seconds))

        # Integrated gradients, one reference.
        quarter = torch.full_like(one_hot, 0.25)
        captum = IntegratedGradients(twin, multiply_by_inputs=False)
        theirs, seconds = timed(lambda: np.stack([captum.attribute(one_hot, quarter, target=t, n_steps=50).detach().numpy() for t in tasks], 1))
        held = theirs - 0.25 * theirs.sum(2, keepdims=True)
        own, mine = timed(lambda: model.contributions(one_hot.numpy(), "integrated-gradients", references="uniform", steps=50))
        tell(name, "integrated gradients (captum)", own, held, (mine, seconds))

        # DeepLIFT, one reference: zeros.
        zeros = torch.zeros_like(one_hot)
        lift = DeepLift(twin)
        theirs, seconds = timed(lambda: np.stack([lift.attribute(one_hot, zeros, target=t).detach().numpy() for t in tasks], 1))
        own, mine = timed(lambda: model.contributions(one_hot.numpy(), "deeplift", references="zeros"))
        own = own * one_hot.numpy()[:, None]
        tell(name, "deeplift, zeros (captum)", own, theirs, (mine, seconds))

        # DeepLIFT over shuffles, hypothetical.
        shuffles = dinucleotide_shuffle(one_hot, n=args.references, random_state=0)
        theirs, seconds = timed(
            lambda: np.stack(
                [
                    deep_lift_shap(twin, one_hot, target=t, references=shuffles, hypothetical=True, device="cpu", batch_size=64).numpy()
                    for t in tasks
                ],
                1,
            )
        )
        own, mine = timed(lambda: model.contributions(one_hot.numpy(), "deeplift", references=shuffles.numpy()))
        tell(name, f"deeplift, {args.references} shuffles (tangermeme)", own, theirs, (mine, seconds))

print(f"largest difference {worst:.1e}")
sys.exit(worst > 1e-4)
