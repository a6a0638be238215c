"""The database as a whole: real files, the published attacks, caps, cancellation and the author's own writes."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe import sqlite as sqlite_module
from holdfast.safe import sqltree
from holdfast.safe.databases import Caps
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.sql import Database, Declared, ReadQuery, Rows, TableFacts, require
from holdfast.safe.sqlite import Stop
from holdfast.safe.statements import Statement

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a b%41?#ü.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT UNIQUE, raw BLOB, score REAL);"
            "CREATE TABLE secret (pass TEXT);"
            "CREATE VIEW open_notes AS SELECT id, body FROM notes WHERE id < 3;"
            "CREATE VIEW catalogue AS SELECT name FROM sqlite_schema;"
            "INSERT INTO notes VALUES (1, 'one', x'00ff', 1.5), (2, 'zwei', NULL, 9e999), (3, 'drei', NULL, NULL);"
            "INSERT INTO secret VALUES ('hunter2');"
        )
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE victim (x); INSERT INTO victim VALUES ('stolen')")
    return path


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, file: Path, other: Path) -> Iterator[None]:
    """Whatever a test of reading does: the same files are there afterwards, with the same bytes."""
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    yield
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(after) - {"written.db"} == set(before)
    assert all(after[name] == before[name] for name in before if name != "written.db")


def query(text: str, database: Database) -> ReadQuery:
    return ReadQuery.from_text(text, Sandbox(database=database))


def read(text: str, database: Database, parameters: tuple[object, ...] = ()) -> Rows:
    return query(text, database).rows_sync(parameters)  # type: ignore[arg-type]


def forced(sql: str, database: Database) -> Rows:
    """Run ``sql`` as if the grammar had let it pass: the second wall alone."""
    return database.read_sync(Statement(sql, frozenset(), frozenset()))


async def test_rows_come_back_as_json_with_blobs_and_infinities_spelled_out(file: Path) -> None:
    rows = await query("SELECT id, body, raw, score FROM notes ORDER BY id LIMIT 2", Database(file)).rows()
    assert rows == Rows(
        ["id", "body", "raw", "score"], [[1, "one", "base64:AP8=", 1.5], [2, "zwei", None, None]], False
    )


def test_parameters_are_taken_by_place_and_by_name(file: Path) -> None:
    database = Database(file)
    assert read("SELECT body FROM notes WHERE id = ?", database, (2,)).rows == [["zwei"]]
    assert query("SELECT body FROM notes WHERE id = :n", database).rows_sync({"n": 1}).rows == [["one"]]


@pytest.mark.parametrize(
    "parameters", [(), (1, 2), (1 << 63,), ([],), (1j,), {"n": 1}, ("\ud800",), ("x" * 3_000_000,)]
)
def test_parameters_that_do_not_fit_are_refused_without_being_repeated(file: Path, parameters: object) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        query("SELECT body FROM notes WHERE id = ?", Database(file)).rows_sync(parameters)  # type: ignore[arg-type]
    assert caught.value.code == "query.failed"
    with pytest.raises(UnsafeQuery):
        query("SELECT body FROM notes WHERE id = :n", Database(file)).rows_sync({"m": 1})


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH DATABASE '{other}' AS o",  # CVE-2026-130008
        "ATTACH DATABASE '{new}' AS o",
        "ATTACH DATABASE 'file:{other}?mode=rw' AS o",
        "DETACH DATABASE main",
        "VACUUM INTO '{new}'",
        "VACUUM",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA database_list",
        "PRAGMA temp_store_directory = '/'",
        "SELECT count(*) FROM pragma_database_list",
        "SELECT * FROM pragma_database_list",  # CVE-2026-85620: FROM functions
        "SELECT * FROM pragma_table_info('notes')",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM sqlite_dbpage",
        "SELECT name FROM sqlite_master",
        "SELECT name FROM sqlite_schema",
        "SELECT name FROM sqlite_temp_master",
        "UPDATE sqlite_master SET sql = ''",
        "INSERT INTO notes (id) VALUES (9) RETURNING id",
        "WITH x AS (SELECT 9) INSERT INTO notes (id) SELECT * FROM x",  # writes behind WITH
        "DELETE FROM notes",
        "CREATE TABLE t (x)",
        "CREATE TEMP TABLE t (x)",
        "CREATE VIRTUAL TABLE t USING fts5(x)",
        "CREATE TRIGGER g AFTER INSERT ON notes BEGIN SELECT 1; END",
        "DROP TABLE notes",
        "ALTER TABLE notes RENAME TO n",
        "ANALYZE",
        "REINDEX",
        "BEGIN IMMEDIATE",
        "COMMIT; DELETE FROM notes",  # server-postgres <= 0.6.2
        "COMMIT",
        "SAVEPOINT s",
        "SELECT 1; DELETE FROM notes",  # CVE-2026-130008, CVE-2026-48774: stacked statements
        "SELECT load_extension('x')",
        "SELECT \"load_extension\"('x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('{new}', 'x')",
        "SELECT edit('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000000000)",
        "SELECT length(group_concat(hex(zeroblob(100000)))) FROM notes",
        "SELECT printf('%1000000000d', 1)",
        "SELECT sqlite_compileoption_get(1)",
        "SELECT " + "(" * 2_000 + "1" + ")" * 2_000,
        "SELECT 1" + "+1" * 300,
        "SELECT 1" + " UNION SELECT 1" * 60,
        "SELECT body LIKE '" + "%a" * 200 + "' FROM notes",
        "SELECT \x00",
        "SELECT '\ud800'",
    ],
)
def test_the_connection_refuses_even_what_slipped_through_the_grammar(file: Path, other: Path, sql: str) -> None:
    text = sql.replace("{other}", str(other)).replace("{new}", str(file.with_name("new.db")))
    with pytest.raises(UnsafeQuery) as caught:
        forced(text, Database(file))
    assert caught.value.code in ("query.table", "query.function", "query.statement", "query.failed")
    assert not any(word in caught.value.message for word in ("notes", "load_extension", "passwd", str(other)))


def test_a_short_list_of_tables_holds_in_both_walls(file: Path) -> None:
    database = Database(file, tables=frozenset({"Notes"}))
    assert read("SELECT count(*) FROM NOTES", database).rows == [[3]]
    for text in ("SELECT pass FROM secret", "SELECT count(*) FROM secret", "SELECT 1 FROM notes, secret"):
        for attempt in (read, forced):
            with pytest.raises(UnsafeQuery) as caught:
                attempt(text, database)
            assert caught.value.code == "query.table"


def test_a_named_view_shows_what_it_shows_and_not_what_it_is_made_of(file: Path) -> None:
    database = Database(file, tables=frozenset({"open_notes"}))
    assert read("SELECT body FROM open_notes", database).rows == [["one"], ["zwei"]]
    assert read("SELECT n.body FROM open_notes AS n WHERE id = 1", database).rows == [["one"]]
    with pytest.raises(UnsafeQuery):
        forced("SELECT body FROM notes", database)


@pytest.mark.parametrize("tables", [None, frozenset({"open_notes"})])
@pytest.mark.parametrize(
    "text",
    [
        "WITH open_notes AS (SELECT * FROM {real}) SELECT * FROM open_notes",
        "SELECT * FROM (SELECT * FROM {real}) AS open_notes",
        "SELECT * FROM (SELECT * FROM {real}) AS Open_Notes",
    ],
)
def test_no_name_of_the_statement_poses_as_a_view(file: Path, text: str, tables: frozenset[str] | None) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        read(text.replace("{real}", "notes"), Database(file, tables=tables))
    assert caught.value.code == "query.table"


def test_a_with_name_is_no_way_to_count_a_table_of_that_name(file: Path) -> None:
    database = Database(file, tables=frozenset({"notes"}))
    with pytest.raises(UnsafeQuery) as caught:
        read("SELECT count(*) FROM secret, (WITH secret AS (SELECT 1) SELECT * FROM secret)", database)
    assert caught.value.code == "query.table"
    assert read("WITH mine AS (SELECT id FROM notes) SELECT count(*) FROM mine", database).rows == [[3]]


def test_a_view_of_the_author_may_read_the_catalogue_but_the_caller_may_not(file: Path) -> None:
    assert ["secret"] in read("SELECT name FROM catalogue", Database(file)).rows
    with pytest.raises(UnsafeQuery):
        read("SELECT name FROM sqlite_schema", Database(file))


def test_a_function_outside_the_list_can_be_allowed_by_name(file: Path) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        read("SELECT quote(body) FROM notes", Database(file))
    assert caught.value.code == "query.function"
    database = Database(file, functions=frozenset({"QUOTE"}))
    assert read("SELECT quote(body) FROM notes WHERE id = 1", database).rows == [["'one'"]]


def test_rows_and_bytes_are_capped_and_the_cut_is_flagged(file: Path) -> None:
    rows = read("SELECT id FROM notes", Database(file, max_rows=2))
    assert (len(rows.rows), rows.truncated) == (2, True)
    assert not read("SELECT id FROM notes", Database(file, max_rows=3)).truncated
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, 'abcdefgh' FROM c"
    rows = read(many, Database(file, max_bytes=1_000))
    assert rows.truncated
    assert 50 <= len(rows.rows) <= 63


def test_a_value_larger_than_the_cap_is_never_built(file: Path) -> None:
    for times in (6, 8):  # 16 MiB, and more than SQLite ever takes
        growing = "replace(" * times + "'a'" + ", 'a', 'aaaaaaaaaaaaaaaa')" * times
        with pytest.raises(UnsafeQuery) as caught:
            read(f"SELECT {growing}", Database(file))
        assert caught.value.message.startswith("a value is too large")


def test_an_endless_query_ends_at_its_timeout(file: Path) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        read(ENDLESS, Database(file, timeout=0.05))
    assert caught.value.code == "query.timeout"


async def test_cancelling_the_caller_stops_the_query_and_frees_its_thread(file: Path) -> None:
    database = Database(file, timeout=600)
    running = threading.active_count()
    task = asyncio.create_task(query(ENDLESS, database).rows())
    while not _threads_at_work(running):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    await loop.shutdown_default_executor()  # returns only when the query's thread has ended
    assert time.monotonic() - began < 5


def _threads_at_work(before: int) -> bool:
    return threading.active_count() > before


def test_a_stop_that_comes_before_or_after_the_query_is_harmless(file: Path) -> None:
    database = Database(file)
    stop = Stop()
    stop()
    with pytest.raises(UnsafeQuery):
        database.read_until(stop, database.check(ENDLESS))
    stop = Stop()
    assert database.read_until(stop, database.check("SELECT 1")).rows == [[1]]
    stop()


def test_a_name_that_does_not_exist_is_told_without_repeating_it(file: Path) -> None:
    database = Database(file)
    for text, code in (
        ("SELECT hunter2 FROM notes", "query.failed"),
        ("SELECT 1 FROM hunter2", "query.table"),
        ("SELECT id FROM notes AS a, notes AS b", "query.failed"),
        ("SELECT sum(count(*)) FROM notes", "query.failed"),
        ("SELECT instr('a') FROM notes", "query.statement"),
        ("SELECT round(1, 2, 3, 4) FROM notes", "query.failed"),
        ("SELECT 1, 2 UNION SELECT 3", "query.failed"),
    ):
        with pytest.raises(UnsafeQuery) as caught:
            read(text, database)
        assert caught.value.code == code
        assert "hunter2" not in caught.value.message


def test_text_that_is_not_utf8_is_replaced_and_never_repeated_in_an_error(tmp_path: Path) -> None:
    assert read("SELECT CAST(x'ff61' AS TEXT)", Database(tmp_path / "other.db")).rows == [["\ufffda"]]


async def test_the_schema_lists_what_may_be_read(file: Path) -> None:
    facts = await Database(file, tables=frozenset({"notes", "absent"})).schema()
    assert facts == [TableFacts("notes", {"id": "INTEGER", "body": "TEXT", "raw": "BLOB", "score": "REAL"})]
    assert [fact.name for fact in await Database(file).schema()] == ["catalogue", "notes", "open_notes", "secret"]


def test_a_query_and_its_database_survive_pickling(file: Path) -> None:
    original = query("SELECT  body FROM notes -- x\n WHERE id=1", Database(file))
    copy = pickle.loads(pickle.dumps(original))  # noqa: S301 - made one line above
    assert copy == original
    assert hash(copy) == hash(original)
    assert copy.rows_sync().rows == [["one"]]
    assert repr(Database(file)) == "<Database>"


def test_pydantic_yields_the_handle_or_a_refusal_without_the_text(file: Path) -> None:
    class Input(BaseModel):
        query: ReadQuery

    sandbox = Sandbox(database=Database(file))
    assert Input.model_validate({"query": "SELECT 1"}, context=sandbox).query.rows_sync().rows == [[1]]
    for context in (sandbox, Sandbox(), None):
        with pytest.raises(ValidationError) as caught:
            Input.model_validate({"query": "DROP TABLE hunter2"}, context=context)
        assert "hunter2" not in caught.value.errors()[0]["msg"]


async def test_the_author_writes_with_declared_statements_only(tmp_path: Path, file: Path) -> None:
    target = tmp_path / "written.db"
    target.write_bytes(file.read_bytes())
    database = Database(target)
    assert await database.execute_write(Declared("UPDATE notes SET score = ? WHERE id > 1"), (7,)) == 2
    assert await database.execute_write(Declared("CREATE TABLE extra (x)")) == 0
    assert read("SELECT score FROM notes", database).rows == [[1.5], [7.0], [7.0]]
    with pytest.raises(TypeError):
        await database.execute_write("DELETE FROM notes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE notes SET body = 'one'",
        "INSERT INTO notes (id) VALUES (1)",
        "COMMIT",
        "ATTACH 'x' AS y",
        "PRAGMA journal_mode = DELETE",
        "DELETE FROM notes; DELETE FROM secret",
        "DELETE FROM nothing",
    ],
)
async def test_a_write_that_fails_leaves_everything_as_it_was(file: Path, sql: str) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        await Database(file).execute_write(Declared(sql))  # type: ignore[arg-type]
    assert "notes" not in caught.value.message


async def test_a_write_is_held_to_the_foreign_keys_that_the_author_declared(tmp_path: Path) -> None:
    target = tmp_path / "written.db"
    with closing(sqlite3.connect(target)) as connection:
        connection.executescript("CREATE TABLE a (id PRIMARY KEY); CREATE TABLE b (a REFERENCES a)")
    database = Database(target)
    with pytest.raises(UnsafeQuery, match="does not exist"):
        await database.execute_write(Declared("INSERT INTO b VALUES (1)"))
    assert read("SELECT count(*) FROM b", database).rows == [[0]]


async def test_a_locked_database_says_so(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnsafeQuery) as caught:
            await Database(file, timeout=0.05).execute_write(Declared("DELETE FROM notes"))
        assert caught.value.code == "query.busy"
        with pytest.raises(UnsafeQuery):
            await Database(file, timeout=0.05).schema()
        holder.execute("ROLLBACK")


def test_urls_of_sqlite_are_taken_and_others_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for target in (file, str(file)):
        assert read("SELECT 1", Database(target)).rows == [[1]]
    monkeypatch.chdir(file.parent)
    for target in ("sqlite:///other.db", f"sqlite+pysqlite:///{file.parent}/other.db", "other.db"):
        assert read("SELECT x FROM victim", Database(target)).rows == [["stolen"]]


@pytest.mark.parametrize(
    "target",
    [
        "postgresql://user:hunter2@db/x",
        "mysql+pymysql://user:hunter2@db/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///hunter2.db?mode=rw",
        "sqlite://hunter2/x",
        ":memory:",
        "",
        "hunter2.db",
        "hunter2\x00",
    ],
)
def test_a_target_that_is_not_an_sqlite_file_is_a_configuration_error_that_does_not_repeat_it(target: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(target)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "target, says",
    [
        ("mysql:///other.db", "takes SQLite"),
        ("file:///other.db", "takes SQLite"),
        ("sqlite:///a b%41?#ü.db", "no options"),
        ("sqlite://other.db", "no options"),
        ("", "must name"),
        (":memory:", "must name"),
        ("sqlite:///:memory:", "must name"),
        ("other.db\x00", "must name"),
    ],
)
def test_a_url_of_something_else_is_refused_although_its_end_names_a_database(
    file: Path, monkeypatch: pytest.MonkeyPatch, target: str, says: str
) -> None:
    monkeypatch.chdir(file.parent)
    with pytest.raises(ConfigurationError, match=says):
        Database(target)


def test_a_folder_a_foreign_file_and_senseless_caps_are_configuration_errors(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigurationError):
        Database(tmp_path)
    with pytest.raises(ConfigurationError):
        Database(Path(__file__))
    for wrong in ({"max_rows": 0}, {"max_bytes": 0}, {"timeout": 0.0}, {"timeout": float("nan")}):
        with pytest.raises(ConfigurationError):
            Database(file, **wrong)  # type: ignore[arg-type]


async def test_a_file_that_can_be_read_works_and_one_that_is_damaged_does_not(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(file)
    await database.start()
    assert await database.working()
    await database.close()
    damaged = tmp_path / "written.db"
    damaged.write_bytes(file.read_bytes()[:100] + b"x" * 4_000)
    assert not await Database(damaged).working()
    with pytest.raises(UnsafeQuery):
        read("SELECT 1 FROM notes", Database(damaged))
    monkeypatch.setattr(sqlite_module, "_PRAGMAS", ())  # some of which read the file as well
    assert not await Database(damaged).working()


def test_the_requirement_can_be_checked_when_the_server_is_built(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require()
    monkeypatch.setattr(sqltree._Dialect, "counts", lambda self: False)
    with pytest.raises(ConfigurationError, match="sqlglot"):
        Database(file)


def test_the_least_caps_are_one_row_one_byte_and_some_time() -> None:
    assert Caps(rows=1, bytes=1, timeout=0.001).bytes == 1
    for rows, size, seconds in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)):
        with pytest.raises(ConfigurationError, match="above zero"):
            Caps(rows=rows, bytes=size, timeout=seconds)
