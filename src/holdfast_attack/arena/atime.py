"""A file that tells whether it was read, where the file system keeps the times of reading."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

AGO = 10 * 86_400
"""Seconds: a time of reading that is older than a day, and than the last change, is renewed even with ``relatime``."""


@dataclass(frozen=True, slots=True)
class Watched:
    """``tells``: a file beside it was read at the start, and its time of reading followed."""

    path: Path
    tells: bool

    @classmethod
    def plant(cls, path: Path, text: str) -> Self:
        """Write it, see on another file whether the mount keeps such times, and arm it."""
        trial = path.with_name(f"{path.name}.trial")
        trial.write_text(text)
        armed = cls(trial, True)
        armed.arm()
        trial.read_text()
        tells = armed.was_read() is True
        trial.unlink()
        path.write_text(text)
        planted = cls(path, tells)
        planted.arm()
        return planted

    def arm(self) -> None:
        """Forget that it was read."""
        now = time.time()
        os.utime(self.path, (now - AGO, now))

    def was_read(self) -> bool | None:
        """None when this cannot be seen, or the file is gone."""
        if not self.tells:
            return None
        try:
            return time.time() - self.path.stat().st_atime < AGO / 2
        except OSError:
            return None
