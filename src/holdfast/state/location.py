"""Where durable state lies by default: the user's state folder, never the working directory."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from holdfast.errors import ConfigurationError


def default_state_dir() -> Path:
    """Return the folder, which need not exist yet.

    XDG_STATE_HOME/holdfast or ~/.local/state/holdfast (XDG Base Directory 0.8, which says to ignore a relative
    value); ~/Library/Application Support/holdfast on macOS; %LOCALAPPDATA%\\holdfast on Windows.
    """
    return _base(sys.platform) / "holdfast"


def folder_for(name: str, base: Path | None = None) -> Path:
    """The folder of one server's state, made if it is missing, for its owner only. Raises ``ConfigurationError``."""
    own = re.sub(r"[^a-zA-Z0-9_.-]", "_", name).lstrip(".") or "server"
    folder = (base or default_state_dir()) / own
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"the folder for durable state cannot be made ({error.strerror}): set HOLDFAST_STATE to one that can"
        ) from None
    return folder


def _base(platform: str) -> Path:
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if platform == "win32":
        return _absolute("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    return _absolute("XDG_STATE_HOME") or Path.home() / ".local" / "state"


def _absolute(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None
