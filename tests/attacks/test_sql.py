"""Attacks by SQL on real databases: the public ones by their ids, and probes that must all come to nothing.

Every record of this class was found: CVE-2026-130008 (stacked statements and ATTACH, as the project's threat list
states it), CVE-2026-48774 (the reporter's own page), CVE-2026-85620 (the issue in its repository), and that of
server-postgres <= 0.6.2.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.postgres import PASSWORD, Cluster
from support.sqlprobes import GROWING, PROBES, REACHING_OUT, UNSTOPPABLE, filled

from holdfast.errors import UnsafeQuery
from holdfast.safe.databases import Caps
from holdfast.safe.pgstatements import DEFAULT_FUNCTIONS as PG_FUNCTIONS
from holdfast.safe.pgstatements import PgStatement
from holdfast.safe.pgstatements import check as pg_check
from holdfast.safe.postgres import Postgres
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.sql import Database, ReadQuery
from holdfast.safe.sqlite import Stop, connected
from holdfast.safe.statements import DEFAULT_FUNCTIONS, Statement
from holdfast.safe.statements import check as lite_check

SECRETS = ("hunter2", "canary-file", PASSWORD, "SCRAM-SHA-256$")
ALLOWED = frozenset({"notes", "open_notes", "app.orders"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an SQLite database, another one, and a file to steal."""
    folder = tmp_path_factory.mktemp("sql")
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.executescript(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, score REAL, done INT); CREATE TABLE secret (pass);"
            "CREATE VIEW open_notes AS SELECT id, body FROM notes; INSERT INTO notes VALUES (1, 'one', 1.5, 1);"
            "INSERT INTO notes VALUES (2, 'zwei', NULL, 0); INSERT INTO secret VALUES ('hunter2');"
            "CREATE VIRTUAL TABLE places USING rtree(id, a, b)"
        )
        if connection.execute("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'").fetchone()[0]:
            connection.execute("CREATE VIRTUAL TABLE index_fts USING fts5(body)")
        connection.commit()
    with closing(sqlite3.connect(folder / "other.db")) as connection:
        connection.executescript("CREATE TABLE victim (x); INSERT INTO victim VALUES ('canary-file')")
    (folder / "canary.txt").write_text("canary-file")
    return folder


@pytest.fixture(scope="module")
def outside(postgres: Cluster) -> Path:
    """A folder that the database server itself may write to, with a file that it may read."""
    folder = postgres.folder / "outside"
    folder.mkdir(exist_ok=True)
    (folder / "canary.txt").write_text("canary-file")
    owner = postgres.folder.stat()
    shutil.chown(folder, owner.st_uid, owner.st_gid)
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }


_FACTS = """
SELECT json_build_object('notes', (SELECT json_agg(n ORDER BY id) FROM notes n), 'secret', (SELECT json_agg(s) FROM
 secret s), 'orders', (SELECT count(*) FROM app.orders), 'classes', (SELECT md5(string_agg(c::text, '|' ORDER BY oid))
 FROM (SELECT oid, relname, relnamespace, relowner, relkind, relacl FROM pg_class) c), 'functions', (SELECT count(*)
 FROM pg_proc), 'roles', (SELECT md5(string_agg(a::text, '|' ORDER BY oid)) FROM pg_authid a), 'large', (SELECT
 md5(string_agg(l::text, '|' ORDER BY loid)) FROM pg_largeobject l), 'larges', (SELECT count(*) FROM
 pg_largeobject_metadata), 'ticket', (SELECT is_called FROM ticket), 'databases', (SELECT count(*) FROM pg_database),
 'settings', (SELECT count(*) FROM pg_db_role_setting), 'extensions', (SELECT count(*) FROM pg_extension))::text
"""


async def facts(cluster: Cluster) -> str:
    """Every row of the shop, and what the catalogue holds beside them."""
    looking = await cluster.connect()
    try:
        return str(await looking.fetchval(_FACTS))
    finally:
        await looking.close()


@asynccontextmanager
async def opened(url: str, **caps: Any) -> AsyncIterator[Postgres]:
    database = Postgres(url, **caps)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def unchanged(cluster: Cluster, folder: Path) -> AsyncIterator[Any]:
    """Yields a check that rows, catalogue and files are as they were."""
    looking = await cluster.connect()
    before, files = await looking.fetchval(_FACTS), tree(folder)

    async def check(text: str) -> None:
        assert await looking.fetchval(_FACTS) == before, text
        assert tree(folder) == files, text

    try:
        yield check
        await check("at the end")
    finally:
        await looking.close()


async def tried(database: Any, text: str) -> str:
    """The code of the refusal, or nothing when the statement ran: then its answer holds no secret."""
    began = time.monotonic()
    answer, code = "", ""
    try:
        answer = repr(await ReadQuery.from_text(text, Sandbox(database=database)).rows())
    except UnsafeQuery as refused:
        answer, code = refused.message, refused.code
    said = {word for word in text.replace("'", " ").replace("(", " ").split() if len(word) > 12} if code else set()
    assert not any(word in answer for word in {*SECRETS, *said})
    assert time.monotonic() - began < 10
    return code


def refused_at_once(database: Any, text: str) -> str:
    """The code with which the grammar alone refuses it: no connection is opened."""
    with pytest.raises(UnsafeQuery) as caught:
        database.check(text)
    return caught.value.code


# -- the public ones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["SELECT 1; ATTACH DATABASE '{other}' AS o", "ATTACH DATABASE '{other}' AS o", "SELECT 1; DELETE FROM notes"],
)
async def test_cve_2026_130008_neither_stacked_statements_nor_attach_reach_sqlite(place: Path, text: str) -> None:
    """The project's threat list states the record: stacked statements, and ATTACH.

    The grammar refuses both before SQLite is opened. Behind it, two statements are one too many for ``sqlite3`` itself,
    and ATTACH is refused by the authorizer and by a limit: the two tests below.
    """
    before = tree(place)
    text = filled(text, str(place), str(place / "other.db"))
    database = Database(place / "shop.db")
    assert refused_at_once(database, text) == "query.statement"
    assert await tried(database, text) == "query.statement"
    with pytest.raises(UnsafeQuery):
        database.read_sync(Statement(text, frozenset(), frozenset()))
    assert tree(place) == before


def test_cve_2026_130008_attach_is_refused_by_the_authorizer_alone(place: Path) -> None:
    """The second layer by itself: a statement that no grammar has looked at; the code is the authorizer's."""
    before = tree(place)
    for target in (place / "other.db", place / "new.db", ":memory:"):
        statement = Statement(f"ATTACH DATABASE '{target}' AS o", frozenset(), frozenset())
        with pytest.raises(UnsafeQuery) as caught:
            Database(place / "shop.db").read_sync(statement)
        assert caught.value.code == "query.statement"
    assert tree(place) == before


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_cve_2026_130008_attach_is_refused_by_the_limit_alone(place: Path, mode: str) -> None:
    """The third layer by itself: a connection as every statement gets it, without grammar or authorizer."""
    with (
        connected(place / "shop.db", mode, Caps(10, 1_000, 1.0), Stop()) as connection,
        pytest.raises(sqlite3.OperationalError, match="too many attached databases"),
    ):
        connection.execute(f"ATTACH DATABASE '{place / 'other.db'}' AS o")


RENAMED = "SELECT 1; RENAME TABLE testdb.mcp_side_effect TO testdb.mcp_side_effect_renamed"


async def test_cve_2026_48774_a_second_statement_behind_a_select_never_runs(postgres: Cluster, place: Path) -> None:
    """The record: a list of forbidden words took ``SELECT 1; RENAME TABLE ...``, and the connection ran both.

    The grammar takes one statement; the next test looks at what is behind it.
    """
    async with opened(postgres.url()) as database:
        for each in (database, Database(place / "shop.db")):
            for text in (RENAMED, "SELECT 1; DELETE FROM notes"):
                assert refused_at_once(each, text) == "query.statement"
                assert await tried(each, text) == "query.statement"


async def test_cve_2026_48774_two_statements_cannot_be_prepared_as_one(postgres: Cluster, place: Path) -> None:
    """The second layer by itself: the text is prepared, and neither database prepares two; nothing of it has run."""
    before, files = await facts(postgres), tree(place)
    async with opened(postgres.url("writer")) as database:
        for text in ("SELECT 1; SELECT 2", "SELECT 1; DELETE FROM public.notes", RENAMED):
            with pytest.raises(UnsafeQuery):
                await database.read(PgStatement(text, frozenset(), frozenset()))
            with pytest.raises(UnsafeQuery):
                Database(place / "shop.db").read_sync(Statement(text, frozenset(), frozenset()))
    assert (await facts(postgres), tree(place)) == (before, files)


async def test_cve_2026_85620_a_function_in_from_is_a_function(postgres: Cluster, outside: Path) -> None:
    """The record: names of functions were checked in the list of columns, and not where FROM calls one."""
    text = f"SELECT * FROM pg_read_file('{outside}/canary.txt')"
    looking = await postgres.connect()
    assert await looking.fetchval(text) == "canary-file"  # the file is there for whoever may
    await looking.close()
    async with opened(postgres.url()) as database:
        assert await tried(database, text) == "query.function"
        assert await tried(database, "SELECT * FROM pg_read_file('/etc/passwd')") == "query.function"
        with pytest.raises(UnsafeQuery) as caught:  # and the role may not, whatever the grammar thinks
            await database.read(PgStatement(text, frozenset(), frozenset()))
        assert caught.value.code == "query.table"


async def test_server_postgres_0_6_2_commit_does_not_end_the_read_only_transaction(postgres: Cluster) -> None:
    """The record: the text was sent as it was, so that ``COMMIT;`` left the transaction and the rest could write."""
    before = await facts(postgres)
    text = "COMMIT; DROP SCHEMA public CASCADE;"
    async with opened(postgres.url("writer")) as database:
        assert refused_at_once(database, text) == "query.statement"
        assert refused_at_once(database, "COMMIT") == "query.statement"
        assert await tried(database, text) == "query.statement"
        for forced in (text, "COMMIT", "COMMIT; DELETE FROM notes", "DELETE FROM public.notes"):
            with pytest.raises(UnsafeQuery):
                await database.read(PgStatement(forced, frozenset(), frozenset()))
    assert await facts(postgres) == before


# -- the catalogue ---------------------------------------------------------------------------------------------------


def category_of(name: str) -> list[str]:
    return [text for category, text in PROBES if category == name]


@pytest.mark.parametrize("category", sorted({category for category, _ in PROBES}))
async def test_no_probe_changes_or_reads_anything_in_sqlite(place: Path, category: str) -> None:
    database = Database(place / "shop.db", timeout=0.2, tables=ALLOWED)
    before = tree(place)
    for text in category_of(category):
        await tried(database, filled(text, str(place), str(place / "other.db")))
        with suppress(UnsafeQuery):  # the second wall alone
            if text not in GROWING:
                sql = filled(text, str(place), str(place / "other.db"))
                rows = database.read_sync(Statement(sql, frozenset(), frozenset()))
                assert not any(secret in repr(rows) for secret in SECRETS)
        assert tree(place) == before, text


@pytest.mark.parametrize("category", sorted({category for category, _ in PROBES}))
async def test_no_probe_changes_or_reads_anything_in_postgresql(
    postgres: Cluster, outside: Path, category: str
) -> None:
    async with unchanged(postgres, outside) as check, opened(postgres.url(), timeout=0.2, tables=ALLOWED) as database:
        for text in category_of(category):
            await tried(database, filled(text, str(outside), "other"))
            await check(text)


async def test_without_the_grammar_the_role_and_the_transaction_still_hold(postgres: Cluster, outside: Path) -> None:
    async with unchanged(postgres, outside), opened(postgres.url("writer"), timeout=0.1) as database:
        for _, text in PROBES:
            if text in (*GROWING, *UNSTOPPABLE):
                continue
            with suppress(UnsafeQuery):
                rows = await database.read(PgStatement(filled(text, str(outside), "x"), frozenset(), frozenset()))
                # peek() is a SECURITY DEFINER function that its owner gave to everybody: the grammar's task
                assert not any(secret in repr(rows) for secret in SECRETS[1:]), text


@pytest.mark.parametrize("text", GROWING)
def test_a_statement_that_would_grow_while_it_is_planned_is_never_sent(text: str) -> None:
    for check, tables, functions in ((lite_check, None, DEFAULT_FUNCTIONS), (pg_check, None, PG_FUNCTIONS)):
        with pytest.raises(UnsafeQuery) as caught:
            check(text, tables, functions)
        assert caught.value.code == "query.too_deep"


def test_the_eighteen_are_eighteen_and_two_hundred_more_are_ours() -> None:
    assert len(REACHING_OUT.strip("\n").split("\n")) == 18
    assert len({text for category, text in PROBES if category != "reaching out"}) >= 200


# -- controls: with the guards away, the probes are live -------------------------------------------------------------


def test_without_guards_the_probes_on_sqlite_fire(place: Path, tmp_path: Path) -> None:
    shutil.copy(place / "shop.db", tmp_path / "shop.db")
    with closing(sqlite3.connect(f"file:{tmp_path}/shop.db?mode=ro", uri=True)) as connection:
        connection.execute(f"VACUUM INTO '{tmp_path}/new.txt'")
        assert (tmp_path / "new.txt").exists()
        connection.execute(f"ATTACH DATABASE '{place}/other.db' AS o")
        assert connection.execute("SELECT x FROM o.victim").fetchone() == ("canary-file",)
        assert connection.execute("SELECT name FROM pragma_database_list").fetchall()


async def test_without_guards_the_probes_on_postgresql_fire(postgres: Cluster, outside: Path) -> None:
    boss = await postgres.connect()
    try:
        await boss.execute("CREATE TABLE control (x int); INSERT INTO control VALUES (1); BEGIN READ ONLY")
        await boss.execute("COMMIT; DELETE FROM control")
        assert await boss.fetchval("SELECT count(*) FROM control") == 0
        await boss.execute("DROP TABLE control; BEGIN")  # all that follows is rolled back
        assert await boss.fetchval(f"SELECT pg_read_file('{outside}/canary.txt')") == "canary-file"
        await boss.execute(f"SELECT lo_export(4242, '{outside}/fired.txt')")
        assert (outside / "fired.txt").exists()
        assert await boss.fetchval("SELECT peek()") == "hunter2"
        assert await boss.fetchval("SELECT lower(notes) FROM notes LIMIT 1") == "hunter2"
        assert await boss.fetchval("SELECT 1 <<< 2") == "hunter2"
        assert await boss.fetchval("SELECT notes.wipe FROM notes LIMIT 1") == 1
        assert "SCRAM" in await boss.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'reader'")
    finally:
        await boss.execute("ROLLBACK")
        await boss.close()
        (outside / "fired.txt").unlink(missing_ok=True)


# -- parser and executor agree ---------------------------------------------------------------------------------------

_ITEM = (
    "id|body|*|notes.id|n.id|count(*)|max(id)|id + 1|body || 'x'|lower(body)|pg_sleep(1)|peek()|lower(notes)|"
    "notes.wipe|(SELECT pass FROM secret)|(SELECT max(id) FROM notes)|CASE WHEN id = 1 THEN 2 END|CAST(id AS text)|"
    '\'secret\'::regclass|row_number() OVER (ORDER BY id)|count(*) FILTER (WHERE id > 1)|"body"|"pg_sleep"(1)|'
    "current_user|current_date|load_extension('x')|abs(-id)|coalesce(body, 'x')|1 <<< 2|$$x$$|E'x'|NULL"
)
_SOURCE = (
    "notes|notes n|notes AS n|open_notes|app.orders|secret|public.secret|pg_class|pg_catalog.pg_authid|sqlite_master|"
    "pg_ls_dir('.')|(SELECT * FROM notes) AS n|(SELECT pass AS id FROM secret) AS n|generate_series(1, 3) AS n|"
    "notes JOIN open_notes USING (id)|notes, open_notes AS n|notes CROSS JOIN secret|LATERAL peek()|c|"
    "(VALUES (1, 2)) AS n(id, body)|ROWS FROM (peek())|pragma_table_info('notes')|json_each('[1]')|ONLY notes"
)
_END = (
    "| WHERE id = 1| WHERE EXISTS (SELECT 1 FROM secret)| ORDER BY 1 LIMIT 2| UNION SELECT pass FROM secret|"
    " FOR UPDATE|; DELETE FROM notes| GROUP BY 1| WHERE body LIKE 'o%' -- x| /* x */| INTERSECT SELECT id FROM notes|"
    " WHERE id IN (SELECT id FROM open_notes)| LIMIT 3| HAVING count(*) > 0"
)
_START = (
    "SELECT |SELECT DISTINCT |WITH c AS (SELECT 1 AS id) SELECT |WITH c AS (SELECT pass AS id FROM secret) SELECT |"
    "WITH c AS (DELETE FROM notes RETURNING *) SELECT |WITH RECURSIVE c(id) AS (SELECT 1) SELECT |EXPLAIN SELECT |"
    "INSERT INTO notes SELECT "
)
STATEMENTS = st.builds(
    lambda start, items, source, end: start + ", ".join(items) + " FROM " + source + end,
    st.sampled_from(_START.split("|")),
    st.lists(st.sampled_from(_ITEM.split("|")), min_size=1, max_size=3),
    st.sampled_from(_SOURCE.split("|")),
    st.sampled_from(_END.split("|")),
)


@settings(max_examples=250, deadline=None)
@given(STATEMENTS)
def test_what_the_grammar_takes_touches_nothing_else_in_sqlite(place: Path, text: str) -> None:
    try:
        statement = lite_check(text, frozenset({"notes", "open_notes"}), DEFAULT_FUNCTIONS)
    except UnsafeQuery:
        return
    seen: list[tuple[Any, ...]] = []
    with closing(sqlite3.connect(place / "shop.db", isolation_level=None)) as connection:
        connection.set_authorizer(lambda *call: seen.append(call) or 0)  # type: ignore[func-returns-value]
        before = connection.total_changes
        with suppress(sqlite3.Error):
            connection.execute(statement.sql).fetchall()
        assert connection.total_changes == before
        connection.set_authorizer(None)
    for action, first, second, _, source in seen:
        if action == sqlite3.SQLITE_READ and source != "open_notes":
            assert str(first).lower() in {"notes", "open_notes"} | statement.aliases
        elif action == sqlite3.SQLITE_FUNCTION:
            assert str(second).lower() in DEFAULT_FUNCTIONS
        else:
            assert action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)


@pytest.fixture(scope="module")
def observer(postgres: Cluster) -> Iterator[Any]:
    """A superuser's eye: what PostgreSQL's planner would touch for a statement, without any guard."""
    with asyncio.Runner() as runner:
        boss = runner.run(postgres.connect())
        runner.run(boss.execute("SET search_path = pg_catalog, pg_temp; SET statement_timeout = 2000"))

        def look(sql: str) -> Any:
            plan = runner.run(boss.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}"))
            return json.loads(plan)[0]["Plan"]

        yield look
        runner.run(boss.close())


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from steps(inner)


@settings(max_examples=250, deadline=None)
@given(STATEMENTS)
def test_what_the_grammar_takes_touches_nothing_else_in_postgresql(observer: Any, text: str) -> None:
    import asyncpg

    allowed = frozenset({("public", "notes"), ("public", "open_notes"), ("app", "orders")})
    try:
        statement = pg_check(text, allowed, PG_FUNCTIONS)
    except UnsafeQuery:
        return
    assert statement.tables <= allowed
    try:
        plan = observer(statement.sql)
    except asyncpg.PostgresError:
        return
    for step in steps(plan):
        assert step["Node Type"] not in ("ModifyTable", "LockRows", "Function Scan", "Foreign Scan")
        if "Relation Name" in step:
            assert (step["Schema"], step["Relation Name"]) in allowed
        shown = json.dumps(step.get("Output", []))
        assert not any(word in shown for word in ("peek", "wipe", "leak", "pg_sleep", "public.lower"))
