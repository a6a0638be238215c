"""Sagas: done whole, or undone in reverse, also by the next process; what cannot be undone is told of."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, logged, server_in, text
from support.peers import StdioPeer

from holdfast import Context, Server, ToolError
from holdfast.core.clock import SystemClock
from holdfast.errors import Busy, ConfigurationError, DuplicateName, SagaRefused
from holdfast.state import journal
from holdfast.state import sagas as module
from holdfast.state.durable import Durable
from holdfast.state.journal import SPACE
from holdfast.state.sagas import Sagas, lent
from holdfast.state.store import Store


class Quick(SystemClock):
    """No pause between tries, unless somebody waits for longer than one."""

    async def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        await asyncio.sleep(seconds if seconds == module.UNDO_SECONDS else 0)


class World:
    """What steps do and undo, and a server's part of it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.done: list[Any] = []
        self.undone: list[Any] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.broken: set[Any] = set()
        self.compensations: dict[str, Any] = {"release": self.release, "plain": self.plain}

    async def do(self, payload: Any) -> str:
        self.done.append(payload)
        return f"did {payload}"

    async def release(self, payload: Any, step: str) -> None:
        if payload in self.broken:
            raise ConnectionError("down")
        self.undone.append((payload, step.rpartition(":")[2]))

    def plain(self, payload: Any) -> None:
        self.undone.append(payload)

    def tell(self, what: str, fields: Mapping[str, Any]) -> None:
        self.told.append((what, dict(fields)))

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Sagas]:
        """One life of a server; nothing waits for what it leaves behind."""
        durable = Durable(self.base, lambda: self.base.mkdir(exist_ok=True), SystemClock(), lambda name: None)
        sagas = Sagas(durable, Quick(), lambda: self.compensations, asyncio.to_thread, self.tell)
        try:
            yield sagas
        finally:
            await sagas.close(0.01)
            await durable.close()

    async def left(self) -> list[str]:
        """What is in the journal."""
        store = Store(self.base / "state.sqlite")
        try:
            return await store.keys(SPACE)
        finally:
            await store.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


async def test_what_ends_well_is_not_undone_and_leaves_nothing(world: World) -> None:
    async with world.process() as sagas:
        async with sagas.open("trip") as saga:
            assert await saga.step("one", world.do, "release", 1) == "did 1"
            assert await saga.step("two", lambda: "no coroutine") == "no coroutine"
        with pytest.raises(ConfigurationError, match="it has ended"):
            await saga.step("three", world.do)
    assert (world.done, world.undone, world.told) == ([1], [], [])
    assert await world.left() == []


async def test_what_fails_is_undone_in_reverse_with_the_step_that_failed(world: World) -> None:
    async def fail(payload: Any) -> None:
        world.done.append(payload)
        raise ToolError("sold out")

    async with world.process() as sagas:
        with pytest.raises(ToolError, match="sold out"):  # noqa: PT012 - the saga is the statement
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, "release", 1)
                await saga.step("nothing to undo", world.do, None, 2)
                await saga.step("in a thread", world.do, "plain", (3, 3))
                await saga.step("four", fail, "release", 4)
    assert world.undone == [(4, "4"), [3, 3], (1, "1")]
    assert [what for what, _ in world.told] == ["saga.undone"]
    assert await world.left() == []


async def test_the_step_and_what_undoes_it_are_given_the_same_id(world: World) -> None:
    seen: list[str] = []
    world.compensations["note"] = lambda payload, step: seen.append(step)
    async with world.process() as sagas:
        with pytest.raises(KeyError):  # noqa: PT012 - the saga is the statement
            async with sagas.open("trip") as saga:
                await saga.step("one", lambda payload, step: seen.append(step), "note")
                raise KeyError
    assert seen == [f"{saga.id}:1"] * 2


async def test_a_call_that_is_cancelled_is_undone_although_nobody_waits(world: World) -> None:
    async with world.process() as sagas:
        begun = asyncio.Event()

        async def call() -> None:
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, "release", 1)
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(call())
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait(sagas._tasks, timeout=5)
    assert world.undone == [(1, "1")]


async def test_one_that_is_cancelled_while_its_name_is_taken_leaves_it_free(world: World) -> None:
    async with world.process() as sagas:
        async with sagas.open("warm"):
            pass
        entering = asyncio.create_task(sagas.open("trip", "key").__aenter__())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        while sagas._tasks:
            await asyncio.wait(sagas._tasks)
        for _ in range(200):
            if not await sagas._durable.store.keys(SPACE):  # type: ignore[union-attr]  # it is open
                break
        async with sagas.open("trip", "key"):
            pass


async def test_there_is_one_saga_of_a_key_at_a_time(world: World) -> None:
    async with world.process() as sagas:
        async with sagas.open("trip", "ada"):
            with pytest.raises(SagaRefused) as refused:
                async with sagas.open("trip", "ada"):
                    pass
            assert (refused.value.code, refused.value.retryable) == ("saga.running", True)
            async with sagas.open("trip", "eve"), sagas.open("trip"), sagas.open("trip"):
                pass
        async with sagas.open("trip", "ada"):
            pass


async def test_a_compensation_is_tried_again_and_then_its_saga_is_stuck_until_the_next_start(world: World) -> None:
    world.broken = {2}
    async with world.process() as sagas:
        with pytest.raises(KeyError):  # noqa: PT012 - the saga is the statement
            async with sagas.open("trip", "ada") as saga:
                for number in (1, 2, 3):
                    await saga.step(str(number), world.do, "release", number)
                raise KeyError
        assert sagas.stuck == {saga.id: "trip"}
        with pytest.raises(SagaRefused) as refused:
            async with sagas.open("trip", "ada"):
                pass
        assert (refused.value.code, refused.value.retryable) == ("saga.stuck", False)
    assert world.undone == [(3, "3")]
    what, fields = world.told[-1]
    assert (what, fields["compensation"], fields["failure"]) == ("saga.stuck", "release", "ConnectionError")
    async with world.process() as sagas:
        await sagas.resume()
        assert list(sagas.stuck.values()) == ["trip"], "it is broken still"
    world.broken.clear()
    async with world.process() as sagas:
        await sagas.resume()
        assert sagas.stuck == {}
    assert world.undone == [(3, "3"), (2, "2"), (1, "1")]
    assert await world.left() == []


@pytest.mark.parametrize("how", ["hang", "exit", "cancel", "gone"])
async def test_a_compensation_that_hangs_or_tries_to_end_more_than_itself_is_stuck(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(module, "UNDO_SECONDS", 0.02)

    async def bad() -> None:
        if how == "hang":
            await asyncio.Event().wait()
        raise {"exit": SystemExit(1), "cancel": asyncio.CancelledError()}[how]

    world.compensations["bad"] = bad
    async with world.process() as sagas:
        with pytest.raises(KeyError):  # noqa: PT012 - the saga is the statement
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, "bad")
                if how == "gone":
                    del world.compensations["bad"]
                raise KeyError
        assert len(sagas.stuck) == 1


async def test_the_next_start_undoes_what_a_dead_process_left_and_nothing_of_one_that_lives(world: World) -> None:
    async with world.process() as living, living.open("mine") as mine:
        await mine.step("one", world.do, "release", "mine")
        async with world.process() as dying:
            saga = dying.open("theirs", "key")
            await (await saga.__aenter__()).step("one", world.do, "release", "theirs")
        async with world.process() as starting:
            starting.resuming()
            await asyncio.wait(starting._tasks)
        assert world.undone == [("theirs", "1")]
    assert await world.left() == []


OTHERS = [
    b"\xff", b"7", b"{}", b'{"id":"i","name":"n","by":"b","state":"running"}',
    b'{"id":"i","name":"n","by":"b","state":"paused","steps":[]}',
    b'{"id":"i","name":"n","by":"b","state":"running","steps":[["one","release",1,"i:1","of a later version"]]}',
    b'{"id":"i","name":"n","by":7,"state":"running","steps":[]}',
]  # fmt: skip
"""Records that this version did not write, and that may mean anything."""


@pytest.mark.parametrize("raw", OTHERS)
async def test_a_record_that_nobody_can_read_is_told_of_left_alone_and_hinders_no_other(
    world: World, raw: bytes
) -> None:
    async with world.process() as dying:
        saga = dying.open("trip", "zoe")
        await (await saga.__aenter__()).step("one", world.do, "release", 1)
        assert dying._durable.store is not None
        await dying._durable.store.put(SPACE, "trip/ada", raw)
    async with world.process() as sagas:
        await sagas.resume()
        assert list(sagas.stuck) == ["trip/ada"]
        with pytest.raises(SagaRefused) as refused:
            async with sagas.open("trip", "ada"):
                pass
        assert refused.value.code == "saga.stuck"
    assert world.undone == [(1, "1")]
    assert [what for what, _ in world.told] == ["saga.unread", "saga.undone"]
    assert await world.left() == ["trip/ada"]


async def test_a_compensation_that_hangs_holds_up_no_other_saga_at_the_start(world: World) -> None:
    gate = asyncio.Event()

    async def hang() -> None:
        await gate.wait()

    world.compensations["hang"] = hang
    async with world.process() as dying:
        for number in range(module.RESUMED_AT_ONCE):
            saga = dying.open("trip", f"{number}")
            undo = "release" if number == module.RESUMED_AT_ONCE - 1 else "hang"
            await (await saga.__aenter__()).step("one", world.do, undo, number)
    async with world.process() as sagas:
        resuming = asyncio.create_task(sagas.resume())
        while not world.undone:
            await asyncio.sleep(0.001)
        gate.set()
        await resuming
        assert sagas.stuck == {}
    assert await world.left() == []


async def test_two_starts_at_once_undo_it_once(world: World) -> None:
    async with world.process() as dying:
        saga = dying.open("theirs")
        await (await saga.__aenter__()).step("one", world.do, "release", 1)
    async with world.process() as one, world.process() as two:
        await asyncio.gather(one.resume(), two.resume())
    assert world.undone == [(1, "1")]


async def test_a_journal_that_cannot_be_written_stops_the_step_and_undoes_what_was_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise Busy("full")

    async with world.process() as sagas:
        with pytest.raises(Busy), monkeypatch.context() as patch:  # noqa: PT012 - the saga is the statement
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, "release", 1)
                patch.setattr(Store, "put", full)
                await saga.step("two", world.do, "release", 2)
        assert (world.done, world.undone) == ([1], [(1, "1")])
        assert "saga.unwritten" in {what for what, _ in world.told}
        with pytest.raises(Busy), monkeypatch.context() as patch:  # noqa: PT012 - the saga is the statement
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, "release", 1)
                patch.setattr(Store, "swap", lambda *given: asyncio.ensure_future(full(*given)))
        assert world.undone == [(1, "1"), (1, "1")], "its end could not be written, so it did not end"
        monkeypatch.setattr(Store, "items", full)
        sagas.resuming()
        await asyncio.gather(*sagas._tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert world.told[-1] == ("saga.unread", {"failure": "Busy"})


async def test_a_caller_that_leaves_while_the_end_is_written_undoes_nothing(world: World) -> None:
    async with world.process() as sagas:

        async def call() -> None:
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, "release", 1)
                asyncio.get_running_loop().call_soon(task.cancel)

        task = asyncio.create_task(call())
        with pytest.raises(asyncio.CancelledError):
            await task
    assert world.undone == []
    assert await world.left() == []


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"undo": "nobody"}, "undo is the name"),
        ({"undo": len}, "undo is the name"),
        ({"payload": object()}, "what JSON can hold"),
        ({"payload": float("nan")}, "what JSON can hold"),
        ({"payload": "x" * 9_000}, "at most 8192 bytes"),
    ],
)
async def test_what_could_not_be_undone_is_not_done(world: World, wrong: dict[str, Any], said: str) -> None:
    async with world.process() as sagas:
        with pytest.raises(ConfigurationError, match=said):
            async with sagas.open("trip") as saga:
                await saga.step("one", world.do, **wrong)
        with pytest.raises(ConfigurationError, match="at most 512"):
            async with sagas.open("x" * 513):
                pass
    assert world.done == []


async def test_a_saga_has_so_many_steps_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_STEPS", 2)
    async with world.process() as sagas:
        with pytest.raises(ConfigurationError, match="at most 2 steps"):  # noqa: PT012 - the saga is the statement
            async with sagas.open("long") as saga:
                for number in range(3):
                    await saga.step("one", world.do, "release", number)
    assert world.done == [0, 1]
    assert [payload for payload, _ in world.undone] == [1, 0]


def test_a_function_is_lent_as_much_as_it_takes() -> None:
    assert lent(lambda: 0, "p", "i") == ()
    assert lent(lambda a: 0, "p", "i") == ("p",)
    assert lent(lambda *a: 0, "p", "i") == ("p", "i")
    assert lent(dict.fromkeys, "p", "i") == ("p", "i")
    assert lent(type("", (), {"__signature__": 3, "__call__": len})(), "p", "i") == ("p",)


async def test_a_tool_whose_caller_leaves_is_undone_behind_its_back(tmp_path: Path) -> None:
    server, begun, undone = server_in(tmp_path), asyncio.Event(), asyncio.Event()

    @server.compensation("release")
    async def release(payload: Any) -> None:
        undone.set()

    @server.tool
    async def trip(ctx: Context) -> str:
        async with ctx.saga("trip") as saga:
            await saga.step("one", lambda: "done", "release")
            begun.set()
            await asyncio.Event().wait()
        return ""

    @server.tool
    async def stay(ctx: Context) -> str:
        async with ctx.saga("trip") as saga:
            return str(await saga.step("one", lambda: "done", "release"))

    async with server.serving() as live:
        call = asyncio.create_task(ask(live, "trip"))
        await begun.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        async with asyncio.timeout(60):
            await undone.wait()
        assert text(await ask(live, "stay")) == "done"
        while live.plant.lasting.sagas()._tasks:
            await asyncio.wait(live.plant.lasting.sagas()._tasks)
        assert (await live.plant.health.report()).checks["sagas"].status == "ok"
    assert "saga.undone" in {line["event"] for line in logged(tmp_path)}


def test_two_compensations_of_one_name_are_an_error() -> None:
    parent, child = Server("parent"), Server("child")
    for server in (parent, child):
        server.compensation("release")(print if server is parent else repr)
    with pytest.raises(DuplicateName):
        parent.compensation("release")(print)
    parent.mount(child, namespace="child")
    with pytest.raises(DuplicateName, match="child and another"):
        parent.compensations()


SERVER = """
    import asyncio, os
    from pathlib import Path
    from holdfast import Context, Server

    server, ledger = Server("agency"), Path(os.environ["LEDGER"])

    def note(line):
        with ledger.open("a") as file:
            file.write(line + "\\n")

    @server.compensation("release")
    async def release(payload, step):
        note(f"release {payload['seat']}")

    @server.tool
    async def trip(ctx: Context) -> str:
        "Book two seats, and never come to an end."
        async with ctx.saga("trip") as saga:
            for seat in (1, 2):
                await saga.step("reserve", lambda given: note(f"reserve {given['seat']}"), "release", {"seat": seat})
            note("ready")
            await asyncio.sleep(60)

    if __name__ == "__main__":
        server.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_process_that_is_killed_between_two_steps_is_undone_by_the_next(tmp_path: Path) -> None:
    script, ledger = tmp_path / "agency.py", tmp_path / "ledger"
    script.write_text(textwrap.dedent(SERVER))
    ledger.touch()

    def until(word: str) -> None:
        end = time.monotonic() + 20
        while word not in ledger.read_text():
            assert time.monotonic() < end, ledger.read_text()
            time.sleep(0.01)

    with StdioPeer(script, tmp_path / "state", LEDGER=str(ledger)) as peer:
        peer.initialize()
        peer.request("tools/call", {"name": "trip", "arguments": {}})
        until("ready")
        peer.process.kill()
        peer.process.wait()
    with StdioPeer(script, tmp_path / "state", LEDGER=str(ledger)) as peer:
        peer.initialize()
        until("release 1")
    assert ledger.read_text().splitlines() == ["reserve 1", "reserve 2", "ready", "release 2", "release 1"]
