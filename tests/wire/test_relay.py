"""The SDK that joins late: what it hears first, in which order, how much waits for it, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextvars
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.waiting import until

from holdfast.core.config import LimitSettings
from holdfast.wire import relay as module
from holdfast.wire.messages import REPEATED, Message, message_bounds
from holdfast.wire.pipes import open_pipes
from holdfast.wire.relay import Relay
from holdfast.wire.stdio import Lines

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


class Sdk:
    """Stands for the SDK's server: does with both streams what the test says."""

    def __init__(self, serve: Callable[[Any, Any], Any]) -> None:
        self.serve_streams = serve


class Dispatch:
    """Hears everything until its end."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.more = asyncio.Event()
        self.more.set()
        self.ended = False
        self.place = ""

    async def __call__(self, read: Any, write: Any) -> None:
        """Iterate, as the SDK does."""
        self.place = PLACE.get()
        async with read, write:
            async for item in read:
                self.heard.append(item.message)
                await self.more.wait()
        self.ended = True


class Near:
    """A relay over a real socket."""

    def __init__(self, lines: Lines, theirs: socket.socket) -> None:
        self.lines = lines
        self.theirs = theirs
        self.lost = 0
        self.relay: Relay

    def open(self, build: Callable[[], Any], before: Iterable[Message] = ()) -> Relay:
        """The SDK is wanted."""
        context = contextvars.copy_context()
        context.run(PLACE.set, "the connection's")
        self.relay = Relay(self.lines, build, before, self._lost, context)
        return self.relay

    def _lost(self) -> None:
        self.lost += 1

    async def reply(self) -> Any:
        """The next line."""
        raw = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.theirs, 65_536), 5)
        return json.loads(raw)


@asynccontextmanager
async def near() -> AsyncIterator[Near]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        intake, outlet = await open_pipes(ours.fileno(), ours.fileno(), 10_000)
        found = Near(Lines(intake, outlet, None, message_bounds(LimitSettings())), theirs)
        yield found
        await found.relay.end()
        await outlet.close(0.2)
        await asyncio.sleep(0.01)


def request(number: Any, method: str = "x") -> Message:
    return Message("request", {"jsonrpc": "2.0", "id": number, "method": method})


NOTE = Message("notification", {"jsonrpc": "2.0", "method": "n"})


async def test_it_hears_the_beginning_first_and_then_everything_in_order() -> None:
    async with near() as found:
        hears = Dispatch()
        relay = found.open(lambda: Sdk(hears), [request(REPEATED, "initialize"), NOTE])
        for number in range(5):
            await relay.put(request(number))
        assert relay.sdk is None
        assert await relay.joined() is relay.sdk
        await until(lambda: len(hears.heard) == 7)
        assert [getattr(item, "id", None) for item in hears.heard] == [REPEATED, None, 0, 1, 2, 3, 4]
        assert hears.place == "the connection's"
        await relay.put(request("later"))
        await until(lambda: len(hears.heard) == 8)
        await relay.end()
        assert hears.ended


async def test_no_more_wait_than_may_until_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 4)
    async with near() as found:
        hears = Dispatch()
        relay = found.open(lambda: Sdk(hears))
        await relay.joined()
        hears.more.clear()
        for number in range(5):
            await relay.put(request(number))
            await until(lambda: hears.heard)
        waiting = asyncio.ensure_future(relay.put(request(5)))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        assert len(relay._items) == 4
        hears.more.set()
        await waiting
        await until(lambda: len(hears.heard) == 6)
        assert [item.id for item in hears.heard] == list(range(6))


async def test_its_answers_go_out_but_not_the_one_to_what_was_repeated() -> None:
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCResponse

    async with near() as found:

        async def answers(read: Any, write: Any) -> None:
            for _ in range(2):
                asked = (await read.receive()).message
                await write.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=asked.id, result={})))
            await Dispatch()(read, write)

        relay = found.open(lambda: Sdk(answers), [request(REPEATED)])
        held: list[str] = []
        found.lines.ahead = lambda: held.append("flushed")
        await relay.put(request("mine"))
        assert (await found.reply())["id"] == "mine"
        assert held, "what was held goes first"


class Broken(Exception):
    """It does not work."""


def no_sdk() -> Any:
    raise Broken


async def fails(read: Any, _write: Any) -> None:
    await read.receive()
    raise Broken


async def returns(read: Any, _write: Any) -> None:
    await read.receive()


@pytest.mark.parametrize("build", [no_sdk, lambda: Sdk(fails), lambda: Sdk(returns)])
async def test_when_it_fails_whoever_waits_is_told_then_and_for_each_further_message(
    build: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    async with near() as found:
        relay = found.open(build)
        await relay.put(request(1))
        await relay.put(request(2))
        await asyncio.wait_for(relay.put(request(3)), 20)
        await until(lambda: found.lost)
        before = found.lost
        await relay.put(request(4))
        assert found.lost == before + 1
        assert not relay._items
        if build is no_sdk:
            with pytest.raises(RuntimeError, match="could not join"):
                await relay.joined()
        assert ("has ended" in caplog.text) is (build().serve_streams is fails if build is not no_sdk else True)


async def test_when_it_cannot_be_loaded_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> Any:
        raise ImportError

    monkeypatch.setattr("holdfast.wire.relay.importlib.import_module", missing)
    async with near() as found:
        relay = found.open(no_sdk)
        with pytest.raises(RuntimeError, match="could not join"):
            await relay.joined()
        await until(lambda: found.lost == 1)


async def test_a_good_end_is_no_failure() -> None:
    async with near() as found:
        relay = found.open(lambda: Sdk(Dispatch()))
        await relay.joined()
        await relay.end()
        assert found.lost == 0


async def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST", 0.05)
    ended: list[str] = []

    async def stays(_read: Any, _write: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async with near() as found:
        relay = found.open(lambda: Sdk(stays))
        await relay.joined()
        await relay.end()
        assert ended == ["cancelled"]
        assert relay._task.done()
