"""Statements that change the server's own database, where that is one that it made for itself in the arena."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast_attack.arena import database
from holdfast_attack.cases.aiming import aims
from holdfast_attack.cases.sql.statements import READ_ONLY
from holdfast_attack.cases.trying import Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import advisory
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

MOST: Final = 4
_MAGIC: Final = b"SQLite format 3\0"
STATEMENTS: Final = (
    'WITH gone AS (SELECT 1) DELETE FROM "{table}"',
    'SELECT 1; DELETE FROM "{table}"',
    'DELETE FROM "{table}"',
    'WITH gone AS (SELECT 1) INSERT INTO "{table}" SELECT * FROM "{table}"',
    'COMMIT; DELETE FROM "{table}"',
    'DROP TABLE "{table}"',
)


async def play(probe: Probe) -> int:
    """Each statement for each table of each such database, to tools that say that they read."""
    targets = [aim for aim in aims(probe, Role.SQL) if aim.tool.promises]
    if not targets:
        raise NotApplicable("no tool that takes statements is marked read-only: they may be there to write")
    files = list(own_databases(probe.arena))[:MOST]
    tables = [table for file in files for table in _tables(file)][:MOST]
    if not tables:
        raise NotApplicable("the server has made no SQLite database in the arena (see sql.write)")
    before = {file: database.digest(file) for file in files}
    copies = {file: _copied(file, probe.arena, number) for number, file in enumerate(files)}

    def judge(shot: Shot, _reply: Reply) -> str | None:
        changed = [file for file in files if database.digest(file) != before[file]]
        for file in changed:
            with suppress(sqlite3.Error):
                database.restore(file, copies[file])
        return (
            f"a statement in {shot.aim.label} changed the database, by a tool that is marked read-only"
            if changed
            else None
        )

    return await fire(probe, shots(probe, targets, lambda _aim: _statements(tables)), judge, must_work=False)


def _statements(tables: Sequence[str]) -> list[str]:
    return [statement.replace("{table}", table) for table in tables for statement in STATEMENTS]


def own_databases(arena: Arena) -> Iterator[Path]:
    """SQLite files that have come to be in the workspace and among the server's temporary files."""
    made = (arena.workspace / name.strip("/") for name in arena.newcomers())
    for path in (*made, *sorted(arena.places.temporary.glob("**/*"))):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    if file.read(len(_MAGIC)) == _MAGIC:
                        yield path


def _tables(file: Path) -> list[str]:
    """Those with rows."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=2.0)) as connection:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            return [name for (name,) in names if _holds(connection, name)]
    except sqlite3.Error:
        return []


def _holds(connection: sqlite3.Connection, table: str) -> bool:
    quoted = table.replace('"', '""')
    return connection.execute(f'SELECT 1 FROM "{quoted}" LIMIT 1').fetchone() is not None  # noqa: S608  # nosec B608


def _copied(file: Path, arena: Arena, number: int) -> Path:
    kept = arena.places.kept / f"own-{number}.db"
    with closing(sqlite3.connect(file, timeout=2.0)) as source, closing(sqlite3.connect(kept)) as target:
        source.backup(target)
    return kept


OWN_WRITE = Case(
    id="sql.own-write",
    title="A tool that reads changes nothing in a database of the server's own",
    severity=Severity.CRITICAL,
    eras=Eras.ONCE,
    seconds=60.0,
    sends="statements that delete, insert and drop, also behind WITH and SELECT, for tables that are there",
    sound="refuses; the database holds what it held",
    reference=advisory("CVE-2026-130008; the tool is annotated readOnlyHint (MCP 2025-11-25, server/tools)"),
    remedy=READ_ONLY,
    play=play,
)
