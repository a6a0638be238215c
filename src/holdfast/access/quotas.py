"""What each principal may spend over a period: reserved before a call, settled when it is known what it took."""

from __future__ import annotations

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from holdfast.access.allowances import Allowance, Dimension
from holdfast.access.grants import EVERYONE
from holdfast.errors import Busy, QuotaExceeded

RETRY: Final = 5.0
"""Seconds after which it is worth asking again when nothing could be counted: as long as a write waits for another."""
MAX_WAIT: Final = 10.0
"""Seconds that a reservation waits for a disk that hangs: twice what a write waits for another instance."""
_WORDS: Final[Mapping[Dimension, str]] = {"calls": "calls", "cpu": "processor time", "bytes": "bytes", "cost": "cost"}

_KNOWN: Final = frozenset({"calls", "cost"})
"""What a call spends is known before it; of the rest there are expectations."""

MAX_LATE: Final = 10_000
"""Corrections that wait for the counters to be reachable again; later ones are lost, and stay as they were reserved."""
Change = tuple[str, str, float, float]
"""Space, key, end of the period, difference."""
Amounts = Mapping[Dimension, float]
"""Calls, seconds, bytes, units of cost."""


class Counters(Protocol):
    """Durable counters that parallel instances share. Implemented by ``state.store.Store``, which says more."""

    def reserve(
        self, wants: Sequence[tuple[str, str, float, float, float]]
    ) -> asyncio.Future[tuple[int, float, tuple[float, ...]]]:
        """Take (space, key, amount, allowed, period) from each or from none: which did not fit, when it will, ends."""
        ...

    def settle(self, changes: Sequence[tuple[str, str, float, float]]) -> asyncio.Future[None]:
        """Correct (space, key, end of the period, difference)."""
        ...


@dataclass(frozen=True, slots=True)
class Hold:
    """What one call has reserved."""

    principal: str
    lines: tuple[Allowance, ...]
    amounts: tuple[float, ...]
    ends: tuple[float, ...]


class Quotas:
    """Fixed windows for each principal, begun by its first call and kept over restarts.

    Reserving is one atomic step over everything that a call is counted against, so concurrent calls and parallel
    servers cannot spend the same unit twice. Settling is not waited for. Whatever is lost between the two (a crash, a
    disk that refuses) stays reserved until its period ends: when in doubt it counts as spent. When the counters cannot
    be reached, or were lost with a damaged file in a period that may still run, nothing may be spent. ``limits`` are
    allowances by principal, ``*`` those of everybody who is not named; ``always`` are everybody's.
    """

    def __init__(
        self,
        counters: Counters,
        limits: Mapping[str, tuple[Allowance, ...]] | None = None,
        always: tuple[Allowance, ...] = (),
    ) -> None:
        self._counters = counters
        self._limits = limits or {}
        self._always = always
        self._late: list[Change] = []
        self.spent: dict[Dimension, float] = dict.fromkeys(_WORDS, 0.0)
        """What all principals together have used since the start, as far as it is limited."""
        self.uncounted = 0
        """Reservations that were refused, and settlements that were lost, because nothing could be counted."""

    def in_doubt(self, lost: float | None, now: float) -> bool:
        """Whether calls are refused because of what was lost then (seconds since the epoch)."""
        lines = (*self._always, *(line for lines in self._limits.values() for line in lines))
        return lost is not None and now < lost + max((line.period for line in lines), default=0.0)

    def plan(self, kind: str, name: str) -> Plan | None:
        """What calls of one operation are counted against; ``None`` when that is nothing."""
        plan = Plan(self, kind, name, self._always, self._limits)
        return plan if plan.dimensions else None

    async def reserve(self, principal: str, lines: tuple[Allowance, ...], amounts: Amounts) -> Hold:
        """Take what a call will probably spend. Raises ``QuotaExceeded`` with the seconds until there is more."""
        # what is only expected is never more than all there is, so that there is a first call to be measured
        taken = tuple(
            amounts[line.dimension] if line.dimension in _KNOWN else min(amounts[line.dimension], line.amount)
            for line in lines
        )
        wants = [
            (line.space, principal, amount, line.amount, line.period) for line, amount in zip(lines, taken, strict=True)
        ]
        try:
            asked = self._counters.reserve(wants)
        except Exception as error:  # boundary: as below; a name that cannot be a key is not counted either
            raise self._unreachable(error) from None
        try:
            async with asyncio.timeout(MAX_WAIT):
                short, wait, ends = await asyncio.shield(asked)
        except (CancelledError, TimeoutError) as error:
            asked.add_done_callback(lambda done: self._forsaken(done, Hold(principal, lines, taken, ())))
            if isinstance(error, TimeoutError):
                raise self._unreachable(error) from None
            raise
        except Exception as error:  # boundary: whatever is wrong with the counters, what is billed must be counted
            raise self._unreachable(error) from None
        if short >= 0:
            line = lines[short]
            what = "" if line.space == "quota" else f" ({_WORDS[line.dimension]})"
            raise QuotaExceeded(
                f"the quota of {line.text}{what} is spent; try again when it begins anew", retry_after=wait
            )
        return Hold(principal, lines, taken, ends)

    def settle(self, hold: Hold, used: Amounts | None) -> None:
        """Correct a reservation to what was ``used``; ``None`` gives all of it back. Returns at once, never raises."""
        changes = []
        for line, amount, end in zip(hold.lines, hold.amounts, hold.ends, strict=True):
            real = 0.0 if used is None else max(0.0, used[line.dimension])
            self.spent[line.dimension] += real
            if real != amount:
                changes.append((line.space, hold.principal, end, real - amount))
        if changes:
            self._settle(changes)

    def _settle(self, changes: list[Change]) -> None:
        """With what could not be settled before: more than was reserved is owed, less is given back."""
        changes, self._late = self._late + changes, []
        try:
            settling = self._counters.settle(changes)
        except Exception as error:  # boundary: what cannot be counted stays reserved for now
            self._lost(changes, error)
        else:
            settling.add_done_callback(partial(self._settled, changes))

    def _forsaken(self, asked: asyncio.Future[tuple[int, float, tuple[float, ...]]], hold: Hold) -> None:
        """The caller left while its reservation was under way: if it was made it is given back."""
        if not asked.cancelled() and asked.exception() is None and asked.result()[0] < 0:
            self.settle(Hold(hold.principal, hold.lines, hold.amounts, asked.result()[2]), None)

    def _settled(self, changes: list[Change], done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._lost(changes, error)

    def _lost(self, changes: list[Change], error: BaseException) -> None:
        self.uncounted += 1
        self._late = (changes + self._late)[:MAX_LATE]
        logging.getLogger("holdfast.access").warning("a quota stays reserved: %s", type(error).__name__)

    def _unreachable(self, error: Exception) -> QuotaExceeded:
        self.uncounted += 1
        logging.getLogger("holdfast.access").error("quotas cannot be counted: %s", type(error).__name__)
        if isinstance(error, Busy) and error.retry_after is not None:  # it is known how long that lasts, and why
            return QuotaExceeded(error.message, retry_after=error.retry_after)
        return QuotaExceeded("quotas cannot be counted right now; try again later", retry_after=RETRY)


class Plan:
    """What the calls of one operation are counted against."""

    def __init__(
        self,
        quotas: Quotas,
        kind: str,
        name: str,
        always: tuple[Allowance, ...],
        limits: Mapping[str, tuple[Allowance, ...]],
    ) -> None:
        self._quotas = quotas
        self._lines = {
            who: tuple(line for line in (*always, *lines) if line.covers(kind, name)) for who, lines in limits.items()
        }
        self._others = self._lines.get(EVERYONE, always)
        found = [line for lines in (*self._lines.values(), self._others) for line in lines]
        self.dimensions: frozenset[Dimension] = frozenset(line.dimension for line in found)
        """What has to be measured."""

    def lines(self, principal: str) -> tuple[Allowance, ...]:
        """What a principal's calls are counted against."""
        return self._lines.get(principal, self._others)

    async def reserve(self, principal: str, amounts: Amounts) -> Hold | None:
        """See ``Quotas.reserve``. What costs nothing is not counted; ``None`` where nothing is counted at all."""
        lines = tuple(line for line in self.lines(principal) if amounts[line.dimension] > 0)
        if not lines:
            return None
        return await self._quotas.reserve(principal, lines, amounts)

    def settle(self, hold: Hold, used: Amounts | None) -> None:
        """See ``Quotas.settle``."""
        self._quotas.settle(hold, used)
