"""What a server tells ``holdfast status``, and that no asker can do it harm."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, living, server_in

from holdfast.observe.finding import Finding
from holdfast.state.running import FOLDER, Folder, Process
from holdfast.supervisor.control import Control
from holdfast.supervisor.memory import PAGE, Memory
from holdfast.supervisor.worker import Attended, Task
from holdfast.wire import status
from holdfast.wire.status import ASKING, Door, answer, told


def place(base: Path) -> Path:
    (found,) = base.rglob(FOLDER)
    return found


def asked(path: Path) -> dict[str, Any]:
    """What the only server there says, as another process would hear it."""
    with Folder(path) as folder:
        (record,) = folder.records()
        assert record.process.lives()
        connected, pid = folder.connect(record.key, 5.0)
        with connected, connected.makefile("rb") as stream:
            assert pid == record.facts["worker"] == os.getpid()
            found: dict[str, Any] = json.loads(stream.read())
            return found


async def test_a_server_tells_its_owner_how_it_is_and_is_not_found_any_more_when_it_is_gone(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def tool() -> str:
        return ""

    async with living(server) as live:
        async with told(live, "stdio"):
            live.plant.health.set_ready(True)
            await ask(live, "tool")
            live.quarantined = {"tool": live.plant.clock.now() + 30, "earlier": live.plant.clock.now() - 1}
            said = await asyncio.to_thread(asked, place(tmp_path))
            with Folder(place(tmp_path)) as folder:
                (record,) = folder.records()
        assert list(place(tmp_path).iterdir()) == []
    assert record.facts["supervisor"] is None
    assert (said["name"], said["transport"], said["ready"], said["status"]) == ("inside", "stdio", True, "ok")
    assert (said["supervisor"], said["worker"], said["restarts"]) == (None, os.getpid(), 0)
    assert said["calls"] == {"in_flight": 0, "queued": 0, "orphans": 0, "zombies": 0}
    assert list(said["quarantined"]) == ["tool"]
    assert 29 < said["quarantined"]["tool"] <= 30
    assert said["memory"]["resident"] > 1_000_000
    assert said["memory"]["budget"] == 1 << 40, "what tests are given"


async def test_alerts_are_told_by_their_probe(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        live.plant.watch_loop()
        assert live.plant.lookout is not None
        live.plant.lookout.alerts.alert("memory", 2)
        assert (await answer(live, "http"))["alerts"] == {"memory": 2}


async def test_it_can_be_turned_off_and_then_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    async with living(server_in(tmp_path, health__socket=False)) as live, told(live, "stdio"):
        assert list(tmp_path.rglob(FOLDER)) == []


async def test_where_no_socket_can_be_made_the_log_says_so_and_calls_go_on(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        (live.plant.lasting.state_dir() / FOLDER).write_text("in the way")
        async with told(live, "stdio"):
            assert live.draining is False
    assert "status.unavailable" in (tmp_path / "log").read_text()


async def test_a_record_that_cannot_be_written_leaves_no_folder_open(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        folder = live.plant.lasting.state_dir() / FOLDER
        folder.mkdir(mode=0o700)
        (folder / f"{Process.of(os.getpid()).key}.json").mkdir()
        before = opened()
        async with told(live, "stdio"):
            assert opened() == before


def opened() -> list[str]:
    """The sockets and folders that this process holds."""
    links = [os.readlink(each.path) for each in os.scandir("/proc/self/fd") if os.path.islink(each.path)]
    return sorted(link for link in links if link.startswith("socket:") or link.endswith(FOLDER))


async def test_what_a_killed_server_left_is_swept_by_the_next(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        gone = Process.of(os.getpid())._replace(born=1)
        with Folder.made(live.plant.lasting.state_dir()) as folder:
            folder.write(gone.key, {"process": list(gone)})
            folder.listen(gone.key).close()
        async with told(live, "stdio"):
            assert {each.name for each in place(tmp_path).iterdir() if each.name.startswith(gone.key)} == set()


async def test_askers_who_do_not_listen_are_few_and_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:

        async def hangs() -> Finding:
            await asyncio.Event().wait()
            return Finding("ok")

        live.plant.health.add("hangs", hangs, timeout=60)
        with ExitStack() as stack:
            async with told(live, "stdio"):
                asking = list(askers(place(tmp_path), ASKING + 3, stack))
                for _ in range(20):
                    await asyncio.sleep(0)
                closed = [each for each in asking if is_closed(each)]
                assert len(closed) == 3
            assert all(is_closed(each) for each in asking)


def askers(path: Path, count: int, stack: ExitStack) -> Iterator[socket.socket]:
    with Folder(path) as folder:
        (record,) = folder.records()
        for _ in range(count):
            connected, _ = folder.connect(record.key, 5.0)
            stack.callback(connected.close)
            connected.setblocking(False)
            yield connected


def is_closed(connected: socket.socket) -> bool:
    try:
        return connected.recv(1) == b""
    except BlockingIOError:
        return False


def attended() -> Attended:
    """What a worker holds, of a supervisor that would be this process's parent."""
    ours, theirs = Control.pair()
    theirs.close()
    return Attended(Memory.create(slots=1, message=PAGE, answer=PAGE), ours)


async def test_a_worker_that_hands_over_leaves_its_record_to_the_next_and_one_that_ends_removes_it(
    tmp_path: Path,
) -> None:
    worker = attended()
    worker.task = Task(2, blamed=True, why="its loop stood still")
    async with living(server_in(tmp_path)) as live:
        live.plant.worker = worker
        async with told(live, "stdio"):
            said = await asyncio.to_thread(asked_of_supervised, place(tmp_path))
        assert {each.suffix for each in place(tmp_path).iterdir()} == {".json", ".sock"}
        async with told(live, "stdio"):
            worker.ended(0)
        assert list(place(tmp_path).iterdir()) == []
    worker.control.close()
    assert (said["supervisor"], said["worker"]) == (os.getppid(), os.getpid())
    assert (said["restarts"], said["last_end"]) == (2, "its loop stood still")
    assert said["uptime"] >= said["serving"]


def asked_of_supervised(path: Path) -> dict[str, Any]:
    with Folder(path) as folder:
        (record,) = folder.records()
        assert record.process.pid == record.facts["supervisor"] == os.getppid()
    return asked(path)


async def test_what_cannot_be_known_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> Any:
        raise ProcessLookupError

    async with living(server_in(tmp_path)) as live:
        live.plant.worker = worker = attended()
        monkeypatch.setattr(status, "resident_bytes", gone)
        monkeypatch.setattr(Process, "of", gone)
        said = await answer(live, "stdio")
        worker.control.close()
    assert said["memory"]["resident"] is None
    assert said["uptime"] == said["serving"]


async def test_an_asker_who_has_left_again_is_no_matter(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        door = Door(live, "stdio")
        door._accept()
        with ExitStack() as stack:
            list(askers(place(tmp_path), 1, stack))
        for _ in range(5):
            await asyncio.sleep(0)
        assert (await asyncio.to_thread(asked, place(tmp_path)))["name"] == "inside"
        await door.close()


async def test_another_user_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(server_in(tmp_path)) as live, told(live, "stdio"):
        with ExitStack() as stack:
            (asking,) = askers(place(tmp_path), 1, stack)
            monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 7)
            monkeypatch.setattr("holdfast.state.running._ROOT", -1)
            for _ in range(5):
                await asyncio.sleep(0)
            assert is_closed(asking)
