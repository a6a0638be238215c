"""So many run, so many wait, the rest come back; a place is free only when its work has really ended."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.calls import ask, code, living, logged, server_in, text

from holdfast import Limits
from holdfast.errors import DeadlineExceeded, Refusal
from holdfast.guards.bulkhead import Adaptive, BulkheadGuard
from holdfast.live import Live
from holdfast.resilience.adaptive import Gradient
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.resilience.shedding import Shedding
from holdfast.testing import FakeClock


async def test_one_runs_one_waits_and_the_third_is_told_to_come_back(tmp_path: Path) -> None:
    server, go, running = server_in(tmp_path), asyncio.Event(), []

    @server.tool(limits=Limits(concurrency=1, queue=1))
    async def tool(which: int) -> str:
        running.append(which)
        await go.wait()
        return str(which)

    async with living(server) as live:
        first = asyncio.ensure_future(ask(live, "tool", {"which": 1}))
        second = asyncio.ensure_future(ask(live, "tool", {"which": 2}))
        for _ in range(40):
            await asyncio.sleep(0)
        third = await ask(live, "tool", {"which": 3})
        assert code(third) == "busy"
        assert third.meta["io.holdfast/retryAfter"] > 0
        assert running == [1]
        go.set()
        assert [text(await first), text(await second)] == ["1", "2"]


async def test_defaults_come_from_the_settings_and_zero_means_that_nobody_waits(tmp_path: Path) -> None:
    server, go = server_in(tmp_path, limits__concurrency=2, limits__queue=0), asyncio.Event()

    @server.tool
    async def tool() -> str:
        await go.wait()
        return "done"

    async with living(server) as live:
        calls = [asyncio.ensure_future(ask(live, "tool")) for _ in range(2)]
        for _ in range(40):
            await asyncio.sleep(0)
        assert code(await ask(live, "tool")) == "busy"
        go.set()
        assert [text(answer) for answer in await asyncio.gather(*calls)] == ["done", "done"]


async def test_the_whole_server_has_a_bound_and_waiting_for_it_ends_at_the_deadline(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path, limits__total=1), FakeClock(), []

    @server.tool
    async def hog() -> str:
        await clock.sleep(20)
        return "done"

    @server.tool(limits=Limits(timeout=1, concurrency=1, queue=0))
    async def other() -> str:
        ran.append(1)
        return "done"

    async with living(server, clock) as live:
        first = asyncio.ensure_future(ask(live, "hog"))
        await clock.settle()
        second = asyncio.ensure_future(ask(live, "other"))
        await clock.advance(1.1)
        assert code(await second) == "deadline.exceeded"
        assert live.plant.parts.total.running == 1
        await clock.advance(20)
        assert text(await first) == "done"
        assert ran == []
        assert text(await ask(live, "other")) == "done", "the place of its own that it had taken was given back"
        assert live.plant.parts.total.running == 0


async def test_work_in_threads_takes_its_tools_places_and_none_of_the_event_loops(tmp_path: Path) -> None:
    server, clock, go = server_in(tmp_path, limits__total=1, limits__threads=1), FakeClock(), threading.Event()

    @server.tool(limits=Limits(concurrency=2, queue=1))
    def asleep() -> str:
        go.wait()
        return "awake"

    @server.tool
    async def other() -> str:
        return "done"

    async with living(server, clock) as live:
        watched = live.plant.metrics.watched
        calls = [asyncio.ensure_future(ask(live, "asleep")) for _ in range(3)]
        await clock.settle()
        assert code(await ask(live, "asleep")) == "busy", "one runs, one waits for a thread, one for a place"
        assert text(await ask(live, "other")) == "done"
        assert (watched["calls_running"](), watched["calls_queued"]()) == (1, 1)
        calls.pop().cancel()
        go.set()
        assert [text(await call) for call in calls] == ["awake", "awake"]


async def test_an_abandoned_call_keeps_its_place_until_it_ends(tmp_path: Path) -> None:
    server, free = server_in(tmp_path), asyncio.Event()

    @server.tool(limits=Limits(concurrency=1, queue=0, timeout=0.05))
    async def stubborn() -> str:
        for _ in range(4):
            with suppress(asyncio.CancelledError):
                await free.wait()
                break
        return "late"

    async with living(server) as live:
        try:
            assert code(await ask(live, "stubborn")) == "deadline.exceeded"
            assert code(await ask(live, "stubborn")) == "busy", "it still runs"
        finally:
            free.set()
        while live.plant.parts.orphans.count:
            await asyncio.sleep(0)
        assert text(await ask(live, "stubborn")) == "late"


async def started(*asked: Any) -> list[asyncio.Future[Any]]:
    """These calls, as far as they get by themselves."""
    calls = [asyncio.ensure_future(call) for call in asked]
    for _ in range(60):
        await asyncio.sleep(0)
    return calls


async def test_when_the_server_is_full_tools_of_high_priority_go_first(tmp_path: Path) -> None:
    server, go, order = server_in(tmp_path, limits__total=1), asyncio.Event(), []

    async def work(which: str) -> str:
        await go.wait()
        order.append(which)
        return "done"

    for priority in ("high", "normal", "low"):
        server.tool(name=priority, limits=Limits(priority=priority))(work)
    async with living(server) as live:
        names = ("low", "low", "normal", "high")
        calls = await started(*(ask(live, name, {"which": name}) for name in names))
        go.set()
        assert [text(await call) for call in calls] == ["done"] * 4
    assert order == ["low", "high", "normal", "low"], "the first ran already"


async def test_what_is_shed_is_refused_with_its_code_and_what_is_remembered_is_still_answered(tmp_path: Path) -> None:
    server, go = server_in(tmp_path), asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "done"

    for priority in ("high", "normal", "low"):
        server.tool(name=priority, limits=Limits(priority=priority))(work)

    @server.tool(read_only=True, cacheable=True, limits=Limits(priority="low"))
    async def known() -> str:
        return "remembered"

    async with living(server) as live:
        assert text(await ask(live, "known")) == "remembered"
        under_way = await started(ask(live, "low"))
        shed = live.plant.parts.shed
        go.set()
        found = {}
        for level in (1, 2, 0):
            shed.level = level
            answers = [await ask(live, name) for name in ("high", "normal", "low", "known")]
            found[level] = [code(answer) or text(answer) for answer in answers]
        no = "server.overloaded"
        assert found[1] == ["done", "done", no, "remembered"]
        assert found[2] == ["done", no, no, "remembered"]
        assert found[0] == ["done", "done", "done", "remembered"]
        assert text(await under_way[0]) == "done", "what runs is left alone"
        assert live.plant.metrics.refusals.items()[("server", no)] == 3
        shed.level = 1
        assert live.plant.metrics.watched["shed_level"]() == 1
        assert "shedding" not in live.plant.metrics.watched, "one name for one thing"
        check = (await live.plant.health.report()).checks["shedding"]
        assert (check.status, check.detail) == ("degraded", "calls of low priority are refused for now")
        refused = await ask(live, "low")
        assert refused.meta["io.holdfast/retryable"] is True
        assert refused.meta["io.holdfast/retryAfter"] == 1.0
    assert [(line["before"], line["shed"]) for line in logged(tmp_path) if line["event"] == "shedding"][:2] == [
        (0, 1),
        (1, 2),
    ]


async def test_a_fallback_answers_for_what_is_shed(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(fallback=lambda: "a lesser answer", limits=Limits(priority="low"))
    async def tool() -> str:
        return "done"

    async with living(server) as live:
        live.plant.parts.shed.level = 1
        answer = await ask(live, "tool")
        assert text(answer) == "a lesser answer"
        assert answer.meta["io.holdfast/fallback"] is True


async def test_what_waited_for_its_own_place_is_refused_when_the_server_sheds_by_then(tmp_path: Path) -> None:
    server, go = server_in(tmp_path), asyncio.Event()

    @server.tool(limits=Limits(priority="low", concurrency=1))
    async def tool() -> str:
        await go.wait()
        return "done"

    async with living(server) as live:
        first, second = await started(ask(live, "tool"), ask(live, "tool"))
        live.plant.parts.shed.level = 1
        (third,) = await started(ask(live, "tool"))
        assert third.done(), "who comes now does not wait for that"
        assert code(await third) == "server.overloaded"
        go.set()
        assert [code(await first), code(await second)] == ["", "server.overloaded"]
        live.plant.parts.shed.level = 0
        assert text(await ask(live, "tool")) == "done", "its place was given back"
        assert live.plant.parts.total.running == 0


async def test_a_full_servers_queue_sheds_low_priority_by_itself(tmp_path: Path) -> None:
    server, go = server_in(tmp_path, limits__total=1, limits__shed_queue=0.001), asyncio.Event()

    @server.tool
    async def normal() -> str:
        await go.wait()
        return "done"

    @server.tool(limits=Limits(priority="low"))
    async def low() -> str:
        return "done"

    async with living(server) as live:
        calls = await started(ask(live, "normal"), ask(live, "normal"), ask(live, "normal"))
        assert code(await ask(live, "low")) == "server.overloaded"
        go.set()
        assert [text(await call) for call in calls] == ["done"] * 3
        assert text(await ask(live, "low")) == "done"


async def test_three_times_the_load_leaves_high_priority_quick_and_hardly_any_work_in_vain(tmp_path: Path) -> None:
    """Four places, a second a call, twelve calls a second: two high, four normal, six low."""
    server, clock = server_in(tmp_path, limits__total=4, limits__timeout=5, audit__enabled=False), FakeClock()
    ran, took, ends = Counter[str](), defaultdict[str, list[float]](list), Counter[tuple[str, str]]()

    async def work(name: str) -> str:
        ran[name] += 1
        await clock.sleep(1)
        return "done"

    for priority in ("high", "normal", "low"):
        server.tool(name=priority, limits=Limits(priority=priority))(work)

    async with living(server, clock) as live:

        async def call(name: str) -> None:
            begun = clock.now()
            ended = code(await ask(live, name, {"name": name}))
            ends[name, ended] += 1
            took[name] += [] if ended else [clock.now() - begun]

        calls = []
        for tick in range(120):
            offered = ("high",) * (tick % 2 == 0) + ("normal",) + ("low",) * (1 + tick % 2)
            calls += [asyncio.ensure_future(call(name)) for name in offered]
            await clock.advance(0.25)
        await clock.advance(10)
        await asyncio.gather(*calls)
        served = {name: ends[name, ""] for name in ran}
        assert served["high"] == 60, "all of them"
        assert max(took["high"]) <= 2.5
        assert sum(served.values()) >= 0.95 * 4 * 30, "the places were never idle"
        assert ran.total() <= 1.05 * sum(served.values()), "what was begun was in time for its caller"
        assert ends["low", "server.overloaded"] >= 0.8 * 180
        assert {ended for _, ended in ends} <= {"", "busy", "server.overloaded", "deadline.exceeded"}
        assert live.plant.parts.total.running == live.plant.parts.total.queued == 0


async def test_an_adaptive_tool_gets_more_places_while_it_stays_quick_and_fewer_when_it_slows(tmp_path: Path) -> None:
    server, clock, seconds = server_in(tmp_path, limits__total=100), FakeClock(), [0.5]

    @server.tool(limits=Limits(concurrency="adaptive", queue=1_000))
    async def tool() -> str:
        await clock.sleep(seconds[0])
        return "done"

    async with living(server, clock) as live:
        limit = live.plant.metrics.for_tool("tool").watched["concurrency_limit"]

        async def load(turns: int) -> None:
            for _ in range(turns):
                calls = [asyncio.ensure_future(ask(live, "tool")) for _ in range(60)]
                await clock.advance(4 * seconds[0])
                await asyncio.gather(*calls)

        assert limit() == 20
        await load(12)
        grown = limit()
        assert 25 <= grown <= 100
        seconds[0] = 2.5
        await load(4)
        assert 20 <= limit() < grown
        assert live.plant.parts.total.running == 0
        assert b'holdfast_concurrency_limit{tool="tool"}' in live.plant.metrics.render()[0]


async def test_only_answers_and_lateness_teach_an_adaptive_limit(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path, limits__total=7), FakeClock()

    @server.tool(limits=Limits(concurrency="adaptive", timeout=5))
    async def tool(how: str) -> str:
        if how == "fails":
            raise RuntimeError
        if how == "refused":
            raise DeadlineExceeded("of another call, within this one")
        await clock.sleep(1.0 if how == "works" else 100.0)
        return "done"

    async with living(server, clock) as live:
        guard = adaptive_in(live, "tool")
        assert (guard._own.places, guard._limit.high) == (7, 7), "never more than the server has"
        taught = []
        for how, advance in (("fails", 0), ("works", 1), ("late", 6), ("gone", 1), ("refused", 0)):
            before = guard._limit._calls
            (call,) = await started(ask(live, "tool", {"how": how}))
            if how == "gone":
                call.cancel()
            await clock.advance(advance)
            await asyncio.gather(call, return_exceptions=True)
            taught.append(guard._limit._calls - before)
        assert taught == [0, 1, 1, 0, 1]
        assert guard._own.running == 0


def adaptive_in(live: Live, name: str) -> Adaptive:
    """The tool's adaptive bulkhead."""
    proceed: Any = live.snapshot.named["tool"][name].proceed
    while not isinstance(proceed.func.__self__, Adaptive):
        proceed = proceed.args[0]
    found: Adaptive = proceed.func.__self__
    return found


class TwoTools(RuleBasedStateMachine):
    """Calls of a low and a high tool share a server's places; callers go away at every turn of the loop."""

    TOTAL = 3

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.clock = asyncio.new_event_loop(), FakeClock()
        self.total = Bulkhead(self.TOTAL, 6, self.clock)
        self.shed = Shedding(self.total, self.clock, queue=2, wait=3.0)
        plain = BulkheadGuard(Bulkhead(2, 3, self.clock), self.total, self.shed, 2)
        high = BulkheadGuard(Bulkhead(2, 3, self.clock), self.total, self.shed, 0)
        self.guards = [plain, Adaptive(high, Gradient(1, 4), self.clock)]
        self.inside = 0
        self.calls: list[tuple[asyncio.Task[Any], asyncio.Event]] = []

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    @rule(which=st.integers(0, 1), within=st.one_of(st.none(), st.integers(0, 5)), turns=st.integers(0, 3))
    def come(self, which: int, within: int | None, turns: int) -> None:
        done = asyncio.Event()

        async def proceed(_: Any) -> Any:
            self.inside += 1
            try:
                await done.wait()
            finally:
                self.inside -= 1

        call: Any = SimpleNamespace(deadline=None if within is None else self.clock.now() + within)
        task = self.loop.create_task(self.guards[which].around(proceed, call))
        self.calls.append((task, done))
        self.step(turns)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), cancel=st.booleans(), turns=st.integers(0, 3))
    def end(self, data: Any, cancel: bool, turns: int) -> None:
        task, done = data.draw(st.sampled_from(self.calls))
        if cancel:
            task.cancel()
        else:
            done.set()
        self.step(turns)

    @rule(seconds=st.integers(0, 4))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    @rule(level=st.integers(0, 2))
    def press(self, level: int) -> None:
        self.shed.level = level

    @invariant()
    def bounds_hold(self) -> None:
        assert self.inside <= self.total.running <= self.TOTAL
        assert not self.total.queued or self.total.running == self.TOTAL

    def teardown(self) -> None:
        for _, done in self.calls:
            done.set()  # whoever waits gets in by itself: nobody is cancelled and no time passes
        self.step(100)
        for task, _ in self.calls:
            assert task.done()
            assert task.cancelled() or isinstance(task.exception(), Refusal | NoneType)
        assert (self.inside, self.total.running, self.total.queued) == (0, 0, 0)
        assert [(guard._own.running, guard._own.queued) for guard in self.guards] == [(0, 0), (0, 0)]
        self.loop.close()


TestTwoTools = TwoTools.TestCase
TestTwoTools.settings = settings(deadline=None, max_examples=40)
