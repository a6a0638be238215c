"""A rate refuses at once, says when to come back, and is each principal's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.calls import ask, code, living, server_in, text

from holdfast import Limits
from holdfast.core.pipeline import Answer
from holdfast.errors import ProtocolError, RateLimited, Refusal, ToolError
from holdfast.guards.rate import AdaptiveRate, _failed
from holdfast.live import Live
from holdfast.resilience.adaptive import LEAST_SHARE, Share
from holdfast.resilience.limiter import KeyedLimiter
from holdfast.testing import FakeClock, principal


@pytest.mark.parametrize(
    "rate, calls, wait", [("2/minute", 2, 60.0), ("0.5/second", 1, 2.0), ("0.1/minute", 1, 600.0), ("3/second", 3, 1.0)]
)
async def test_so_many_calls_pass_and_the_next_is_told_when(tmp_path: Path, rate: str, calls: int, wait: float) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    @server.tool(read_only=True, limits=Limits(rate=rate))
    async def tool() -> str:
        return "ok"

    async with living(server, clock) as live:
        assert [code(await ask(live, "tool")) for _ in range(calls)] == [""] * calls
        refused = await ask(live, "tool")
        assert code(refused) == "rate.limited"
        assert rate in text(refused)
        assert refused.meta["io.holdfast/retryable"] is True
        assert refused.meta["io.holdfast/retryAfter"] == pytest.approx(wait)
        assert code(await ask(live, "tool", who=principal("other"))) == ""
        await clock.advance(wait)
        assert code(await ask(live, "tool")) == ""


async def test_a_tool_without_a_rate_has_the_servers(tmp_path: Path) -> None:
    server = server_in(tmp_path, limits__rate="1/hour")

    @server.tool(read_only=True)
    async def one() -> str:
        return "ok"

    @server.tool(read_only=True)
    async def two() -> str:
        return "ok"

    async with living(server) as live:
        assert [code(await ask(live, name)) for name in ("one", "two", "one")] == ["", "", "rate.limited"]


async def test_what_is_refused_later_was_a_call_all_the_same(tmp_path: Path) -> None:
    server = server_in(tmp_path, limits__rate="1/hour")

    @server.tool(read_only=True)
    async def tool(a: int) -> str:
        return "ok"

    async with living(server) as live:
        assert code(await ask(live, "tool", {"a": "x"})) == "arguments.invalid"
        assert code(await ask(live, "tool", {"a": 1})) == "rate.limited"


async def test_callers_get_less_of_the_rate_while_the_tool_fails_and_all_of_it_again_when_it_works(
    tmp_path: Path,
) -> None:
    server, clock, broken = server_in(tmp_path), FakeClock(), [False]

    @server.tool(limits=Limits(rate="20/second", adaptive_rate=True))
    async def tool() -> str:
        if broken[0]:
            raise ConnectionError("down")
        return "ok"

    async with living(server, clock) as live:

        async def admitted(who: str = "local") -> int:
            """Of forty calls in a second."""
            codes = [code(await ask(live, "tool", who=principal(who))) for _ in range(40)]
            await clock.advance(1)
            return 40 - codes.count("rate.limited")

        assert await admitted() == 20
        broken[0] = True
        seen = [await admitted() for _ in range(20)]
        assert seen[0] == 20
        assert set(seen[-4:]) == {2}, "a tenth is left"
        assert await admitted("another") == 2, "it is the tool that fails, for everybody"
        broken[0] = False
        refused = [await ask(live, "tool") for _ in range(3)][-1]
        assert code(refused) == "rate.limited"
        assert text(refused).startswith("this tool fails often now and takes fewer; try again in")
        assert refused.meta["io.holdfast/retryAfter"] == pytest.approx(1.0)
        assert b'holdfast_rate_share{tool="tool"} 0.1' in live.plant.metrics.render()[0]
        await clock.advance(70)
        assert await admitted() == 20


@pytest.mark.parametrize(
    "how, counted",
    [
        ("works", [0, 1]), ("fails", [1, 1]), ("fault", [1, 1]), ("mine", [0, 0]), ("lesser", [1, 1]), ("late", [1, 1]),
        ("wrong", [0, 0]), ("gone", [0, 0]), ("says", [0, 0]), ("asked", [0, 0]),
    ],
)  # fmt: skip
async def test_what_says_something_about_the_tool_counts(tmp_path: Path, how: str, counted: list[int]) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    async def tool(how: str) -> str | list[str]:
        failures: dict[str, Exception] = {
            "fails": RuntimeError(),
            "fault": ToolError("down", retryable=True),
            "mine": ToolError("no such thing"),
            "lesser": RuntimeError(),
            "asked": ProtocolError(-32602, "no"),
        }
        if how in failures:
            raise failures[how]
        if how in ("late", "gone"):
            await clock.sleep(100)
        return "ok"

    limits = Limits(adaptive_rate=True, timeout=5)
    server.tool(name="tool", limits=limits, fallback=(lambda: "lesser") if how == "lesser" else None)(tool)
    async with living(server, clock) as live:
        share = share_of(live)
        if how == "says":
            for error in (Refusal("no", code="busy"), Refusal("no", code="server.overloaded")):
                assert _failed(error) is None
            assert _failed(Refusal("no", code="breaker.open")) is True
            return
        call = asyncio.ensure_future(ask(live, "tool", {"how": 5 if how == "wrong" else how}))
        await clock.settle()
        if how == "gone":
            call.cancel()
        await clock.advance(4.9 if how != "late" else 5.2)
        await asyncio.gather(call, return_exceptions=True)
        assert [share._failed, share._calls] == counted


def share_of(live: Live) -> Share:
    """The share of the tool's rate."""
    proceed: Any = live.snapshot.named["tool"]["tool"].proceed
    while not isinstance(proceed.func.__self__, AdaptiveRate):
        proceed = proceed.args[0]
    share: Share = proceed.func.__self__._share
    return share


class FailingTool(RuleBasedStateMachine):
    """Calls begin, succeed, fail and are given up at every turn of the loop: no window ever holds more than the rate,
    and when the failing ends so does what it cost."""

    RATE, PERIOD = 8, 4.0

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.clock = asyncio.new_event_loop(), FakeClock()
        self.share = Share(self.clock.now())
        self.limiter = KeyedLimiter(self.RATE, self.PERIOD, self.clock, max_keys=3)
        self.guard = AdaptiveRate(self.limiter, "8 in 4 s", self.share, self.clock)
        self.admitted: dict[str, list[float]] = {"a": [], "b": []}
        self.calls: list[tuple[asyncio.Task[Any], asyncio.Future[None]]] = []

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    @rule(who=st.sampled_from("ab"), turns=st.integers(0, 2))
    def come(self, who: str, turns: int) -> None:
        ends = self.loop.create_future()

        async def proceed(_: Any) -> Answer:
            now = self.clock.now()
            self.admitted[who] = [when for when in self.admitted[who] if when > now - self.PERIOD] + [now]
            assert len(self.admitted[who]) <= self.RATE
            await ends
            return Answer({})

        call: Any = SimpleNamespace(principal=principal(who), meta={})
        self.calls.append((self.loop.create_task(self.guard.around(proceed, call)), ends))
        self.step(turns)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), how=st.sampled_from(["works", "fails", "gone"]), turns=st.integers(0, 2))
    def end(self, data: Any, how: str, turns: int) -> None:
        task, ends = data.draw(st.sampled_from(self.calls))
        if how == "gone":
            task.cancel()
        elif not ends.done():
            ends.set_exception(ConnectionError()) if how == "fails" else ends.set_result(None)
        self.step(turns)

    @rule(seconds=st.integers(0, 9))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @invariant()
    def bounds_hold(self) -> None:
        assert LEAST_SHARE <= self.share._value <= 1.0
        assert 0 <= self.share._failed <= self.share._calls
        for task, ends in [entry for entry in self.calls if entry[0].done()]:
            self.calls.remove((task, ends))
            assert task.cancelled() or isinstance(task.exception(), RateLimited | ConnectionError | NoneType)
            _ = ends.done() and not ends.cancelled() and ends.exception()

    def teardown(self) -> None:
        for task, _ in self.calls:
            task.cancel()
        self.step(5)
        self.loop.run_until_complete(self.clock.advance(60))
        assert self.share.at(self.clock.now()) == 1.0
        self.limiter.ease(1.0)
        assert [self.limiter.take("a") for _ in range(self.RATE + 1)].count(None) == self.RATE
        self.loop.close()


TestFailingTool = FailingTool.TestCase
TestFailingTool.settings = settings(deadline=None, max_examples=25)
