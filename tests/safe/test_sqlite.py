"""The second wall piece by piece: each part refuses alone, whatever the grammar or another part would have caught."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.errors import UnsafeQuery
from holdfast.safe.databases import Caps
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.sql import Database, ReadQuery
from holdfast.safe.sqlite import Gate, Schema, Stop, connected, refusal

CAPS = Caps(10, 1_000, 5.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE notes (id); CREATE TABLE secret (id); CREATE VIEW v AS SELECT id FROM notes"
        )
        connection.commit()
    return path


def gate(*tables: str, ctes: tuple[str, ...] = ()) -> Gate:
    schema = Schema(frozenset({"notes", "secret", "v"}), frozenset({"v"}), frozenset({"notes", "secret", "v"}))
    return Gate(schema, frozenset(tables), frozenset({"count"}), frozenset(ctes))


def reads(judge: Gate, table: str, column: str, db: str | None = "main", source: str | None = None) -> bool:
    return judge(sqlite3.SQLITE_READ, table, column, db, source) == sqlite3.SQLITE_OK


def test_the_gate_knows_tables_only_in_the_main_database() -> None:
    assert reads(gate("notes"), "Notes", "id")
    assert not reads(gate("notes"), "notes", "id", db="temp")
    assert not reads(gate("notes"), "notes", "id", db="attached")
    assert not reads(gate("notes"), "secret", "id")


def test_the_gate_takes_a_with_name_only_if_no_table_bears_it() -> None:
    assert reads(gate("notes", ctes=("mine",)), "mine", "", db=None)
    assert not reads(gate("notes", ctes=("mine",)), "mine", "id")
    assert not reads(gate("notes", ctes=("secret",)), "secret", "", db=None)


def test_the_gate_lets_only_a_listed_view_read_on_behalf_of_the_caller() -> None:
    assert reads(gate("v"), "notes", "id", source="V")
    assert not reads(gate("notes"), "secret", "id", source="v")
    assert not reads(gate("notes"), "secret", "id", source="notes")


def test_the_gate_refuses_every_other_action_and_remembers_the_first() -> None:
    judge = gate("notes")
    assert judge(sqlite3.SQLITE_FUNCTION, None, "load_extension", None, None) == sqlite3.SQLITE_DENY
    for action in set(range(34)) - {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}:
        assert judge(action, "notes", "x", "main", None) == sqlite3.SQLITE_DENY
    assert judge.refused == "query.function"
    assert refusal(sqlite3.DatabaseError("not authorized"), judge).code == "query.function"


def test_without_the_gate_nothing_can_be_attached_or_written(file: Path) -> None:
    with connected(file, "ro", CAPS, Stop()) as connection:
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED) == 0
        for sql in (
            "ATTACH ':memory:' AS o",
            f"VACUUM INTO '{file}.copy'",
            "INSERT INTO notes VALUES (1)",
            "CREATE TEMP TABLE t (x)",
        ):
            with pytest.raises(sqlite3.Error):
                connection.execute(sql)
        connection.execute("PRAGMA query_only = OFF")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("INSERT INTO notes VALUES (1)")
    assert [path.name for path in file.parent.iterdir()] == ["x.db"]
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


def test_a_with_name_that_a_table_bears_is_refused_when_all_tables_may_be_read(file: Path) -> None:
    query = ReadQuery.from_text("WITH notes AS (SELECT 1) SELECT * FROM notes", Sandbox(database=Database(file)))
    with pytest.raises(UnsafeQuery) as caught:
        query.rows_sync()
    assert caught.value.code == "query.table"


def test_virtual_tables_are_read_only_when_named(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE VIRTUAL TABLE search USING rtree(id, a, b)")
        connection.commit()
        assert "search" not in Schema.of(connection).user
        assert "search" in Schema.of(connection).names
