"""Leave a failing tool alone for a while, then let a few probes find out whether it recovered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from holdfast.core.clock import Clock
from holdfast.errors import BreakerOpen

State = Literal["closed", "open", "half_open"]

BUCKETS = 10
RUN = 3
"""Buckets: a run of failures that lasts so long is an outage, however well things went before it. With the share alone
a dependency that callers kept busy with work they had given up was left alone 14 s after it fell; with less than this,
one that was away for 5 s is left alone when it is back (simulated)."""
_PROBE_RETRY = 1.0
"""Seconds: when to come back while all probes are out; sooner when a lease ends sooner."""


class _Window:
    """Calls, failures and slow calls of the last ``seconds``, in ``BUCKETS`` buckets with running totals.

    And the run of bad calls, failed or slow, that the newest one belongs to: how many, since when.
    """

    __slots__ = ("_buckets", "bucket", "calls", "epoch", "failures", "run", "since", "slow", "width")

    def __init__(self, seconds: float) -> None:
        self.width = seconds / BUCKETS
        self.clear()

    def clear(self) -> None:
        self._buckets = [[0, 0, 0] for _ in range(BUCKETS)]
        self.bucket = self._buckets[0]
        self.epoch = -1
        self.calls = self.failures = self.slow = self.run = 0
        self.since = 0.0

    def add(self, now: float, failed: bool, slow: bool) -> None:
        epoch = int(now / self.width)
        if epoch != self.epoch:
            self._expire(epoch)
        bucket = self.bucket
        bucket[0] += 1
        self.calls += 1
        if failed:
            bucket[1] += 1
            self.failures += 1
        if slow:
            bucket[2] += 1
            self.slow += 1
        if failed or slow:
            if not self.run or now - self.since > self.width * BUCKETS:
                self.run, self.since = 0, now
            self.run += 1

    def _expire(self, epoch: int) -> None:
        for passed in range(max(self.epoch + 1, epoch - BUCKETS + 1), epoch + 1):
            bucket = self._buckets[passed % BUCKETS]
            self.calls -= bucket[0]
            self.failures -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = (0, 0, 0)
        self.epoch = epoch
        self.bucket = self._buckets[epoch % BUCKETS]


Ticket = tuple[int, int | None]
"""The change of state that a permit was given after, and the lease of a probe."""


class Permit:
    """One call's leave to run. The first of ``success``, ``failure`` and ``release`` counts; later ones do nothing."""

    __slots__ = ("_breaker", "_ticket")

    def __init__(self, breaker: Breaker, ticket: Ticket) -> None:
        self._breaker: Breaker | None = breaker
        self._ticket = ticket

    def success(self, duration: float) -> None:
        """The call did its work in ``duration`` seconds."""
        self._settle(failed=False, duration=duration)

    def failure(self, duration: float) -> None:
        """The call failed, or missed its own deadline, after ``duration`` seconds."""
        self._settle(failed=True, duration=duration)

    def release(self) -> None:
        """Say nothing about the tool's health: the client went away, or a guard refused."""
        self._settle(failed=None, duration=0.0)

    def _settle(self, *, failed: bool | None, duration: float) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.settle(self._ticket, failed, duration, breaker.clock.now())


@dataclass(slots=True, eq=False)
class Breaker:
    """A circuit breaker for one tool on one event loop. Times are seconds.

    Closed: opens when, of at least ``min_calls`` in ``window``, the share ``failure_ratio`` failed or ``slow_ratio``
    took ``slow_seconds`` or longer, or when so many in a row did over three tenths of it; never on one success after
    another, for what counts against it may have passed. Open: refuses for ``open_for``, doubling to ``open_cap`` each
    time that probing fails. Half open: at most ``probes`` calls are out at a time, each on a lease of ``lease``
    seconds, so that a lost probe cannot keep the breaker half open for ever; one failure opens it again, ``probes``
    successes close it.
    Results of permits from before the last change of state are ignored, so stragglers decide nothing.
    ``on_change(old, new)`` must not raise.
    """

    clock: Clock
    _: KW_ONLY
    window: float = 30.0
    min_calls: int = 20
    failure_ratio: float = 0.5
    slow_ratio: float = 0.8
    slow_seconds: float | None = None
    open_for: float = 5.0
    open_cap: float = 60.0
    probes: int = 3
    lease: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    on_change: Callable[[State, State], None] | None = None
    _state: State = field(default="closed", init=False)
    _plain: Ticket = field(default=(0, None), init=False)
    _recent: _Window = field(init=False)
    _reopen_at: float = field(default=0.0, init=False)
    _failed_rounds: int = field(default=0, init=False)
    _leases: dict[int, float] = field(default_factory=dict, init=False)
    _next_lease: int = field(default=0, init=False)
    _probed: int = field(default=0, init=False)
    _probed_slow: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.probes < 1 or self.min_calls < 1 or min(self.window, self.open_for, self.lease) <= 0:
            raise ValueError("a breaker needs at least one probe and one call, and times above zero")
        self._recent = _Window(self.window)

    @property
    def state(self) -> State:
        """``open`` lasts until the first call after the pause, which becomes a probe."""
        return self._state

    @property
    def probing(self) -> int:
        """Probes whose lease runs."""
        return len(self._leases)

    def pause(self) -> tuple[float, int] | None:
        """Seconds until it lets a probe through, and the rounds of probing that failed; ``None`` while it is closed.

        Of a half-open one no seconds are left. For whoever writes it down; see ``resume``.
        """
        if self._state == "closed":
            return None
        left = self._reopen_at - self.clock.now() if self._state == "open" else 0.0
        return max(0.0, left), self._failed_rounds

    def resume(self, seconds: float, rounds: int) -> None:
        """Be open for ``seconds`` more, as another process was; a closed breaker only."""
        if self._state == "closed":
            self._failed_rounds = max(1, min(rounds, 32))
            self._reopen_at = self.clock.now() + min(seconds, self.open_cap)
            self._change("open")

    def permit(self) -> Permit:
        """Leave to call the tool once. Raises ``BreakerOpen`` with ``retry_after``."""
        return Permit(self, self.admit())

    def admit(self) -> Ticket:
        """As ``permit``, for a caller that settles exactly once: while the breaker is closed nothing is made for it."""
        if self._state == "closed":
            return self._plain
        now = self.clock.now()
        if self._state == "open":
            if now < self._reopen_at:
                raise _refusal(self._reopen_at - now)
            self._change("half_open")
        return self._plain[0], self._grant(now)

    def _grant(self, now: float) -> int:
        """A probe's lease, of which there are never more than ``probes``, past successes of this round included."""
        for lease in [lease for lease, ends in self._leases.items() if ends <= now]:
            del self._leases[lease]
        if len(self._leases) + self._probed >= self.probes:
            soonest = min(self._leases.values()) - now
            raise _refusal(min(_PROBE_RETRY, soonest))
        self._next_lease += 1
        self._leases[self._next_lease] = now + self.lease
        return self._next_lease

    def settle(self, ticket: Ticket, failed: bool | None, duration: float, now: float) -> None:
        """Say, at ``now``, how the call went that took ``duration`` seconds; ``None`` says nothing."""
        generation, lease = ticket
        if generation != self._plain[0]:
            return
        slow = self.slow_seconds is not None and duration >= self.slow_seconds
        if lease is not None:
            self._settle_probe(lease, failed, slow, now)
        elif failed is not None:
            recent = self._recent
            if failed or slow or int(now / recent.width) != recent.epoch:
                recent.add(now, failed, slow)
            else:  # nearly every call: as ``add``, without a call
                recent.bucket[0] += 1
                recent.calls += 1
            if recent.failures or recent.slow:
                self._judge(recent, failed or slow, now)

    def _judge(self, recent: _Window, bad: bool, now: float) -> None:
        before = recent.run
        if not bad:
            recent.run = 0
        if before and recent.calls >= self.min_calls and (self._unhealthy(recent) or self._is_down(recent, now)):
            self._open()

    def _is_down(self, recent: _Window, now: float) -> bool:
        return recent.run >= self.min_calls and now - recent.since >= RUN * recent.width

    def _settle_probe(self, lease: int, failed: bool | None, slow: bool, now: float) -> None:
        ends = self._leases.pop(lease, None)
        if ends is None or ends <= now or failed is None:
            return
        if failed:
            self._open()
            return
        self._probed += 1
        self._probed_slow += slow
        if self._probed < self.probes:
            return
        if self._probed_slow >= self.slow_ratio * self._probed:
            self._open()
        else:
            self._failed_rounds = 0
            self._change("closed")

    def _unhealthy(self, recent: _Window) -> bool:
        return (
            recent.failures >= self.failure_ratio * recent.calls
            or (self.slow_seconds is not None and recent.slow >= self.slow_ratio * recent.calls)
        )  # fmt: skip

    def _open(self) -> None:
        """Pause for the doubled time, up to a fifth less of it, so that many servers do not probe in step."""
        pause = min(self.open_cap, self.open_for * 2.0 ** min(self._failed_rounds, 32))
        self._failed_rounds += 1
        self._reopen_at = self.clock.now() + pause * self.rng.uniform(0.8, 1.0)
        self._change("open")

    def _change(self, new: State) -> None:
        old, self._state = self._state, new
        self._plain = (self._plain[0] + 1, None)
        self._leases.clear()
        self._probed = self._probed_slow = 0
        self._recent.clear()
        if self.on_change is not None:
            self.on_change(old, new)


def _refusal(seconds: float) -> BreakerOpen:
    return BreakerOpen("this tool failed too often lately and is left alone; try again later", retry_after=seconds)
