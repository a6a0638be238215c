"""PostgreSQL as tools meet it, on a real cluster: rows, caps, roles, cancelling, writing, and a server that goes."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.postgres import PASSWORD, QUOTED, Cluster

from holdfast import DatabaseTool, ReadQuery, Server, ToolInput
from holdfast.core.bases import Table
from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe import pgpool, sqltree
from holdfast.safe import postgres as guarded
from holdfast.safe.blocking import in_thread
from holdfast.safe.databases import Declared, TableFacts, open_database
from holdfast.safe.pgstatements import PgStatement
from holdfast.safe.postgres import Postgres
from holdfast.safe.sandbox import Sandbox

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT 1 FROM c) SELECT count(*) FROM c"

RUNNING = "state = 'active' AND query LIKE '%RECURSIVE%'"
ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'"


@asynccontextmanager
async def opened(cluster: Cluster, user: str = "reader", **caps: Any) -> AsyncIterator[Postgres]:
    database = Postgres(cluster.url(user), **caps)
    try:
        yield database
    finally:
        await database.close()


async def rows(database: Postgres, text: str, parameters: Any = ()) -> list[list[Any]]:
    return (await database.read(database.check(text), parameters)).rows


async def code(database: Postgres, text: str, parameters: Any = ()) -> str:
    with pytest.raises(UnsafeQuery) as caught:
        await database.read(database.check(text), parameters)
    assert not any(word in caught.value.message for word in ("hunter2", PASSWORD, "127.0.0.1", "reader", "zwei"))
    return caught.value.code


@asynccontextmanager
async def watching(cluster: Cluster) -> AsyncIterator[Any]:
    """A superuser who looks from outside."""
    looking = await cluster.connect()
    try:
        yield looking
    finally:
        await looking.close()


async def sessions(looking: Any, condition: str) -> int:
    """How many of the guard's sessions are in that state, for a superuser who looks from outside."""
    found: int = await looking.fetchval(
        f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast' AND {condition}"
    )
    return found


async def until(looking: Any, condition: str, wanted: int) -> None:
    async with asyncio.timeout(20):
        while await sessions(looking, condition) != wanted:
            await asyncio.sleep(0)


# -- reading ---------------------------------------------------------------------------------------------------------


async def test_rows_come_back_as_json_with_their_types(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        first, second, third = await rows(database, "SELECT * FROM notes ORDER BY id")
    stamp = first.pop(5)
    assert stamp.startswith("20")
    assert first == [1, "one", "base64:AP8=", 1.5, 12.5, "{a,b}", '{"k": 1}', True]
    assert second[:5] == [2, "zwei", None, None, 3.0]
    assert third == [3, "drei", None, None, None, None, None, None, None]


async def test_numbers_stay_what_they_are(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        found = await rows(
            database,
            "SELECT 12345678901234567890::numeric, 7::numeric, 'NaN'::numeric, 0.1::numeric, 9007199254740993::bigint,"
            " 'NaN'::float8, 1 = 1, NULL",
        )
    assert found == [["12345678901234567890", 7, None, 0.1, 9007199254740993, None, True, None]]


@pytest.mark.parametrize(
    "text, parameters, expected",
    [
        ("SELECT body FROM notes WHERE id = $1", [2], [["zwei"]]),
        ("SELECT body FROM notes WHERE id = :n OR id = :m", {"n": 1, "m": 1}, [["one"]]),
        ("SELECT id FROM notes WHERE id = ANY($1) ORDER BY 1", [[1, 3]], [[1], [3]]),
        ("SELECT id FROM notes WHERE at < $1", ["2021-01-01T00:00:00+00:00"], [[1]]),
        ("SELECT id FROM notes WHERE price = $1", ["12.50"], [[1]]),
        ("SELECT id FROM notes WHERE score = $1", [1.5], [[1]]),
        ("SELECT id FROM notes WHERE raw = $1", [b"\x00\xff"], [[1]]),
        ("SELECT id FROM notes WHERE done = $1", [True], [[1]]),
        ("SELECT id FROM notes WHERE extra @> $1", [{"k": 1}], [[1]]),
        ("SELECT CAST($1 AS uuid), CAST($2 AS date), CAST($3 AS time), CAST($4 AS timestamp)",
         ["12345678-1234-5678-1234-567812345678", "2020-02-03", "04:05:06", "2020-02-03T04:05:06"],
         [["12345678-1234-5678-1234-567812345678", "2020-02-03", "04:05:06", "2020-02-03 04:05:06"]]),
        ("SELECT body FROM notes WHERE body = $1", ["' OR 1=1 --"], []),
        ("SELECT id FROM notes WHERE body = $1", [None], []),
    ],
)  # fmt: skip
async def test_parameters_are_bound_and_never_written_into_the_text(
    postgres: Cluster, text: str, parameters: Any, expected: Any
) -> None:
    async with opened(postgres) as database:
        assert await rows(database, text, parameters) == expected


@pytest.mark.parametrize(
    "parameters",
    [[], [1, 2], ["hunter2"], [1.5], [True], [1 << 70], [[1]], {"n": 1}, [object()]],
)
async def test_parameters_that_do_not_fit_are_refused_without_being_repeated(
    postgres: Cluster, parameters: Any
) -> None:
    async with opened(postgres) as database:
        assert await code(database, "SELECT body FROM notes WHERE id = $1", parameters) == "query.failed"
        assert await code(database, "SELECT body FROM notes WHERE id = :n", {"m": 1}) == "query.failed"
        assert await code(database, "SELECT body FROM notes WHERE body = $1", ["\ud800"]) == "query.failed"
        assert await code(database, "SELECT id FROM notes WHERE id = ANY($1)", [5]) == "query.failed"
        assert await code(database, "SELECT CAST($1 AS interval)", ["1 day"]) == "query.failed"
        assert await code(database, "SELECT CAST($1 AS timestamptz)", ["2020-01-01"]) == "query.failed"
        assert await code(database, "SELECT CAST($1 AS timestamp)", ["2020-01-01T00:00:00Z"]) == "query.failed"
        assert await code(database, "SELECT CAST($1 AS numeric)", ["1e9999"]) == "query.failed"


async def test_rows_and_bytes_are_capped_by_the_server_and_the_cut_is_flagged(postgres: Cluster) -> None:
    async with opened(postgres, max_rows=400, max_bytes=2_000) as database:
        found = await database.read(database.check("SELECT id FROM app.orders"))
        assert found.truncated
        assert 200 < len(found.rows) < 350
        found = await database.read(database.check("SELECT CAST($1 AS text)"), ["x" * 5_000])
        assert (found.rows, found.truncated) == ([], True)
        found = await database.read(database.check("SELECT id FROM notes"))
        assert (len(found.rows), found.truncated) == (3, False)
    async with opened(postgres, max_rows=2) as database:
        found = await database.read(database.check("SELECT id FROM notes ORDER BY id DESC"))
        assert (found.rows, found.truncated) == ([[3], [2]], True)


async def test_a_mistake_has_its_code_and_says_nothing_of_the_data(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        for text, expected in (
            ("SELECT hunter2 FROM notes", "query.failed"),
            ("SELECT 1 FROM hunter2", "query.table"),
            ("SELECT pass FROM secret", "query.table"),
            ("SELECT CAST(body AS int) FROM notes", "query.failed"),
            ("SELECT 1 / 0", "query.failed"),
            ("SELECT id, count(*) FROM notes", "query.failed"),
            ("SELECT body + 1 FROM notes", "query.function"),
            ("SELECT id FROM notes a, notes b", "query.failed"),
            ("SELECT $1", "query.failed"),
            ("SELECT 1 UNION SELECT 'hunter2'", "query.failed"),
            ("WITH c AS (SELECT 1) SELECT * FROM notes, (WITH d AS (SELECT 2) SELECT * FROM d) x, d", "query.table"),
        ):
            assert await code(database, text) == expected, text


async def test_a_with_name_of_the_system_and_no_columns_at_all_are_refused(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        for text, expected in (
            (PgStatement("SELECT 1", frozenset(), frozenset({"pg_class"})), "query.table"),
            (PgStatement("SELECT 1", frozenset({("pg_catalog", "pg_class")}), frozenset()), "query.table"),
            (PgStatement("SELECT FROM public.notes", frozenset(), frozenset()), "query.statement"),
        ):
            with pytest.raises(UnsafeQuery) as caught:
                await database.read(text)
            assert caught.value.code == expected


async def test_the_schema_lists_what_may_be_read(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        facts = await database.schema()
        assert [fact.name for fact in facts] == ["app.orders", "notes", "open_notes"]
        assert facts[0] == TableFacts("app.orders", {"id": "integer", "note": "integer"})
    async with opened(postgres, tables=frozenset({"app.orders"})) as database:
        assert [fact.name for fact in await database.schema()] == ["app.orders"]
    async with opened(postgres, tables=frozenset()) as database:
        assert await database.schema() == []
    with pytest.MonkeyPatch.context() as patch:  # so many that the server itself must count them
        patch.setattr(guarded, "_COLUMNS", guarded._COLUMNS.replace("LIMIT 1000", "LIMIT 2"))
        async with opened(postgres) as database:
            assert [fact.name for fact in await database.schema()] == ["app.orders", "notes"]
    async with opened(postgres, tables=frozenset({"app.orders"})) as database:
        assert await code(database, "SELECT * FROM app.orders o, open_notes") == "query.table"


async def test_a_short_list_of_tables_holds_and_a_view_shows_what_it_shows(postgres: Cluster) -> None:
    async with opened(postgres, tables=frozenset({"open_notes"})) as database:
        assert await rows(database, "SELECT n.body FROM open_notes n WHERE id = 1") == [["one"]]
        with pytest.raises(UnsafeQuery):
            database.check("SELECT body FROM notes")


async def test_names_are_folded_and_quoted_as_postgresql_does(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        assert await rows(database, "SELECT N.ID FROM Public.NOTES n WHERE \"body\" = 'one'") == [[1]]
        assert await rows(database, 'SELECT \'it\'\'s \\ here\' AS "a ""b"""') == [["it's \\ here"]]
        assert await code(database, 'SELECT "ID" FROM notes') == "query.failed"
        assert await code(database, f"SELECT 1 AS {'x' * 64}") == "query.statement"


# -- time, cancelling, and what is left behind -----------------------------------------------------------------------


async def test_an_endless_query_ends_at_its_timeout(postgres: Cluster) -> None:
    async with opened(postgres, timeout=0.3) as database:
        assert await code(database, ENDLESS) == "query.timeout"
        assert await rows(database, "SELECT 1") == [[1]]


async def test_cancelling_the_caller_cancels_the_statement_in_the_server(postgres: Cluster) -> None:
    async with watching(postgres) as looking:
        async with opened(postgres, timeout=60) as database:
            task = asyncio.create_task(rows(database, ENDLESS))
            await until(looking, RUNNING, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(looking, "state <> 'idle'", 0)
            assert await rows(database, "SELECT 1") == [[1]]
        await until(looking, "true", 0)


async def test_a_cancelled_write_is_rolled_back(postgres: Cluster) -> None:
    async with watching(postgres) as looking:
        holder = await postgres.connect()
        await holder.execute("BEGIN; UPDATE notes SET done = done WHERE id = 3")
        async with opened(postgres, "writer", timeout=60) as database:
            write = Declared("UPDATE notes SET body = body || '!' WHERE id IN (2, 3)")
            task = asyncio.create_task(database.execute_write(write))
            await until(looking, "wait_event_type = 'Lock'", 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(looking, "state <> 'idle'", 0)
            with pytest.raises(UnsafeQuery) as caught:  # nobody waits longer than a second for a lock
                await database.execute_write(write)
            assert caught.value.code == "query.busy"
        await holder.execute("ROLLBACK")
        assert await looking.fetchval("SELECT body FROM notes WHERE id = 2") == "zwei"
        await holder.close()


async def test_closing_ends_what_runs(postgres: Cluster) -> None:
    async with watching(postgres) as looking:
        async with opened(postgres, timeout=60) as database:
            task = asyncio.create_task(rows(database, ENDLESS))
            await until(looking, RUNNING, 1)
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(looking, "true", 0)


async def test_a_server_that_is_frozen_costs_one_connection_and_no_more_than_the_timeout(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgpool, "LAST_WORDS", 0.2)
    async with watching(postgres) as looking, opened(postgres, timeout=0.5) as database:
        assert await rows(database, "SELECT 1") == [[1]]
        pid = await looking.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast'")
        os.kill(pid, signal.SIGSTOP)
        try:
            assert await code(database, "SELECT 1") == "query.timeout"
            assert await rows(database, "SELECT 2") == [[2]]
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_statement_that_is_frozen_ends_with_its_connection(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgpool, "LAST_WORDS", 0.2)
    async with watching(postgres) as looking, opened(postgres, timeout=60) as database:
        task = asyncio.create_task(rows(database, ENDLESS))
        which = f"SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast' AND {RUNNING}"
        while (pid := await looking.fetchval(which)) is None:
            await asyncio.sleep(0)
        os.kill(pid, signal.SIGSTOP)
        try:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await rows(database, "SELECT 2") == [[2]]
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_connection_that_was_killed_is_replaced(postgres: Cluster) -> None:
    async with watching(postgres) as looking, opened(postgres, timeout=60) as database:
        assert await rows(database, "SELECT 1") == [[1]]
        await looking.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'"
        )
        await until(looking, "true", 0)
        assert await rows(database, "SELECT 2") == [[2]]
        task = asyncio.create_task(rows(database, ENDLESS))
        await until(looking, RUNNING, 1)
        await looking.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'"
        )
        with pytest.raises(UnsafeQuery) as caught:
            await task
        assert caught.value.code == "query.unavailable"
        assert await rows(database, "SELECT 3") == [[3]]


async def test_a_server_that_is_gone_is_told_and_used_again_when_it_is_back(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        assert await rows(database, "SELECT 1") == [[1]]
        await in_thread(postgres.stop, signal.SIGQUIT)
        try:
            assert await code(database, "SELECT 1") == "query.unavailable"
            assert not await database.working()
            async with opened(postgres) as another:
                await another.start()
                assert another.findings == ["the database cannot be reached yet"]
        finally:
            await in_thread(postgres.start)
        assert await rows(database, "SELECT 1") == [[1]]
        assert await database.working()


async def test_a_function_that_writes_is_refused_by_the_transaction_too(postgres: Cluster) -> None:
    async with opened(postgres) as database:
        with pytest.raises(UnsafeQuery) as caught:
            await database.read(PgStatement("SELECT public.wipe(n) FROM public.notes n", frozenset(), frozenset()))
        assert caught.value.code == "query.statement"


async def test_what_a_statement_sets_for_its_session_does_not_outlive_it(postgres: Cluster) -> None:
    setting = PgStatement("SELECT set_config('default_transaction_read_only', 'off', false)", frozenset(), frozenset())
    looking = PgStatement("SELECT current_setting('default_transaction_read_only')", frozenset(), frozenset())
    path = PgStatement("SELECT current_setting('search_path')", frozenset(), frozenset())
    async with opened(postgres, "writer") as database:
        await database.read(setting)
        assert (await database.read(looking)).rows == [["on"]]
        await database.execute_write(Declared("SELECT set_config('search_path', 'public', false)"))
        assert (await database.read(path)).rows == [["pg_catalog, pg_temp"]]
        with pytest.raises(UnsafeQuery):
            await database.read(PgStatement("SELECT peek()", frozenset(), frozenset()))


async def test_what_a_declared_write_leaves_in_its_session_is_forgotten(postgres: Cluster) -> None:
    await postgres.run("CREATE ROLE between", "GRANT between TO writer")
    looking = PgStatement("SELECT current_user::text", frozenset(), frozenset())
    try:
        async with watching(postgres) as outside, opened(postgres, "writer") as database:
            await database.execute_write(Declared("SELECT set_config('role', 'between', false), pg_advisory_lock(1)"))
            assert (await database.read(looking)).rows == [["writer"]]
            assert await outside.fetchval(ADVISORY) == 0
            await database.read(PgStatement("SELECT pg_advisory_lock(2)::text", frozenset(), frozenset()))
            with pytest.raises(UnsafeQuery):
                await database.read(PgStatement("SELECT pg_advisory_lock(3), 1/0", frozenset(), frozenset()))
            assert await outside.fetchval(ADVISORY) == 0
    finally:
        await postgres.run("DROP ROLE between")


async def test_a_connection_that_dies_after_the_commit_does_not_make_the_write_a_failure(postgres: Cluster) -> None:
    async with opened(postgres, "writer") as database:
        taken: list[Any] = []
        forgotten = pgpool._forgotten

        async def lost(connection: Any) -> None:
            taken.append(connection)
            connection.terminate()
            await forgotten(connection)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pgpool, "_forgotten", lost)
            assert await database.execute_write(Declared("INSERT INTO notes (id) VALUES (50)")) == 1
        assert taken[0].is_closed()
        assert await database.execute_write(Declared("DELETE FROM public.notes WHERE id = 50")) == 1


async def test_a_server_that_is_frozen_does_not_hold_up_closing(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pgpool, "LAST_WORDS", 0.2)
    async with watching(postgres) as looking, opened(postgres) as database:
        assert await rows(database, "SELECT 1") == [[1]]
        pid = await looking.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast'")
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(5):
                await database.close()
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(looking, "true", 0)
    assert caplog.text == ""


async def test_cancelling_at_any_step_leaves_no_transaction_and_no_connection_lent(postgres: Cluster) -> None:
    async with watching(postgres) as looking, opened(postgres, "writer", timeout=20) as database:
        write = Declared("UPDATE notes SET body = 'three' WHERE id = 3 RETURNING id")
        await asyncio.gather(*(rows(database, "SELECT 1") for _ in range(3)))
        for step in range(45):
            tasks = [
                asyncio.create_task(rows(database, "SELECT count(*) FROM app.orders")),
                asyncio.create_task(database.execute_write(write)),
            ]
            for _ in range(step):
                await asyncio.sleep(0.0002)
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, list | int | asyncio.CancelledError)
        await until(looking, "state <> 'idle'", 0)
        assert database._pool is not None
        while database._pool._tasks:
            await asyncio.sleep(0)
        assert database._pool._engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert await looking.fetchval(ADVISORY) == 0
        assert await rows(database, "SELECT count(*) FROM app.orders") == [[5000]]
        await database.execute_write(Declared("UPDATE notes SET body = 'drei' WHERE id = 3"))


# -- the role --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "making, reason",
    [
        ("ALTER ROLE suspect SUPERUSER", "is a superuser"),
        ("ALTER ROLE suspect CREATEROLE", "may create roles"),
        ("ALTER ROLE suspect CREATEDB", "may create databases"),
        ("ALTER ROLE suspect REPLICATION", "may replicate"),
        ("ALTER ROLE suspect BYPASSRLS", "bypasses row security"),
        ("GRANT pg_read_server_files TO suspect", "pg_read_server_files"),
        ("GRANT pg_write_server_files TO suspect", "pg_write_server_files"),
        ("ALTER ROLE suspect NOINHERIT; GRANT pg_execute_server_program TO suspect", "pg_execute_server_program"),
        ("GRANT pg_monitor TO suspect", "pg_monitor"),
        ("GRANT pg_read_all_data TO suspect", "pg_read_all_data"),
        ("CREATE ROLE between; GRANT pg_signal_backend TO between; GRANT between TO suspect", "pg_signal_backend"),
        ("ALTER ROLE suspect NOINHERIT; CREATE ROLE between SUPERUSER; GRANT between TO suspect", "is a superuser"),
        ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO suspect", "may call pg_read_file"),
        ("ALTER ROLE suspect NOINHERIT; CREATE ROLE between; GRANT between TO suspect;"
         " GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO between", "may call pg_ls_dir"),
        ("GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO suspect", "may call pg_create_restore_point"),
        ("GRANT SELECT (rolpassword) ON pg_authid TO suspect", "may read passwords"),
        ("GRANT SELECT ON pg_shadow TO suspect", "may read pg_shadow"),
        ("GRANT SELECT ON pg_statistic TO suspect", "may read pg_statistic"),
        ("CREATE TABLE mine (x int); ALTER TABLE mine OWNER TO suspect; ALTER TABLE mine ENABLE ROW LEVEL SECURITY",
         "row security"),
        ("ALTER DATABASE shop OWNER TO suspect", "owns this database"),
    ],
)  # fmt: skip
async def test_a_role_that_could_do_more_than_read_is_refused(postgres: Cluster, making: str, reason: str) -> None:
    await postgres.run(f"CREATE ROLE suspect LOGIN PASSWORD '{PASSWORD}'", making)
    try:
        async with opened(postgres, "suspect") as database:
            with pytest.raises(ConfigurationError, match=reason) as caught:
                await database.start()
            assert "suspect" not in str(caught.value)
            assert await code(database, "SELECT 1") == "query.unavailable"
    finally:
        await postgres.run(
            "ALTER DATABASE shop OWNER TO boss", "DROP OWNED BY suspect", "DROP ROLE suspect",
            "DO $$ BEGIN IF to_regrole('between') IS NOT NULL THEN DROP OWNED BY between; END IF; END $$",
            "DROP ROLE IF EXISTS between",
        )  # fmt: skip


async def test_a_role_that_may_write_is_a_finding(postgres: Cluster) -> None:
    async with opened(postgres, "writer") as database:
        await database.start()
        assert any("may write 2 tables" in finding for finding in database.findings)
    async with opened(postgres) as database:
        await database.start()
        assert not any("may write" in finding for finding in database.findings)


async def test_rights_that_come_by_set_role_or_for_a_column_are_findings_too(postgres: Cluster) -> None:
    await postgres.run(
        f"CREATE ROLE suspect LOGIN NOINHERIT CONNECTION LIMIT 3 PASSWORD '{PASSWORD}'", "CREATE ROLE between",
        "GRANT between TO suspect", "GRANT UPDATE (body) ON notes TO between",
        "GRANT CREATE ON DATABASE shop TO between",
    )  # fmt: skip
    try:
        async with opened(postgres, "suspect") as database:
            await database.start()
            assert {finding.partition("role ")[2] for finding in database.findings} >= {
                "may write 1 tables",
                "may create schemas",
            }
            assert not any("sessions" in finding for finding in database.findings)
        async with opened(postgres) as database:
            await database.start()
            assert any("CONNECTION LIMIT" in finding for finding in database.findings)
    finally:
        await postgres.run("DROP OWNED BY between", "DROP ROLE suspect", "DROP ROLE between")


async def test_a_wrong_password_or_database_is_a_configuration_error(postgres: Cluster) -> None:
    for url in (postgres.url().replace(QUOTED, "hunter2"), postgres.url(database="absent")):
        database = Postgres(url)
        with pytest.raises(ConfigurationError) as caught:
            await database.start()
        assert not any(word in str(caught.value) for word in ("hunter2", "reader", "absent", "127"))
        await database.close()


async def test_a_connection_that_proves_nothing_is_a_finding(postgres: Cluster) -> None:
    database = Postgres("postgresql://u:p@db.invalid/d?sslmode=disable")
    await database.start()
    assert any("sslmode" in finding for finding in database.findings)
    await database.close()


async def test_tls_is_asked_for_and_not_done_without(postgres: Cluster) -> None:
    database = Postgres(postgres.url(query="?sslmode=require"))  # this cluster speaks none
    await database.start()
    assert database.findings == ["the database cannot be reached yet"]
    await database.close()


# -- writing ---------------------------------------------------------------------------------------------------------


async def test_the_author_writes_with_declared_statements_only(postgres: Cluster) -> None:
    async with opened(postgres, "writer") as database:
        insert = Declared("INSERT INTO notes (id, body) VALUES ($1, $2)")
        assert await database.execute_write(insert, (9, "x")) == 1
        assert await database.execute_write(Declared("UPDATE public.notes SET body = $1 WHERE id = 9"), ("y",)) == 1
        assert await rows(database, "SELECT body FROM notes WHERE id = 9") == [["y"]]
        assert await database.execute_write(Declared("SELECT set_config('work_mem', '1MB', false)")) == 0
        assert await database.execute_write(Declared("DELETE FROM public.notes WHERE id = 9")) == 1
        with pytest.raises(TypeError):
            await database.execute_write("DELETE FROM public.notes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT", "ROLLBACK", "SET default_transaction_read_only = off", "TRUNCATE notes", "DROP TABLE public.notes",
        "DELETE FROM public.notes; COMMIT", "INSERT INTO public.notes (id) VALUES (1)", "DELETE FROM public.nothing",
        "UPDATE public.notes SET body = 'one'", "DELETE FROM public.notes WHERE id = $1",
    ],
)  # fmt: skip
async def test_a_write_that_fails_leaves_everything_as_it_was(postgres: Cluster, sql: str) -> None:
    async with opened(postgres, "writer") as database:
        before = await rows(database, "SELECT * FROM notes ORDER BY id")
        with pytest.raises(UnsafeQuery) as caught:
            await database.execute_write(Declared(sql))  # type: ignore[arg-type]
        assert "notes" not in caught.value.message
        assert await rows(database, "SELECT * FROM notes ORDER BY id") == before


async def test_the_rows_that_a_declared_write_returns_are_counted_and_not_kept(postgres: Cluster) -> None:
    many = Declared("INSERT INTO notes (id) SELECT n FROM generate_series(100, 1099) n RETURNING repeat('x', 9000)")
    gone = Declared(
        "WITH old AS (SELECT id FROM notes WHERE id >= 100) DELETE FROM notes USING old WHERE notes.id = old.id"
        " RETURNING notes.id"
    )
    async with opened(postgres, "writer") as database:
        tracemalloc.start()
        try:
            assert await database.execute_write(many) == 1_000
            assert tracemalloc.get_traced_memory()[1] < 4_000_000  # they are 9 MB
        finally:
            tracemalloc.stop()
            assert await database.execute_write(gone) == 1_000
        assert await database.execute_write(Declared("WITH x AS (SELECT 1) SELECT * FROM x")) == 0
        assert await database.execute_write(Declared("SELECT ')' FROM (SELECT 1) AS x -- DELETE")) == 0


# -- loops, threads, processes ---------------------------------------------------------------------------------------


async def test_a_tool_in_a_thread_shares_the_pool_and_one_in_a_process_has_a_connection_of_its_own(
    postgres: Cluster,
) -> None:
    async with opened(postgres) as database:
        query = ReadQuery.from_text("SELECT body FROM notes WHERE id = 1", Sandbox(database=database))
        assert (await query.rows()).rows == [["one"]]
        assert (await in_thread(query.rows_sync)).rows == [["one"]]
        copy = pickle.loads(pickle.dumps(query))  # noqa: S301 - made on this line
        assert (await in_thread(copy.rows_sync)).rows == [["one"]]
        with pytest.raises(ConfigurationError, match="await rows"):
            query.rows_sync()
    with pytest.raises(ConfigurationError, match="await rows"):  # also when nothing was asked of it yet
        ReadQuery.from_text("SELECT 1", Sandbox(database=Postgres(postgres.url()))).rows_sync()


def test_a_database_may_be_used_by_one_loop_after_another_but_not_by_two_at_once(postgres: Cluster) -> None:
    database = Postgres(postgres.url())

    async def once() -> None:
        assert await rows(database, "SELECT 1") == [[1]]
        with pytest.raises(ConfigurationError, match="another event loop"):
            await in_thread(asyncio.run, rows(database, "SELECT 1"))
        await database.close()

    asyncio.run(once())
    asyncio.run(once())


# -- through a server ------------------------------------------------------------------------------------------------


class Ask(DatabaseTool):
    """Ask the shop's database."""

    Output = Table

    class Input(ToolInput):
        query: ReadQuery

    async def run(self, args: Input, ctx: Any) -> Table:
        return await self.select(args.query)


async def test_a_server_answers_from_postgresql_and_never_shows_its_password(postgres: Cluster, tmp_path: Path) -> None:
    server = Server("shop", settings={"database": postgres.url(), "state": tmp_path})
    server.add(Ask)
    async with server.serving() as live:
        assert (await live.plant.health.report()).checks["database"].status == "ok"
        assert PASSWORD not in live.plant.outgoing.text(f"x {PASSWORD} y")
        assert QUOTED not in live.plant.outgoing.text(f"x {QUOTED} y")
        assert PASSWORD not in repr(live.plant.loaded.settings)
    async with server.client() as client:
        found = await client.call_tool("ask", {"query": "SELECT body FROM notes WHERE id = 1"})
        assert found.structured_content["rows"] == [["one"]]
        refused = await client.call_tool("ask", {"query": "SELECT pass FROM secret"})
        assert refused.is_error
    boss = Server("boss", settings={"database": postgres.url("boss"), "state": tmp_path})
    with pytest.raises(ConfigurationError, match="superuser"):
        async with boss.serving():
            pass


async def test_a_database_that_was_never_asked_is_closed_too(postgres: Cluster) -> None:
    database = Postgres(postgres.url())
    await database.close()
    await database.close()


async def test_a_thread_asks_on_the_connection_of_the_loop(postgres: Cluster) -> None:
    asking = PgStatement("SELECT pg_backend_pid()::text", frozenset(), frozenset())
    async with opened(postgres) as database:
        here = await database.read(asking)
        assert (await in_thread(database.read_sync, asking)).rows == here.rows


def test_a_pool_whose_loop_has_ended_is_not_asked_and_one_made_for_one_query_is_closed(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[pgpool.Pool] = []

    class Seen(pgpool.Pool):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(pgpool, "Pool", Seen)
    database = Postgres(postgres.url())

    async def home() -> None:
        database._home()

    asyncio.run(home())
    assert database.read_sync(database.check("SELECT 1")).rows == [[1]]
    asyncio.run(home())
    assert len(made) == 3  # the second for the query alone
    assert not made[1]._connections


async def test_a_declared_select_without_columns_changes_nothing(postgres: Cluster) -> None:
    async with opened(postgres, "writer") as database:
        assert await database.execute_write(Declared("SELECT FROM public.notes")) == 0


def test_without_the_grammar_the_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    sqltree.dialect_of.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="sqlglot"):
            Postgres("postgresql://u:p@h/d")
    finally:
        sqltree.dialect_of.cache_clear()


def test_without_the_libraries_the_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigurationError, match="holdfast\\[postgres\\]"):
        Postgres("postgresql://u:p@h/d")


def test_the_url_decides_which_database_it_is(tmp_path: Path) -> None:
    assert open_database("postgresql://u:p@h/d").kind == "PostgreSQL"
    assert repr(open_database("postgresql+asyncpg://u:hunter2@h/d")) == "<Postgres>"
    (tmp_path / "x.db").write_bytes(b"")
    assert open_database(tmp_path / "x.db").kind == "SQLite"
