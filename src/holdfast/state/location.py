"""Where durable state lies by default: the user's state folder, never the working directory."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from holdfast.errors import ConfigurationError

FILE: Final = "state.sqlite"
VERSION: Final = 2
"""Of the state file, as many as ``database.MIGRATIONS``: known here, so that a start need not load SQLite for it."""
NEWER: Final = "a newer holdfast wrote the state file: update this one, or set HOLDFAST_STATE to a folder of its own"
UNAVAILABLE: Final = "the server's state cannot be used now; try again later"
_MAGIC: Final = b"SQLite format 3\0"
_VERSION_AT: Final = 60
"""Where PRAGMA user_version stands, four bytes, most significant first (sqlite.org/fileformat2.html, 1.3)."""


def glance(path: Path) -> bool:
    """Whether the file is there and looks like one of ours, by its first bytes; ``False`` for one that does not.

    Raises ``FileNotFoundError`` where there is none, and ``ConfigurationError`` for one of a newer version.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_VERSION_AT + 4)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    if len(head) < _VERSION_AT + 4 or not head.startswith(_MAGIC):
        return False
    if int.from_bytes(head[_VERSION_AT:], "big") > VERSION:
        raise ConfigurationError(NEWER)
    return True


def default_state_dir() -> Path:
    """Return the folder, which need not exist yet.

    XDG_STATE_HOME/holdfast or ~/.local/state/holdfast (XDG Base Directory 0.8, which says to ignore a relative
    value); ~/Library/Application Support/holdfast on macOS; %LOCALAPPDATA%\\holdfast on Windows.
    """
    return _base(sys.platform) / "holdfast"


def folder_for(name: str, base: Path | None = None) -> Path:
    """The folder of one server's state, made if it is missing, for its owner only. Raises ``ConfigurationError``."""
    folder = path_of(name, base)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"the folder for durable state cannot be made ({error.strerror}): set HOLDFAST_STATE to one that can"
        ) from None
    return folder


def path_of(name: str, base: Path | None = None) -> Path:
    """Where that folder is; nothing is made."""
    own = re.sub(r"[^a-zA-Z0-9_.-]", "_", name).lstrip(".") or "server"
    return (base or default_state_dir()) / own


def _base(platform: str) -> Path:
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if platform == "win32":
        return _absolute("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    return _absolute("XDG_STATE_HOME") or Path.home() / ".local" / "state"


def _absolute(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None
