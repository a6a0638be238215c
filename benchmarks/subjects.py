"""What is measured side by side, each with its interpreter and its settings."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
YARDSTICK = "bare"
"""The subject that every ratio is a ratio to."""
SERVERS = HERE / "servers"
AMPLE = {
    "HOLDFAST_LIMITS__RATE": "100000000/minute",
    "HOLDFAST_LIMITS__INPUT": str(8 * 2**20),
    "HOLDFAST_LIMITS__OUTPUT": str(8 * 2**20),
    "HOLDFAST_LIMITS__MESSAGE": str(16 * 2**20),
}
"""Every limiter stays in the chain and counts, but has nothing to refuse."""
STATELESS = {
    "BENCH_STATELESS": "1",
    "HOLDFAST_HTTP__STATELESS": "true",
    "HOLDFAST_HTTP__JSON_RESPONSE": "true",
    "FASTMCP_STATELESS_HTTP": "true",
    "FASTMCP_JSON_RESPONSE": "true",
}
QUIET = {"FASTMCP_CHECK_FOR_UPDATES": "off"}
FOREIGN = ("HOLDFAST_", "FASTMCP_", "BENCH_", "COVERAGE_")
"""What a server is not to see of this process's environment: a server that is traced would be measured as slow."""
TOOLS = "BENCH_TOOLS"


@dataclass(frozen=True, slots=True)
class Subject:
    """One server: a script that takes ``stdio`` or ``http PORT``."""

    name: str
    label: str
    script: Path
    python: str = sys.executable
    settings: dict[str, str] = field(default_factory=dict, hash=False)
    missing: str | None = None
    """Why it cannot be measured here."""

    def argv(self, *words: str) -> list[str]:
        """How it is started."""
        return [self.python, str(self.script), *words]

    def environment(self, folder: Path, *, stateless: bool = False) -> dict[str, str]:
        """This process's environment without any framework's settings; holdfast's log and state go to ``folder``.

        ``stateless`` is what each server needs to serve the handshake era without sessions and with plain JSON.
        """
        plain = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        own = {"HOLDFAST_STATE": str(folder / "state"), "HOLDFAST_LOG__FILE": str(folder / "holdfast.log")}
        return plain | own | self.settings | (STATELESS if stateless else {})


def subjects(fastmcp: str | None, also: list[Path]) -> list[Subject]:
    """All of them, in the order in which each round measures them."""
    return [
        *(Subject(path.stem, path.stem, path.resolve(), settings=AMPLE) for path in also),  # first: may be at fault
        Subject(YARDSTICK, "SDK low level, bare", SERVERS / "sdk_lowlevel.py"),
        Subject("mcpserver", "SDK MCPServer", SERVERS / "sdk_mcpserver.py"),
        *_fastmcp(fastmcp),
        Subject("holdfast", "holdfast, every guard, audited", SERVERS / "guarded.py", settings=AMPLE),
        Subject("holdfast-readonly", "holdfast, read-only tool", SERVERS / "guarded_readonly.py", settings=AMPLE),
        Subject("holdfast-unguarded", "holdfast's wire, no guard", SERVERS / "unguarded.py", settings=AMPLE),
        Subject("floor", "floor: asyncio, pydantic-core", SERVERS / "floor.py"),
    ]


def tools(count: int) -> Subject:
    """holdfast with so many tools."""
    return Subject(f"{count} tools", f"{count} tools", SERVERS / "many_tools.py", settings=AMPLE | {TOOLS: str(count)})


def waiting() -> Subject:
    """holdfast with a tool whose calls wait, and places for all of them: they are counted, not refused."""
    places = {f"HOLDFAST_LIMITS__{name}": "100000" for name in ("CONCURRENCY", "TOTAL", "QUEUE", "IN_FLIGHT")}
    patience = {"HOLDFAST_LIMITS__TIMEOUT": "600"}
    return Subject("waiting", "waiting", SERVERS / "waiting.py", settings=AMPLE | places | patience)


def inside() -> Subject:
    """holdfast measured from within its own process, with room for a million principals."""
    return Subject(
        "inside", "inside", SERVERS / "inside.py", settings=AMPLE | {"HOLDFAST_LIMITS__PRINCIPALS": "2000000"}
    )


def _fastmcp(python: str | None) -> list[Subject]:
    """FastMCP, bare and with its middleware; it needs other versions of the same libraries, so an environment apart."""
    usual = HERE.parent / ".cache" / "judges" / "fastmcp" / "bin" / "python"
    chosen = python or (str(usual) if usual.exists() else None)
    version = None if chosen is None else installed(chosen, "fastmcp")
    missing = None
    if chosen is None:
        missing = "no environment with it (--fastmcp PYTHON)"
    elif version is None:
        missing = "the interpreter given does not have it"
    label = f"FastMCP {version}" if version else "FastMCP"
    return [
        Subject(name, label + more, SERVERS / script, chosen or sys.executable, QUIET, missing)
        for name, more, script in (
            ("fastmcp", "", "fastmcp_server.py"),
            ("fastmcp-guarded", " with middleware", "fastmcp_guarded.py"),
        )
    ]


def speeders(python: str) -> str:
    """Which of uvicorn's accelerators an interpreter has: its HTTP servers use them by default."""
    found = [f"{name} {version}" for name in ("uvloop", "httptools") if (version := installed(python, name))]
    return " and ".join(found) or "neither uvloop nor httptools"


def installed(python: str, distribution: str) -> str | None:
    """The version of a distribution in another interpreter's environment."""
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    try:
        ran = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None
