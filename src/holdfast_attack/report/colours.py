"""Colours for a terminal that wants them, as plain SGR sequences (ECMA-48, 8.3.117)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast_attack.model.case import Severity

_CODES: Final[Mapping[str, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
    "alarm": "1;97;41",
}
OF_SEVERITY: Final[Mapping[Severity, str]] = {
    Severity.ADVICE: "blue",
    Severity.LOW: "cyan",
    Severity.MEDIUM: "yellow",
    Severity.HIGH: "red",
    Severity.CRITICAL: "alarm",
}


@dataclass(frozen=True, slots=True)
class Paint:
    """Puts colours around text, or leaves it alone."""

    coloured: bool = False

    def __call__(self, text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.coloured and text else text


def is_terminal(stream: Any) -> bool:
    """Whether somebody looks at it; a stream that is closed or missing is none."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def paint_for(stream: Any, environment: Mapping[str, str] = os.environ) -> Paint:
    """Colours in a terminal that knows them, unless ``NO_COLOR`` is set and not empty (no-color.org)."""
    wanted = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Paint(wanted and is_terminal(stream))
