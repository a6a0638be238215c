"""Searching: what is found is what could be read, within bounds, and for as long as somebody waits."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe import searching
from holdfast.safe.expressions import Pattern
from holdfast.safe.paths import Line, Root
from holdfast.safe.stoppable import never, stoppable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")
SECRET = Pattern.from_text("secret")


@pytest.fixture(params=["auto", "walker"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    place = tmp_path / "workspace"
    place.mkdir()
    return Root(place, resolver=request.param, deny=[".*", "*.key", "team"], max_read=1_000_000)


def put(root: Root, name: str, text: str = "a\nthe secret\n") -> None:
    (root.path / name).parent.mkdir(parents=True, exist_ok=True)
    (root.path / name).write_text(text)


async def test_deny_rules_links_and_everything_else_hold_for_a_search(root: Root) -> None:
    put(root, "shown.txt")
    put(root, "sub/shown.md", "x\r\nsecret\r\n")
    for hidden in (".env", ".git/config", "a.KEY", "team/plan.txt", "../outside.txt", "sub/.hidden/x"):
        put(root, hidden)
    os.symlink(root.path.parent / "outside.txt", root.path / "link.txt")
    os.symlink(root.path.parent, root.path / "out")
    os.link(root.path.parent / "outside.txt", root.path / "hard.txt")
    os.mkfifo(root.path / "fifo")
    (root.path / "binary").write_bytes(b"secret\xff")
    put(root, "large.txt", "secret" * 200_000)
    expected = [Line("shown.txt", 2, "the secret"), Line("sub/shown.md", 2, "secret")]
    assert root.dir().search_sync(SECRET) == (expected, False)
    assert await root.dir().search(SECRET) == (expected, False)
    assert await root.dir().search(SECRET, "*.md") == (expected[1:], False)
    assert await root.dir("sub").search(SECRET) == (expected[1:], False)
    with pytest.raises(UnsafePath):
        root.dir("out").search_sync(SECRET)


def test_lines_are_numbered_as_editors_do_and_shown_around_what_was_found(root: Root) -> None:
    put(root, "f", "one\x0b\x1c\u2028still one\n" + "x" * 2_000 + "secret" + "y" * 2_000)
    ((line,), truncated) = root.dir().search_sync(SECRET)
    assert (line.number, truncated, len(line.text)) == (2, False, searching.MAX_SHOWN)
    assert "secret" in line.text


def test_finds_and_bytes_are_bounded_and_more_is_said(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        put(root, f"f{number}")
    assert (len(root.dir().search_sync(SECRET, limit=5)[0]), root.dir().search_sync(SECRET, limit=5)[1]) == (5, False)
    assert (len(root.dir().search_sync(SECRET, limit=4)[0]), root.dir().search_sync(SECRET, limit=4)[1]) == (4, True)
    monkeypatch.setattr(searching, "MAX_SEARCHED", 5 * len("a\nthe secret\n"))
    assert (len(root.dir().search_sync(SECRET)[0]), root.dir().search_sync(SECRET)[1]) == (5, False)
    monkeypatch.setattr(searching, "MAX_SEARCHED", 20)
    assert (len(root.dir().search_sync(SECRET)[0]), root.dir().search_sync(SECRET)[1]) == (2, True)
    for number in range(5):
        (root.path / f"a{number}").write_bytes(b"\xff" * 10)
    assert root.dir().search_sync(SECRET) == ([], True), "what is no text is read as well"
    for number in range(5):
        (root.path / f"a{number}").unlink()
    monkeypatch.setattr(searching, "MAX_FILES", 4)
    with pytest.raises(UnsafePath, match="more than 4"):
        root.dir().search_sync(SECRET)


def test_a_file_too_long_for_a_costly_pattern_is_searched_from_its_beginning(root: Root) -> None:
    costly = Pattern.from_text("(((a?){10}){10}){9}b")
    put(root, "f", "\n".join(["b", *["a" * 400] * 2_000, "b"]))
    put(root, "g", "\u00e9" * (costly.most // 2 + 1) + "b")
    begun = time.thread_time()
    assert root.dir().search_sync(costly) == ([Line("f", 1, "b")], True)
    assert time.thread_time() - begun < 5
    put(root, "z", "nothing")
    assert root.dir().search_sync(costly) == ([Line("f", 1, "b")], True), "a later file does not make it whole"


def test_a_file_of_exactly_what_a_pattern_may_look_through_is_searched_whole(root: Root) -> None:
    class Plain:
        most = 40

        def find(self, text: str) -> int | None:
            return 0 if text.endswith("end") else None

    put(root, "f", "a\n" + "x" * 35 + "end")
    put(root, "g", "a\n" + "\u00e9" * 17 + "\nend")
    assert root.dir().search_sync(Plain()) == ([Line("f", 2, "x" * 35 + "end"), Line("g", 3, "end")], False)
    put(root, "g", "a\n" + "\u00e9" * 17 + "x\nend")
    assert root.dir().search_sync(Plain()) == ([Line("f", 2, "x" * 35 + "end")], True)


def test_a_search_that_nobody_awaits_opens_no_further_file(root: Root) -> None:
    for number in range(5):
        put(root, f"f{number}")
    asked: list[str] = []

    class Gone(Exception):
        pass

    class Plain:
        most = 1 << 20

        def find(self, text: str) -> int | None:
            asked.append(text)
            return None

    def stop() -> None:
        if asked:
            raise Gone

    with pytest.raises(Gone):
        searching.search(stop, root.dir().place(), Plain(), None, 10)
    assert len(asked) == 3, "the lines of the first"


async def test_a_search_whose_call_ended_stops(root: Root) -> None:
    put(root, "f", "a\n" * 100_000)
    begun, ended, looked = threading.Event(), threading.Event(), []

    class Slow:
        most = 1 << 20

        def find(self, text: str) -> int | None:
            begun.set()
            looked.append(text)
            ended.wait(10)
            return None

    task = asyncio.ensure_future(root.dir().search(Slow()))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(looked) < 2_000


async def test_work_that_nobody_cancels_runs_to_its_end() -> None:
    never()
    assert await stoppable(lambda stop, value: (stop(), value)[1], 7) == 7
