"""Reserving from several counters at once, all or nothing, and settling later what was really used."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

Want = tuple[str, str, float, float, float]
"""Space, key, how much, how much may be taken in all, and the seconds that a period lasts."""
Change = tuple[str, str, float, float]
"""Space, key, the end of the period in which it was reserved, and how much more (or less) it was."""
Reserved = tuple[int, float, tuple[float, ...]]
"""The number of the want that did not fit (-1: all did), the seconds until it begins anew, the ends of the periods."""
_NOTHING = (0.0, None)


def check(wants: Sequence[Want]) -> None:
    """Raises ``ValueError`` for what no counter can take."""
    for _, _, amount, allowed, period in wants:
        if not (math.isfinite(amount) and amount >= 0 and math.isfinite(allowed) and 0 < period < math.inf):
            raise ValueError("a reservation takes finite numbers that are not negative, and a period")


def reserve(connection: sqlite3.Connection, now: float, wants: Sequence[Want]) -> Reserved:
    """Take all of ``wants`` or nothing. In one transaction, which no other instance can come between."""
    found = [_current(connection, space, key, now, period) for space, key, _, _, period in wants]
    for number, ((_, _, amount, allowed, period), (spent, ends)) in enumerate(zip(wants, found, strict=True)):
        if spent + amount > allowed:
            return number, period if ends is None else max(0.0, ends - now), ()
    windows = []
    for (space, key, amount, _, period), (spent, ends) in zip(wants, found, strict=True):
        end = now + period if ends is None else ends
        connection.execute(
            "INSERT INTO entry VALUES (?, ?, NULL, ?, ?) ON CONFLICT DO UPDATE"
            " SET value=NULL, number=excluded.number, expires=excluded.expires",
            (space, key, spent + amount, end),
        )
        windows.append(end)
    return -1, 0.0, tuple(windows)


def settle(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Correct what was reserved, in the period in which it was; what has ended since is left alone."""
    connection.executemany(
        "UPDATE entry SET number=max(0, number+?) WHERE space=? AND key=? AND expires=? AND number IS NOT NULL",
        [(delta, space, key, end) for space, key, end, delta in changes if math.isfinite(delta)],
    )


def _current(
    connection: sqlite3.Connection, space: str, key: str, now: float, period: float
) -> tuple[float, float | None]:
    """What is spent in the period that runs, and its end.

    An end that is further off than a period comes from a clock that was wrong: what is spent stays spent, for one
    period from now on. The second one is for clocks that are only put back a little.
    """
    query = "SELECT number, expires FROM entry WHERE space=? AND key=? AND number IS NOT NULL AND expires>?"
    row = connection.execute(query, (space, key, now)).fetchone()
    if row is None:
        return _NOTHING
    if row[1] <= now + 2 * period:
        return float(row[0]), float(row[1])
    connection.execute("UPDATE entry SET expires=? WHERE space=? AND key=?", (now + period, space, key))
    return float(row[0]), now + period
