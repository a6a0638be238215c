"""Where durable state lies by default: the user's state folder, never the working directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def default_state_dir() -> Path:
    """Return the folder, which need not exist yet.

    XDG_STATE_HOME/holdfast or ~/.local/state/holdfast (XDG Base Directory 0.8, which says to ignore a relative
    value); ~/Library/Application Support/holdfast on macOS; %LOCALAPPDATA%\\holdfast on Windows.
    """
    return _base(sys.platform) / "holdfast"


def _base(platform: str) -> Path:
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if platform == "win32":
        return _absolute("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    return _absolute("XDG_STATE_HOME") or Path.home() / ".local" / "state"


def _absolute(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None
