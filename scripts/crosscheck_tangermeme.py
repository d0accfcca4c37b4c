"""The Python module beside tangermeme's saturation mutagenesis, on one torch network and its ONNX export: values and times.

By hand, where torch, tangermeme and the module are installed: crosscheck_tangermeme.py [SEQUENCES]. PyTorch takes 200 MB and
more, so CI does without.
"""

import importlib.metadata
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from tangermeme.saturation_mutagenesis import saturation_mutagenesis

import mpra_score

WINDOW, TASKS = 145, 4


def network(seed: int) -> torch.nn.Module:
    """A chain as the paper's: convolutions, one pool, dense layers."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv1d(4, 60, 10), torch.nn.ReLU(), torch.nn.Conv1d(60, 40, 9), torch.nn.ReLU(),
        torch.nn.MaxPool1d(20), torch.nn.Flatten(), torch.nn.Linear(40 * 6, 60), torch.nn.ReLU(), torch.nn.Linear(60, TASKS),
    ).eval()


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    torch.set_num_threads(2)
    model = network(1)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (n, WINDOW))
    x = torch.from_numpy(np.eye(4, dtype=np.float32)[codes].transpose(0, 2, 1).copy())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        torch.onnx.export(
            model, (x[:1],), path, input_names=["sequence"], output_names=["activity"],
            dynamic_axes={"sequence": {0: "batch"}, "activity": {0: "batch"}}, dynamo=False,
        )
        ours = mpra_score.Model.open(path, threads=2)
        ours.saturation(x[:1])
        began = time.perf_counter()
        found = ours.saturation(x)
        fast = time.perf_counter() - began
    began = time.perf_counter()
    with torch.no_grad():
        y0, mutants = saturation_mutagenesis(model, x, device="cpu", raw_outputs=True, batch_size=256)
    theirs = time.perf_counter() - began
    mutants = np.asarray(mutants)
    # [n, length, 4 or 3, tasks] in some versions: brought to [n, 4, length, tasks].
    if mutants.shape[1] == WINDOW:
        mutants = mutants.swapaxes(1, 2)
    assert mutants.shape == found.mutants.shape, (mutants.shape, found.mutants.shape)
    largest = float(np.abs(mutants - found.mutants).max())
    activity = float(np.abs(np.asarray(y0) - found.reference).max())
    version = importlib.metadata.version("tangermeme")
    print(f"tangermeme {version}, torch {torch.__version__}, mpra_score {mpra_score.__version__} ({ours.info['engine']}), {n} sequences")
    print(f"largest difference: activities {activity:.2e}, mutants {largest:.2e}")
    print(f"tangermeme {theirs:.2f} s, mpra_score {fast:.3f} s: {theirs / fast:.0f} times")
    assert max(activity, largest) < 1e-5 * max(1.0, float(np.abs(mutants).max()))


if __name__ == "__main__":
    main()
