"""Repositories are the same in each run, and the traps in them fire when git is run without care."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from holdfast_attack.arena import repository

pytestmark = pytest.mark.skipif(not repository.available(), reason="there is no git here")


def git(folder: Path, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


FILES = {"a.txt": "one\n", ".gitattributes": "* filter=trap diff=trap\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    repository.make(tmp_path / "repo", FILES, "first", "second")
    return tmp_path / "repo"


def test_it_has_a_commit_for_each_message_with_the_same_names_each_time(folder: Path, tmp_path: Path) -> None:
    assert git(folder, "log", "--format=%s %ad").split("\n")[0].startswith("second ")
    repository.make(tmp_path / "again", FILES, "first", "second")
    assert git(folder, "rev-parse", "HEAD") == git(tmp_path / "again", "rev-parse", "HEAD") != ""


@pytest.mark.parametrize("words", [("status",), ("diff",), ("log", "-p"), ("add", "a.txt"), ("commit", "-am", "x")])
def test_a_trap_fires_when_git_looks_at_the_repository(folder: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    marker = tmp_path / "marker"
    with repository.trapped(folder, marker):
        (folder / "a.txt").write_text("changed\n")
        git(folder, "-c", "user.name=a", "-c", "user.email=a@example.com", *words)
        assert marker.exists()


def test_the_traps_are_taken_away_again(folder: Path, tmp_path: Path) -> None:
    before = (folder / ".git" / "config").read_text()
    with repository.trapped(folder, tmp_path / "marker"):
        assert "fsmonitor" in (folder / ".git" / "config").read_text()
    assert (folder / ".git" / "config").read_text() == before
    assert os.listdir(folder / ".git" / "hooks") == []
    git(folder, "status")
    assert not (tmp_path / "marker").exists()
