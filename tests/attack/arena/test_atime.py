"""A planted file tells whether it was read, where the file system keeps such times."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast_attack.arena.atime import Watched


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    planted = Watched.plant(tmp_path / ".env", "A=1\n")
    if not planted.tells:
        pytest.skip("this file system keeps no times of reading")
    return planted


def test_reading_is_seen_and_can_be_forgotten(watched: Watched) -> None:
    assert watched.was_read() is False
    assert watched.path.read_text() == "A=1\n"
    assert watched.was_read() is True
    watched.arm()
    assert watched.was_read() is False


def test_looking_at_its_facts_is_no_reading(watched: Watched) -> None:
    os.listdir(watched.path.parent)
    watched.path.stat()
    watched.path.open().close()
    assert watched.was_read() is False


def test_where_times_of_reading_are_not_kept_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "arm", lambda self: os.utime(self.path))
    armed = Watched.plant(tmp_path / ".env", "A=1\n")
    monkeypatch.undo()
    assert armed.was_read() in {None, True}
    blind = Watched(tmp_path / ".env", tells=False)
    assert blind.was_read() is None


def test_a_file_that_is_gone_says_nothing(tmp_path: Path) -> None:
    assert Watched(tmp_path / "gone", tells=True).was_read() is None
