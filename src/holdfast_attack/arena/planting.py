"""What would harm honest calls too, so that it stands in the workspace only for as long as a case needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast_attack.model import Inconclusive, NotApplicable

HUGE = 2 * 2**30
"""Bytes of the sparse file; on the disk it takes none."""
BAD_NAME = b"not-utf8-\xff\xfe.txt"


@contextmanager
def planted_folder(workspace: Path, name: str) -> Iterator[Path]:
    """A folder for one of the things below; removed with all that is in it."""
    folder = workspace / name
    try:
        folder.mkdir()
    except FileExistsError:
        raise Inconclusive(f"{name} is there already: a server, or an earlier case, has left it") from None
    try:
        yield folder
    finally:
        for entry in os.listdir(os.fsencode(folder)):
            os.unlink(os.path.join(os.fsencode(folder), entry))
        folder.rmdir()


@contextmanager
def fifo(workspace: Path) -> Iterator[Path]:
    """A pipe that nobody writes to: ``open`` waits for ever. Those who wait are let go at the end."""
    if not hasattr(os, "mkfifo"):
        raise NotApplicable("this system has no named pipes")
    with planted_folder(workspace, "odd-fifo") as folder:
        path = folder / "pipe"
        try:
            os.mkfifo(path)
        except OSError:
            raise NotApplicable("no named pipe can be made here") from None
        try:
            yield path
        finally:
            _let_go(path)


@contextmanager
def sparse(workspace: Path) -> Iterator[Path]:
    """A file of 2 GiB that takes no room on the disk."""
    with planted_folder(workspace, "odd-sparse") as folder:
        path = folder / "sparse.txt"
        try:
            with path.open("wb") as file:
                file.truncate(HUGE)
            takes = path.stat().st_blocks * 512 if sys.platform != "win32" else 0
        except OSError:
            raise NotApplicable("this file system holds no file of 2 GiB") from None
        if takes > HUGE // 64:
            raise NotApplicable("this file system knows no sparse files")
        yield path


@contextmanager
def bad_name(workspace: Path) -> Iterator[Path]:
    """A folder in which a file's name is no UTF-8."""
    with planted_folder(workspace, "odd-bad-name") as folder:
        (folder / "fine.txt").write_text("hello\n")
        try:
            with open(os.path.join(os.fsencode(folder), BAD_NAME), "wb") as file:
                file.write(b"hello\n")
        except (OSError, UnicodeError):
            raise NotApplicable("this file system holds no such name") from None
        yield folder


@contextmanager
def link(workspace: Path, target: str) -> Iterator[Path]:
    """A symbolic link in the workspace."""
    with planted_folder(workspace, "odd-link") as folder:
        path = folder / "link.txt"
        try:
            path.symlink_to(target)
        except (OSError, NotImplementedError):
            raise NotApplicable("no symbolic link can be made here") from None
        yield path


def _let_go(path: Path) -> None:
    """Whoever waits for a writer gets one, and then the end of the file."""
    with suppress(OSError):  # nobody waits
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
