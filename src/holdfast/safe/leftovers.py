"""Removing the temporary files and directories that writers left behind when they were killed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from holdfast.errors import UnsafePath
from holdfast.safe.folder import Folder
from holdfast.safe.listing import directories
from holdfast.safe.names import RESERVED
from holdfast.safe.refusals import refusing
from holdfast.safe.staging import discard

_TEMPORARY: Final = re.compile(re.escape(RESERVED) + r"[0-9a-f]{16}\.(tmp|new)")


def sweep(folder: Folder, before: float) -> int:
    """Remove our temporary files and directories last modified before ``before`` (seconds since the epoch).

    Returns how many.
    Looks where writes can go: visible directories, within the bounds of a walk. Does nothing beneath a read-only root.
    """
    if folder.read_only:
        return 0
    removed = 0
    for parts in directories(folder):
        with suppress(UnsafePath):  # a directory that we may not write to, or that vanished, has nothing of ours
            removed += _sweep_directory(folder, parts, before)
    return removed


def _sweep_directory(folder: Folder, parts: Sequence[str], before: float) -> int:
    removed = 0
    with folder.directory(parts) as fd, refusing():
        for name in filter(_TEMPORARY.fullmatch, os.listdir(fd)):
            facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if facts.st_mtime >= before:
                continue
            if stat.S_ISREG(facts.st_mode):
                os.unlink(name, dir_fd=fd)
                removed += 1
            elif stat.S_ISDIR(facts.st_mode):
                discard(fd, name)
                removed += 1
    return removed
