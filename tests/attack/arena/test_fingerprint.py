"""What stands in a folder is told so that any change shows, and reading leaves no trace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast_attack.arena import fingerprint
from holdfast_attack.arena.fingerprint import changes, of_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    (place / "deep").mkdir(parents=True)
    (place / "a.txt").write_text("one")
    (place / "deep" / "b.txt").write_text("two")
    (place / "link").symlink_to("a.txt")
    (place / ".git" / "objects").mkdir(parents=True)
    (place / ".git" / "config").write_text("[core]\n")
    return place


def rewrite(folder: Path) -> None:
    (folder / "a.txt").write_text("eno")


def empty(folder: Path) -> None:
    (folder / "deep" / "b.txt").unlink()
    (folder / "deep").rmdir()


WAYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another content": (rewrite, "x/a.txt was changed"),
    "a new file": (lambda place: (place / "deep" / "new").write_text(""), "x/deep/new was made"),
    "a file less": (empty, "x/deep is gone"),
    "another target": (
        lambda place: ((place / "link").unlink(), (place / "link").symlink_to("deep")),
        "x/link was changed",
    ),
    "another mode": (lambda place: (place / "a.txt").chmod(0o777), "x/a.txt was changed"),
    "a folder for a file": (
        lambda place: ((place / "a.txt").unlink(), (place / "a.txt").mkdir()),
        "x/a.txt was changed",
    ),
    "git's configuration": (lambda place: (place / ".git/config").write_text("[alias]"), "x/.git/config was changed"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_change_is_seen(folder: Path, way: str) -> None:
    before = of_folder(folder, "x")
    act, told = WAYS[way]
    act(folder)
    assert told in changes(before, of_folder(folder, "x"))


def test_nothing_changes_by_itself_nor_by_git_reading(folder: Path) -> None:
    before = of_folder(folder, "x")
    (folder / "a.txt").read_text()
    (folder / ".git" / "index").write_text("refreshed")
    (folder / ".git" / "objects" / "ab").write_text("packed")
    assert changes(before, of_folder(folder, "x")) == ()


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("x")
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    assert not [name for name in of_folder(folder, "x") if "secret" in name]


def test_a_file_that_must_not_be_read_is_told_by_its_size_and_time(folder: Path) -> None:
    os.utime(folder / "a.txt", (0, 100))
    found = of_folder(folder, "x", unread=frozenset({"a.txt"}))
    assert found["x/a.txt"] == "file of 3 bytes at 100000000000"
    assert (folder / "a.txt").stat().st_atime == 0


def test_a_large_file_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "LARGEST", 2)
    assert of_folder(folder, "x")["x/a.txt"].startswith("file of 3 bytes")


def test_no_more_entries_are_looked_at_than_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "MOST", 3)
    assert len(of_folder(folder, "x")) == 3


def test_what_went_away_meanwhile_is_no_error(folder: Path) -> None:
    assert of_folder(folder / "not-there", "x") == {"x": "unreadable: FileNotFoundError"}
