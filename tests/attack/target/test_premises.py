"""Nothing of a run is left: neither when it ends, nor when it is killed and another one begins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from holdfast.errors import ConfigurationError
from holdfast_attack.target.premises import MARK, Premises


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def gone(pid: int) -> bool:
    """Whether a process has ended; it is waited for as a kernel takes its time."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
    return False


def test_leaving_ends_marked_processes_and_removes_the_folder(temporary: Path) -> None:
    premises = Premises.take()
    assert premises.folder.stat().st_mode & 0o777 == 0o700
    (premises.folder / "file").write_text("x")
    process = subprocess.Popen(["sleep", "600"], env=os.environ | premises.mark)
    premises.leave()
    try:
        assert process.wait(10) is not None
    finally:
        process.kill()
    assert not list(temporary.glob("holdfast-attack-*/*"))


def test_leaving_ends_a_process_that_has_forgotten_its_mark(temporary: Path) -> None:
    premises = Premises.take()
    process = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)
    premises.started(process.pid)
    premises.leave()
    assert process.wait(10) is not None


def test_leaving_ends_a_process_that_is_only_just_being_started(temporary: Path) -> None:
    for _ in range(40):  # without a second look one in six outlived it
        premises = Premises.take()
        process = subprocess.Popen(["sleep", "600"], env=premises.mark)
        premises.leave()
        try:
            assert process.wait(10) is not None
        finally:
            process.kill()


def test_two_runs_at_once_leave_each_other_alone(temporary: Path) -> None:
    first = Premises.take()
    second = Premises.take()
    assert first.folder.is_dir()
    second.leave()
    assert first.folder.is_dir()
    first.leave()


KILLED = textwrap.dedent(
    """
    import subprocess, sys, tempfile, os, time
    tempfile.tempdir = sys.argv[1]
    from holdfast_attack.target.premises import Premises
    premises = Premises.take()
    child = subprocess.Popen(["sleep", "600"], env=os.environ | premises.mark, start_new_session=True)
    bare = subprocess.Popen(["sleep", "600"], env={}, start_new_session=True)
    premises.started(bare.pid)
    print(child.pid, bare.pid, premises.folder, flush=True)
    time.sleep(600)
    """
)


def test_what_a_killed_run_left_is_swept_by_the_next(temporary: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(temporary)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child, bare, folder = process.stdout.readline().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert Path(folder).is_dir()
    Premises.take().leave()
    assert gone(int(child))
    assert gone(int(bare))
    assert not list(temporary.glob("holdfast-attack-*/*"))


def test_a_folder_that_others_may_write_to_is_not_trusted(temporary: Path) -> None:
    top = temporary / f"holdfast-attack-{os.getuid()}"
    top.mkdir(mode=0o777)
    top.chmod(0o777)
    with pytest.raises(ConfigurationError, match="this user's alone"):
        Premises.take()


def test_a_link_in_the_place_of_the_folder_is_not_followed(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir(mode=0o700)
    (temporary / f"holdfast-attack-{os.getuid()}").symlink_to(temporary / "elsewhere")
    with pytest.raises(ConfigurationError):
        Premises.take()


def test_links_within_are_removed_and_not_what_they_name(temporary: Path) -> None:
    kept = temporary / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    premises = Premises.take()
    (premises.folder / "link").symlink_to(kept)
    locked = premises.folder / "locked"
    locked.mkdir()
    (locked / "inner").touch()
    locked.chmod(0)
    premises.leave()
    assert (kept / "file").read_text() == "x"
    assert not premises.folder.exists()


def test_the_mark_names_the_run(temporary: Path) -> None:
    premises = Premises.take()
    assert premises.mark == {MARK: premises.folder.name}
    premises.leave()


def test_what_climbs_out_of_a_workspace_stays_in_the_folder_of_the_run(temporary: Path) -> None:
    """Hostile names climb by three folders."""
    premises = Premises.take()
    workspace = premises.ground("lane") / "workspace"
    workspace.mkdir()
    (workspace / ".." / ".." / ".." / "climbed.txt").touch()
    assert list(premises.folder.rglob("climbed.txt"))
    premises.leave()
    assert not list(temporary.glob("holdfast-attack-*/*"))


def test_this_process_takes_in_orphans_no_longer_than_the_run(temporary: Path) -> None:
    premises = Premises.take()
    orphaning = "import subprocess as s; print(s.Popen(['sleep', '600'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"
    command = [sys.executable, "-c", orphaning]
    ran = subprocess.run(command, env=os.environ | premises.mark, capture_output=True, text=True, check=True)
    orphan = int(ran.stdout)
    assert psutil.Process(orphan).ppid() == os.getpid()
    premises.leave()
    assert not psutil.pid_exists(orphan), "killed and reaped"
    later = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert psutil.Process(later).ppid() != os.getpid()
    os.kill(later, signal.SIGKILL)
