"""The databases of the arena: what stands in them, that a change is seen, and that it can be undone."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from holdfast_attack.arena import database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    database.make(tmp_path / "pets.db", "the secret")
    shutil.copyfile(tmp_path / "pets.db", tmp_path / "pristine.db")
    return tmp_path / "pets.db"


def run(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows


def test_it_holds_pets_visits_and_a_secret(file: Path) -> None:
    assert run(file, database.SAMPLE)[0] == ("Ada", 3)
    assert run(file, "SELECT count(*) FROM visit") == [(500,)]
    assert run(file, "SELECT value FROM secrets") == [("the secret",)]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM pet", "CREATE TABLE made (x)", "PRAGMA user_version=77", "PRAGMA journal_mode=WAL",
     "UPDATE pet SET age = 4 WHERE name = 'Ada'"],
)  # fmt: skip
def test_a_change_is_seen_and_undone(file: Path, statement: str) -> None:
    before = database.digest(file)
    run(file, statement)
    assert database.digest(file) != before
    database.restore(file, file.with_name("pristine.db"))
    run(file, "PRAGMA journal_mode=DELETE")
    assert database.digest(file) == before


def test_reading_changes_nothing(file: Path) -> None:
    before = database.digest(file)
    run(file, "SELECT * FROM visit")
    assert database.digest(file) == before


def test_what_is_no_database_any_more_differs_too(file: Path) -> None:
    file.write_bytes(b"not a database at all, but a text that is long enough to be read as the head of one" * 20)
    assert database.digest(file) == "unreadable: DatabaseError"
    file.unlink()
    assert database.digest(file) == "missing"


def test_the_other_database_holds_its_own_secret(tmp_path: Path) -> None:
    database.make_other(tmp_path / "other.db", "another secret")
    assert run(tmp_path / "other.db", "SELECT value FROM secrets") == [("another secret",)]
