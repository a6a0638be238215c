"""Listing and walking: what is shown is what opens, in order, and within bounds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.roots import root_of

from holdfast.errors import UnsafePath
from holdfast.safe import listing
from holdfast.safe.identity import identity
from holdfast.safe.listing import matcher
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture(params=["openat2", "walker"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    place = tmp_path / "workspace"
    for name in ("a/b/c/deep.py", "a/b/two.py", "a/one.py", "top.py", "top.md", ".git/config", "a/.env"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    with root_of(place, request.param) as root:
        yield root


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    return caught.value.code


def walked(root: Root, pattern: str | None = None, **bounds: int) -> list[str]:
    return [path.text for path in root.dir().walk_sync(pattern, **bounds)]


def test_everything_that_is_listed_opens_and_nothing_else_is_listed(root: Root) -> None:
    (root.path / "link").symlink_to("top.py")
    (root.path / "linkdir").symlink_to("a")
    os.link(root.path / "top.md", root.path / "top2.md")
    os.mkfifo(root.path / "fifo")
    for name in ("NUL.txt", "a:b", "back\\slash", "dot.", "short~1", ".holdfast-x.tmp"):
        (root.path / name).write_text("x")
    (Path(os.fsdecode(os.fsencode(root.path) + b"/caf\xe9"))).write_text("x")  # a name that is not UTF-8
    shown = root.dir().list_sync()
    assert [(entry.name, entry.kind) for entry in shown] == [("a", "dir"), ("top.py", "file")]
    for name in os.listdir(root.path):
        if name in [entry.name for entry in shown if entry.kind == "file"]:
            assert root.read(name).read_text_sync() == name
        elif name != "a":
            with pytest.raises(UnsafePath):
                root.read(name).read_bytes_sync()


def test_a_listing_over_its_limit_is_refused_not_cut_short(root: Root) -> None:
    assert len(root.dir().list_sync(limit=3)) == 3
    assert code_of(lambda: root.dir().list_sync(limit=2)) == "path.too_many"
    assert code_of(lambda: root.dir().walk_sync(limit=4)) == "path.too_many"
    assert len(walked(root, limit=5)) == 5


def test_the_entries_looked_at_are_bounded_also_when_they_are_hidden(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (root.path / f".hidden{number}").touch()
        (root.path / "a" / f".hidden{number}").touch()
    monkeypatch.setattr(listing, "MAX_SCAN", 30)
    root.dir().list_sync()
    assert code_of(root.dir().walk_sync) == "path.too_many"
    monkeypatch.setattr(listing, "MAX_SCAN", 10)
    assert code_of(root.dir().list_sync) == "path.too_many"


def test_a_walk_is_bounded_in_depth(root: Root) -> None:
    assert walked(root, "*.py", depth=1) == ["top.py"]
    assert walked(root, "*.py", depth=2) == ["a/one.py", "top.py"]
    assert walked(root, "*.py") == ["a/b/c/deep.py", "a/b/two.py", "a/one.py", "top.py"]


@pytest.mark.parametrize(
    "pattern, found",
    [
        (None, ["a/b/c/deep.py", "a/b/two.py", "a/one.py", "top.md", "top.py"]),
        ("*.md", ["top.md"]),
        ("*.MD", []),
        ("one.*", ["a/one.py"]),
        ("a/*.py", ["a/b/c/deep.py", "a/b/two.py", "a/one.py"]),
        ("a/**/*.py", ["a/b/c/deep.py", "a/b/two.py", "a/one.py"]),
        ("**/top.py", ["top.py"]),
        ("**/two.py", ["a/b/two.py"]),
        (".git/*", []),
        ("../*", []),
        ("[", []),
        ("[z-a]*", []),
    ],
)
def test_a_pattern_is_for_the_name_or_with_a_slash_for_the_relative_path(
    root: Root, pattern: str | None, found: list[str]
) -> None:
    assert walked(root, pattern) == found


def test_a_walk_from_below_matches_relative_to_there(root: Root) -> None:
    assert [path.text for path in root.dir("a").walk_sync("b/*.py")] == ["a/b/c/deep.py", "a/b/two.py"]


def test_a_hostile_pattern_costs_little_and_a_long_one_is_refused() -> None:
    start = time.monotonic()
    for pattern in ("*a" * 100 + "b", "**/" * 60 + "x*b", "[!a]*" * 40, "?" * 200 + "*b"):
        assert not matcher(pattern)("a" * 200 + "/" + "a" * 255)
    assert time.monotonic() - start < 1.0
    assert code_of(lambda: matcher("*" * 257)) == "path.name"


def test_a_directory_that_vanishes_or_becomes_a_link_during_a_walk_is_passed_by(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = root.path.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret")
    really = listing._entry

    def swapping(item: os.DirEntry[str]) -> listing.Entry | None:
        entry = really(item)
        if item.name == "b":
            (root.path / "a/b").rename(root.path / "a/was-b")
            (root.path / "a/b").symlink_to(outside)
        return entry

    monkeypatch.setattr(listing, "_entry", swapping)
    assert not any("secret" in text for text in walked(root))
    assert code_of(root.dir("none").walk_sync) == "path.not_found"


def test_a_closed_root_ends_a_walk_instead_of_shortening_it(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    really = listing._entry

    def closing(item: os.DirEntry[str]) -> listing.Entry | None:
        root.close()
        return really(item)

    monkeypatch.setattr(listing, "_entry", closing)
    assert code_of(root.dir().walk_sync) == "path.closed"


def test_an_entry_removed_while_it_is_looked_at_is_not_listed(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        name = "gone"

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise FileNotFoundError

    assert listing._entry(Gone()) is None  # type: ignore[arg-type]


def test_what_is_denied_under_another_name_is_not_listed(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bind mount is the second name of a directory (test_identity makes real ones, where that is allowed)."""
    denied = {identity((root.path / name).stat()) for name in ("a/b", "top.md")}
    monkeypatch.setattr(root, "denied", lambda: frozenset(denied))
    assert [entry.name for entry in root.dir().list_sync()] == ["a", "top.py"]
    assert walked(root) == ["a/one.py", "top.py"]


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="nothing is mounted here for certain")
def test_a_root_of_one_mount_lists_nothing_that_is_mounted_in_it() -> None:
    for one_mount in (False, True):
        system = Root("/", one_mount=one_mount)
        shown = [entry.name for entry in system.dir().list_sync()]
        assert ("proc" in shown, "usr" in shown) == (not one_mount, True)
        system.close()


def test_every_visible_directory_is_named_once_and_no_file_is(root: Root) -> None:
    assert sorted(listing.directories(root)) == [(), ("a",), ("a", "b"), ("a", "b", "c")]


def test_as_many_entries_as_may_be_looked_at_are_shown_and_one_more_is_not(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(os.listdir(root.path))
    monkeypatch.setattr(listing, "MAX_SCAN", count)
    assert root.dir().list_sync()
    monkeypatch.setattr(listing, "MAX_SCAN", count - 1)
    assert code_of(root.dir().list_sync) == "path.too_many"


def test_a_pattern_is_as_long_as_it_may_be() -> None:
    longest = "x" * listing.MAX_PATTERN
    assert matcher(longest)(longest)
    assert code_of(lambda: matcher(longest + "x")) == "path.name"
