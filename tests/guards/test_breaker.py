"""What keeps failing is left alone; what the caller did wrong, or left, is no failure; being late is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.calls import Client, ask, code, living, logged, server_in, text

from holdfast import Context, Limits, Server, ToolError
from holdfast.core.pipeline import Answer
from holdfast.errors import BreakerOpen, Busy, DeadlineExceeded, ProtocolError, Refusal
from holdfast.guards.breaker import BreakerGuard
from holdfast.live import Live
from holdfast.resilience.breaker import Breaker
from holdfast.testing import FakeClock


async def after(live: Live, clock: FakeClock, calls: int = 21) -> str:
    """The code of the last of so many calls; twenty make a judgement."""
    last = ""
    for _ in range(calls):
        call = asyncio.ensure_future(ask(live, "tool", client=Client("roots")))
        await clock.advance(0.6)
        try:
            last = code(await call)
        except ProtocolError as error:
            last = str(error.rpc_code)
    return last


def failing(base: Path, work: Callable[[FakeClock], Awaitable[str]], clock: FakeClock, **facts: Any) -> Server:
    server = server_in(base)

    @server.tool(**facts)
    async def tool(ctx: Context) -> str:
        return await work(clock)

    return server


def raises(error: BaseException) -> Callable[[FakeClock], Awaitable[str]]:
    async def work(_: FakeClock) -> str:
        raise error

    return work


@pytest.mark.parametrize(
    "error, last",
    [
        (RuntimeError(), "breaker.open"),
        (OSError(), "breaker.open"),
        (SystemExit(1), "breaker.open"),
        (asyncio.CancelledError(), "breaker.open"),  # that nobody asked for
        (DeadlineExceeded("the tool's own"), "breaker.open"),
        (ToolError("the caller is told"), "tool.error"),
        (Refusal("no"), "refused"),
        (ProtocolError(-32000, "no"), "-32000"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_failures_open_it_and_nothing_that_is_the_callers_to_mend(
    tmp_path: Path, error: BaseException, last: str
) -> None:
    clock = FakeClock()
    async with living(failing(tmp_path, raises(error), clock), clock) as live:
        assert await after(live, clock) == last


async def late(clock: FakeClock) -> str:
    await clock.sleep(60)
    return "late"


async def late_but_stubborn(clock: FakeClock) -> str:
    with suppress(asyncio.CancelledError):
        await clock.sleep(60)
    await clock.sleep(0.5)
    return "late"


async def late_with_an_excuse(clock: FakeClock) -> str:
    try:
        await clock.sleep(60)
    except asyncio.CancelledError:
        raise ToolError("it took too long") from None
    return "late"


@pytest.mark.parametrize("work", [late, late_but_stubborn, late_with_an_excuse])
async def test_running_out_of_time_opens_it_however_the_tool_takes_it(
    tmp_path: Path, work: Callable[[FakeClock], Awaitable[str]]
) -> None:
    clock = FakeClock()
    async with living(failing(tmp_path, work, clock, limits=Limits(timeout=0.5)), clock) as live:
        assert await after(live, clock, 24) == "breaker.open"
        await clock.advance(60)


async def test_callers_who_leave_do_not_open_it(tmp_path: Path) -> None:
    clock = FakeClock()
    async with living(failing(tmp_path, late, clock), clock) as live:
        for _ in range(30):
            call = asyncio.ensure_future(ask(live, "tool"))
            await clock.settle()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        call = asyncio.ensure_future(ask(live, "tool"))
        await clock.advance(31)
        assert code(await call) == "deadline.exceeded"


async def test_a_question_is_a_success(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def tool(ctx: Context) -> str:
        return str(await ctx.roots())

    clock = FakeClock()
    async with living(server, clock) as live:
        assert await after(live, clock) == ""


async def test_after_its_pause_it_lets_probes_through_and_closes_when_they_succeed(tmp_path: Path) -> None:
    server, clock, down, heard = server_in(tmp_path), FakeClock(), [True], []

    @server.tool
    async def tool() -> str:
        if down[0]:
            raise RuntimeError
        return "up"

    @server.tool
    async def neighbour() -> str:
        return "fine"

    async with living(server, clock) as live:
        live.plant.parts.events.subscribe("breaker.*", lambda event: heard.append(event.fields["state"]))
        for _ in range(20):
            await ask(live, "tool")
        refused = await ask(live, "tool")
        assert code(refused) == "breaker.open"
        assert 0 < refused.meta["io.holdfast/retryAfter"] <= 5
        assert text(await ask(live, "neighbour")) == "fine"
        down[0] = False
        await clock.advance(5.1)
        assert [text(await ask(live, "tool")) for _ in range(5)] == ["up"] * 5
        await clock.settle()
        assert live.plant.metrics.events.items() == {(f"breaker.{state}",): 1 for state in heard}
    assert heard == ["open", "half_open", "closed"]
    assert [line["state"] for line in logged(tmp_path) if line["event"] == "breaker"] == heard


async def through(guard: BreakerGuard, outcome: BaseException | None, deadline: float | None = None) -> None:
    """One attempt that ends so."""

    async def proceed(_: Any) -> Answer:
        if outcome is not None:
            raise outcome
        return Answer({})

    call: Any = SimpleNamespace(deadline=deadline)
    with suppress(type(outcome) if outcome is not None else ()):
        await guard.around(proceed, call)


async def test_callers_who_leave_count_neither_way_so_that_they_hide_no_failures() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock), clock)
    for outcome in (asyncio.CancelledError(),) * 30 + (OSError(),) * 20:
        await through(guard, outcome)
    with pytest.raises(BreakerOpen):
        await through(guard, None)


async def test_an_answer_at_the_deadline_itself_is_late_as_it_is_for_the_deadline_guard() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock), clock)
    for _ in range(20):
        await through(guard, None, clock.now())
    with pytest.raises(BreakerOpen):
        await through(guard, None)


async def test_without_a_deadline_nothing_is_late() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock), clock)
    for outcome in (None, ToolError("the caller is told")) * 15:
        await through(guard, outcome)


async def lasting(guard: BreakerGuard, clock: FakeClock, left: float, seconds: float) -> bool:
    """Whether a call with so much of its time left was begun, which would take so many seconds."""
    begun = []

    async def proceed(_: Any) -> Answer:
        begun.append(1)
        await clock.advance(min(left, seconds))
        if seconds >= left:
            raise asyncio.CancelledError
        return Answer({})

    call: Any = SimpleNamespace(deadline=clock.now() + left)
    with suppress(asyncio.CancelledError):
        await guard.around(proceed, call)
    return bool(begun)


async def test_a_call_whose_time_ran_out_in_line_is_told_so_and_not_begun() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock), clock, 10.0)
    for _ in range(20):
        assert await lasting(guard, clock, 8.0, 2.0), "until it is known what calls take, they are begun"
    with pytest.raises(Busy) as refused:
        await lasting(guard, clock, 1.9, 1.0)
    assert 2.0 <= refused.value.retry_after < 2.5  # type: ignore[operator]
    assert await lasting(guard, clock, 2.5, 2.0)


async def test_a_call_that_has_not_waited_is_begun_whatever_is_known() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock), clock, 10.0)
    assert await lasting(guard, clock, 8.0, 8.0)
    with pytest.raises(Busy):
        await lasting(guard, clock, 8.9, 1.0)
    assert await lasting(guard, clock, 10.0, 1.0)


async def test_what_became_quick_again_is_noticed_by_those_that_did_not_wait() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock), clock, 10.0)
    assert await lasting(guard, clock, 8.0, 8.0)
    for _ in range(80):
        assert await lasting(guard, clock, 10.0, 0.5)
    assert await lasting(guard, clock, 1.0, 0.5)


async def test_failures_say_nothing_of_how_long_calls_take() -> None:
    clock = FakeClock()
    guard = BreakerGuard(Breaker(clock, min_calls=1_000), clock, 10.0)
    assert await lasting(guard, clock, 8.9, 4.0)
    for _ in range(20):
        assert await lasting(guard, clock, 9.5, 4.0)
    for _ in range(40):
        await through(guard, OSError(), clock.now() + 10.0)
    with pytest.raises(Busy):
        await lasting(guard, clock, 3.0, 1.0)


async def test_calls_that_are_not_begun_leave_the_breaker_and_its_probes_alone() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    guard = BreakerGuard(breaker, clock, 10.0)
    assert await lasting(guard, clock, 8.0, 2.0)
    for _ in range(19):
        await through(guard, OSError(), clock.now() + 10.0)
    assert breaker.state == "open"
    await clock.advance(5)
    for _ in range(10):
        with pytest.raises(Busy):
            await lasting(guard, clock, 1.0, 0.5)
    assert (breaker.state, breaker.probing) == ("half_open", 0)
