"""Whatever tree and whatever text: what is opened is beneath the root, and what is listed opens. Both resolvers."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import UnsafePath
from holdfast.safe.identity import identity
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")

NAMES = (
    "a",
    "b",
    "deep",
    "A",
    ".git",
    ".env",
    "nul",
    "x.txt",
    "ｘ",
    "GIT~1",
    "dot.",
    "out",
    "é",
    "e\u0301",
    "b\\c",
    "team",
)
PARTS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4)
GOALS = st.sampled_from(
    [
        "/",
        "/proc/self/root",
        "..",
        "../..",
        "../outside",
        "../../outside/secret",
        "a",
        ".",
        "b/a",
        ".git",
        "../root/a",
        "x",
    ]
)
NODES = st.tuples(PARTS, st.sampled_from(["file", "file", "dir", "link", "link", "hard", "fifo"]), GOALS)
TREES = st.lists(NODES, max_size=12)
STEPS = st.sampled_from([*NAMES, "..", ".", "", "outside", "secret", "\0", "%2e%2e", "..\\", "C:", "root"])
TEXTS = st.one_of(st.builds("/".join, st.lists(STEPS, min_size=1, max_size=6)), st.text(max_size=12))
DENY = (".*", "team", "a/b", "**/x.txt")


@contextmanager
def planted(nodes: list[tuple[list[str], str, str]]) -> Iterator[Path]:
    """A root with such a tree, and a secret outside; whatever cannot be made, as under a file, is left out."""
    base = Path(tempfile.mkdtemp())
    try:
        place, outside = base / "root", base / "outside"
        for folder in (place, outside):
            folder.mkdir()
        (outside / "secret").write_text("secret")
        for parts, kind, goal in nodes:
            path = place.joinpath(*parts)
            if not any(above.is_symlink() for above in path.parents):  # nothing is planted through a link
                with suppress(OSError):
                    _plant(path, kind, goal, outside)
        yield place
    finally:
        shutil.rmtree(base)


def _plant(path: Path, kind: str, goal: str, outside: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        path.symlink_to(goal)
    elif kind == "hard":
        os.link(outside / "secret", path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "dir":
        path.mkdir()
    elif not os.path.lexists(path):
        path.write_text("inside")


def beneath(place: Path) -> set[tuple[int, int]]:
    """The identity of every file and directory of the tree, following no link."""
    found = {identity(place.stat())}
    for folder, names, files in os.walk(place):
        found |= {identity(os.lstat(os.path.join(folder, name))) for name in (*names, *files)}
    return found


@pytest.mark.parametrize("resolver", ["auto", "walker"])
@settings(max_examples=50, deadline=None)
@given(nodes=TREES, texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_whatever_is_opened_lies_beneath_the_root(
    resolver: str, nodes: list[tuple[list[str], str, str]], texts: list[str]
) -> None:
    with planted(nodes) as place:
        inside = beneath(place)
        root = Root(place, resolver=resolver, deny=DENY)  # type: ignore[arg-type]
        for text in texts + ["/".join(parts) for parts, _, _ in nodes]:
            with suppress(UnsafePath), root.read(text).open_sync() as file:
                facts = os.fstat(file.fd)
                assert identity(facts) in inside
                assert stat.S_ISREG(facts.st_mode)
                assert file.read_bytes_sync() == b"inside"
            with suppress(UnsafePath), root.dir(text).open_fd_sync() as folder:
                assert identity(os.fstat(folder.fd)) in inside
        for text in texts:
            with suppress(UnsafePath):
                root.write(text).write_text_sync("inside")
        root.close()
        assert sorted(os.listdir(place.parent)) == ["outside", "root"]
        assert (place.parent / "outside" / "secret").read_text() == "secret"
        assert os.listdir(place.parent / "outside") == ["secret"]


@pytest.mark.parametrize("resolver", ["auto", "walker"])
@settings(max_examples=50, deadline=None)
@given(nodes=TREES)
def test_what_is_listed_opens_and_what_opens_is_listed(resolver: str, nodes: list[tuple[list[str], str, str]]) -> None:
    with planted(nodes) as place:
        root = Root(place, resolver=resolver, deny=DENY)  # type: ignore[arg-type]
        walked = [path.text for path in root.dir().walk_sync()]
        for path in root.dir().walk_sync():
            assert path.read_text_sync() == "inside"
        waiting = [""]
        while waiting:
            above = waiting.pop()
            for entry in root.dir(above).list_sync():
                text = f"{above}{entry.name}"
                if entry.kind == "dir":
                    waiting.append(f"{text}/")
                    root.dir(text).open_fd_sync().close()
                else:
                    assert text in walked
        for folder, _, files in os.walk(place):
            for name in files:
                text = os.path.relpath(os.path.join(folder, name), place)
                with suppress(UnsafePath):
                    root.read(text).read_text_sync()
                    assert text in walked
        root.close()


@settings(max_examples=50, deadline=None)
@given(nodes=TREES, texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_both_resolvers_give_the_same_answer(nodes: list[tuple[list[str], str, str]], texts: list[str]) -> None:
    with planted(nodes) as place:
        roots = [Root(place, resolver=resolver, deny=DENY) for resolver in ("auto", "walker")]  # type: ignore[arg-type]
        for text in texts + ["/".join(parts) for parts, _, _ in nodes]:
            assert len({answer(root, text) for root in roots}) == 1
        for root in roots:
            root.close()


def answer(root: Root, text: str) -> tuple[str, str]:
    found = []
    for work in (lambda: root.read(text).read_text_sync(), lambda: str(root.dir(text).list_sync())):
        try:
            found.append(work())
        except UnsafePath as refusal:
            found.append(refusal.code)
    return found[0], found[1]
