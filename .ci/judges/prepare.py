"""What both judges need first: Node 22, locked npm packages, the judges' scripts, and a clean environment."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".cache" / "judges"
EVERYTHING = ROOT / "examples" / "everything.py"


def stop(message: str) -> NoReturn:
    """Print ``message`` on stderr and end with status 1."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1)


def script(judges: str, name: str) -> Path:
    """The judge's script ``name`` beneath ``judges`` (relative to the checkout). Ends the run when it is not there."""
    path = (ROOT / judges / name).resolve()
    if not path.is_file():
        stop(f"{name} is not in {judges}; say where the judges are with: make JUDGES=/path/to/judges ...")
    return path


def packages(name: str) -> Path:
    """Install the locked npm packages of ``.ci/judges/NAME`` once; return the folder that holds ``node_modules``."""
    source, target = HERE / name, CACHE / name
    files = {"package.json": source, "package-lock.json": source, "npmrc": HERE}
    want = hashlib.sha256(b"".join((folder / file).read_bytes() for file, folder in files.items())).hexdigest()
    stamp = target / ".stamp"
    if stamp.is_file() and stamp.read_text() == want:
        return target
    if not shutil.which("npm"):
        stop("npm was not found; the judges need Node 20 or newer with npm")
    print(f"installing the npm packages of .ci/judges/{name} (once)", flush=True)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file, folder in files.items():
        shutil.copy(folder / file, target / (".npmrc" if file == "npmrc" else file))
    subprocess.run(["npm", "ci", "--loglevel=error"], cwd=target, check=True, stdin=subprocess.DEVNULL)
    stamp.write_text(want)
    return target


def node() -> str:
    """The path of Node 22, from the npm package of this platform; a newer Node of the machine where there is none."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), "")
    modules = packages("node") / "node_modules"
    binary = modules / f"node-{platform.system().lower()}-{machine}" / "bin" / "node"
    if binary.is_file():
        return str(binary)
    own = shutil.which("node")
    said = subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout if own else ""
    if own is None or int(said.lstrip("v").split(".")[0]) < 22:
        stop("this platform has no locked Node 22; install Node 22 or newer")
    return own


def environment(**more: str) -> dict[str, str]:
    """This process's environment, less its ``HOLDFAST_`` settings, plus ``more`` and a state folder in the checkout.

    ``THROUGH_SDK=1`` has every message go through the SDK, so that both ways are judged.
    """
    state = CACHE / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    way = {"HOLDFAST_FAST_PATH": "false"} if os.environ.get("THROUGH_SDK") == "1" else {}
    return {**clean, **way, "HOLDFAST_STATE": str(state), **more}


def server() -> Path:
    """The example that is judged. Ends the run when it is not there."""
    if not EVERYTHING.is_file():
        stop("examples/everything.py is missing: there is nothing to judge")
    return EVERYTHING
