"""A server's durable state: opened when it is needed, told of when it is damaged, and never in the way of a start."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, living, server_in, text

from holdfast import Server
from holdfast.errors import Busy, ConfigurationError
from holdfast.state import database, location
from holdfast.state.durable import Durable
from holdfast.state.location import FILE, glance
from holdfast.state.store import Store
from holdfast.testing import FakeClock


def durable(base: Path, damaged: list[str] | None = None) -> Durable:
    told = [] if damaged is None else damaged
    return Durable(base, lambda: base.mkdir(parents=True, exist_ok=True), FakeClock(), told.append)


async def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    state = durable(tmp_path / "state")
    assert not state.there()
    assert (state.store, state.lost()) == (None, None)
    assert list(tmp_path.iterdir()) == []
    await state.close()
    with pytest.raises(Busy):
        await state.open()


async def test_whoever_comes_together_opens_it_once_and_one_that_leaves_takes_it_from_nobody(tmp_path: Path) -> None:
    state = durable(tmp_path / "state")
    asked = [asyncio.create_task(state.open()) for _ in range(5)]
    await asyncio.sleep(0)
    asked.pop(0).cancel()
    stores = await asyncio.gather(*asked)
    assert {id(store) for store in stores} == {id(state.open_now())}
    assert state.presence.lives(state.presence.name)
    await state.close()
    again = durable(tmp_path / "state")
    assert again.there()
    assert again.store is None, "one look at it was enough"
    await again.close()


async def test_one_that_is_opened_when_the_server_stops_is_closed_again(tmp_path: Path) -> None:
    state = durable(tmp_path / "state")
    asked = asyncio.create_task(state.open())
    await asyncio.sleep(0)
    await state.close()
    with pytest.raises(Busy):
        await (await asked).get("a", "b")


@pytest.mark.parametrize("content", [b"", b"text", b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4])
async def test_a_file_that_is_none_of_ours_is_told_of_at_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    damaged: list[str] = []
    state = durable(tmp_path, damaged)
    assert state.there()
    assert damaged == [f"{FILE}.damaged-1"]
    assert state.damaged == 1
    assert state.lost() is not None
    await state.close()


def test_a_file_of_a_newer_version_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "inside"
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / FILE)
    connection.execute("CREATE TABLE later (x)")
    connection.execute(f"PRAGMA user_version={location.VERSION + 1}")
    connection.close()

    async def serve() -> None:
        async with server_in(tmp_path).serving():
            pass

    with pytest.raises(ConfigurationError, match="HOLDFAST_STATE"):
        asyncio.run(serve())
    assert [each.name for each in folder.iterdir() if "damaged" in each.name] == []


def test_the_version_is_known_in_both_places(tmp_path: Path) -> None:
    assert len(database.MIGRATIONS) == location.VERSION
    (tmp_path / "folder").mkdir()
    assert not glance(tmp_path / "folder")


async def test_a_state_that_cannot_be_opened_is_busy_and_in_the_health_report(tmp_path: Path) -> None:
    state = durable(tmp_path / "state")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).mkdir()
    with pytest.raises(Busy):
        await state.open()
    assert "HOLDFAST_STATE" in state.broken
    (tmp_path / "state" / FILE).rmdir()
    assert await state.open()
    assert state.broken == ""
    await state.close()


def threads() -> set[threading.Thread]:
    """Those that run, without the loop's own, of which it starts one at a time until it has enough."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio")}


async def test_one_that_cannot_be_opened_leaves_no_thread_and_no_file_open_however_often_it_is_tried(
    tmp_path: Path,
) -> None:
    state = durable(tmp_path / "state")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "alive").write_text("in the way")
    with pytest.raises(Busy):
        await state.open()
    before = threads(), len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(Busy):
            await state.open()
    (tmp_path / "state" / "alive").unlink()
    (tmp_path / "state" / FILE).unlink(missing_ok=True)
    (tmp_path / "state" / FILE).mkdir()
    for _ in range(20):
        with pytest.raises(Busy):
            await state.open()
    after = threads(), len(os.listdir("/proc/self/fd"))
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 2
    assert os.listdir(tmp_path / "state" / "alive") == [], "nor one who is not there"
    await state.close()


async def test_what_others_may_read_is_taken_back(tmp_path: Path) -> None:
    store = Store(tmp_path / FILE)
    await store.put("a", "b", b"c")
    await store.close()
    (tmp_path / FILE).chmod(0o666)
    store = Store(tmp_path / FILE)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert await store.get("a", "b") == b"c"
    await store.close()


async def test_a_file_that_may_not_be_written_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / FILE)
    await store.close()
    real: Any = database.os.access
    with monkeypatch.context() as patch:  # the tests may run as somebody who may do everything
        patch.setattr(database.os, "access", lambda path, mode: path != tmp_path / FILE and real(path, mode))
        damaged: list[str] = []
        store = Store(tmp_path / FILE, on_damage=damaged.append)
    assert damaged == [f"{FILE}.damaged-1"]
    await store.put("a", "b", b"c")
    await store.close()


VERSION_1 = """
    CREATE TABLE entry (
        space TEXT NOT NULL, key TEXT NOT NULL, value BLOB, number REAL, expires REAL,
        PRIMARY KEY (space, key)
    ) WITHOUT ROWID;
    CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
    CREATE TABLE total (rows INTEGER NOT NULL);
    INSERT INTO total VALUES (0);
    CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN UPDATE total SET rows = rows + 1; END;
    CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN UPDATE total SET rows = rows - 1; END;
    INSERT INTO entry VALUES ('a', 'b', x'0102', NULL, NULL), ('quota', 'ada', NULL, 7.0, 9e9);
    PRAGMA user_version=1;
"""


async def test_a_file_of_the_first_version_keeps_what_it_holds_and_is_laid_out_anew(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.executescript(VERSION_1)
    connection.close()
    store = Store(tmp_path / FILE)
    assert await store.get("a", "b") == b"\x01\x02"
    assert await store.add("quota", "ada", 1) == 8.0
    await store.put("a", "c", b"123")
    await store.put("a", "b", b"")
    ask_for = store._transactions.ask
    rooms = await ask_for(lambda c: c.execute("SELECT * FROM room ORDER BY space").fetchall())
    assert rooms == [("a", 2, 3), ("quota", 1, 0)]
    assert await ask_for(lambda c: c.execute("PRAGMA auto_vacuum").fetchone()) == (2,)
    for key in ("b", "c"):
        await store.delete("a", key)
    assert await ask_for(lambda c: c.execute("SELECT * FROM room").fetchall()) == [("quota", 1, 0)]
    await store.close()


async def test_a_neighbour_that_holds_an_older_file_hinders_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    connection = sqlite3.connect(tmp_path / FILE)
    connection.executescript("PRAGMA journal_mode=WAL;" + VERSION_1)
    reading = connection.execute("SELECT * FROM entry")
    assert reading.fetchone()
    store = Store(tmp_path / FILE)
    assert await store.get("a", "b") == b"\x01\x02"
    await store.close()
    reading.close()
    connection.close()


async def test_what_has_expired_gives_its_pages_back_to_the_disk(tmp_path: Path) -> None:
    clock = FakeClock()
    store = Store(tmp_path / FILE, clock=clock)
    for number in range(40):
        await store.put("cache", str(number), b"x" * 50_000, ttl=10)
    await clock.advance(11)
    large = (await store._transactions.ask(lambda c: c.execute("PRAGMA page_count").fetchone()))[0]
    assert await store.sweep() == 40
    small = (await store._transactions.ask(lambda c: c.execute("PRAGMA page_count").fetchone()))[0]
    assert (large > 480, small < 60) == (True, True), (large, small)
    await store.close()


async def test_a_full_file_forgets_what_has_expired_before_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_BYTES", 400_000)
    clock = FakeClock()
    store = Store(tmp_path / FILE, clock=clock)
    for number in range(5):
        await store.put("cache", str(number), b"x" * 50_000, ttl=10)
    with pytest.raises(Busy):
        await store.put("more", "large", b"x" * 200_000)
    await clock.advance(11)
    await store.put("more", "large", b"x" * 200_000)
    assert await store.keys("more") == ["large"]
    with pytest.raises(Busy):
        await store.put("more", "larger", b"x" * 300_000)
    await store.close()


def shop(base: Path, **settings: Any) -> Server:
    server = server_in(base, **settings)

    @server.tool
    async def order() -> str:
        return "ordered"

    return server


async def test_a_plain_start_makes_no_state_and_a_damaged_one_is_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "inside"
    async with living(shop(tmp_path)) as live:
        await ask(live, "order")
        assert not (folder / FILE).exists()
        assert (await live.plant.health.report()).checks["state"].status == "ok"
    (folder / FILE).write_bytes(b"\0" * 5_000)
    async with living(shop(tmp_path)) as live:
        assert text(await ask(live, "order")) == "ordered"
        assert (await live.plant.health.report()).checks["state"].status == "degraded"
        assert live.plant.metrics.watched["state_damaged"]() == 1
