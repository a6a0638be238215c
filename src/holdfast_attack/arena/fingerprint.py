"""What stands in folders, so that a change is seen."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

LARGEST = 4 * 2**20
"""Bytes of a file up to which its content counts; of a larger one its size and time."""
MOST = 5_000
"""Entries of one folder tree that are looked at."""
_OWN_BUSINESS = frozenset({"index", "index.lock", "ORIG_HEAD", "FETCH_HEAD", "COMMIT_EDITMSG", "gc.log"})
"""Files in .git that git changes although it only reads."""


def of_folder(folder: Path, name: str, *, unread: frozenset[str] = frozenset()) -> dict[str, str]:
    """Each entry beneath ``folder`` as ``name/...``, with what it is. Links are not followed.

    ``unread``: files that are not opened, as who reads them must be seen by their times.
    """
    found: dict[str, str] = {name: _facts(folder, read=False)}
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        for entry in (*folders, *files):
            where = os.path.normpath(os.path.join(inside, entry))
            if len(found) >= MOST:
                return found
            if not _of_git(where):
                found[f"{name}/{where}"] = _facts(Path(place, entry), read=where not in unread)
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """What came, went or changed, in words."""
    came = [f"{name} was made" for name in after if name not in before]
    went = [f"{name} is gone" for name in before if name not in after]
    other = [f"{name} was changed" for name in after if name in before and before[name] != after[name]]
    return tuple(came + went + other)


def _of_git(where: str) -> bool:
    """Git's own objects and notes about files; its configuration, hooks and branches count."""
    parts = Path(where).parts
    return ".git" in parts[:-1] and (parts[-1] in _OWN_BUSINESS or "objects" in parts or "logs" in parts)


def _facts(path: Path, *, read: bool) -> str:
    try:
        seen = path.lstat()
        if stat.S_ISLNK(seen.st_mode):
            return f"link to {os.readlink(path)}"
        if not stat.S_ISREG(seen.st_mode):
            return f"kind {stat.S_IFMT(seen.st_mode):o} mode {stat.S_IMODE(seen.st_mode):o}"
        if not read or seen.st_size > LARGEST:
            return f"file of {seen.st_size} bytes at {seen.st_mtime_ns}"
        return f"file {hashlib.sha256(path.read_bytes()).hexdigest()} mode {stat.S_IMODE(seen.st_mode):o}"
    except OSError as error:
        return f"unreadable: {type(error).__name__}"
