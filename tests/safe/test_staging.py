"""A directory in which files are put together: nothing of it stays open, and what comes out of it is on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.safe.staging import Staging


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def _open() -> int:
    return len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))


def test_nothing_stays_open_and_only_what_was_published_stays(parent: int, tmp_path: Path) -> None:
    before = _open()
    with Staging(parent) as staging:
        staging.directory(("a", "b"))
        os.close(staging.file(("a", "b", "c"), executable=False))
        with pytest.raises(FileExistsError):
            staging.file(("a", "b", "c"), executable=False)
        staging.publish()
    with Staging(parent) as staging:
        os.close(staging.file(("not", "published"), executable=True))
    assert _open() == before
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["a", "a/b", "a/b/c"]


def test_what_was_published_is_still_there_after_the_machine_fails(
    parent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as a test can see it: the directory with the new names was written out, when they were all in it."""
    written: list[tuple[int, list[str]]] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        written.append((os.fstat(descriptor).st_ino, os.listdir(descriptor)))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with Staging(parent) as staging:
        os.close(staging.file(("new",), executable=False))
        staging.publish()
    assert [(inode, "new" in names) for inode, names in written] == [(tmp_path.stat().st_ino, True)]
