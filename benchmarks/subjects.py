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
RATE = "100000000/minute"
"""The limiter stays in the chain and counts, but has nothing to refuse."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One server: a script that takes ``stdio`` or ``http PORT``."""

    name: str
    label: str
    script: Path
    python: str = sys.executable
    settings: dict[str, str] = field(default_factory=dict)
    missing: str | None = None
    """Why it cannot be measured here."""

    def argv(self, *words: str) -> list[str]:
        """How it is started."""
        return [self.python, str(self.script), *words]

    def environment(self, folder: Path) -> dict[str, str]:
        """This process's environment without any framework's settings; holdfast's log and state go to ``folder``."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("HOLDFAST_", "FASTMCP_"))}
        own = {"HOLDFAST_STATE": str(folder / "state"), "HOLDFAST_LOG__FILE": str(folder / "holdfast.log")}
        return plain | own | self.settings


def subjects(fastmcp: str | None, also: list[Path]) -> list[Subject]:
    """All of them, in the order in which each round measures them."""
    guarded = {"HOLDFAST_LIMITS__RATE": RATE}
    servers = HERE / "servers"
    return [
        *(Subject(path.stem, path.stem, path.resolve(), settings=guarded) for path in also),  # first: may be at fault
        Subject(YARDSTICK, "SDK low level, bare", servers / "sdk_lowlevel.py"),
        Subject("mcpserver", "SDK MCPServer", servers / "sdk_mcpserver.py"),
        _fastmcp(fastmcp, servers / "fastmcp_server.py"),
        Subject("holdfast", "holdfast, every guard, audited", servers / "guarded.py", settings=guarded),
        Subject("holdfast-readonly", "holdfast, read-only tool", servers / "guarded_readonly.py", settings=guarded),
        Subject("floor", "floor: asyncio, pydantic-core", servers / "floor.py"),
    ]


def _fastmcp(python: str | None, script: Path) -> Subject:
    """FastMCP needs other versions of the same libraries, so it has an environment of its own."""
    usual = HERE.parent / ".cache" / "judges" / "fastmcp" / "bin" / "python"
    chosen = python or (str(usual) if usual.exists() else None)
    if chosen is None:
        return Subject("fastmcp", "FastMCP", script, missing="no environment with it (--fastmcp PYTHON)")
    version = installed(chosen, "fastmcp")
    if version is None:
        return Subject("fastmcp", "FastMCP", script, missing="the interpreter given does not have it")
    return Subject("fastmcp", f"FastMCP {version}", script, chosen, {"FASTMCP_CHECK_FOR_UPDATES": "off"})


def installed(python: str, distribution: str) -> str | None:
    """The version of a distribution in another interpreter's environment."""
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    try:
        ran = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None
