"""What every database that tools may query has in common: its caps, its rows, and who may write."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString, Protocol, TypeAlias

from holdfast.errors import ConfigurationError

Cell: TypeAlias = "str | int | float | bool | None"
Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"
"""Values for the placeholders: null, text, numbers, truth values, bytes, and for PostgreSQL lists of these."""

POSTGRES_SCHEMES: Final = ("postgresql", "postgresql+asyncpg", "postgres")


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one query may return (rows, bytes) and how long it may run (seconds)."""

    rows: int
    bytes: int
    timeout: float

    def __post_init__(self) -> None:
        if self.rows < 1 or self.bytes < 1 or not self.timeout > 0:
            raise ConfigurationError("a database's max_rows, max_bytes and timeout must be above zero")


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer: ``truncated`` says that a cap was reached and that more rows may follow.

    Values are JSON: a blob is ``"base64:<text>"``, a number that is not finite is ``None``.
    """

    columns: list[str]
    rows: list[list[Cell]]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """A statement that the tool's author wrote in code; values go into its placeholders only."""

    sql: LiteralString


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table or view that may be read: its name, and each column's name with its declared type."""

    name: str
    columns: dict[str, str]


class Checked(Protocol):
    """A statement that passed its database's grammar."""

    @property
    def sql(self) -> str:
        """The re-serialised text, the only text that is ever executed."""
        ...


class AnyDatabase(Protocol):
    """An SQLite file or a PostgreSQL database. Small, and may be pickled: connections stay where they were opened."""

    kind: str
    """``SQLite`` or ``PostgreSQL``."""
    findings: list[str]
    """After ``start``: what the operator should know about the rights of this server's role."""

    def check(self, text: str) -> Checked:
        """The statement as it will run. No I/O. Raises ``UnsafeQuery``."""
        ...

    async def read(self, statement: Any, parameters: Parameters = ()) -> Rows:
        """Run a statement that ``check`` returned; a cancelled caller ends it. Raises ``UnsafeQuery``."""
        ...

    def read_sync(self, statement: Any, parameters: Parameters = ()) -> Rows:
        """The same on a thread or process of its own, never on the event loop's. Raises ``UnsafeQuery``."""
        ...

    async def schema(self) -> list[TableFacts]:
        """The tables and views that may be read, by name; at most 1,000. Raises ``UnsafeQuery``."""
        ...

    async def execute_write(self, statement: Declared, parameters: Parameters = ()) -> int:
        """Run the author's own statement in a transaction; return how many rows changed. Raises ``UnsafeQuery``."""
        ...

    async def start(self) -> None:
        """Look at the database and at the rights that it gives. Raises ``ConfigurationError`` for too many of them."""
        ...

    async def working(self) -> bool:
        """Whether the database answers now, for health checks. Never raises."""
        ...

    async def close(self) -> None:
        """Close every connection; statements that still run are cancelled."""
        ...


def open_database(target: str | Path) -> AnyDatabase:
    """The database that ``HOLDFAST_DATABASE`` names. Raises ``ConfigurationError``, which does not repeat it."""
    if str(target).partition("://")[0].lower() in POSTGRES_SCHEMES:
        from holdfast.safe.postgres import Postgres

        return Postgres(str(target))
    from holdfast.safe.sql import Database

    return Database(target)


def passwords_in(target: str) -> list[str]:
    """The password of a URL as it is written and as it is meant, so that both can be redacted."""
    from urllib.parse import unquote

    _, _, rest = target.partition("://")
    found = []
    for part in (re.split("[/?#]", rest)[0], rest):  # an option may hold an @, and a password a / that nobody quoted
        password = part.rpartition("@")[0].partition(":")[2]
        found += [password, unquote(password)] if password else []
    return list(dict.fromkeys(found))
