"""Where ONNX Runtime is: in the wheel that this package depends on."""

import importlib.util
import os
from pathlib import Path


def find() -> str | None:
    """The library, found without loading the `onnxruntime` module; None where the program shall look itself."""
    if os.environ.get("ORT_DYLIB_PATH"):
        return None
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "capi"
    for pattern in ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll"):
        found = sorted(folder.glob(pattern))
        if found:
            return str(found[0])
    return None


def use() -> None:
    """Names the library to the program, unless the user has."""
    library = find()
    if library is not None:
        os.environ["ORT_DYLIB_PATH"] = library
