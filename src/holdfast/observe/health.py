"""Health checks: run side by side with a limit each, coalesced and cached, the worst one decides."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from holdfast.core.clock import Clock, SystemClock
from holdfast.errors import ConfigurationError, DuplicateName
from holdfast.observe.checks import audit, confinement, disk_space, loop_lag, memory, state
from holdfast.observe.finding import CheckResult, Finding, Probe, Report, Status
from holdfast.safe.blocking import in_thread

__all__ = [
    "CheckResult", "Finding", "Health", "Probe", "Report", "Status",
    "audit", "confinement", "disk_space", "loop_lag", "memory", "state",
]  # fmt: skip

MAX_CHECKS = 64
CACHE_SECONDS = 1.0
"""How long a report is good for: a flood of /health costs one round of checks a second."""
RETRY = 1.0
"""Seconds between attempts while critical checks have yet to pass for the first time."""
_RANK: tuple[Status, ...] = ("ok", "degraded", "failed")


@dataclass(slots=True)
class _Check:
    probe: Probe
    timeout: float
    critical: bool
    running: asyncio.Future[Finding] | None = field(default=None)

    def start(self) -> asyncio.Future[Finding]:
        """Begin anew, unless the last run still hangs: a stuck disk must not collect one thread a second."""
        if self.running is None or self.running.done():
            self.running = asyncio.ensure_future(self._probe())
            self.running.add_done_callback(_forget_failure)
        return self.running

    async def _probe(self) -> Finding:
        if inspect.iscoroutinefunction(self.probe):
            found = await self.probe()
        else:
            found = await in_thread(self.probe)  # statvfs and the like may block
            if inspect.isawaitable(found):
                found = await found
        if not isinstance(found, Finding):
            raise TypeError("a health check returns a Finding")
        return found


def _forget_failure(done: asyncio.Future[Finding]) -> None:
    if not done.cancelled():
        done.exception()  # reported as a failed check; asyncio need not complain that nobody looked


class Health:
    """The server's checks. One loop only; ``close`` ends checks that still hang."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._checks: dict[str, _Check] = {}
        self._round: asyncio.Task[tuple[Status, dict[str, CheckResult]]] | None = None
        self._last: tuple[float, Status, dict[str, CheckResult]] | None = None
        self.ready = False
        self.reason = "starting"
        self._starting = True

    def set_ready(self, ready: bool, reason: str = "") -> None:
        """Say whether the server takes calls; ``reason`` is public. Whatever ``pass_once`` still waits for is over."""
        self.ready, self.reason, self._starting = ready, reason, False

    async def pass_once(self, tell: Callable[[Mapping[str, str]], None]) -> None:
        """Be ready as soon as every critical check has passed once; one that fails is tried again each second.

        ``tell`` hears which ones have yet to pass and why, name -> detail, whenever those change; at last nothing.
        """
        left = {name: check for name, check in self._checks.items() if check.critical}
        told: set[str] = set()
        while self._starting:
            found = dict(zip(left, await asyncio.gather(*map(self._check, left.values())), strict=True))
            failed = {name: result.detail for name, result in found.items() if result.status == "failed"}
            left = {name: left[name] for name in failed}
            if not self._starting:
                return
            if failed.keys() != told:  # a start where all pass at once has nothing to tell
                told = set(failed)
                tell(failed)
            if not failed:
                self.set_ready(True)
                return
            self.reason = f"starting; waits for {', '.join(failed)}"
            await self._clock.sleep(RETRY)

    def add(self, name: str, check: Probe, *, timeout: float = 1.0, critical: bool = True) -> None:
        """Add a check; it fails when it raises or takes longer than ``timeout`` seconds.

        A failed check that is not ``critical`` only degrades the whole. A coroutine function runs on the loop, any
        other on a thread. Raises ``DuplicateName``, or ``ConfigurationError`` for more than 64 checks.
        """
        if name in self._checks:
            raise DuplicateName(f"two health checks are called {name!r}; give one of them another name")
        if len(self._checks) >= MAX_CHECKS:
            raise ConfigurationError(f"at most {MAX_CHECKS} health checks; join some of them into one")
        self._checks[name] = _Check(check, timeout, critical)

    async def report(self) -> Report:
        """Return the state of all checks, at most one second old. Any number of callers share one round."""
        if self._last is None or self._clock.now() - self._last[0] >= CACHE_SECONDS:
            if self._round is None or self._round.done():
                self._round = asyncio.ensure_future(self._run())
            status, checks = await asyncio.shield(self._round)  # a caller that leaves does not take it from the others
        else:
            _, status, checks = self._last
        return Report(status, dict(checks), self.ready, self.reason)

    async def close(self) -> None:
        """Cancel what still runs."""
        pending = [each.running for each in self._checks.values() if each.running is not None]
        pending += [self._round] if self._round is not None else []  # type: ignore[list-item]  # only cancelled here
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _run(self) -> tuple[Status, dict[str, CheckResult]]:
        names = list(self._checks)
        results = await asyncio.gather(*(self._check(self._checks[name]) for name in names))
        checks = dict(zip(names, results, strict=True))
        worst = max((self._rank(name, each) for name, each in checks.items()), default=0)
        self._last = (self._clock.now(), _RANK[worst], checks)
        return _RANK[worst], checks

    def _rank(self, name: str, result: CheckResult) -> int:
        rank = _RANK.index(result.status)
        return rank if self._checks[name].critical else min(rank, 1)

    async def _check(self, check: _Check) -> CheckResult:
        began = self._clock.now()
        running = check.start()
        await asyncio.wait({running}, timeout=check.timeout)
        seconds = self._clock.now() - began
        if not running.done():
            running.cancel()
            return CheckResult("failed", f"no answer within {check.timeout:g} s", seconds)
        if running.cancelled():
            return CheckResult("failed", "cancelled", seconds)
        error = running.exception()
        if error is not None:
            return CheckResult("failed", f"raised {type(error).__name__}", seconds)
        return CheckResult(running.result().status, running.result().detail, seconds)
