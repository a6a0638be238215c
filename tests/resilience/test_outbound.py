"""A tool's own calls of what it depends on: on time, in bounded numbers, repeated only when safe, left alone."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.calls import ask, code, living, server_in, text

from holdfast import Context, Limits, ToolError
from holdfast.core.dependency import MAX_DEPENDENCIES, Dependency, declared
from holdfast.core.pipeline import META
from holdfast.errors import ConfigurationError, DeadlineExceeded, DependencyUnavailable, UnsafeUrl
from holdfast.resilience.deadline import Orphans
from holdfast.resilience.outbound import Dependencies, Hearing, Outbound
from holdfast.testing import FakeClock


class Fixed:
    """Jitter without chance: always the longest pause."""

    def uniform(self, low: float, high: float) -> float:
        return high


class Called:
    """Whose call it is."""

    deadline: float | None = None


class Rig:
    """Services by a clock to move, and what was told of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.clock = FakeClock()
        self.ended: list[str] = []
        self.changed: list[str] = []
        self.orphans = Orphans()
        hearing = Hearing(
            lambda name, outcome: self.ended.append(outcome), lambda name, old, new: self.changed.append(new)
        )
        loop = loop or asyncio.get_running_loop()
        self.services = Dependencies(self.clock, Fixed(), self.orphans, hearing, loop)  # type: ignore[arg-type]
        self.caller = Called()

    def resilient(self, name: str = "api", *, idempotent: bool = False, timeout: float | None = None) -> Outbound:
        return self.services.resilient(self.caller, name, idempotent, timeout)

    @property
    def taken(self) -> int:
        return self.services.named("api")._places.running


class Service:
    """What is called: fails as often as it is told to, and counts."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self, *words: str, **more: str) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return " ".join((*words, *more.values())) or "answer"


async def hang(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_call_gives_what_the_function_gives_and_passes_on_its_arguments() -> None:
    rig = Rig()
    assert await rig.resilient().call(Service(), "a", word="b") == "a b"
    assert rig.ended == ["ok"]
    assert rig.taken == 0


async def test_whatever_can_be_awaited_is_and_a_plain_function_is_an_error_of_the_author() -> None:
    rig, service = Rig(), Service()
    assert await rig.resilient().call(lambda: service("x")) == "x"
    with pytest.raises(ConfigurationError, match="takes an async def"):
        await rig.resilient().call(lambda: "at once")  # type: ignore[arg-type,return-value]
    assert rig.taken == 0


async def test_an_idempotent_call_is_repeated_after_a_passing_fault() -> None:
    rig, service = Rig(), Service(ConnectionResetError(), TimeoutError())
    call = asyncio.ensure_future(rig.resilient(idempotent=True).call(service))
    await rig.clock.advance(1)
    assert await call == "answer"
    assert rig.ended == ["failed", "failed", "ok"]


@pytest.mark.parametrize("idempotent, failure", [(False, ConnectionResetError()), (True, ValueError("no"))])
async def test_what_may_not_be_repeated_or_would_not_help_is_tried_once(idempotent: bool, failure: Exception) -> None:
    rig, service = Rig(), Service(failure)
    with pytest.raises(type(failure)) as raised:
        await rig.resilient(idempotent=idempotent).call(service)
    assert raised.value is failure, "as it is"
    assert service.calls == 1


async def test_the_author_says_which_failures_of_a_client_pass() -> None:
    class ClientError(Exception):
        """One that nobody here knows."""

    rig, service = Rig(), Service(ClientError(), ClientError(), ClientError())
    rig.services.declare("api", Dependency(retries=1, transient=(ClientError,)))
    call = asyncio.ensure_future(rig.resilient(idempotent=True).call(service))
    await rig.clock.advance(1)
    with pytest.raises(ClientError):
        await call
    assert service.calls == 2, "the declared number"


async def test_retries_are_a_fifth_of_the_calls_whatever_happens() -> None:
    rig = Rig()
    rig.services.declare("api", Dependency(retries=10))
    for _ in range(3):
        call = asyncio.ensure_future(rig.resilient(idempotent=True).call(Service(*[ConnectionError()] * 99)))
        await rig.clock.advance(3)
        with pytest.raises(ConnectionError):
            await call
    assert len(rig.ended) == 3 + 3, "each call once, and the least number of retries"


async def test_a_silent_service_costs_its_own_timeout_and_is_asked_again_while_the_call_has_time() -> None:
    rig, asked = Rig(), []

    async def silent() -> None:
        asked.append(rig.clock.now())
        await hang()

    rig.services.declare("api", Dependency(timeout=2, retries=1))
    call = asyncio.ensure_future(rig.resilient(idempotent=True).call(silent))
    await rig.clock.advance(5)
    with pytest.raises(DependencyUnavailable) as raised:
        await call
    assert raised.value.code == "dependency.timeout"
    assert [when - asked[0] for when in asked] == [0, pytest.approx(2.1)]
    assert rig.ended == ["late", "late"]
    assert rig.taken == 0


async def test_the_calls_own_deadline_is_inherited_and_goes_before_the_timeout() -> None:
    rig = Rig()
    rig.caller.deadline = rig.clock.now() + 1
    call = asyncio.ensure_future(rig.resilient(idempotent=True, timeout=60).call(hang))
    await rig.clock.advance(1.1)
    with pytest.raises(DeadlineExceeded):
        await call
    assert rig.ended == ["late"], "not tried again: nobody waits any more"
    with pytest.raises(DeadlineExceeded):
        await rig.resilient().call(Service())
    assert rig.taken == 0


async def test_a_service_that_keeps_failing_is_left_alone_and_its_neighbour_is_not() -> None:
    rig, service = Rig(), Service(*[ConnectionError()] * 100)
    for _ in range(20):
        with pytest.raises(ConnectionError):
            await rig.resilient().call(service)
    with pytest.raises(DependencyUnavailable) as raised:
        await rig.resilient().call(service)
    assert raised.value.code == "dependency.open"
    assert 0 < (raised.value.retry_after or 0) <= 5
    assert service.calls == 20
    assert (rig.changed, rig.services.states()["api"], rig.ended[-1]) == (["open"], "open", "open")
    assert await rig.resilient("other").call(service.__class__()) == "answer"
    service.failures.clear()
    await rig.clock.advance(5)
    for _ in range(3):
        assert await rig.resilient().call(service) == "answer"
    assert rig.services.states() == {"api": "closed", "other": "closed"}


async def test_what_the_caller_did_wrong_and_who_leaves_say_nothing_about_the_service() -> None:
    rig = Rig()
    for failure in (ToolError("no such town"), UnsafeUrl("no")) * 20:
        with pytest.raises(type(failure)):
            await rig.resilient().call(Service(failure))
    for _ in range(10):
        call = asyncio.ensure_future(rig.resilient().call(hang))
        await rig.clock.settle()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert rig.changed == []
    assert set(rig.ended) == {"refused", "cancelled"}
    assert rig.taken == 0


async def test_places_are_bounded_over_all_tools_and_so_is_the_line() -> None:
    rig, free = Rig(), asyncio.Event()
    rig.services.declare("api", Dependency(concurrency=2, queue=1, timeout=10))
    calls = [asyncio.ensure_future(rig.resilient().call(free.wait)) for _ in range(3)]
    await rig.clock.settle()
    with pytest.raises(DependencyUnavailable) as raised:
        await rig.resilient().call(free.wait)
    assert raised.value.code == "dependency.busy"
    assert raised.value.retry_after
    free.set()
    assert await asyncio.gather(*calls) == [True] * 3
    assert rig.taken == 0


async def test_whoever_waits_in_line_too_long_is_told_so_and_the_service_is_not_blamed() -> None:
    rig = Rig()
    rig.services.declare("api", Dependency(concurrency=1, timeout=60))
    first = asyncio.ensure_future(rig.resilient().call(hang))
    await rig.clock.settle()
    impatient = asyncio.ensure_future(rig.resilient(timeout=1).call(hang))
    await rig.clock.advance(1.1)
    with pytest.raises(DependencyUnavailable, match="busy"):
        await impatient
    rig.caller.deadline = rig.clock.now() + 1
    late = asyncio.ensure_future(rig.resilient().call(hang))
    await rig.clock.advance(1.1)
    with pytest.raises(DeadlineExceeded):
        await late
    assert rig.ended == ["busy"]
    first.cancel()
    await rig.clock.settle()
    assert rig.taken == 0


async def test_work_that_will_not_end_keeps_its_place_until_it_does_and_counts_at_once() -> None:
    rig, free = Rig(), asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            with suppress(asyncio.CancelledError):
                await free.wait()

    call = asyncio.ensure_future(rig.resilient(timeout=1).call(stubborn))
    await rig.clock.advance(1.2)
    with pytest.raises(DependencyUnavailable):
        await call
    assert (rig.taken, rig.orphans.count, rig.ended) == (1, 1, ["late"])
    free.set()
    await rig.clock.settle()
    assert (rig.taken, rig.orphans.count) == (0, 0)


async def test_what_was_tried_again_in_vain_is_not_tried_again_around_it(tmp_path: Path) -> None:
    server, ran = server_in(tmp_path), []

    async def fetch() -> str:
        ran.append(1)
        raise ConnectionError

    @server.tool(read_only=True)
    async def report(ctx: Context) -> str:
        return await ctx.resilient("weather-api", idempotent=True).call(fetch)

    async with living(server) as live:
        assert code(await ask(live, "report")) == "tool.failed"
    assert len(ran) == 3, "three in all, not three times three"


@pytest.mark.parametrize(
    "terms, said",
    [
        ({"timeout": 0}, "timeout="), ({"timeout": float("nan")}, "timeout="), ({"timeout": "1"}, "timeout="),
        ({"concurrency": 0}, "concurrency="), ({"queue": -1}, "queue="), ({"retries": 11}, "retries="),
        ({"retries": 1.5}, "retries="), ({"transient": "x"}, "transient="), ({"transient": int}, "transient="),
        ({"tries": 1}, "no such term as tries; there are timeout, concurrency"),
    ],
)  # fmt: skip
def test_terms_that_cannot_hold_are_refused_by_name(terms: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        declared("api", terms)
    assert said in str(raised.value)


def test_one_exception_need_not_be_written_as_several() -> None:
    assert declared("api", {"transient": LookupError}).transient == (LookupError,)


@pytest.mark.parametrize("name", ["", "Weather", "a b", "x" * 65, "-a", "a\n", None, 3])
async def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="1 to 64 of"):
        Rig().resilient(name)


async def test_names_are_bounded_and_what_was_declared_has_its_place() -> None:
    rig = Rig()
    rig.services.declare("api", Dependency(timeout=1))
    for number in range(MAX_DEPENDENCIES - 1):
        await rig.resilient(f"made-up-{number}").call(Service())
    with pytest.raises(ConfigurationError, match="at most 64 dependencies"):
        await rig.resilient("one-more").call(Service())
    assert await rig.resilient().call(Service()) == "answer"
    with pytest.raises(ConfigurationError, match="in use with other terms"):
        rig.services.declare("api", Dependency(timeout=2))


async def test_a_timeout_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than zero"):
        Rig().resilient(timeout=float("nan"))


# -- from a thread -----------------------------------------------------------------------------------------------------


async def threaded(rig: Rig, work: Any) -> Any:
    """Run it in a thread, while the clock's loop goes on."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    while not task.done():
        await rig.clock.advance(0.05)
    return task.result()


async def test_a_plain_function_is_run_in_the_thread_that_asks_and_again_after_a_passing_fault() -> None:
    rig, where = Rig(), []

    def fetch(word: str) -> str:
        where.append(threading.get_ident())
        if len(where) == 1:
            raise ConnectionError
        return word

    def tool() -> tuple[int, str]:
        return threading.get_ident(), rig.resilient(idempotent=True).run(fetch, "x")

    thread, word = await threaded(rig, tool)
    assert (word, where) == ("x", [thread] * 2)
    assert (rig.ended, rig.taken) == (["failed", "ok"], 0)


async def test_a_thread_that_is_late_is_told_so_when_it_comes_back_and_keeps_its_place_until_then() -> None:
    rig, free, begun, ran = Rig(), threading.Event(), threading.Event(), []

    def fetch() -> None:
        ran.append(1)
        begun.set()
        free.wait(10)

    work = partial(rig.resilient(idempotent=True, timeout=1).run, fetch)
    task = asyncio.ensure_future(asyncio.to_thread(work))
    while not begun.is_set():
        await asyncio.sleep(0)
    await rig.clock.advance(1.2)
    assert (rig.taken, rig.ended) == (1, ["late"])
    free.set()
    with pytest.raises(DependencyUnavailable, match="in time"):
        await task
    while rig.taken:
        await asyncio.sleep(0)
    assert ran == [1]


async def test_what_ends_a_thread_ends_only_the_attempt() -> None:
    rig = Rig()

    def bad() -> None:
        raise SystemExit(3)

    def empty() -> None:
        raise StopIteration

    for function in (bad, empty):
        with pytest.raises(RuntimeError):
            await threaded(rig, partial(rig.resilient().run, function))
    assert rig.taken == 0


async def test_a_thread_whose_call_left_while_it_waited_in_line_does_nothing() -> None:
    rig, ran = Rig(), []
    rig.services.declare("api", Dependency(concurrency=1, timeout=60))
    first = asyncio.ensure_future(rig.resilient().call(hang))
    await rig.clock.settle()
    with pytest.raises(DependencyUnavailable, match="busy"):
        await threaded(rig, partial(rig.resilient(timeout=0.2).run, ran.append, 1))
    assert ran == []
    first.cancel()


async def test_a_turn_that_is_void_before_the_thread_comes_to_it_is_passed_over() -> None:
    from holdfast.resilience.threaded import Line

    line, ran = Line(), []
    task = asyncio.ensure_future(line.turn())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    line.end()
    line.work(lambda: ran.append(1))
    assert ran == []


async def test_each_form_is_refused_where_the_other_belongs() -> None:
    with pytest.raises(ConfigurationError, match="await call"):
        Rig().resilient().run(lambda: 1)


# -- in a server -------------------------------------------------------------------------------------------------------


async def test_tools_of_one_server_share_a_service_by_name_and_the_operator_sees_it(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    failing = Service(*[OSError()] * 20)

    @server.tool
    async def first(ctx: Context) -> str:
        return await ctx.resilient("weather-api").call(failing)

    @server.tool(fallback=lambda: "as yesterday")
    async def second(ctx: Context) -> str:
        return await ctx.resilient("weather-api").call(failing)

    @server.tool
    async def third(ctx: Context) -> str:
        return await ctx.resilient("weather-api").call(failing)

    async with living(server) as live:
        assert "dependencies" not in (await live.plant.health.report()).checks, "nothing for who has none"
        for _ in range(20):
            await ask(live, "third")
        refused = await ask(live, "first")
        assert code(refused) == "dependency.open"
        assert refused.meta[f"{META}retryAfter"] > 0
        assert text(await ask(live, "second")) == "as yesterday", "what is left alone is stood in for"
        live.plant.health._last = None
        found = (await live.plant.health.report()).checks["dependencies"]
        assert (found.status, found.detail) == ("degraded", "weather-api is open")
        page = live.plant.metrics.render()[0].decode()
        assert 'holdfast_dependency_attempts_total{dependency="weather-api",outcome="failed"} 20.0' in page
        assert 'holdfast_dependency_attempts_total{dependency="weather-api",outcome="open"} 2.0' in page


async def test_a_tools_deadline_reaches_its_calls_and_a_synchronous_tool_has_them_too(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path), FakeClock()

    @server.tool(limits=Limits(timeout=2))
    async def slow(ctx: Context) -> str:
        await ctx.resilient("weather-api").call(hang)
        return "never"

    @server.tool
    def plain(ctx: Context) -> str:
        return ctx.resilient("weather-api").run(str, 42)

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "slow"))
        await clock.advance(2.1)
        assert code(await call) == "deadline.exceeded"
        other = asyncio.ensure_future(ask(live, "plain"))
        while not other.done():
            await asyncio.sleep(0)
        assert text(await other) == "42"
        assert live.plant.dependencies().named("weather-api")._places.running == 0


async def test_without_a_server_there_is_nothing_to_depend_on(tmp_path: Path) -> None:
    import dataclasses

    async with living(server_in(tmp_path)) as live:
        services = dataclasses.replace(live._serving(_tool()), resilient=None)
        with pytest.raises(ConfigurationError, match="no server serves this call"):
            Context("r", "t", live.local, services, None).resilient("x")  # type: ignore[arg-type]


def _tool() -> Any:
    from holdfast.core.function import FunctionTool

    async def work() -> str:
        return ""

    return FunctionTool(work)


async def test_declarations_are_taken_when_the_server_runs_and_may_be_added_then(tmp_path: Path) -> None:
    server, child = server_in(tmp_path), server_in(tmp_path, "child")
    child.dependency("weather-api", timeout=3)
    child.dependency("maps", timeout=3)
    server.dependency("weather-api", timeout=2)
    server.mount(child, namespace="kid")
    async with server.serving() as live:
        server.dependency("mail", retries=0)
        named = live.plant.dependencies().named
        assert (named("weather-api").terms.timeout, named("maps").terms.timeout, named("mail").terms.retries) == (
            2,
            3,
            0,
        )
        with pytest.raises(ConfigurationError, match="in use with other terms"):
            server.dependency("maps", timeout=4)
        assert "maps" not in server._dependencies
        server.dependency("maps", timeout=3)
        child.dependency("weather-api", timeout=3)
        child.dependency("late", timeout=5)
        other = server_in(tmp_path, "other")
        other.dependency("later", timeout=6)
        server.mount(other, namespace="more")
        assert (named("late").terms.timeout, named("later").terms.timeout) == (5, 6)
        other.dependency("maps", timeout=3)
        with pytest.raises(ConfigurationError, match="declared twice on other"):
            other.dependency("maps", timeout=9)


def test_two_declarations_that_differ_are_an_error_that_names_who(tmp_path: Path) -> None:
    server, one, two = (server_in(tmp_path, name) for name in ("whole", "one", "two"))
    server.dependency("maps", timeout=1)
    server.dependency("maps", timeout=1)
    with pytest.raises(ConfigurationError, match="declared twice on whole"):
        server.dependency("maps", timeout=2)
    one.dependency("mail", timeout=1)
    two.dependency("mail", timeout=2)
    server.mount(one, namespace="one")
    with pytest.raises(ConfigurationError, match="declare it on whole"):
        server.mount(two, namespace="two")
    assert server.everything_mounted() == [one]
    server.dependency("mail", timeout=3)
    server.mount(two, namespace="two")
    assert server.all_dependencies()["mail"].timeout == 3


async def test_a_check_of_the_same_name_is_left_as_it_is(tmp_path: Path) -> None:
    from holdfast.observe.finding import Finding

    async with living(server_in(tmp_path)) as live:
        live.plant.health.add("dependencies", lambda: Finding("ok", "mine"))
        live.plant.dependencies()
        assert (await live.plant.health.report()).checks["dependencies"].detail == "mine"


# -- cancelled at every turn -------------------------------------------------------------------------------------------


class OutboundMachine(RuleBasedStateMachine):
    """Calls begin, are answered, fail, run out of time and are cancelled at every turn; no place is ever lost."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.rig = Rig(self.loop)
        self.rig.services.declare("api", Dependency(timeout=5, concurrency=2, queue=2, retries=1))
        self.running = 0
        self.asked: list[asyncio.Future[None]] = []
        self.calls: list[asyncio.Task[Any]] = []
        self.unwanted: set[asyncio.Task[Any]] = set()

    def step(self, turns: int) -> None:
        async def run() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    @rule(idempotent=st.booleans(), turns=st.integers(0, 4))
    def ask(self, idempotent: bool, turns: int) -> None:
        async def work() -> None:
            self.running += 1
            answer: asyncio.Future[None] = self.loop.create_future()
            self.asked.append(answer)
            try:
                await answer
            finally:
                self.running -= 1

        async def call() -> None:
            await self.rig.resilient(idempotent=idempotent).call(work)

        self.calls.append(self.loop.create_task(call()))
        self.step(turns)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), turns=st.integers(0, 4))
    def cancel(self, data: Any, turns: int) -> None:
        call = data.draw(st.sampled_from(self.calls))
        self.unwanted.add(call)
        self.loop.call_soon(call.cancel)
        self.step(turns)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), fails=st.booleans(), turns=st.integers(0, 4))
    def answer(self, data: Any, fails: bool, turns: int) -> None:
        answer = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        if not answer.done():
            answer.set_exception(ConnectionError()) if fails else answer.set_result(None)
        self.step(turns)

    @rule(seconds=st.integers(1, 6))
    def pass_time(self, seconds: int) -> None:
        self.loop.run_until_complete(self.rig.clock.advance(seconds))

    @invariant()
    def places_are_bounded_and_nobody_fails_for_another(self) -> None:
        assert self.running <= 2
        assert self.running <= self.rig.taken <= 2
        for call in self.calls:
            if call.done() and call not in self.unwanted:
                assert not call.cancelled()
                assert isinstance(call.exception(), ConnectionError | DependencyUnavailable | None)
        self.calls = [call for call in self.calls if not call.done()]

    def teardown(self) -> None:
        for call in self.calls:
            self.loop.call_soon(call.cancel)
        self.step(60)
        assert all(call.done() for call in self.calls)
        assert (self.running, self.rig.taken, self.rig.orphans.count) == (0, 0, 0)
        for answer in self.asked:
            answer.cancel()
        for call in self.calls:
            _ = call.cancelled() or call.exception()
        assert self.rig.clock.sleeping == 0
        self.loop.close()


TestOutboundMachine = OutboundMachine.TestCase
TestOutboundMachine.settings = settings(
    deadline=None, max_examples=1_000 if os.environ.get("SOAK") else 40, stateful_step_count=30
)
