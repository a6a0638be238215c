"""Since when counts are unknown, because the file that held them was damaged and set aside."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path


class Losses:
    """Known by the files themselves (``<name>.damaged-<number>``), so that a restart forgets none, and every instance
    that shares the folder knows of each. An operator who moves such a file away has taken note of it.

    A file's time of modification is when it was set aside.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._newest: Path | None = None

    def look(self) -> None:
        """Find the newest loss; for whenever a file is opened."""
        self._newest = None if self._path is None else max(_losses(self._path), key=_when, default=None)

    def since(self) -> float | None:
        """When the newest loss was, in seconds since the epoch; ``None`` when there is none to take note of."""
        while self._newest is not None:
            try:
                return self._newest.stat().st_mtime
            except FileNotFoundError:  # moved away: there may be an older one
                self.look()
        return None


def name_for(path: Path, wall: Callable[[], float]) -> Path:
    """The free name under which the damaged file is to be set aside now; writes the time of that on it."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, (wall(), wall()))
    taken = [int(found[1]) for each in _losses(path) if (found := re.search(r"(\d+)$", each.name))]
    return path.with_name(f"{path.name}.damaged-{max(taken, default=0) + 1}")


def _losses(path: Path) -> list[Path]:
    pattern = re.compile(re.escape(path.name) + r"\.damaged-\d{1,9}")
    with contextlib.suppress(FileNotFoundError):
        return [each for each in path.parent.iterdir() if pattern.fullmatch(each.name)]
    return []


def _when(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0
