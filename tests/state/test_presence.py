"""Presence: known to live while it does, and no longer, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from holdfast.state import presence as module
from holdfast.state.presence import FOLDER, Presence

CHILD = """
    import sys, time
    from pathlib import Path
    from holdfast.state.presence import Presence

    one = Presence(Path(sys.argv[1]))
    print(one.name, flush=True)
    time.sleep(60)
"""


def test_each_knows_of_the_other_until_it_leaves(tmp_path: Path) -> None:
    one, two = Presence(tmp_path), Presence(tmp_path)
    assert one.name != two.name
    assert one.lives(one.name)
    assert one.lives(two.name)
    assert two.lives(one.name)
    two.close()
    two.close()
    assert not one.lives(two.name)
    one.close()
    assert list((tmp_path / FOLDER).iterdir()) == []


@pytest.mark.parametrize("name", ["", "../etc/passwd", "0" * 15, "Z" * 16, "0" * 16])
def test_what_is_no_name_of_a_process_does_not_live(tmp_path: Path, name: str) -> None:
    one = Presence(tmp_path)
    assert not one.lives(name)
    one.close()


def test_in_memory_there_is_nobody_else() -> None:
    one = Presence(None)
    assert one.lives(one.name)
    assert not one.lives("0" * 16)
    one.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_process_that_is_killed_does_not_live_and_its_file_is_removed_by_the_next_start(tmp_path: Path) -> None:
    one = Presence(tmp_path)
    argv = [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert one.lives(name)
        child.send_signal(signal.SIGKILL)
    assert not one.lives(name)
    (tmp_path / FOLDER / "README").write_text("somebody's own")
    two = Presence(tmp_path)
    assert {each.name for each in (tmp_path / FOLDER).iterdir()} == {one.name, two.name, "README"}
    one.close()
    two.close()


def test_no_start_removes_more_than_it_has_time_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SWEPT", 3)
    (tmp_path / FOLDER).mkdir()
    for number in range(5):
        (tmp_path / FOLDER / f"{number:016x}").touch()
    one = Presence(tmp_path)
    assert len(list((tmp_path / FOLDER).iterdir())) == 3
    one.close()


def test_what_cannot_be_looked_at_counts_as_alive(tmp_path: Path) -> None:
    one = Presence(tmp_path)
    (tmp_path / FOLDER / ("a" * 16)).symlink_to(tmp_path)
    assert one.lives("a" * 16)
    one.close()


def test_a_file_that_is_taken_away_between_making_and_locking_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = module._lock, [True, True]

    def swept(fd: int) -> bool:
        if times:
            for each in (tmp_path / FOLDER).iterdir():
                each.unlink()
            if times.pop():
                (tmp_path / FOLDER / "other").touch()
        return real(fd)

    monkeypatch.setattr(module, "_lock", swept)
    one = Presence(tmp_path)
    monkeypatch.undo()
    two = Presence(tmp_path)
    assert two.lives(one.name)
    one.close()
    two.close()
