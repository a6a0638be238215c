"""Cases of crash: what a client sees when processes of the server die or stop, and what is left of what was written.

The pids of these servers are larger than any that a system gives, and the signals go to the server in this process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from attack.cases import steady
from attack.cases.steady import TEXT, TOOLS, Message, Server, Talk, Wood, play, text, tool

from holdfast_attack.cases.crash import CASES, calls, killing, kills, writes
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Found, FoundSeveral, Inconclusive, Kind, NotApplicable
from holdfast_attack.target.launch import CannotStart

REQUESTS = 12
ROOT = Wood().pid
WORKER = ROOT + 1
IDS = [case.id for case in CASES]


class Mortal(Server):
    """Sound: what it was asked before it was killed is lost, and the client sees it."""

    signals: list[tuple[list[int], int]]

    def __init__(self) -> None:
        super().__init__()
        self.signals = []
        self.deaths = 0

    def got(self, pids: Iterable[int], number: int = signal.SIGKILL) -> None:
        """A signal."""
        self.signals.append((list(pids), number))
        if number == signal.SIGKILL:
            self.killed()

    def killed(self) -> None:
        self.died = True
        self.deaths += 1

    async def answer(self, message: Message) -> Message | None:
        deaths = self.deaths
        await asyncio.sleep(0)
        if self.died or self.deaths != deaths:
            raise Gone("it was killed")
        return await super().answer(message)


Aim = Callable[[Mortal], Any]


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch) -> Aim:
    """Signals go to this server and to nothing else."""

    def aimed(server: Mortal) -> Mortal:
        for module in (kills, writes):
            monkeypatch.setattr(module, "kill", server.got)
        monkeypatch.setattr(kills, "send", server.got)
        return server

    return aimed


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the time, and smaller files; and no signal to anybody, unless a server takes them."""

    def refuse(*_: object) -> None:
        raise AssertionError("a signal would have been sent")

    for module, name, value in (
        (kills, "REQUESTS", REQUESTS),
        (kills, "ANSWERED", 0.3),
        (kills, "PAUSE", 0.02),
        (killing, "ANSWERED", 0.3),
        (killing, "HONEST", 0.3),
        (calls, "HONEST", 0.3),
        (writes, "SIZES", (4_000, 2_000)),
        (writes, "KILLS", 2),
        (writes, "WRITES", 4),
        (kills, "kill", refuse),
        (kills, "send", refuse),
        (writes, "kill", refuse),
    ):
        monkeypatch.setattr(module, name, value)


def test_every_case_of_the_class_says_where_it_belongs() -> None:
    assert {case.kind for case in CASES} == {Kind.CRASH}
    assert len(set(IDS)) == len(CASES) == 6


@pytest.mark.parametrize("name", IDS)
async def test_only_a_server_that_was_started_here_is_killed(name: str) -> None:
    with pytest.raises(NotApplicable, match="started here"):
        await play(name, Server(), started=False)


@pytest.mark.parametrize("name", ["crash.kill-server", "crash.kill-worker", "crash.pause"])
async def test_where_nobody_knows_the_processes_none_is_hit(name: str) -> None:
    with pytest.raises(Inconclusive, match="cannot be seen"):
        await play(name, Server(), tree=None)


def test_a_signal_goes_to_those_that_are_there_and_to_no_others() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        killing.kill([ROOT, process.pid])
        assert process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("name, turns", [("crash.kill-server", REQUESTS), ("crash.restart", 1)])
async def test_a_server_that_serves_as_before_after_a_new_start_is_fine(name: str, turns: int, hits: Aim) -> None:
    server = hits(Mortal())
    assert await play(name, server, tree=Wood(others=(WORKER,))) == turns
    assert server.signals == [([ROOT, WORKER][: 2 if turns > 1 else 1], signal.SIGKILL)]


async def test_when_it_may_take_long_it_is_killed_again_and_again(hits: Aim) -> None:
    server = hits(Mortal())
    assert await play("crash.restart", server, full=True) == server.deaths == 4


@pytest.mark.parametrize("name", ["crash.kill-server", "crash.restart"])
async def test_a_server_that_does_not_come_up_again_is_found(name: str, hits: Aim) -> None:
    server = hits(Mortal())

    def starts() -> None:
        if server.deaths:
            raise CannotStart("the port is taken")

    with pytest.raises(Found, match="does not start again: the port is taken"):
        await play(name, server, starts=starts)


@pytest.mark.parametrize("name", ["crash.kill-server", "crash.restart"])
@pytest.mark.parametrize("said, how", [(text("it is locked", failed=True), "fails"), (None, "is not answered")])
async def test_a_tool_that_works_no_more_is_found(name: str, said: Message | None, how: str, hits: Aim) -> None:
    class Locked(Mortal):
        async def call(self, name: str, given: Message) -> Message | None:
            return said if self.deaths and name == "echo" else await super().call(name, given)

    with pytest.raises(FoundSeveral) as caught:
        await play(name, hits(Locked()))
    (only,) = caught.value.findings
    assert only.tool == "echo"
    assert only.what == f"an honest call that worked before the server was killed {how} afterwards"


async def test_a_tool_that_is_refused_by_a_limit_or_never_worked_is_not_held_against_it(hits: Aim) -> None:
    class Odd(Mortal):
        async def call(self, name: str, given: Message) -> Message | None:
            if name == "wait":
                return text("cannot wait", failed=True)
            if name == "echo" and self.deaths:
                return text("too many requests", failed=True)
            return await super().call(name, given)

    assert await play("crash.kill-server", hits(Odd())) == REQUESTS


async def test_a_list_that_does_not_come_after_a_new_start_is_found(hits: Aim) -> None:
    class Listless(Mortal):
        async def answer(self, message: Message) -> Message | None:
            again = self.deaths and not self.died
            return None if again and message["method"] == "tools/list" else await super().answer(message)

    with pytest.raises(FoundSeveral, match="a list of the tools is not answered"):
        await play("crash.kill-server", hits(Listless()))


class Silent(Mortal):
    """Those who wait when it is killed wait for ever."""

    async def answer(self, message: Message) -> Message | None:
        try:
            return await super().answer(message)
        except Gone:
            return None


class Twice(Talk):
    """Every answer comes twice."""

    async def ask(self, method: str, params: Any = None, *, within: float = 5.0, id: Any = None) -> Reply:
        reply = await super().ask(method, params, within=within, id=id)
        self.messages.append(self.messages[-1])
        return reply


async def test_requests_that_neither_end_nor_are_answered_are_found(hits: Aim) -> None:
    with pytest.raises(Found, match="12 of 12 requests had neither an answer nor an end"):
        await play("crash.kill-server", hits(Silent()))


class Watched(Mortal):
    """Its worker serves; what that one was asked is answered with an error when it dies, and a new one comes."""

    def killed(self) -> None:
        self.deaths += 1

    async def answer(self, message: Message) -> Message | None:
        await asyncio.sleep(0)
        return await self.after(message) if self.deaths else await Server.answer(self, message)

    async def after(self, message: Message) -> Message | None:
        """After the death of its worker."""
        return await Server.answer(self, message)


def serving(worker: float = 1.0, root: float = 0.1) -> Wood:
    """What each process has used before and after a burst."""
    return Wood(others=(WORKER,), used=[{ROOT: 0.0, WORKER: 0.0}, {ROOT: root, WORKER: worker}])


async def test_a_server_that_watches_over_its_worker_is_fine(hits: Aim) -> None:
    server = hits(Watched())
    assert await play("crash.kill-worker", server, tree=serving()) == REQUESTS
    assert server.signals == [([WORKER], signal.SIGKILL)]


async def test_requests_that_hang_when_the_worker_dies_are_found(hits: Aim) -> None:
    class Hangs(Watched):
        async def after(self, message: Message) -> Message | None:
            return None

    with pytest.raises(Found, match="neither an answer nor an end"):
        await play("crash.kill-worker", hits(Hangs()), tree=serving())


async def test_a_server_that_answers_what_was_lost_and_then_nothing_any_more_is_found(hits: Aim) -> None:
    class Orphaned(Watched):
        left = REQUESTS

        async def after(self, message: Message) -> Message | None:
            self.left -= 1
            return {"error": {"code": -32000, "message": "the worker died"}} if self.left >= 0 else None

    with pytest.raises(Found, match="after its worker was killed it answers nothing any more"):
        await play("crash.kill-worker", hits(Orphaned()), tree=serving())


async def test_a_new_worker_may_take_a_moment(hits: Aim) -> None:
    class Slowly(Watched):
        times = 0

        async def after(self, message: Message) -> Message | None:
            self.times += 1
            return None if self.times == REQUESTS + 1 else await super().after(message)

    server = hits(Slowly())
    assert await play("crash.kill-worker", server, tree=serving()) == REQUESTS
    assert server.times == REQUESTS + 2


async def test_a_connection_that_ends_with_its_process_is_no_finding(hits: Aim) -> None:
    with pytest.raises(NotApplicable, match="nothing watches over it"):
        await play("crash.kill-worker", hits(Mortal()), tree=serving())


async def test_without_a_worker_that_serves_none_is_killed() -> None:
    with pytest.raises(NotApplicable, match="a single process"):
        await play("crash.kill-worker", Server())
    with pytest.raises(NotApplicable, match="only its first process serves"):
        await play("crash.kill-worker", Server(), tree=serving(worker=0.01, root=1.0))


async def test_a_request_that_is_answered_twice_is_found(hits: Aim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "Talk", Twice)
    with pytest.raises(Found, match=r"request \d+ was answered more than once"):
        await play("crash.kill-worker", hits(Watched()), tree=serving())


class Stopped(Mortal):
    """Goes on when it is told to, and answers then."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = asyncio.Event()
        self.runs.set()

    def got(self, pids: Iterable[int], number: int = signal.SIGKILL) -> None:
        super().got(pids, number)
        if number == signal.SIGSTOP:
            self.runs.clear()
        else:
            self.goes_on()

    def goes_on(self) -> None:
        self.runs.set()

    async def answer(self, message: Message) -> Message | None:
        await self.runs.wait()
        return await super().answer(message)


async def test_requests_that_come_while_it_is_stopped_are_answered_when_it_goes_on(hits: Aim) -> None:
    server = hits(Stopped())
    assert await play("crash.pause", server, tree=Wood(others=(WORKER,))) == REQUESTS
    assert server.signals == [([ROOT, WORKER], signal.SIGSTOP), ([WORKER, ROOT], signal.SIGCONT)]


async def test_a_server_that_ends_when_it_goes_on_is_found(hits: Aim) -> None:
    class Watchdog(Stopped):
        def goes_on(self) -> None:
            self.killed()
            super().goes_on()

    with pytest.raises(Found, match=r"after it was stopped for 0\.02 s 12 of 12 requests were lost"):
        await play("crash.pause", hits(Watchdog()))


async def test_a_server_that_stays_silent_when_it_goes_on_is_found(hits: Aim) -> None:
    class Stuck(Stopped):
        def goes_on(self) -> None:
            pass

    with pytest.raises(Found, match="12 of 12 requests had neither an answer nor an end"):
        await play("crash.pause", hits(Stuck()))


class Writing(Mortal):
    """Writes a file by another one that takes its name."""

    tools = (TOOLS[0], tool("write_file", True, path=TEXT, text=TEXT))

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.torn = threading.Event()

    def killed(self) -> None:
        super().killed()
        self.torn.set()

    async def call(self, name: str, given: Message) -> Message | None:
        if name != "write_file":
            return await super().call(name, given)
        await self.write(self.folder / given["path"], given["text"])
        return text("written")

    async def write(self, file: Path, content: str) -> None:
        other = file.with_suffix(".new")
        other.write_text(content)
        await self.until_killed(0.001)
        os.replace(other, file)

    async def until_killed(self, seconds: float) -> None:
        """Raises ``Gone`` when it is killed meanwhile."""
        if await asyncio.to_thread(self.torn.wait, seconds):
            raise Gone("it was killed")


async def test_a_file_that_is_written_beside_and_renamed_is_always_whole(tmp_path: Path, hits: Aim) -> None:
    server = hits(Writing(tmp_path))
    assert await play("crash.write-whole", server, workspace=tmp_path, allow_writes=True, starts=server.torn.clear) > 4
    assert server.signals == [([ROOT], signal.SIGKILL)]
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_written_in_place_is_found_torn(tmp_path: Path, hits: Aim) -> None:
    class InPlace(Writing):
        async def write(self, file: Path, content: str) -> None:
            file.write_text(content[:1_000])
            await self.until_killed(0.1)
            file.write_text(content)

    with pytest.raises(Found, match="holds 1,000 characters of neither text") as caught:
        await play("crash.write-whole", hits(InPlace(tmp_path)), workspace=tmp_path, allow_writes=True)
    assert caught.value.findings[0].tool == "write_file"
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_removed_first_is_found_gone(tmp_path: Path, hits: Aim) -> None:
    class Removes(Writing):
        async def write(self, file: Path, content: str) -> None:
            file.unlink()
            await self.until_killed(0.1)
            file.write_text(content)

    with pytest.raises(Found, match="the file is gone"):
        await play("crash.write-whole", hits(Removes(tmp_path)), workspace=tmp_path, allow_writes=True)


async def test_a_server_that_refuses_writes_by_a_limit_is_not_judged(tmp_path: Path) -> None:
    class Limited(Writing):
        times = 0

        async def call(self, name: str, given: Message) -> Message | None:
            self.times += name == "write_file"
            return text("rate limit exceeded", failed=True) if self.times > 1 else await super().call(name, given)

    with pytest.raises(Inconclusive, match="write_file refuses by a limit"):
        await play("crash.write-whole", Limited(tmp_path), workspace=tmp_path, allow_writes=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_smaller_text_is_taken_where_the_tool_takes_no_larger_one(tmp_path: Path, hits: Aim) -> None:
    class Small(Writing):
        tools = (tool("write_file", True, path=TEXT, text=TEXT | {"maxLength": 2_500}),)

    server = hits(Small(tmp_path))
    assert await play("crash.write-whole", server, workspace=tmp_path, allow_writes=True, starts=server.torn.clear) > 4
    given = [one["params"]["arguments"]["text"] for one in server.asked if one["method"] == "tools/call"]
    assert {len(each) for each in given} == {1_000, 2_000}


async def test_without_leave_or_a_tool_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="--allow-writes"):
        await play("crash.write-whole", Writing(tmp_path), workspace=tmp_path)
    with pytest.raises(NotApplicable, match="no tool writes"):
        await play("crash.write-whole", Server(), workspace=tmp_path, allow_writes=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_tool_that_writes_elsewhere_is_none_that_can_be_judged(tmp_path: Path) -> None:
    class Elsewhere(Writing):
        async def write(self, file: Path, content: str) -> None:
            pass

    with pytest.raises(NotApplicable, match="no tool writes"):
        await play("crash.write-whole", Elsewhere(tmp_path), workspace=tmp_path, allow_writes=True)


async def test_a_server_that_has_not_started_its_worker_yet_is_a_single_process() -> None:
    tree = Wood(others=(4_194_306,), used=[{4_194_305: 0.0}, {4_194_305: 1.0}])
    with pytest.raises(NotApplicable, match="only its first"):
        await play("crash.kill-worker", Server(), tree=tree)


# -- calls -------------------------------------------------------------------------------------------------------------


async def test_a_call_of_each_tool_leaves_a_sound_server_alive() -> None:
    assert await play("crash.call", Server()) == len(TOOLS)


async def test_a_call_that_ends_the_server_is_found_and_the_others_are_still_tried() -> None:
    class Exits(Server):
        async def call(self, name: str, given: Message) -> Message | None:
            if name == "echo":
                self.exits = True
                raise Gone("it has ended with 2")
            return await super().call(name, given)

    server = Exits()
    with pytest.raises(FoundSeveral) as raised:
        await play("crash.call", server)
    assert [(finding.tool, "went away" in finding.what) for finding in raised.value.findings] == [("echo", True)]
    called = {one["params"]["name"] for one in server.asked if one["method"] == "tools/call"}
    assert called == {each["name"] for each in TOOLS}


async def test_a_call_after_which_nobody_is_answered_is_found() -> None:
    class Locks(Server):
        locked = False

        async def answer(self, message: Message) -> Message | None:
            if self.locked and message["method"] != "initialize":
                return None
            return await super().answer(message)

        async def call(self, name: str, given: Message) -> Message | None:
            self.locked = True
            return None

    with pytest.raises(FoundSeveral, match="nobody gets one after it"):
        await play("crash.call", Locks())


async def test_without_time_for_any_call_nothing_is_said() -> None:
    with pytest.raises(Inconclusive, match="no time"):
        await play("crash.call", Server(), left=1.0)
