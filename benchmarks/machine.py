"""What the figures were measured on: enough to judge them by, nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("holdfast", "mcp", "pydantic", "pydantic_core", "uvicorn", "httptools", "uvloop")


def machine() -> dict[str, str]:
    """Facts by name."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
        "kernel": f"{platform.system()} {_numbers(platform.release())}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _installed(name)) is not None),
        "load": _load(),
    }


def _cpu() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"(?m)^model name\s*:\s*(.+)$", told)
    return found[1].strip() if found else platform.machine()


def _numbers(release: str) -> str:
    """The version alone: what follows it may be a name that somebody gave a kernel of their own."""
    found = re.match(r"[0-9.]+", release)
    return found[0] if found else ""


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _load() -> str:
    """What others asked of the machine at the time; above the number of cores, absolute figures say little."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
