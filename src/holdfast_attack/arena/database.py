"""The database of the arena, one beside it that no statement may reach, and what stands in them."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

PETS = (("Ada", 3), ("Bert", 7), ("Cleo", 1), ("Dora", 12))
ROWS = 500
"""Rows of the larger table."""
_SCHEMA = """
CREATE TABLE pet (name TEXT NOT NULL, age INTEGER NOT NULL);
CREATE TABLE visit (id INTEGER PRIMARY KEY, pet TEXT NOT NULL, note TEXT NOT NULL);
CREATE TABLE secrets (name TEXT NOT NULL, value TEXT NOT NULL);
"""
SAMPLE = "SELECT name, age FROM pet"
"""A statement of an honest caller."""


def make(file: Path, secret: str) -> None:
    """The server's own database: pets, visits, and a table with a secret that no tool has to name."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO pet VALUES (?, ?)", PETS)
        visits = [(number, PETS[number % len(PETS)][0], f"visit number {number}") for number in range(1, ROWS + 1)]
        connection.executemany("INSERT INTO visit VALUES (?, ?, ?)", visits)
        connection.execute("INSERT INTO secrets VALUES ('token', ?)", (secret,))
        connection.commit()


def make_other(file: Path, secret: str) -> None:
    """A database of somebody else's."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE secrets (name TEXT, value TEXT)")
        connection.execute("INSERT INTO secrets VALUES ('other', ?)", (secret,))
        connection.commit()


def restore(file: Path, pristine: Path) -> None:
    """Give a database back what it held; those who have it open see that too. Raises ``sqlite3.Error``."""
    with closing(sqlite3.connect(pristine)) as source, closing(sqlite3.connect(file, timeout=2.0)) as target:
        source.backup(target)


def digest(file: Path) -> str:
    """What it holds, with its schema: a checkpoint or a statistic of SQLite's own changes nothing here."""
    if not file.is_file():
        return "missing"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=2.0)) as connection:
            seen = hashlib.sha256()
            for name in ("user_version", "application_id", "encoding", "journal_mode"):
                seen.update(repr(connection.execute(f"PRAGMA {name}").fetchone()).encode())
            for line in connection.iterdump():
                seen.update(line.encode("utf-8", "surrogateescape"))
            return seen.hexdigest()
    except (sqlite3.Error, UnicodeError) as error:
        return f"unreadable: {type(error).__name__}"
