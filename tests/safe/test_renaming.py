"""Removing and moving: plain files only, never over another, never out of their roots."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.roots import root_of

from holdfast.errors import UnsafePath
from holdfast.safe import renaming
from holdfast.safe.identity import Denied
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture(params=["openat2", "walker"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    place = tmp_path / "workspace"
    (place / "sub").mkdir(parents=True)
    (place / "a").write_text("a")
    (place / "b").write_text("b")
    with root_of(place, request.param) as root:
        yield root


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    return caught.value.code


def names(root: Root) -> list[str]:
    return sorted(os.listdir(root.path))


async def test_a_file_is_removed_once(root: Root) -> None:
    await root.write("a").remove()
    assert names(root) == ["b", "sub"]
    assert code_of(root.write("a").remove_sync) == "path.not_found"
    assert code_of(root.write("none/a").remove_sync) == "path.not_found"


async def test_a_file_is_moved_with_its_content_and_its_parents_made_when_asked(root: Root) -> None:
    await root.write("a").move(root.write("sub/c"))
    assert root.read("sub/c").read_text_sync() == "a"
    assert code_of(lambda: root.write("b").move_sync(root.write("x/y"))) == "path.not_found"
    root.write("b").move_sync(root.write("x/y"), make_parents=True)
    assert root.read("x/y").read_text_sync() == "b"
    assert names(root) == ["sub", "x"]


@pytest.mark.parametrize("native", [True, False])
def test_a_move_never_replaces_anything(root: Root, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(renaming.ctypes, "CDLL", lambda *_, **__: object())
    (root.path / "dangling").symlink_to("nowhere")
    for name in ("b", "sub", "dangling", "a"):
        assert code_of(lambda name=name: root.write("a").move_sync(root.write(name))) == "path.exists"
    root.write("a").move_sync(root.write("c"))
    assert names(root) == ["b", "c", "dangling", "sub"]


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_such_a_rename_gets_a_check_and_a_plain_one(
    root: Root, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old:
        @staticmethod
        def renameat2(*_: Any) -> int:
            renaming.ctypes.set_errno(code)
            return -1

    monkeypatch.setattr(renaming.ctypes, "CDLL", lambda *_, **__: Old)
    assert code_of(lambda: root.write("a").move_sync(root.write("b"))) == "path.exists"
    root.write("a").move_sync(root.write("c"))
    assert root.read("c").read_text_sync() == "a"


def test_nothing_but_plain_files_is_removed_or_moved(root: Root) -> None:
    outside = root.path.parent / "outside"
    outside.write_text("keep")
    (root.path / "link").symlink_to(outside)
    (root.path / "out").symlink_to(root.path.parent)
    os.link(outside, root.path / "hard")
    os.mkfifo(root.path / "fifo")
    expected = {"link": "path.symlink", "hard": "path.hard_link", "fifo": "path.not_regular", "sub": "path.not_regular",
                "out/outside": "path.symlink"}  # fmt: skip
    before = names(root)
    for name, code in expected.items():
        assert code_of(root.write(name).remove_sync) == code
        assert code_of(lambda name=name: root.write(name).move_sync(root.write("new"))) == code
    assert code_of(lambda: root.write("a").move_sync(root.write("out/new"))) == "path.symlink"
    assert names(root) == before
    assert outside.read_text() == "keep"


def test_a_read_only_root_loses_and_gets_nothing(root: Root, tmp_path: Path) -> None:
    source, target = root.write("a"), root.write("new")
    fixed = Root(root.path, read_only=True)
    assert code_of(lambda: renaming.remove(fixed, ("a",))) == "path.read_only"
    assert code_of(lambda: renaming.move((fixed, ("a",)), target.place(), make_parents=False)) == "path.read_only"
    assert code_of(lambda: renaming.move(source.place(), (fixed, ("c",)), make_parents=False)) == "path.read_only"
    assert names(root) == ["a", "b", "sub"]


def test_a_file_moves_between_roots_and_on_another_disk_says_so(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    other = Root(tmp_path / "other")
    root.write("a").move_sync(other.write("a"))
    assert (tmp_path / "other" / "a").read_text() == "a"

    def elsewhere(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(renaming, "rename_new", elsewhere)
    assert code_of(lambda: root.write("b").move_sync(other.write("b"))) == "path.other_disk"

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(renaming, "rename_new", broken)
    with pytest.raises(OSError, match="Input/output"):
        root.write("b").move_sync(other.write("b"))
    assert root.read("b").read_text_sync() == "b"


def test_a_change_of_names_is_durable_when_it_returns(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_ino), sync(descriptor)))
    here, there = root.path.stat().st_ino, (root.path / "sub").stat().st_ino
    root.write("a").remove_sync()
    assert synced == [here]
    root.write("b").move_sync(root.write("sub/b"))
    assert synced[1:] == [there, here]


def test_what_the_rules_hide_is_neither_removed_nor_moved_by_a_second_name(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a bind mount gives it; with a real one: ``test_identity.py``."""
    found = (root.path / "a").stat()
    monkeypatch.setattr(Denied, "within", lambda self, root: frozenset({(found.st_dev, found.st_ino)}))
    assert code_of(root.write("a").remove_sync) == "path.hidden"
    assert code_of(lambda: root.write("a").move_sync(root.write("c"))) == "path.hidden"
    assert names(root) == ["a", "b", "sub"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "renameat2"), reason="no renameat2 here")
def test_the_kernel_itself_sees_to_it_that_nothing_is_replaced(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look before a plain rename would leave a moment in which the name may be taken."""

    def plain(*_: object, **__: object) -> None:
        raise AssertionError("a plain rename")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", plain)
        root.write("a").move_sync(root.write("c"))
    assert names(root) == ["b", "c", "sub"]


def test_what_the_kernel_refused_is_not_tried_in_another_way(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        """It was there when the kernel looked, and is gone now."""

        @staticmethod
        def renameat2(*_: Any) -> int:
            renaming.ctypes.set_errno(errno.EEXIST)
            return -1

    monkeypatch.setattr(renaming.ctypes, "CDLL", lambda *_, **__: Taken)
    assert code_of(lambda: root.write("a").move_sync(root.write("c"))) == "path.exists"
    assert names(root) == ["a", "b", "sub"]
