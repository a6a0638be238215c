"""Records of running servers: found by their owner, and never believed when somebody else could have written them."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from holdfast.state.running import FORGOTTEN, LONGEST, Folder, Process, folders, peer

NOBODY = 65_534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder.made(tmp_path) as made:
        yield made


@pytest.fixture
def gone() -> Process:
    """A process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        process = Process.of(running.pid)
        running.kill()
    return process


def write(folder: Folder, process: Process, **facts: object) -> str:
    folder.write(process.key, {"process": list(process), **facts})
    return process.key


def keys(folder: Folder) -> list[str]:
    return [found.key for found in folder.records()]


def test_a_process_is_told_from_another_that_has_its_pid_later(gone: Process) -> None:
    here = Process.of(os.getpid())
    assert here.lives()
    assert here._replace(born=here.born - 1).lives() is False
    assert here._replace(born=here.born - 1).key != here.key
    assert gone.lives() is False


def test_nothing_is_said_of_processes_of_another_boot_or_container(gone: Process) -> None:
    assert gone._replace(boot="another").lives() is None
    assert gone._replace(space="pid:[1]").lives() is None
    assert Process(gone.pid).lives() is None, "written where there is no /proc"


def test_where_this_process_itself_cannot_be_told_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Process.of(os.getpid())

    def refuse(_pid: int) -> Process:
        raise PermissionError

    monkeypatch.setattr(Process, "of", refuse)
    assert here.lives() is None


def test_a_zombie_runs_no_more() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError):
            Process.of(ended.pid)


def test_the_age_of_a_process_is_known_where_its_start_is() -> None:
    age = Process.of(os.getpid()).age()
    assert age is not None
    assert 0 < age < 86_400
    assert Process(os.getpid()).age() is None


def test_records_and_sockets_are_for_their_owner_only(folder: Folder) -> None:
    key = write(folder, Process.of(os.getpid()))
    with folder.listen(key):
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.path.iterdir()}
        assert modes == {f"{key}.json": 0o600, f"{key}.sock": 0o600}
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        connected, pid = folder.connect(key, 1.0)
        connected.close()
        assert pid == os.getpid()


def test_a_folder_whose_path_is_longer_than_a_sockets_may_be_is_no_hindrance(tmp_path: Path) -> None:
    base = tmp_path / ("long" * 30)
    base.mkdir()
    with Folder.made(base) as folder, folder.listen("1-00000000"):
        assert folder.answers("1-00000000")


def test_a_later_worker_takes_the_place_of_the_one_before(folder: Folder) -> None:
    with folder.listen("1-00000000"):
        pass
    assert not folder.answers("1-00000000"), "it is there, and nobody listens"
    with folder.listen("1-00000000"):
        assert folder.answers("1-00000000")
    folder.forget("1-00000000")
    assert list(folder.path.iterdir()) == []


def test_one_that_listens_and_does_not_accept_answers_all_the_same(folder: Folder) -> None:
    with folder.listen("1-00000000"):
        waiting = ExitStack()
        with waiting, pytest.raises(TimeoutError):
            all(waiting.enter_context(folder.connect("1-00000000", 0.01)[0]) for _ in count())
        assert folder.answers("1-00000000")


def test_what_certainly_is_gone_is_swept_and_what_is_elsewhere_a_week_later(folder: Folder, gone: Process) -> None:
    here, elsewhere = Process.of(os.getpid()), gone._replace(boot="another")
    write(folder, gone)
    kept = {write(folder, here), write(folder, elsewhere)}
    folder.sweep()
    assert set(keys(folder)) == kept
    old = time.time() - FORGOTTEN - 60
    for key in kept:
        os.utime(folder.path / f"{key}.json", (old, old))
    with folder.listen(elsewhere.key):
        folder.sweep()
        assert set(keys(folder)) == kept, "it answers: in another container, perhaps"
    folder.sweep()
    assert keys(folder) == [here.key]


@pytest.mark.parametrize(
    "how", ["link", "pipe", "folder", "open to others", "no JSON", "no process", "too long", "list"]
)
def test_what_is_no_record_of_ours_is_passed_over(how: str, folder: Folder) -> None:
    good = write(folder, Process.of(os.getpid()))
    place = folder.path / "7-0123abcd.json"
    facts = json.dumps({"process": [7, 1, "b", "s"]})
    if how == "link":
        (folder.path / "elsewhere").write_text(facts)
        place.symlink_to(folder.path / "elsewhere")
    elif how == "pipe":
        os.mkfifo(place, 0o600)
    elif how == "folder":
        place.mkdir()
    else:
        odd = {"no JSON": "{", "no process": "{}", "too long": facts + " " * LONGEST + "x", "list": "[]"}
        place.write_text(odd.get(how, facts))
        place.chmod(0o666 if how == "open to others" else 0o600)
    assert keys(folder) == [good]


def test_names_that_are_none_of_ours_are_not_even_opened(folder: Folder) -> None:
    for name in ("1.json", "x-0123abcd.json", "1-0123abcd.json.new", "1-0123ABCD.json"):
        (folder.path / name).write_text(json.dumps({"process": [1]}))
    assert keys(folder) == []


def test_a_folder_that_others_may_write_to_or_that_is_a_link_is_not_looked_into(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(OSError, match="link"):
        Folder(tmp_path / "link")
    real.chmod(0o770)
    with pytest.raises(PermissionError):
        Folder(real)


@as_root
def test_nothing_of_another_user_is_trusted(folder: Folder, tmp_path: Path) -> None:
    key = write(folder, Process.of(os.getpid()))
    with folder.listen(key):
        os.chown(folder.path / f"{key}.sock", NOBODY, NOBODY)
        with pytest.raises(PermissionError):
            folder.connect(key, 1.0)
    os.chown(folder.path / f"{key}.json", NOBODY, NOBODY)
    assert keys(folder) == []
    os.chown(folder.path, NOBODY, NOBODY)
    with pytest.raises(PermissionError):
        Folder(folder.path)


@as_root
def test_whoever_listens_must_be_this_user_whatever_the_socket_says() -> None:
    name = f"\0holdfast-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as connected:
        listening.bind(name)
        os.seteuid(NOBODY)
        try:
            listening.listen()  # who listens is noted here (unix(7))
        finally:
            os.seteuid(0)
        connected.connect(name)
        with pytest.raises(PermissionError):
            peer(connected)


def test_every_server_of_a_state_folder_is_found_and_the_folder_of_one_too(tmp_path: Path) -> None:
    assert list(folders(tmp_path / "absent")) == []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Folder.made(tmp_path / name).close()
    (tmp_path / "none").mkdir()
    assert [path.parent.name for path in folders(tmp_path)] == ["one", "two"]
    assert [path.parent.name for path in folders(tmp_path / "two")] == ["two"]


def test_a_socket_that_cannot_be_bound_leaves_nothing_open(folder: Folder) -> None:
    (folder.path / "1-00000000.sock").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"directory|Directory"):
        folder.listen("1-00000000")
    assert len(os.listdir("/proc/self/fd")) == before
