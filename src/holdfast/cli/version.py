"""``holdfast version``: which holdfast this is, and what it runs on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> None:
    """Print the version of holdfast and what it runs on."""
    print(f"holdfast {_version_of('holdfast')} (mcp {_version_of('mcp')}, Python {platform.python_version()})")


def _version_of(distribution: str) -> str:
    try:
        return installed(distribution)
    except PackageNotFoundError:
        return "from a source folder"
