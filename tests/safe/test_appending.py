"""Appending in place: everything arrives once, in whole pieces, or the file is as it was."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe import appending
from holdfast.safe.appending import LOCK_TRIES, append
from holdfast.safe.folder import Folder
from holdfast.safe.identity import identity
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path, max_write=10_000)


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    return caught.value.code


async def test_text_is_added_to_the_end_and_a_missing_file_is_made(root: Root) -> None:
    assert await root.write("log").append_text("one\n") == 4
    assert await root.write("log").append_text("zwölf\n") == 7
    assert (root.path / "log").read_text() == "one\nzwölf\n"
    await root.write("a/b/log").append_text("deep", make_parents=True)
    assert (root.path / "a/b/log").read_text() == "deep"


def test_the_same_things_are_refused_as_in_writing(root: Root) -> None:
    (root.path / "real").write_text("x")
    os.link(root.path / "real", root.path / "hard")
    (root.path / "link").symlink_to("real")
    (root.path / "dir").mkdir()
    os.mkfifo(root.path / "fifo")
    expected = {"hard": "path.hard_link", "link": "path.symlink", "dir": "path.not_regular", "fifo": "path.not_regular"}
    for name, code in expected.items():
        assert code_of(lambda name=name: root.write(name).append_text_sync("y")) == code
    assert code_of(lambda: append(Root(root.path, read_only=True), ("new",), b"x")) == "path.read_only"
    assert (root.path / "real").read_text() == "x"


def test_a_file_never_grows_past_the_cap(root: Root) -> None:
    root.write("log").append_text_sync("x" * 6_000)
    assert code_of(lambda: root.write("log").append_text_sync("y" * 6_000)) == "path.too_large"
    assert code_of(lambda: root.write("log").append_text_sync("y" * 10_001)) == "path.too_large"
    assert (root.path / "log").stat().st_size == 6_000


def test_what_cannot_be_finished_is_taken_back(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.write("log").append_text_sync("old")

    def half(fd: int, data: bytes) -> None:
        os.write(fd, data[: len(data) // 2])
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(appending, "write_all", half)
    with pytest.raises(OSError, match="Input/output"):
        root.write("log").append_text_sync("new content")
    assert (root.path / "log").read_text() == "old"


def test_appends_from_many_threads_all_arrive_whole(root: Root) -> None:
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        for _ in range(10):
            root.write("log").append_text_sync(str(number) * 20 + "\n")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (root.path / "log").read_text().splitlines()
    assert sorted(lines) == sorted(str(number) * 20 for number in range(8) for _ in range(10))


def test_a_lock_that_is_never_given_up_ends_in_a_refusal_not_in_a_stuck_thread(root: Root) -> None:
    root.write("log").append_text_sync("old")
    pauses: list[float] = []
    with (root.path / "log").open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert code_of(lambda: append(root, ("log",), b"new", sleep=pauses.append)) == "path.busy"
    assert len(pauses) == LOCK_TRIES
    assert (root.path / "log").read_text() == "old"


def test_a_file_replaced_while_we_waited_for_its_lock_is_opened_anew(root: Root) -> None:
    root.write("log").append_text_sync("old ")
    with (root.path / "log").open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        def replace(_: float) -> None:
            root.write("log").write_text_sync("replaced ")

        append(root, ("log",), b"new", sleep=replace)
    assert (root.path / "log").read_text() == "replaced new"


def test_a_file_removed_between_open_and_lock_is_made_anew(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.write("log").append_text_sync("old")
    really, times = fcntl.flock, iter([True])

    def racing(fd: int, operation: int) -> None:
        really(fd, operation)
        if next(times, False):
            (root.path / "log").unlink()

    monkeypatch.setattr(fcntl, "flock", racing)
    append(root, ("log",), b"new", sleep=lambda _: None)
    assert (root.path / "log").read_text() == "new"


MARK = b"[redacted:jwt]"


def test_a_mark_may_be_appended_to_a_missing_file_only_where_the_author_says_so(root: Root) -> None:
    assert code_of(lambda: append(root, ("log",), MARK)) == "path.redacted"
    assert not (root.path / "log").exists()
    assert append(root, ("log",), MARK, redacted=True) == len(MARK)
    assert code_of(lambda: append(root, ("log",), MARK)) == "path.redacted"
    assert (root.path / "log").read_bytes() == MARK


@pytest.mark.parametrize("redacted", [True, False])
def test_what_is_opened_is_judged_itself_whatever_was_looked_at_before(root: Root, redacted: bool) -> None:
    (root.path / "real").write_text("x")
    os.link(root.path / "real", root.path / "hard")
    os.mkfifo(root.path / "fifo")
    reader = os.open(root.path / "fifo", os.O_RDONLY | os.O_NONBLOCK)  # so that it can be opened for writing
    try:
        assert code_of(lambda: append(root, ("fifo",), b"y", redacted=redacted)) == "path.not_regular"
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
    assert code_of(lambda: append(root, ("hard",), b"y", redacted=redacted)) == "path.hard_link"
    assert (root.path / "real").read_text() == "x"


def test_what_is_denied_under_another_name_is_not_appended_to(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a bind mount, of which ``test_identity`` makes real ones."""
    (root.path / "log").write_text("secret")
    hidden = frozenset({identity((root.path / "log").stat())})
    monkeypatch.setattr(Folder, "denied", lambda _: hidden)
    assert code_of(lambda: append(root, ("log",), b"y")) == "path.hidden"
    assert (root.path / "log").read_text() == "secret"


def test_the_bytes_and_the_name_are_on_the_disk_when_it_returns(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, int]] = []
    really = os.fsync

    def sync(fd: int) -> None:
        synced.append((os.fstat(fd).st_ino, os.fstat(fd).st_size))
        really(fd)

    monkeypatch.setattr(os, "fsync", sync)
    append(root, ("log",), b"four")
    assert ((root.path / "log").stat().st_ino, 4) in synced
    assert root.path.stat().st_ino in [inode for inode, _ in synced]


def test_no_descriptor_is_left_open(root: Root) -> None:
    where = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    append(root, ("log",), b"x")
    before = set(os.listdir(where))
    append(root, ("log",), b"y")
    assert code_of(lambda: append(root, ("log",), MARK)) == "path.redacted"
    assert set(os.listdir(where)) <= before


def test_the_end_is_read_from_the_file_that_is_locked_and_from_no_other(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may have its name by then: what that one ends with says nothing of where the bytes will stand."""
    (root.path / "log").write_bytes(b"y")
    (root.path / "other").write_bytes(MARK[:7])
    really = Folder.require_visible

    def swapping(folder: Folder, facts: os.stat_result) -> None:
        really(folder, facts)
        os.rename(root.path / "other", root.path / "log")

    monkeypatch.setattr(Folder, "require_visible", swapping)
    assert append(root, ("log",), MARK[7:]) == len(MARK) - 7


async def test_a_file_grows_to_exactly_the_most_and_no_byte_further(root: Root) -> None:
    await root.write("log").append_text("x" * 9_999)
    assert await root.write("log").append_text("x") == 1
    with pytest.raises(UnsafePath) as caught:
        await root.write("log").append_text("x")
    assert caught.value.code == "path.too_large"
    assert (root.path / "log").stat().st_size == 10_000
