"""Events: told to whoever asked, and no subscriber can hurt a call, another subscriber or the server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.core import events as module
from holdfast.core.events import MAX_BACKLOG, Event, Events


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.02)
    monkeypatch.setattr(module, "LAST_WORDS", 0.02)


@asynccontextmanager
async def bus() -> AsyncIterator[Events]:
    events = Events()
    try:
        yield events
    finally:
        await events.close()


class Ear:
    """A subscriber that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.waiting: dict[int, asyncio.Event] = {}

    def __call__(self, event: Event) -> None:
        self.heard.append(event.name)
        if (reached := self.waiting.get(len(self.heard))) is not None:
            reached.set()

    async def until(self, count: int) -> list[str]:
        if len(self.heard) < count:
            await asyncio.wait_for(self.waiting.setdefault(count, asyncio.Event()).wait(), 5)
        return self.heard


@pytest.mark.parametrize(
    "pattern, heard",
    [
        ("*", ["tool.failed", "tool.completed", "server.started"]),
        ("tool.*", ["tool.failed", "tool.completed"]),
        ("tool.failed", ["tool.failed"]),
        ("*.started", ["server.started"]),
        ("TOOL.*", []),
        ("", []),
        ("tool", []),
    ],
)
async def test_a_subscriber_hears_what_its_pattern_matches_in_order(pattern: str, heard: list[str]) -> None:
    ear = Ear()
    async with bus() as events:
        events.subscribe(pattern, ear)
        for name in ("tool.failed", "tool.completed", "server.started"):
            events.emit(name)
    assert ear.heard == heard


async def test_an_event_has_its_fields_and_nobody_can_change_them_for_others() -> None:
    seen: list[Event] = []

    def spoiler(event: Event) -> None:
        event.fields["tool"] = "spoiled"  # type: ignore[index]

    async with bus() as events:
        events.subscribe("*", spoiler)
        events.subscribe("*", seen.append)
        events.emit("tool.failed", tool="greet", code=1)
    assert seen == [Event("tool.failed", {"tool": "greet", "code": 1})]


def test_nothing_is_wanted_while_nobody_listens_and_emitting_needs_no_loop_then() -> None:
    events = Events()
    assert not events.wanted
    events.emit("tool.failed")
    events.subscribe("*", print)
    assert events.wanted


def fails(event: Event) -> None:
    raise RuntimeError("canary")


def leaves(event: Event) -> None:
    sys.exit(3)


def interrupts(event: Event) -> None:
    raise KeyboardInterrupt


def cancels(event: Event) -> None:
    raise asyncio.CancelledError


async def fails_later(event: Event) -> None:
    await asyncio.sleep(0)
    raise RuntimeError("canary")


async def leaves_later(event: Event) -> None:
    await asyncio.sleep(0)
    sys.exit(3)


async def hangs(event: Event) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("rude", [fails, leaves, interrupts, cancels, fails_later, leaves_later, hangs])
async def test_a_rude_subscriber_hurts_nobody_and_hears_the_next_event_too(
    rude: Callable[[Event], Any], caplog: pytest.LogCaptureFixture
) -> None:
    ear, again = Ear(), Ear()

    def both(event: Event) -> Any:
        again(event)
        return rude(event)

    async with bus() as events:
        events.subscribe("*", both)
        events.subscribe("*", ear)
        events.emit("a")
        events.emit("b")
        assert await ear.until(2) == ["a", "b"]
        assert await again.until(2) == ["a", "b"]
    assert "an event subscriber failed" in caplog.text
    assert "canary" not in caplog.text


async def test_a_slow_subscriber_does_not_hold_up_another_nor_the_emitter() -> None:
    ear = Ear()
    async with bus() as events:
        events.subscribe("*", hangs)
        events.subscribe("*", ear)
        for _ in range(3):
            events.emit("a")
        assert await ear.until(3) == ["a", "a", "a"]


async def test_what_a_slow_subscriber_does_not_hear_in_time_is_bounded_and_the_oldest_is_lost() -> None:
    ear = Ear()
    async with bus() as events:
        events.subscribe("*", ear)
        for number in range(MAX_BACKLOG + 10):
            events.emit(str(number))
        (delivery,) = events._deliveries
        assert delivery.dropped == 10
        await ear.until(MAX_BACKLOG)
    assert ear.heard[0] == "10"
    assert ear.heard[-1] == str(MAX_BACKLOG + 9)


async def test_whoever_leaves_hears_nothing_more() -> None:
    ear = Ear()
    async with bus() as events:
        undo = events.subscribe("*", ear)
        events.emit("a")
        await ear.until(1)
        events.emit("b")
        undo()
        undo()
        events.emit("c")
        assert not events.wanted
    assert ear.heard == ["a"]


def test_whoever_leaves_before_anything_happened_leaves_nothing_behind() -> None:
    events = Events()
    events.subscribe("*", print)()
    assert not events.wanted


async def test_a_subscriber_may_leave_from_within() -> None:
    heard: list[str] = []
    async with bus() as events:

        async def once(event: Event) -> None:
            undo()
            await asyncio.sleep(0)
            heard.append(event.name)

        undo = events.subscribe("*", once)
        events.emit("a")
        events.emit("b")
    assert heard == ["a"]


async def test_the_last_event_is_heard_although_the_server_stops_at_once() -> None:
    ear = Ear()
    async with bus() as events:
        events.subscribe("*", ear)
        events.emit("server.stopped")
    assert ear.heard == ["server.stopped"]


async def test_closing_ends_every_delivery_also_of_those_who_left() -> None:
    ended: list[str] = []

    async def stubborn(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event.name)

    events = Events()
    module.PATIENCE = 60.0
    undo = events.subscribe("*", stubborn)
    events.subscribe("*", stubborn)
    events.emit("a")
    events.emit("b")
    await asyncio.sleep(0)
    undo()
    await events.close()
    assert ended == ["a", "a"]
    assert [task for task in asyncio.all_tasks() if task.get_name() == "holdfast-event"] == []


async def test_closing_waits_for_ever_for_nobody() -> None:
    async def immortal(event: Event) -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    released = asyncio.Event()
    events = Events()
    events.subscribe("*", immortal)
    events.emit("a")
    await asyncio.wait_for(events.close(), 5)
    released.set()
    await asyncio.sleep(0)


async def test_closing_a_bus_that_was_never_used_does_nothing() -> None:
    await Events().close()
