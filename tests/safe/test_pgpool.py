"""The pool alone, on a real cluster: what a caller hears, and that no transaction, session or task is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from support.postgres import Cluster

from holdfast.errors import UnsafeQuery
from holdfast.safe import pgpool
from holdfast.safe.pgpool import Pool
from holdfast.safe.pgrole import RoleRefused
from holdfast.safe.pgurl import Place


@asynccontextmanager
async def pooled(cluster: Cluster, timeout: float = 60, user: str = "reader") -> AsyncIterator[Pool]:
    pool = Pool(Place.of(cluster.url(user)), timeout, 1)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def busy(cluster: Cluster) -> AsyncIterator[Any]:
    """A connection on which a statement runs, so that no other can."""
    connection = await cluster.connect()
    running = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0)
    try:
        yield connection
    finally:
        connection.terminate()
        await asyncio.wait({running})
        running.exception()


async def pid(connection: Any) -> int:
    found: int = await connection.fetchval("SELECT pg_backend_pid()")
    return found


async def for_ever(began: asyncio.Event) -> None:
    began.set()
    await asyncio.Event().wait()


async def test_a_pool_that_is_all_lent_says_that_it_is_busy(postgres: Cluster) -> None:
    async with pooled(postgres, 1.0) as pool:
        await pool.run("READ ONLY", pid)
        held = asyncio.Event()
        first = asyncio.create_task(pool.run("READ ONLY", lambda _: for_ever(held)))
        await held.wait()
        with pytest.raises(UnsafeQuery) as caught:
            await pool.run("READ ONLY", pid)
        assert caught.value.code == "query.busy"
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgpool, "CONNECT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = Pool(Place.of(f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/d"), 60)
        with pytest.raises(UnsafeQuery) as caught:
            await pool.run("READ ONLY", pid)
        assert caught.value.code == "query.unavailable"
        await pool.close()


async def test_a_reader_commits_nothing_and_a_writer_leaves_nothing_in_its_session(postgres: Cluster) -> None:
    async def asked(connection: Any, mode: pgpool.Mode) -> None:
        assert await connection.fetchval("SHOW transaction_read_only") == ("on" if mode == "READ ONLY" else "off")
        if mode == "READ WRITE":
            await connection.execute("INSERT INTO public.notes (id) VALUES (70)")
        await connection.execute("SELECT set_config('work_mem', '1MB', false)")

    async with pooled(postgres, user="writer") as pool:
        modes: tuple[pgpool.Mode, ...] = ("READ ONLY", "READ WRITE", "READ ONLY")
        for mode in modes:
            assert await pool.run("READ ONLY", lambda connection: connection.fetchval("SHOW work_mem")) == "8MB"
            await pool.run(mode, partial(asked, mode=mode))
        gone = "WITH gone AS (DELETE FROM public.notes WHERE id = 70 RETURNING id) SELECT count(*) FROM gone"
        assert await pool.run("READ WRITE", lambda connection: connection.fetchval(gone)) == 1


async def test_a_role_that_may_do_too_much_is_not_kept_connected(postgres: Cluster) -> None:
    looking = await postgres.connect()
    async with pooled(postgres, user="boss") as pool:
        with pytest.raises(RoleRefused) as caught:
            await pool.run("READ ONLY", pid)
        async with asyncio.timeout(5):
            sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast' AND usename = 'boss'"
            while await looking.fetchval(sessions):
                await asyncio.sleep(0)
        del caught  # whose frames would have kept the connection
    await looking.close()


@pytest.mark.parametrize("grace", [20.0, 0.0])
async def test_a_cancelled_caller_waits_for_its_rollback_as_long_as_it_may(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch, grace: float
) -> None:
    monkeypatch.setattr(pgpool, "GRACE", grace)
    async with pooled(postgres) as pool:
        began = asyncio.Event()
        call = asyncio.create_task(pool.run("READ ONLY", lambda _: for_ever(began)))
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert bool(pool._tasks) is not bool(grace)


async def test_what_fails_while_it_is_cancelled_is_not_written_to_the_log(
    postgres: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(began: asyncio.Event) -> None:
        try:
            await for_ever(began)
        finally:
            raise OSError("hunter2")

    async with pooled(postgres) as pool:
        began = asyncio.Event()
        call = asyncio.create_task(pool.run("READ ONLY", lambda _: failing(began)))
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        del call
    gc.collect()
    assert caplog.text == ""


async def test_closing_waits_for_what_it_has_cancelled(postgres: Cluster) -> None:
    ended: list[int] = []

    async def slow_to_end(connection: Any, began: asyncio.Event) -> None:
        try:
            await for_ever(began)
        finally:
            ended.extend([await connection.fetchval("SELECT 1") for _ in range(20)])

    async with pooled(postgres) as pool:
        began = asyncio.Event()
        call = asyncio.create_task(pool.run("READ ONLY", lambda connection: slow_to_end(connection, began)))
        await began.wait()
    assert ended == [1] * 20
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_connection_that_dies_is_out_of_reach_whatever_the_driver_says(postgres: Cluster) -> None:
    async def lost(connection: Any) -> None:
        connection.terminate()
        raise asyncpg.DataError("hunter2")

    async with pooled(postgres) as pool:
        with pytest.raises(UnsafeQuery) as caught:
            await pool.run("READ ONLY", lost)
        assert caught.value.code == "query.unavailable"


async def test_a_query_that_takes_too_long_says_so_even_when_its_connection_has_died(postgres: Cluster) -> None:
    async def lost(connection: Any) -> None:
        connection.terminate()
        await asyncio.Event().wait()

    async with pooled(postgres, 0.5) as pool:
        with pytest.raises(UnsafeQuery) as caught:
            await pool.run("READ ONLY", lost)
        assert caught.value.code == "query.timeout"


async def test_a_connection_whose_query_failed_is_used_again_and_one_that_died_is_forgotten(postgres: Cluster) -> None:
    async with pooled(postgres) as pool:
        first = await pool.run("READ ONLY", pid)
        with pytest.raises(UnsafeQuery):
            await pool.run("READ ONLY", lambda connection: connection.fetchval("SELECT 1 / 0"))
        assert await pool.run("READ ONLY", pid) == first
        await postgres.run(f"SELECT pg_terminate_backend({first})")
        assert await pool.run("READ ONLY", pid) != first
        assert len(pool._connections) == 1


async def test_a_connection_that_cannot_be_rolled_back_or_emptied_is_closed(postgres: Cluster) -> None:
    for ending in (pgpool._rolled_back, pgpool._forgotten):
        async with busy(postgres) as connection:
            await ending(connection)
            assert connection.is_closed()


async def test_a_rollback_that_is_cancelled_ends_with_its_connection(postgres: Cluster) -> None:
    connection = await postgres.connect()
    server = await pid(connection)
    await connection.execute("BEGIN")
    os.kill(server, signal.SIGSTOP)
    try:
        rolling = asyncio.create_task(pgpool._rolled_back(connection))
        await asyncio.sleep(0)
        rolling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rolling
        assert connection.is_closed()
    finally:
        os.kill(server, signal.SIGCONT)
