"""What is planted for a case stands there for as long as the case lasts, and nobody is left waiting for it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from holdfast_attack.arena import planting
from holdfast_attack.model import Inconclusive, NotApplicable

Planted = Callable[[Path], AbstractContextManager[Path]]
KINDS: dict[str, Planted] = {
    "fifo": planting.fifo,
    "sparse": planting.sparse,
    "bad name": planting.bad_name,
    "link": lambda workspace: planting.link(workspace, "/dev/zero"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_there_and_then_it_is_gone(kind: str, tmp_path: Path) -> None:
    with KINDS[kind](tmp_path) as path:
        assert os.path.lexists(path)
        assert os.listdir(tmp_path) != []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_also_when_the_case_fails(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found"), KINDS[kind](tmp_path):
        raise ValueError("found")
    assert os.listdir(tmp_path) == []


def test_each_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with planting.fifo(tmp_path), planting.sparse(tmp_path), planting.bad_name(tmp_path):
        assert sorted(os.listdir(tmp_path)) == ["odd-bad-name", "odd-fifo", "odd-sparse"]


def test_what_somebody_left_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd-fifo").mkdir()
    with pytest.raises(Inconclusive, match="odd-fifo is there already"), planting.fifo(tmp_path):
        pass


def test_who_waits_for_the_pipe_is_let_go(tmp_path: Path) -> None:
    read: list[bytes] = []
    with planting.fifo(tmp_path) as path:
        assert stat.S_ISFIFO(path.stat().st_mode)
        thread = threading.Thread(target=lambda: read.append(path.read_bytes()))
        thread.start()
        while not os.path.exists(f"/proc/self/task/{thread.native_id}"):
            pass
        while _state(thread.native_id) != "S":
            pass
    thread.join(10)
    assert read == [b""]


def _state(task: int | None) -> str:
    with open(f"/proc/self/task/{task}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_the_huge_file_takes_no_room(tmp_path: Path) -> None:
    with planting.sparse(tmp_path) as path:
        assert path.stat().st_size == 2**31
        assert path.stat().st_blocks * 512 < 2**20


def test_the_bad_name_is_no_utf_8(tmp_path: Path) -> None:
    with planting.bad_name(tmp_path) as folder:
        assert planting.BAD_NAME in os.listdir(os.fsencode(folder))
        with pytest.raises(UnicodeDecodeError):
            planting.BAD_NAME.decode()


def test_a_system_without_pipes_makes_it_not_applicable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "mkfifo")
    with pytest.raises(NotApplicable), planting.fifo(tmp_path):
        pass


@pytest.mark.parametrize("call, kind", [("os.mkfifo", "fifo"), ("pathlib.Path.symlink_to", "link")])
def test_a_file_system_that_refuses_makes_it_not_applicable(
    call: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr(call, refuse)
    with pytest.raises(NotApplicable), KINDS[kind](tmp_path):
        pass
    assert os.listdir(tmp_path) == []
