"""One durable key-value store with atomic counters, for what must outlive the process: quotas, sagas, breakers."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

from holdfast.core.clock import Clock, SystemClock
from holdfast.errors import Busy, InputTooLarge, InvalidArguments
from holdfast.state import claiming, reserving
from holdfast.state.claiming import Claimed, Room
from holdfast.state.database import give_back
from holdfast.state.location import default_state_dir
from holdfast.state.reserving import Change, Reserved, Want
from holdfast.state.transactions import FULL, Transactions

__all__ = ["Store", "default_state_dir"]

MAX_NAME = 1024
"""Characters of a space or key."""
MAX_VALUE = 1024 * 1024
"""Bytes of one value."""
LOST: Final = "what was spent is not known any more; try again when a new period begins, or ask the operator"
SWEEP_EVERY = 1_000
"""Writes between two sweeps of expired rows."""


class Store:
    """SQLite in WAL mode, synchronous=FULL: what was answered survives a crash of the process and of the machine.

    One thread owns the connection and joins waiting operations into one transaction; parallel instances may share
    the file. At most ``max_rows`` rows: expired ones are swept first, then a new key is refused with ``Busy``;
    nothing that is alive is ever evicted, so a flood of keys cannot erase a quota. A damaged file is renamed and
    reported to ``on_damage`` (its new name, without folder; called from the store's thread), and an empty one takes
    its place. ``path`` None keeps everything in memory.

    Opening blocks, so do it at the start; raises ``ConfigurationError`` (a newer version, a link) or ``Busy``.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        max_rows: int = 100_000,
        on_damage: Callable[[str], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._max_rows = max_rows
        self._wall = (clock or SystemClock()).wall
        self._until_sweep = SWEEP_EVERY
        self._transactions = Transactions(
            None if path is None else Path(path),
            on_damage or (lambda name: None),
            self._wall,
            lambda connection: _sweep(connection, self._wall()),
        )

    async def get(self, space: str, key: str) -> bytes | None:
        """Return the value (a counter's as its decimal text), or None when there is none or it has expired."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT value, number FROM entry WHERE space=? AND key=? AND (expires IS NULL OR expires>?)"
            row = connection.execute(query, (space, key, self._wall())).fetchone()
            if row is None:
                return None
            return cast(bytes, row[0]) if row[1] is None else repr(row[1]).encode()

        _check_names(space, key)
        return await self._transactions.ask(work, writes=False)

    async def put(self, space: str, key: str, value: bytes, ttl: float | None = None) -> None:
        """Set the value, for ``ttl`` seconds or for ever. Raises ``InputTooLarge`` past 1 MiB."""

        def work(connection: sqlite3.Connection) -> None:
            now = self._wall()
            self._make_room(connection, space, key, now)
            connection.execute(
                "INSERT INTO entry VALUES (?, ?, ?, NULL, ?) ON CONFLICT DO UPDATE"
                " SET value=excluded.value, number=NULL, expires=excluded.expires",
                (space, key, bytes(value), _expiry(now, ttl)),
            )

        _check_names(space, key)
        if len(value) > MAX_VALUE:
            raise InputTooLarge(f"a stored value is at most {MAX_VALUE} bytes")
        await self._transactions.ask(work)

    async def add(self, space: str, key: str, delta: float, ttl: float | None = None) -> float:
        """Add to a counter and return its new value, atomically for parallel instances too.

        The counter begins at ``delta``, and anew once it expires. ``ttl`` seconds count from its beginning; later
        additions do not prolong it (a fixed window, as quotas need).
        """

        def work(connection: sqlite3.Connection) -> float:
            now = self._wall()
            self._make_room(connection, space, key, now)
            row = connection.execute(
                "INSERT INTO entry VALUES (:space, :key, NULL, :delta, :until) ON CONFLICT DO UPDATE SET value=NULL,"
                " number=CASE WHEN expires<=:now OR number IS NULL THEN :delta ELSE number+:delta END,"
                " expires=CASE WHEN expires<=:now OR number IS NULL THEN :until ELSE expires END"
                " RETURNING number",
                {"space": space, "key": key, "delta": float(delta), "until": _expiry(now, ttl), "now": now},
            ).fetchone()
            return float(row[0])

        _check_names(space, key)
        if not math.isfinite(delta):
            raise ValueError("a counter takes finite numbers")
        return await self._transactions.ask(work)

    def reserve(self, wants: Sequence[Want]) -> asyncio.Future[Reserved]:
        """Take from several counters, each up to what it allows, all or nothing; atomic for parallel instances too.

        Each of ``wants`` is (space, key, amount, allowed in all, seconds of a period). A period begins with the first
        reservation, and the counter anew with the next one after its end. The answer is the number of the want that did
        not fit (-1: all were taken), the seconds until that one begins anew, and the ends of the periods, which
        ``settle`` asks for. Begun at once: whoever stops waiting has to look whether it was taken.

        While a period may have begun in a file that was damaged since, nothing is taken: ``Busy`` says how long.
        """

        def work(connection: sqlite3.Connection) -> Reserved:
            now = self._wall()
            self._check_losses(now, max((want[4] for want in wants), default=0.0))
            for space, key, *_ in wants:
                self._make_room(connection, space, key, now)
            return reserving.reserve(connection, now, wants)

        for space, key, *_ in wants:
            _check_names(space, key)
        reserving.check(wants)
        return self._transactions.begin(work)

    def settle(self, changes: Sequence[Change]) -> asyncio.Future[None]:
        """Add to counters, or take back, each (space, key, end of its period, difference); never below nothing.

        What belongs to a period that has ended changes nothing. Begun at once, after all that was begun before.
        """
        return self._transactions.begin(lambda connection: reserving.settle(connection, changes))

    def lost(self) -> float | None:
        """When counts were lost with a damaged file, in seconds since the epoch; ``None`` when none were, or the
        operator has moved that file away. Looks at the disk."""
        return self._transactions.losses.since()

    def _check_losses(self, now: float, period: float) -> None:
        since = self._transactions.losses.since()
        if since is not None and now < since + period:
            raise Busy(LOST, code="state.lost", retry_after=since + period - now)

    def claim(
        self, space: str, key: str, value: bytes, ttl: float | None, room: Room | None = None
    ) -> asyncio.Future[Claimed]:
        """Put the value for ``ttl`` seconds, or for ever, unless the key is there; the answer is what was, or ``None``.

        Begun at once. Refused with ``Busy`` where the space has no ``room``, or while what was claimed within ``ttl``
        may have been in a file that was damaged since.
        """

        def work(connection: sqlite3.Connection) -> Claimed:
            now = self._wall()
            there = claiming.found(connection, space, key, now)
            if there is None:
                self._check_losses(now, ttl or 0.0)
                self._make_room(connection, space, key, now)
                if not claiming.has_room(connection, space, room):
                    _sweep(connection, now)
                    if not claiming.has_room(connection, space, room):
                        raise Busy(claiming.NO_ROOM)
                claiming.put(connection, space, key, value, _expiry(now, ttl))
            return there

        _check_names(space, key)
        return self._transactions.begin(work)

    def swap(self, space: str, key: str, old: bytes, new: bytes | None) -> asyncio.Future[bool]:
        """Put ``new`` (or forget the key, for ``None``) if the value is still ``old``; say whether it was.

        The time of expiry stays as it is. Begun at once.
        """
        if new is not None and len(new) > MAX_VALUE:
            raise InputTooLarge(f"a stored value is at most {MAX_VALUE} bytes")
        _check_names(space, key)
        return self._transactions.begin(lambda connection: claiming.swap(connection, (space, key), old, new))

    def fulfil(self, space: str, key: str, old: bytes, values: tuple[bytes, bytes], room: Room) -> asyncio.Future[bool]:
        """As ``swap``: the first of ``values``, or the second, smaller one, where the ``room`` has no bytes for it."""

        def work(connection: sqlite3.Connection) -> bool:
            large, small = values
            fits = len(large) <= MAX_VALUE and claiming.takes(connection, space, len(large), room)
            return claiming.swap(connection, (space, key), old, large if fits else small)

        _check_names(space, key)
        return self._transactions.begin(work)

    async def items(self, space: str, limit: int = 1_000) -> list[tuple[str, bytes]]:
        """Keys and values of the space that have not expired, in order; counters are left out."""

        def work(connection: sqlite3.Connection) -> list[tuple[str, bytes]]:
            query = (
                "SELECT key, value FROM entry WHERE space=? AND value IS NOT NULL"
                " AND (expires IS NULL OR expires>?) ORDER BY key LIMIT ?"
            )
            return [(key, bytes(value)) for key, value in connection.execute(query, (space, self._wall(), limit))]

        return await self._transactions.ask(work, writes=False)

    async def left(self, space: str, key: str) -> float | None:
        """Seconds until the key expires; None when it never does, or is not there."""

        def work(connection: sqlite3.Connection) -> float | None:
            query = "SELECT expires FROM entry WHERE space=? AND key=?"
            row = connection.execute(query, (space, key)).fetchone()
            return None if row is None or row[0] is None else max(0.0, float(row[0]) - self._wall())

        return await self._transactions.ask(work, writes=False)

    async def delete(self, space: str, key: str) -> bool:
        """Forget the key; return whether it was there."""

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute("DELETE FROM entry WHERE space=? AND key=?", (space, key)).rowcount > 0

        _check_names(space, key)
        return await self._transactions.ask(work)

    async def keys(self, space: str, limit: int = 1_000) -> list[str]:
        """Return up to ``limit`` keys of the space that have not expired, in order."""

        def work(connection: sqlite3.Connection) -> list[str]:
            query = "SELECT key FROM entry WHERE space=? AND (expires IS NULL OR expires>?) ORDER BY key LIMIT ?"
            return [row[0] for row in connection.execute(query, (space, self._wall(), limit))]

        return await self._transactions.ask(work, writes=False)

    async def sweep(self) -> int:
        """Remove expired rows; return how many. Also done by itself every 1,000 writes."""
        return await self._transactions.ask(lambda connection: _sweep(connection, self._wall()))

    async def close(self) -> None:
        """Finish what waits and release the file. Later operations are refused with ``Busy``."""
        await self._transactions.close()

    def _make_room(self, connection: sqlite3.Connection, space: str, key: str, now: float) -> None:
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._until_sweep = SWEEP_EVERY
            _sweep(connection, now)
        if connection.execute("SELECT rows FROM total").fetchone()[0] < self._max_rows:
            return
        if connection.execute("SELECT 1 FROM entry WHERE space=? AND key=?", (space, key)).fetchone():
            return
        if not _sweep(connection, now):
            raise Busy(FULL)


def _sweep(connection: sqlite3.Connection, now: float) -> int:
    gone = connection.execute("DELETE FROM entry WHERE expires<=?", (now,)).rowcount
    if gone:
        give_back(connection)
    return gone


def _expiry(now: float, ttl: float | None) -> float | None:
    return None if ttl is None else now + ttl


def _check_names(space: str, key: str) -> None:
    if len(space) > MAX_NAME or len(key) > MAX_NAME:
        raise InputTooLarge(f"a stored key is at most {MAX_NAME} characters")
    try:
        (space + key).encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise InvalidArguments("a stored key must be valid text") from None
