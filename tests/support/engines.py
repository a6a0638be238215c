"""The two ways a server runs: with uvloop and httptools where they are installed, and without."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

FAST = ("uvloop", "httptools")
ENGINES = [
    pytest.param(
        "fast",
        marks=pytest.mark.skipif(not all(map(find_spec, FAST)), reason='the extra "fast" is not installed'),
    ),
    "plain",
]


def engine(kind: str, base: Path) -> dict[str, str]:
    """What to put into a server's environment so that it runs that way: "plain" hides the libraries from it."""
    if kind == "fast":
        return {}
    for name in FAST:
        (base / f"{name}.py").write_text("raise ImportError('hidden by a test')\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(base), os.environ.get("PYTHONPATH"))))}
