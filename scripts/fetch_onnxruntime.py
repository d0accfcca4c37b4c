#!/usr/bin/env python3
"""Fetches the ONNX Runtime shared library and puts it into FOLDER.

The library is taken from the official wheel on PyPI, pinned by version and sha256 in
onnxruntime.txt. Which Python runs this does not matter: the wheel is only unpacked. Nothing is
fetched when the library is there already.
"""

import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLATFORMS = {
    ("Linux", "x86_64"): "manylinux_2_28_x86_64",
    ("Linux", "aarch64"): "manylinux_2_28_aarch64",
    ("Darwin", "arm64"): "macosx_14_0_arm64",
}


def version() -> str:
    for line in (HERE / "onnxruntime.txt").read_text().splitlines():
        if line.startswith("onnxruntime=="):
            return line.split("==")[1].split()[0]
    sys.exit("scripts/onnxruntime.txt names no version")


def main() -> None:
    folder = Path(sys.argv[1])
    link = folder / "onnxruntime"
    suffix = f"libonnxruntime.{version()}.dylib" if sys.platform == "darwin" else f"libonnxruntime.so.{version()}"
    if link.exists() and link.resolve().name == suffix:
        return
    tag = PLATFORMS.get((platform.system(), platform.machine()))
    if tag is None:
        sys.exit(
            f"no pinned ONNX Runtime for {platform.system()} {platform.machine()}: install one of "
            f"version {version()} or later and name it with ORT_DYLIB_PATH or --ort-lib"
        )
    print(f"fetching ONNX Runtime {version()} ({tag})", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version", "3.12",
            "--implementation", "cp", "--abi", "cp312", "--platform", tag,
            "--requirement", str(HERE / "onnxruntime.txt"), "--dest", scratch,
        ]
        if subprocess.run(command).returncode != 0:
            sys.exit("pip could not fetch ONNX Runtime (is python3-pip installed, and PyPI reachable?)")
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(f"onnxruntime/capi/{suffix}")
        unfinished = Path(scratch) / suffix
        unfinished.write_bytes(data)
        unfinished.replace(folder / suffix)
    link.unlink(missing_ok=True)
    link.symlink_to(suffix)


main()
