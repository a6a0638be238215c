"""The second wall piece by piece: each part refuses alone, whatever the grammar or another part would have caught."""

from __future__ import annotations

import datetime
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from holdfast.errors import UnsafeQuery
from holdfast.safe.databases import Caps
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.sql import Database, ReadQuery
from holdfast.safe.sqlite import Gate, Schema, Stop, bind, collect, connected, refusal

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
    assert not reads(gate("notes", ctes=("mine",)), "pragma_database_list", "")


def test_the_gate_lets_only_a_listed_view_read_on_behalf_of_the_caller() -> None:
    assert reads(gate("v"), "notes", "id", source="V")
    assert not reads(gate("notes"), "secret", "id", source="v")
    assert not reads(gate("notes"), "secret", "id", source="notes")


def test_the_gate_refuses_every_other_action_and_remembers_the_first() -> None:
    judge = gate("notes")
    assert judge(sqlite3.SQLITE_FUNCTION, None, "load_extension", None, None) == sqlite3.SQLITE_DENY
    for action in set(range(34)) - {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}:
        assert judge(action, "notes", "x", "main", None) == sqlite3.SQLITE_DENY
    assert judge(sqlite3.SQLITE_UPDATE, "notes", "count", "main", None) == sqlite3.SQLITE_DENY, "no function's name"
    assert judge.refused == "query.function"
    assert refusal(sqlite3.DatabaseError("not authorized"), judge).code == "query.function"


def test_the_gate_refuses_what_has_no_name() -> None:
    judge = gate("notes")
    assert judge(sqlite3.SQLITE_READ, None, None, "main", None) == sqlite3.SQLITE_DENY
    assert judge.refused == "query.table"
    assert judge(sqlite3.SQLITE_FUNCTION, None, None, None, None) == sqlite3.SQLITE_DENY


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


def test_only_views_are_views_and_sqlites_own_tables_are_nobodys(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)")
        found = Schema.of(connection)
    assert found.views == {"v"}
    assert found.user == {"notes", "secret", "v", "counted"}
    assert found.names - found.user == {"sqlite_sequence"}


def test_a_connection_for_writing_does_write(file: Path) -> None:
    with connected(file, "rw", CAPS, Stop()) as connection:
        assert connection.execute("INSERT INTO notes VALUES (1)").rowcount == 1


LONG = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 200000) SELECT sum(x + {}) FROM c"
"""Ends by itself, so that a test whose guard is gone fails and does not hang."""


def test_a_connection_gives_up_at_its_deadline(file: Path) -> None:
    with (
        connected(file, "ro", Caps(10, 1_000, 1e-9), Stop()) as connection,
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(LONG.format(0)).fetchall()


@pytest.mark.parametrize("means", ["interrupt", "progress"])
def test_a_stop_has_two_means_and_each_ends_a_query_alone(means: str) -> None:
    """Stopped from within, so that it is certain to run: by a function that the query calls for each row."""
    stop = Stop()
    with closing(sqlite3.connect(":memory:")) as connection:
        stop.watch(connection, monotonic() + 3_600)
        connection.create_function("halt", 0, lambda: stop() or 0)
        if means == "interrupt":
            connection.set_progress_handler(None, 0)
        else:
            stop._interrupt = None
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute(LONG.format("halt()")).fetchall()


@pytest.mark.parametrize("value", [1 << 63, [], 1j, datetime.date(2026, 1, 1), bytearray(b"x"), object()])
def test_a_parameter_is_refused_before_sqlite_could_adapt_it(value: object) -> None:
    for parameters in ((value,), {"name": value}):
        with pytest.raises(UnsafeQuery, match="parameters are"):
            bind(parameters)
    most = (1 << 63) - 1
    assert bind((most, -most, None, 1.5, "x", b"x", True)) == (most, -most, None, 1.5, "x", b"x", True)


@pytest.mark.parametrize(
    "select, most, rows, truncated",
    [
        ("1 AS n", 9, 1, False),
        ("1 AS n", 8, 0, True),
        ("'0123456789' AS n", 11, 1, False),
        ("'0123456789' AS n", 10, 0, True),
        ("'éééééß' AS n", 13, 1, False),
        ("'éééééß' AS n", 12, 0, True),
        ("x'0001020304' AS n", 16, 1, False),
        ("x'0001020304' AS n", 15, 0, True),
    ],
)
def test_a_row_counts_its_text_in_bytes_and_the_last_byte_is_still_taken(
    select: str, most: int, rows: int, truncated: bool
) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        found = collect(connection.execute(f"SELECT {select}"), Caps(10, most, 5.0))
    assert (len(found.rows), found.truncated) == (rows, truncated)
