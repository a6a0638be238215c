"""A tool's own calls of what it depends on: a breaker, places and a retry budget by name, shared in the server."""

from __future__ import annotations

import inspect
from asyncio import AbstractEventLoop, CancelledError, get_running_loop, run_coroutine_threadsafe
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, ParamSpec, Protocol, TypeVar

from holdfast.core.clock import Clock
from holdfast.core.dependency import MAX_DEPENDENCIES, Dependency, checked_name
from holdfast.errors import (
    BreakerOpen,
    Busy,
    ConfigurationError,
    DeadlineExceeded,
    DependencyUnavailable,
    ProtocolError,
    Refusal,
    ToolError,
)
from holdfast.resilience import retry
from holdfast.resilience.breaker import Breaker, Permit, State
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.resilience.deadline import Orphans, by
from holdfast.resilience.threaded import Line

T = TypeVar("T")
P = ParamSpec("P")
_DEFAULTS = Dependency()


class Caller(Protocol):
    """Whose call it is: its ``deadline`` is looked up for each call, since a fallback has a part of it only."""

    deadline: float | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is told: ``ended(name, outcome)`` of each attempt, ``changed(name, old, new)`` of a breaker; never raising.

    Outcomes are ok, failed, refused, late, open, busy and cancelled.
    """

    ended: Callable[[str, str], None]
    changed: Callable[[str, State, State], None]


class _Late(TimeoutError):
    """An attempt took longer than its own timeout while its call has time left."""


class _Passing(ConnectionError):
    """Carries a failure that the author has called transient past those who know only the system's own."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure
        self.retry_after = getattr(failure, "retry_after", None)


class Dependencies:
    """The services that the tools of one server call, up to 64; those that are declared cannot be crowded out."""

    def __init__(self, clock: Clock, rng: Random, orphans: Orphans, hearing: Hearing, loop: AbstractEventLoop) -> None:
        self._clock = clock
        self._rng = rng
        self._orphans = orphans
        self._hearing = hearing
        self._loop = loop
        self._services: dict[str, _Upstream] = {}

    def declare(self, name: str, terms: Dependency) -> None:
        """Say how a service is called. Raises ``ConfigurationError`` when it is called otherwise already."""
        if self._named(name, terms).terms != terms:
            raise ConfigurationError(f"dependency {name} is in use with other terms; declare it before the server runs")

    def resilient(self, caller: Caller, name: str, idempotent: bool, timeout: float | None) -> Outbound:
        """Calls of the service ``name`` for one call; fits ``ContextServices.resilient``. From any thread."""
        if timeout is not None and not timeout > 0:
            raise ConfigurationError("resilient(timeout=) is in seconds, and more than zero")
        return Outbound(self, checked_name(name), caller, idempotent, timeout)

    def states(self) -> Mapping[str, State]:
        """The state of each service's breaker."""
        return {name: service.breaker.state for name, service in list(self._services.items())}

    def named(self, name: str) -> _Upstream:
        """The service of that name, with the default terms when nobody has declared it. On the loop."""
        return self._services.get(name) or self._named(name, _DEFAULTS)

    @property
    def loop(self) -> AbstractEventLoop:
        """The loop that all of it belongs to."""
        return self._loop

    def _named(self, name: str, terms: Dependency) -> _Upstream:
        found = self._services.get(checked_name(name))
        if found is None:
            if len(self._services) >= MAX_DEPENDENCIES:
                raise ConfigurationError(f"at most {MAX_DEPENDENCIES} dependencies: a name is a service, not a request")
            found = _Upstream(name, terms, self._clock, self._rng, self._orphans, self._hearing)
            self._services[name] = found
        return found


class _Upstream:
    """One service, on one event loop."""

    def __init__(  # noqa: PLR0913 - the parts of its owner, passed on
        self, name: str, terms: Dependency, clock: Clock, rng: Random, orphans: Orphans, hearing: Hearing
    ) -> None:
        self.terms = terms
        self.breaker = Breaker(clock, rng=rng, on_change=partial(hearing.changed, name))
        self._places = Bulkhead(terms.concurrency, terms.queue, clock)
        self._budget = retry.RetryBudget()
        self._clock = clock
        self._rng = rng
        self._orphans = orphans
        self._ended = partial(hearing.ended, name)

    async def tried(self, attempt: Callable[[int], Awaitable[T]], deadline: float | None, idempotent: bool) -> T:
        """One attempt, or several of what may be repeated; whoever stands around is not to repeat it once more."""
        attempts = 1 + self.terms.retries if idempotent else 1
        try:
            return await retry.run(
                attempt, attempts=attempts, budget=self._budget, clock=self._clock, deadline=deadline, rng=self._rng
            )
        except _Late:
            raise unanswered() from None
        except _Passing as passing:
            failure = passing.failure
        except Exception as error:  # boundary: marked and raised again, so that tries do not multiply tries
            failure = error
        if attempts > 1:
            retry.give_up(failure)
        raise failure

    async def attempt(self, work: Callable[[], Awaitable[T]], deadline: float | None, own: float | None) -> T:
        """One attempt, behind the places and the breaker, until its own time or the call's is over."""
        until = self._clock.now() + (self.terms.timeout if own is None else own)
        until = until if deadline is None else min(until, deadline)
        await self._enter(until, deadline)
        place = _Place(self._places)
        try:
            permit = self._permit()
            try:
                value: T = await self._timed(place.holding(work), permit, until, deadline)
            except _Late:
                raise
            except self.terms.transient as failure:
                raise _Passing(failure) from failure
        finally:
            if not place.handed_over:
                self._places.leave()
        return value

    async def _enter(self, until: float, deadline: float | None) -> None:
        try:
            await self._places.enter(until)
        except Busy as busy:
            retry_after = busy.retry_after
        except DeadlineExceeded:
            if self._over(deadline):
                raise
            retry_after = None
        else:
            return
        self._ended("busy")
        raise DependencyUnavailable(
            "a service that this tool needs is busy; try again later", retry_after=retry_after, code="dependency.busy"
        )

    def _permit(self) -> Permit:
        try:
            return self.breaker.permit()
        except BreakerOpen as refusal:
            self._ended("open")
            raise DependencyUnavailable(
                "a service that this tool needs failed too often lately and is left alone; try again later",
                retry_after=refusal.retry_after,
                code="dependency.open",
            ) from None

    async def _timed(self, work: Any, permit: Permit, until: float, deadline: float | None) -> Any:
        """Await ``work`` until ``until``, and tell the breaker how it went."""
        begun = self._clock.now()
        try:
            value = await by(until, self._clock, work, on_orphan=self._orphans.add)
        except BaseException as error:  # boundary: whatever ended it is counted, then raised again
            now = self._clock.now()
            outcome = _outcome(error, late=now >= until)
            if outcome in ("failed", "late"):
                permit.failure(now - begun)
            elif outcome == "refused" and isinstance(error, ToolError):
                permit.success(now - begun)  # it has answered
            else:
                permit.release()
            self._ended(outcome)
            if isinstance(error, DeadlineExceeded) and outcome == "late" and not self._over(deadline):
                raise _Late from None
            raise
        permit.success(self._clock.now() - begun)
        self._ended("ok")
        return value

    def _over(self, deadline: float | None) -> bool:
        return deadline is not None and self._clock.now() >= deadline


def _outcome(error: BaseException, *, late: bool) -> str:
    """What is said of an attempt that ended so: out of time it is late, however it ended."""
    if late:
        return "late"
    if isinstance(error, CancelledError | GeneratorExit):
        return "cancelled"
    return "refused" if isinstance(error, ToolError | Refusal | ProtocolError | ConfigurationError) else "failed"


class _Place:
    """A place of the bulkhead, which the work gives back itself once it runs: an abandoned one keeps its place."""

    def __init__(self, places: Bulkhead) -> None:
        self._places = places
        self.handed_over = False

    async def holding(self, work: Callable[[], Awaitable[T]]) -> T:
        self.handed_over = True
        try:
            return await work()
        finally:
            self._places.leave()


class Outbound:
    """Implements ``core.services.Resilient``."""

    __slots__ = ("_caller", "_dependencies", "_idempotent", "_name", "_timeout")

    def __init__(
        self, dependencies: Dependencies, name: str, caller: Caller, idempotent: bool, timeout: float | None
    ) -> None:
        self._dependencies = dependencies
        self._name = name
        self._caller = caller
        self._idempotent = idempotent
        self._timeout = timeout

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``core.services.Resilient``."""
        service, deadline = self._dependencies.named(self._name), self._caller.deadline
        work = partial(_awaited, partial(function, *args, **kwargs))
        return await service.tried(
            lambda _number: service.attempt(work, deadline, self._timeout), deadline, self._idempotent
        )

    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See ``core.services.Resilient``."""
        try:
            get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigurationError("resilient(...).run is for a plain def in its thread; in an async def, await call")
        line = Line()
        result = run_coroutine_threadsafe(self._in_thread(line), self._dependencies.loop)
        result.add_done_callback(line.end)
        line.work(partial(function, *args, **kwargs))
        value: T = result.result()
        return value

    async def _in_thread(self, line: Line) -> Any:
        service, deadline = self._dependencies.named(self._name), self._caller.deadline

        async def attempt(_number: int) -> Any:
            try:
                return await service.attempt(line.turn, deadline, self._timeout)
            except _Late:  # the thread is still in it: a further attempt would have to wait for that one
                raise unanswered() from None

        return await service.tried(attempt, deadline, self._idempotent)


async def _awaited(function: Callable[[], Awaitable[T]]) -> T:
    value = function()
    if not inspect.isawaitable(value):
        raise ConfigurationError("resilient(...).call takes an async def; in a plain def's thread there is run")
    return await value


def unanswered() -> DependencyUnavailable:
    """The one refusal for a service that does not answer in time."""
    return DependencyUnavailable(
        "a service that this tool needs did not answer in time; try again later", code="dependency.timeout"
    )
