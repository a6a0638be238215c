"""Work that is driven in its caller's task behaves as if it had one of its own, on both kinds of event loop."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context, ContextVar, copy_context
from types import coroutine
from typing import Any

import anyio
import pytest

from holdfast.core.clock import SystemClock
from holdfast.errors import DeadlineExceeded
from holdfast.resilience import driving, timers
from holdfast.resilience.deadline import Orphans, by
from holdfast.testing.clock import FakeClock

try:
    from uvloop import new_event_loop
except ImportError:  # pragma: no cover - not on Windows
    new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]

COLOUR: ContextVar[str] = ContextVar("colour", default="none")
CASES: list[Callable[[], Awaitable[None]]] = []
CLOCK = SystemClock()


def case(function: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Run ``function`` on asyncio's own loop and on uvloop's."""
    CASES.append(function)
    return function


def nobody(task: asyncio.Task[Any]) -> None:
    raise AssertionError("nothing should be abandoned")


async def within(seconds: float, work: Any, grace: float = 0.02, orphaned: Any = nobody) -> Any:
    return await by(CLOCK.now() + seconds, CLOCK, work, grace=grace, on_orphan=orphaned)


async def untouched() -> None:
    """The caller's task is as it was: nothing cancels it, now or later."""
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    for _ in range(3):
        await asyncio.sleep(0)


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


# -- scopes inside the work: they end what they hold, and are never taken for the caller's end -------------------------


@case
async def a_time_limit_inside_is_the_works_own_affair() -> None:
    async def work() -> str:
        try:
            async with asyncio.timeout(0.001):
                try:
                    await forever()
                finally:
                    await asyncio.sleep(0.06)  # longer than the grace, which is for late work only
        except TimeoutError:
            await asyncio.sleep(0.001)
            return "gave up"
        return ""

    assert await within(5, work()) == "gave up"
    await untouched()


@case
async def anyios_scopes_find_the_task_that_entered_them() -> None:
    async def work() -> list[str]:
        told = []
        with anyio.move_on_after(0.001) as scope:
            await forever()
        told.append(f"moved on: {scope.cancelled_caught}")
        try:
            with anyio.fail_after(0.001):
                await anyio.sleep(10)
        except TimeoutError:
            told.append("failed")
        with anyio.CancelScope() as outer:
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.03)
                told.append("cleaned up")
            await anyio.sleep(10)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
        return told

    assert await within(5, work()) == ["moved on: True", "failed", "cleaned up"]
    await untouched()


@case
async def a_task_group_inside_fails_as_a_whole() -> None:
    async def bad() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(bad())
            try:
                await forever()
            finally:
                await asyncio.sleep(0.04)

    with pytest.raises(ExceptionGroup) as raised:
        await within(5, work())
    assert raised.group_contains(LookupError) if hasattr(raised, "group_contains") else True
    await untouched()


@case
async def the_work_sees_one_task_and_its_own_context_all_along() -> None:
    seen = []

    async def work() -> str:
        for name in ("red", "green", "blue"):
            seen.append((asyncio.current_task(), COLOUR.get()))
            COLOUR.set(name)
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        return COLOUR.get()

    COLOUR.set("caller's")
    assert await within(5, work()) == "blue"
    assert seen == [(asyncio.current_task(), colour) for colour in ("caller's", "red", "green")]
    assert COLOUR.get() == "caller's"


# -- being late --------------------------------------------------------------------------------------------------------


@case
async def whatever_late_work_answers_it_is_late() -> None:
    async def returns() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "late"

    async def raises(error: BaseException) -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            raise error from None

    for work in (returns(), *(raises(e) for e in (ValueError(), SystemExit(3), GeneratorExit(), TimeoutError()))):
        with pytest.raises(DeadlineExceeded):
            await within(0.001, work)
        await untouched()


@case
async def work_that_takes_its_cancellation_back_is_late_all_the_same() -> None:
    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        try:
            await forever()
        except asyncio.CancelledError:
            task.uncancel()
        await asyncio.sleep(0)
        return "late"

    with pytest.raises(DeadlineExceeded):
        await within(0.001, work())
    await untouched()


@case
async def work_that_never_rests_is_cut() -> None:
    async def spins() -> None:
        while True:
            await asyncio.sleep(0)

    async def hops() -> None:
        loop = asyncio.get_running_loop()
        while True:
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    for work in (spins(), hops()):
        with pytest.raises(DeadlineExceeded):
            await within(0.002, work)
        await untouched()


@case
async def a_result_that_is_ready_in_the_turn_of_the_deadline_wins() -> None:
    class Striking(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await strike

    async def work() -> str:
        await strike
        return "in time"

    strike = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(by(1005, Striking(), work(), on_orphan=nobody))
    await turns(3)
    strike.set_result(None)
    assert await task == "in time"


@case
async def what_is_cancelled_below_and_does_not_end_holds_nobody_up() -> None:
    free, orphans = asyncio.Event(), Orphans()

    async def stubborn() -> str:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    async def work() -> str:
        ended.append(await below)
        return ended[0]

    ended: list[str] = []
    below = asyncio.ensure_future(stubborn())
    await turns(1)  # a task that is cancelled before its first step does not come to refuse it
    begun = CLOCK.now()
    with pytest.raises(DeadlineExceeded):
        await within(0.001, work(), orphaned=orphans.add)
    assert CLOCK.now() - begun < 1
    assert orphans.count == 1
    free.set()
    while orphans.count:
        await asyncio.sleep(0)
    assert ended == ["at last"]
    await untouched()


@case
async def clean_up_that_is_within_the_grace_is_waited_for() -> None:
    cleaned = []

    async def clean() -> None:
        await asyncio.sleep(0.005)
        cleaned.append(True)

    async def work() -> None:
        try:
            await forever()
        finally:
            await asyncio.shield(clean())

    with pytest.raises(DeadlineExceeded):
        await within(0.001, work(), grace=2)
    assert cleaned == [True]


@case
async def an_orphan_goes_on_where_it_was() -> None:
    orphans: list[asyncio.Task[Any]] = []

    async def work() -> str:
        COLOUR.set("kept")
        await gate
        seen.append(asyncio.current_task())
        try:
            await wrong
        except LookupError:
            seen.append("heard")
        await asyncio.sleep(0)
        return COLOUR.get()

    seen: list[Any] = []
    gate, wrong = _Swallowing(), asyncio.get_running_loop().create_future()
    with pytest.raises(DeadlineExceeded):
        await within(0.001, work(), orphaned=orphans.append)
    gate.set_result(None)
    await turns(3)
    wrong.set_exception(LookupError())
    assert await orphans[0] == "kept"
    assert seen == [orphans[0], "heard"]
    await untouched()


class _Swallowing(asyncio.Future[None]):
    """Does not let itself be cancelled, but for the fourth time, so that a failing test can end."""

    asked = 0

    def cancel(self, msg: Any | None = None) -> bool:
        self.asked += 1
        return super().cancel(msg) if self.asked > 3 else True


@case
async def an_orphan_hears_of_its_cancellation_before_its_first_turn() -> None:
    orphans, heard = Orphans(), []

    async def work() -> None:
        for _ in range(2):
            try:
                await forever()
            except asyncio.CancelledError:
                heard.append(asyncio.current_task())

    async def call() -> None:
        with pytest.raises(DeadlineExceeded):
            await within(0.001, work(), grace=0, orphaned=orphans.add)
        assert await orphans.close(1) == 0

    await call()
    assert len(heard) == 2


@pytest.mark.filterwarnings("error")
@case
async def an_orphan_that_tries_to_end_the_process_fails_alone() -> None:
    orphans: list[asyncio.Task[Any]] = []

    async def work() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await gate
        raise SystemExit(3)

    gate = asyncio.get_running_loop().create_future()
    with pytest.raises(DeadlineExceeded):
        await within(0.001, work(), grace=0.001, orphaned=orphans.append)
    gate.set_result(None)
    await asyncio.wait(orphans)
    assert isinstance(orphans[0].exception(), RuntimeError)


@case
async def an_orphan_hears_whatever_its_future_brings() -> None:
    async def work(last: bool) -> str:
        try:
            await gates[-1]
        except LookupError:
            if not last:
                await asyncio.sleep(0)
        return "heard"

    gates: list[asyncio.Future[None]] = []
    for last in (True, False):
        orphans: list[asyncio.Task[Any]] = []
        gates.append(_Swallowing())
        with pytest.raises(DeadlineExceeded):
            await within(0.001, work(last), grace=0.001, orphaned=orphans.append)
        gates[-1].set_exception(LookupError())
        assert await orphans[0] == "heard"


@case
async def the_timers_of_an_orphan_do_not_hit_the_task_that_it_left() -> None:
    orphans = Orphans()

    async def work() -> None:
        async with asyncio.timeout(0.03):
            for _ in range(2):
                try:
                    await forever()
                except asyncio.CancelledError:
                    continue

    async def another() -> str:
        await asyncio.sleep(0.08)
        return "unharmed"

    with pytest.raises(DeadlineExceeded):
        await within(0.001, work(), grace=0.001, orphaned=orphans.add)
    assert await within(5, another()) == "unharmed"
    await untouched()
    await orphans.close(1)


# -- the caller's end --------------------------------------------------------------------------------------------------


@case
async def a_cancelled_caller_is_cancelled_whatever_the_work_answers() -> None:
    async def returns(wait: Callable[[], Awaitable[None]]) -> str:
        try:
            await wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done"

    async def raises() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            raise LookupError from None

    for work in (returns(forever), returns(lambda: turns(1_000)), raises()):
        task = asyncio.ensure_future(within(5, work))
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1


@case
async def a_time_limit_around_it_is_kept() -> None:
    orphans = Orphans()

    async def stubborn() -> None:
        for _ in range(2):
            try:
                await forever()
            except asyncio.CancelledError:
                continue

    for scope in (lambda: asyncio.timeout(0.002), lambda: _FailingAfter(0.002)):
        with pytest.raises(TimeoutError):
            async with scope():
                await within(5, stubborn(), grace=0.01, orphaned=orphans.add)
        await untouched()
    await orphans.close(1)


class _FailingAfter:
    def __init__(self, seconds: float) -> None:
        self._scope = anyio.fail_after(seconds)

    async def __aenter__(self) -> None:
        self._scope.__enter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return self._scope.__exit__(*error)


@case
async def a_caller_that_is_cancelled_while_late_work_cleans_up_goes_at_once() -> None:
    orphans = Orphans()

    async def work() -> None:
        try:
            await forever()
        finally:
            await forever()

    task = asyncio.ensure_future(within(0.001, work(), grace=30, orphaned=orphans.add))
    await asyncio.sleep(0.02)
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert orphans.count == 1
    assert await orphans.close(1) == 0


@case
async def closing_the_caller_closes_the_work() -> None:
    closed = []

    async def work() -> None:
        try:
            await forever()
        except GeneratorExit:
            closed.append(True)
            raise

    call = within(5, work())
    call.send(None)
    call.close()
    assert closed == [True]


@case
async def closing_an_orphan_closes_the_work() -> None:
    from holdfast.resilience.handover import rest_of

    for again in (False, True):
        closed: list[bool] = []

        async def work(closed: list[bool] = closed) -> None:
            for _ in range(2):
                try:
                    await asyncio.sleep(0)
                except GeneratorExit:
                    closed.append(True)
                    raise
                except LookupError:
                    continue

        begun = work()
        rest = rest_of(begun, begun.send(None) or asyncio.get_running_loop().create_future(), again)
        rest.send(None)
        rest.send(None)
        rest.close()
        assert closed == [True]


# -- the work's own cancellations --------------------------------------------------------------------------------------


@case
async def work_that_cancels_its_own_task_fails_alone() -> None:
    async def cancel(then: Callable[[], Awaitable[Any]] | None, before: int, error: Exception | None = None) -> str:
        await turns(before)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if error is not None:
            raise error
        if then is not None:
            await then()
        return "done"

    for before in (0, 1):
        for then in (forever, lambda: asyncio.sleep(0), None):
            with pytest.raises(RuntimeError, match="cancelled itself"):
                await within(5, cancel(then, before))
            await untouched()
        with pytest.raises(LookupError):
            await within(5, cancel(None, before, LookupError()))
        await untouched()


@case
async def work_that_swallows_its_own_cancellation_answers() -> None:
    async def work() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0.03)
        return "fine"

    assert await within(5, work()) == "fine"
    await untouched()


@case
async def a_cancelled_future_is_the_works_to_deal_with() -> None:
    async def work(catch: bool) -> str:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        try:
            await future
        except asyncio.CancelledError:
            if not catch:
                raise
        return "caught"

    assert await within(5, work(True)) == "caught"
    with pytest.raises(RuntimeError, match="cancelled itself"):
        await within(5, work(False))
    await untouched()


@case
async def another_call_that_cancels_this_ones_task_does_not_look_like_the_caller() -> None:
    async def victim() -> None:
        victims.append(asyncio.current_task())
        await forever()

    async def culprit() -> str:
        victims[0].cancel()
        return "done"

    victims: list[Any] = []
    task = asyncio.ensure_future(within(5, victim()))
    await turns(2)
    assert await within(5, culprit()) == "done"
    with pytest.raises(RuntimeError, match="cancelled itself"):
        await task


@case
async def a_request_that_was_pending_before_is_the_callers() -> None:
    async def call() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await within(5, forever())

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(call())


# -- one within the other ----------------------------------------------------------------------------------------------


@case
async def the_inner_of_two_deadlines_is_not_taken_for_the_outer() -> None:
    async def inner() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0.03)

    async def outer() -> str:
        for wait in (inner, lambda: turns(1_000_000)):
            with pytest.raises(DeadlineExceeded):
                await within(0.001, wait(), grace=0.2)
            await asyncio.sleep(0)
        return "went on"

    assert await within(5, outer(), grace=0.001) == "went on"
    await untouched()


@case
async def the_outer_of_two_deadlines_ends_both() -> None:
    seen = []

    async def outer() -> None:
        try:
            await within(5, forever())
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(DeadlineExceeded):
        await within(0.001, outer())
    assert seen == ["cancelled"]
    await untouched()


@case
async def a_deadline_inside_an_orphan_still_holds() -> None:
    orphans: list[asyncio.Task[Any]] = []

    async def innermost() -> None:
        for _ in range(3):
            try:
                await forever()
            except asyncio.CancelledError:
                seen.append(asyncio.current_task())

    async def outer() -> str:
        try:
            await within(0.06, innermost(), grace=0.03, orphaned=orphans.append)
        except DeadlineExceeded:
            return "inner deadline"
        except asyncio.CancelledError:
            return "cancelled"
        return ""

    seen: list[Any] = []
    with pytest.raises(DeadlineExceeded):
        await within(0.001, outer(), grace=0.001, orphaned=orphans.append)
    assert await orphans[0] == "cancelled"
    assert len(orphans) == 2
    orphans[1].cancel()
    await turns(3)
    orphans[1].cancel()
    await asyncio.wait(orphans[1:])
    await untouched()


@case
async def an_inner_deadline_that_passes_as_the_work_is_handed_over_finds_the_new_task() -> None:
    orphans: list[asyncio.Task[Any]] = []
    clock = FakeClock()

    async def stuck() -> None:
        await gate

    async def outer() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            try:
                await by(1500, clock, stuck(), grace=1, on_orphan=orphans.append)
            except DeadlineExceeded:
                return "inner deadline"
        return ""

    wakes: list[Any] = []

    def recorded(clock: Any, seconds: float, wake: Any) -> Any:
        wakes.append(wake)
        return timers.timer(clock, seconds, wake)

    def handed_over(orphan: asyncio.Task[Any]) -> None:
        orphans.append(orphan)
        wakes[2](None)  # the inner deadline, in the very turn; 0 is the outer one and 1 its grace

    gate = _Swallowing()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driving, "timer", recorded)
        task = asyncio.ensure_future(by(1001, clock, outer(), grace=1, on_orphan=handed_over))
        await clock.advance(2)
    with pytest.raises(DeadlineExceeded):
        await task
    assert task.cancelling() == 0
    await clock.advance(5)
    assert await orphans[0] == "inner deadline"
    assert len(orphans) == 2
    gate.set_result(None)
    await orphans[1]


# -- what a task refuses to wait for -----------------------------------------------------------------------------------


@case
async def what_no_task_can_wait_for_is_refused_as_ever() -> None:
    @coroutine
    def odd(thing: Any) -> Generator[Any, None, None]:
        yield thing

    async def itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        await task

    for work in (odd(object()), odd(asyncio.get_running_loop().create_future())):
        with pytest.raises(RuntimeError, match="yield"):
            await within(5, work)
    with pytest.raises(RuntimeError, match="itself"):
        await within(5, itself())
    await untouched()


@case
async def a_future_of_another_loop_is_refused_as_ever() -> None:
    other = asyncio.new_event_loop()

    async def work() -> None:
        await asyncio.Future(loop=other)

    with pytest.raises(RuntimeError, match="different loop"):
        await within(5, work())
    other.close()


@case
async def a_callback_may_run_the_first_step_and_a_task_the_rest() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    done: list[Any] = []

    def first() -> None:
        call = within(5, work())
        awaited = call.send(None)

        @coroutine
        def rest() -> Generator[Any, None, Any]:
            yield awaited
            return (yield from call)

        async def go_on() -> None:
            done.append(await rest())

        tasks.append(asyncio.ensure_future(go_on()))

    tasks: list[asyncio.Task[None]] = []
    asyncio.get_running_loop().call_soon(first, context=Context())
    await turns(2)
    await tasks[0]
    assert done == ["done"]


# -- what is left ------------------------------------------------------------------------------------------------------


@case
async def ten_thousand_calls_leave_no_timer_and_no_task() -> None:
    async def at_once() -> int:
        return 1

    async def later() -> int:
        await asyncio.sleep(0)
        return 1

    def waiting() -> int:
        return sum(not handle.cancelled() for handle in getattr(asyncio.get_running_loop(), "_scheduled", ()))

    before = len(asyncio.all_tasks()), waiting()
    for number in range(10_000):
        await within(3600, later() if number % 10 == 0 else at_once())
    assert (len(asyncio.all_tasks()), waiting()) == before


@case
async def nothing_is_left_for_the_collector_to_warn_of() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for work in (fails(), forever()):
            with pytest.raises((LookupError, DeadlineExceeded)):
                await within(0.001, work)
        gc.collect()


@pytest.mark.parametrize("loops", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("each", CASES, ids=lambda each: each.__name__)
def test(each: Callable[[], Awaitable[None]], loops: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loops) as runner:
        copy_context().run(runner.run, asyncio.wait_for(each(), 20))  # type: ignore[arg-type]
