"""Taking a key that nobody else has, and changing a value only while it is what it was thought to be."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

Claimed = bytes | None
NO_ROOM: Final = "too many answers are kept for this caller already; try again later"
_FAMILY: Final = ":"
"""Ends the part of a space's name that all spaces of one family share."""


class Room(NamedTuple):
    """What may be in one space, and in all spaces of its family (``idempotency:...``) together."""

    rows: int
    bytes: int
    family_rows: int
    family_bytes: int


def found(connection: sqlite3.Connection, space: str, key: str, now: float) -> Claimed:
    """The value, if there is one that has not expired."""
    query = "SELECT value FROM entry WHERE space=? AND key=? AND value IS NOT NULL AND (expires IS NULL OR expires>?)"
    row = connection.execute(query, (space, key, now)).fetchone()
    return None if row is None else bytes(row[0])


def put(connection: sqlite3.Connection, space: str, key: str, value: bytes, expires: float | None) -> None:
    """Set the value, whatever was there."""
    connection.execute(
        "INSERT INTO entry VALUES (?, ?, ?, NULL, ?) ON CONFLICT DO UPDATE"
        " SET value=excluded.value, number=NULL, expires=excluded.expires",
        (space, key, value, expires),
    )


def swap(connection: sqlite3.Connection, at: tuple[str, str], old: bytes, new: bytes | None) -> bool:
    """Put ``new`` in the place of ``old``, or nothing for ``None``. In one statement."""
    if new is None:
        return connection.execute("DELETE FROM entry WHERE space=? AND key=? AND value=?", (*at, old)).rowcount > 0
    query = "UPDATE entry SET value=? WHERE space=? AND key=? AND value=?"
    return connection.execute(query, (new, *at, old)).rowcount > 0


def has_room(connection: sqlite3.Connection, space: str, room: Room | None) -> bool:
    """Whether a further row may come."""
    if room is None:
        return True
    (rows, _), (all_rows, _) = _used(connection, space)
    return rows < room.rows and all_rows < room.family_rows


def takes(connection: sqlite3.Connection, space: str, size: int, room: Room) -> bool:
    """Whether ``size`` bytes more may come."""
    (_, own), (_, family) = _used(connection, space)
    return own + size <= room.bytes and family + size <= room.family_bytes


def _used(connection: sqlite3.Connection, space: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and bytes of a space, and of its family."""
    own = connection.execute("SELECT rows, bytes FROM room WHERE space=?", (space,)).fetchone()
    query = "SELECT coalesce(sum(rows), 0), coalesce(sum(bytes), 0) FROM room WHERE space>=? AND space<?"
    head = space.partition(_FAMILY)[0]
    family = connection.execute(query, (head + _FAMILY, head + chr(ord(_FAMILY) + 1))).fetchone()
    return own or (0, 0), family
