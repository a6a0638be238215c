"""A lesser answer stands in when the operation cannot answer, never when the caller is at fault, and says so."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.calls import Client, ask, code, living, logged, server_in, text

from holdfast import Context, Limits, ToolError
from holdfast.core.pipeline import META
from holdfast.errors import BreakerOpen, Busy, DeadlineExceeded, ProtocolError, Refusal, UnsafePath
from holdfast.isolation.inline import running
from holdfast.testing import FakeClock


class Weird(BaseException):
    """Something that ``except Exception`` does not catch."""


@pytest.mark.parametrize(
    "failure, stands_in",
    [
        (RuntimeError("down"), True),
        (ConnectionError("down"), True),
        (Busy("full"), True),
        (BreakerOpen("open"), True),
        (DeadlineExceeded("late"), True),
        (Busy("stuck", code="isolation.stuck"), True),
        (SystemExit(3), True),
        (Weird(), True),
        (ToolError("the caller should read this"), False),
        (Refusal("no"), False),
        (UnsafePath("no"), False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_it_stands_in_for_what_is_down_but_not_for_what_the_caller_must_mend(
    tmp_path: Path, failure: BaseException, stands_in: bool
) -> None:
    server = server_in(tmp_path)

    @server.tool(fallback=lambda: "lesser")
    async def tool() -> str:
        raise failure

    async with living(server) as live:
        answer = await ask(live, "tool")
    assert (text(answer) == "lesser") is stands_in
    assert answer.meta.get(f"{META}fallback", False) is stands_in
    told = any(line["event"] == "fallback" for line in logged(tmp_path))
    assert told is not isinstance(failure, Refusal | ToolError), "the operator is told of a failure that nobody sees"


async def test_a_protocol_error_passes(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(fallback=lambda: "lesser")
    async def tool(ctx: Context) -> str:
        return str(await ctx.roots())

    async with living(server) as live:
        with pytest.raises(ProtocolError, match="capability"):
            await ask(live, "tool")


async def test_a_good_answer_is_not_marked(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(fallback=lambda: "lesser")
    async def tool() -> str:
        return "good"

    async with living(server) as live:
        answer = await ask(live, "tool")
    assert (text(answer), answer.meta) == ("good", {})


async def test_it_is_called_with_as_much_as_it_takes(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    async def both(args: Any, ctx: Context) -> str:
        return f"both of {ctx.tool}"

    def one(args: Any) -> str:
        return "one"

    async def none() -> str:
        return "none"

    for name, fallback in (("both", both), ("one", one), ("none", none)):

        @server.tool(name=name, fallback=fallback)
        async def tool(a: int = 1) -> str:
            raise RuntimeError

    async with living(server) as live:
        assert [text(await ask(live, name)) for name in ("both", "one", "none")] == ["both of both", "one", "none"]


async def test_a_fifth_of_the_deadline_is_kept_for_it(tmp_path: Path) -> None:
    server, clock, seen = server_in(tmp_path), FakeClock(), []

    async def lesser(args: Any, ctx: Context) -> str:
        seen.append(round(ctx.remaining, 3))
        assert running.get() == ctx.deadline, "the watchdog knows how long"
        await clock.sleep(1.5)
        return "lesser"

    @server.tool(fallback=lesser, limits=Limits(timeout=10))
    async def slow(ctx: Context) -> str:
        seen.append(round(ctx.remaining, 3))
        await clock.sleep(60)
        return "late"

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "slow"))
        await clock.advance(8.0)
        await clock.advance(1.6)
        assert text(await call) == "lesser"
    assert seen == [8.0, 2.0], "the operation is told its own share"


async def test_a_fallback_that_is_late_too_is_cut_off_at_the_deadline(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    async def lesser() -> str:
        await clock.sleep(60)
        return "never"

    @server.tool(fallback=lesser, limits=Limits(timeout=10))
    async def down() -> str:
        raise RuntimeError

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "down"))
        await clock.advance(10.1)
        assert code(await call) == "deadline.exceeded"


async def test_running_out_of_its_share_counts_against_the_operation(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    @server.tool(fallback=lambda: "lesser", limits=Limits(timeout=1))
    async def slow() -> str:
        await clock.sleep(60)
        return "late"

    async with living(server, clock) as live:
        for _ in range(20):
            call = asyncio.ensure_future(ask(live, "slow"))
            await clock.advance(1.1)
            await call
        before = clock.now()
        assert text(await ask(live, "slow")) == "lesser"
        assert clock.now() == before, "the breaker is open: nobody waits for the operation"


@pytest.mark.parametrize("bad", ["raises", "exits", "is odd", "asks", "cancels itself", "gives nonsense"])
async def test_a_fallback_that_fails_fails_this_call_and_nothing_else(tmp_path: Path, bad: str) -> None:
    server = server_in(tmp_path)

    async def lesser(args: Any, ctx: Context) -> Any:
        if bad == "exits":
            sys.exit(3)
        if bad == "asks":
            await ctx.roots()
        if bad == "gives nonsense":
            return object()
        raise {"raises": RuntimeError, "is odd": Weird, "cancels itself": asyncio.CancelledError}[bad]

    @server.tool(fallback=lesser)
    async def down() -> dict[str, int] | str:
        raise RuntimeError

    @server.tool
    async def fine() -> str:
        return "fine"

    async with living(server) as live:
        answer = await ask(live, "down", client=Client("roots"))
        assert code(answer) == ("output.invalid" if bad == "gives nonsense" else "tool.failed")
        assert text(await ask(live, "fine")) == "fine"


async def test_what_swallows_its_cancellation_is_answered_for_on_time(tmp_path: Path) -> None:
    server, free = server_in(tmp_path), asyncio.Event()

    @server.tool(fallback=lambda: "lesser", limits=Limits(timeout=0.2))
    async def stubborn() -> str:
        for _ in range(5):  # it will not swallow more than that, so that a failing test can end
            with suppress(asyncio.CancelledError):
                await free.wait()
                break
        return "late"

    async with living(server) as live:
        try:
            begun = time.monotonic()
            assert text(await ask(live, "stubborn")) == "lesser"
            assert time.monotonic() - begun < 1
            assert live.plant.parts.orphans.count == 1
        finally:
            free.set()
        while live.plant.parts.orphans.count:
            await asyncio.sleep(0)


async def test_without_a_deadline_it_stands_in_all_the_same(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from holdfast.core.function import FunctionTool
    from holdfast.core.pipeline import Answer, Call
    from holdfast.guards import fallback

    async def work() -> str:
        return ""

    async def down(call: Call) -> Answer:
        raise RuntimeError

    async def fine(call: Call) -> Answer:
        return Answer({"content": [{"type": "text", "text": "good"}]})

    async with living(server_in(tmp_path)) as live:
        tool = FunctionTool(work, fallback=lambda: f"lesser {running.get()}")
        guard = fallback.recipe(tool, live.plant.parts)
        context: Any = SimpleNamespace(log=live.plant.log, deadline=None)
        call = Call(tool, {}, live.local, context, "x")
        assert guard is not None
        assert text(await guard.around(fine, call)) == "good"
        assert text(await guard.around(down, call)) == "lesser inf", "the watchdog knows whose code runs"
        assert running.get() is None
        assert call.deadline is None


async def test_it_gets_the_arguments_as_they_were_sent_whatever_the_operation_did_to_them(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    def lesser(args: Any) -> str:
        return f"{len(args.arg_todo)} to do"

    @server.tool(fallback=lesser)
    async def down(todo: list[int]) -> str:
        todo.clear()
        raise RuntimeError

    async with living(server) as live:
        assert text(await ask(live, "down", {"todo": [1, 2, 3]})) == "3 to do"


async def test_fallbacks_are_tried_in_turn_each_in_its_share_of_what_is_left(tmp_path: Path) -> None:
    server, clock, seen = server_in(tmp_path), FakeClock(), []

    async def hangs(args: Any, ctx: Context) -> str:
        seen.append(("hangs", round(ctx.remaining, 3)))
        await clock.sleep(60)
        return "never"

    async def fails(args: Any, ctx: Context) -> str:
        seen.append(("fails", round(ctx.remaining, 3)))
        raise ConnectionError

    def last(args: Any, ctx: Context) -> str:
        seen.append(("last", round(ctx.remaining, 3)))
        assert running.get() == ctx.deadline
        return "the last"

    @server.tool(fallback=[hangs, fails, last], limits=Limits(timeout=15))
    async def down(ctx: Context) -> str:
        seen.append(("down", round(ctx.remaining, 3)))
        raise RuntimeError

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "down"))
        await clock.advance(5.1)
        answer = await call
    assert text(answer) == "the last"
    assert answer.meta[f"{META}fallback"] is True
    assert seen == [("down", 12.0), ("hangs", 5.0), ("fails", 5.0), ("last", 10.0)]
    told = [line["failure"] for line in logged(tmp_path) if line["event"] == "fallback"]
    assert told == ["RuntimeError", "ConnectionError"]


async def test_what_a_fallback_says_to_the_caller_ends_the_turn(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    def says() -> str:
        raise ToolError("there is no such town")

    @server.tool(fallback=(says, lambda: "never"))
    async def down() -> str:
        raise RuntimeError

    @server.tool(fallback=(lambda: 1 / 0, lambda: 1 / 0))
    async def all_down() -> str:
        raise RuntimeError

    async with living(server) as live:
        assert text(await ask(live, "down")).startswith("there is no such town")
        assert code(await ask(live, "all_down")) == "tool.failed", "and so is the last failure the caller's"


async def test_a_turn_that_is_cancelled_goes_no_further(tmp_path: Path) -> None:
    server, begun, went_on = server_in(tmp_path), asyncio.Event(), []

    async def hangs() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    @server.tool(fallback=[hangs, lambda: went_on.append(1) or "no"])
    async def down() -> str:
        raise RuntimeError

    async with living(server) as live:
        call = asyncio.ensure_future(ask(live, "down"))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert went_on == []
