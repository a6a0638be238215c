"""Which servers are compared, how each is started, and the environments that they need."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from subjects import installed

TOP = Path(__file__).resolve().parent.parent
PEERS = TOP / "benchmarks" / "peers"
CACHE = TOP / ".cache" / "peers"
FASTMCP = TOP / ".cache" / "judges" / "fastmcp"
PYPI = CACHE / "pypi"
NPM = CACHE / "npm"
STDIO, HTTP = "stdio", "http"
ADDRESS = "http://127.0.0.1:{port}/mcp"
FILESYSTEM = "@modelcontextprotocol/server-filesystem"
OURS = "ours"
"""The server that the others are compared with."""


class Missing(Exception):
    """What a server needs cannot be installed here; the message is one line."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One server. ``words`` start it over stdio, and with ``http {port}`` behind them over HTTP where ``http`` says so.

    ``shown`` is the command as a reader would type it; ``source`` says whose server it is, and after what it was
    written or started.
    """

    name: str
    label: str
    words: tuple[str, ...]
    shown: str
    source: str
    python: str = sys.executable
    package: str = ""
    http: bool = False
    usual: bool = True
    """Judged when nobody names servers; the others take five minutes more each."""

    @property
    def transports(self) -> tuple[str, ...]:
        """Over what it is judged."""
        return (STDIO, HTTP) if self.http else (STDIO,)

    def command(self, transport: str) -> list[str]:
        """What is run; the attack fills the braces in."""
        return [*self.words, "http", "{port}"] if transport == HTTP else list(self.words)

    def command_shown(self, transport: str) -> str:
        """The same for a reader."""
        return f"{self.shown} http {{port}}" if transport == HTTP else self.shown

    def version(self) -> str:
        """What was installed, as its package says; empty where it cannot be told."""
        if self.package == FILESYSTEM:
            about = NPM / "node_modules" / FILESYSTEM / "package.json"
            return str(json.loads(about.read_text())["version"]) if about.is_file() else ""
        return installed(self.python, self.package) or ""


def compared() -> list[Compared]:
    """All of them: ours, the same tools with each framework, and the reference servers."""
    return [
        Compared(
            OURS,
            "holdfast",
            (sys.executable, str(TOP / "examples" / "workspace.py")),
            "python examples/workspace.py",
            "`examples/workspace.py`, every setting at its default",
            package="holdfast",
            http=True,
        ),
        _written("sdk_workspace", "SDK", "the same tools as the SDK's own pages show them"),
        _written("sdk_careful", "SDK, careful", "the same by a careful author, with what the SDK offers"),
        _written("fastmcp_workspace", "FastMCP", "the same tools as FastMCP's own pages show them"),
        _written(
            "fastmcp_careful", "FastMCP, careful", "the same by a careful author, with strict settings and limits"
        ),
        Compared(
            "filesystem",
            "server-filesystem",
            (str(NPM / "node_modules" / ".bin" / "mcp-server-filesystem"), "{workspace}"),
            "mcp-server-filesystem {workspace}",
            f'npm `{FILESYSTEM}`, started as in "Command-line Arguments" of its README',
            package=FILESYSTEM,
        ),
        _reference("fetch"),
        _reference("git", "--repository", "{workspace}"),
        _reference("time"),
    ]


def _written(script: str, label: str, source: str) -> Compared:
    shown, framework = f"benchmarks/peers/{script}.py", script.partition("_")[0]
    python = str(FASTMCP / "bin" / "python") if framework == "fastmcp" else sys.executable
    package = "fastmcp" if framework == "fastmcp" else "mcp"
    words = (python, str(TOP / shown))
    usual = not script.endswith("_careful")
    return Compared(
        script, label, words, f"python {shown}", f"`{shown}`: {source}", python, package, http=True, usual=usual
    )


def _reference(name: str, *words: str) -> Compared:
    python, module = str(PYPI / "bin" / "python"), f"mcp_server_{name}"
    shown = " ".join(("python", "-m", module, *words))
    source = f'PyPI `mcp-server-{name}`, started as in "Using pip installation" of its README'
    return Compared(name, f"server-{name}", (python, "-m", module, *words), shown, source, python, f"mcp-server-{name}")


def install(chosen: list[Compared]) -> None:
    """What the chosen servers need, once. Raises ``Missing``."""
    pythons = {each.python for each in chosen}
    if str(FASTMCP / "bin" / "python") in pythons:
        _venv(FASTMCP, ".ci/judges/clients/fastmcp.lock")
    if str(PYPI / "bin" / "python") in pythons:
        _venv(PYPI, ".ci/peers/pypi.lock")
    if any(each.package == FILESYSTEM for each in chosen):
        _packages(TOP / ".ci" / "peers" / "npm", TOP / ".ci" / "judges" / "npmrc", NPM)


def _venv(folder: Path, lock: str) -> None:
    words = [str(TOP / ".ci" / "venv"), str(folder.relative_to(TOP)), lock]
    if subprocess.run(words, cwd=TOP, check=False).returncode:
        raise Missing(f"{lock} cannot be installed here")


def _packages(source: Path, settings: Path, target: Path) -> None:
    """The locked npm packages, unless they are there already."""
    files = {".npmrc": settings, **{name: source / name for name in ("package.json", "package-lock.json")}}
    want = hashlib.sha256(b"".join(path.read_bytes() for path in files.values())).hexdigest()
    stamp = target / ".stamp"
    if stamp.is_file() and stamp.read_text() == want:
        return
    if shutil.which("npm") is None:
        raise Missing("npm was not found; server-filesystem needs Node 20 or newer with npm")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, path in files.items():
        shutil.copy(path, target / name)
    if subprocess.run(["npm", "ci", "--loglevel=error"], cwd=target, check=False, stdin=subprocess.DEVNULL).returncode:
        raise Missing(".ci/peers/npm cannot be installed here")
    stamp.write_text(want)
