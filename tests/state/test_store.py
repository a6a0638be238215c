"""The store: durable, atomic between instances, bounded, and going on when its file is damaged."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from holdfast.core.clock import SystemClock
from holdfast.errors import Busy, ConfigurationError, InputTooLarge, InvalidArguments
from holdfast.state import database, location, transactions
from holdfast.state.store import Store, default_state_dir


class Clock(SystemClock):
    def __init__(self) -> None:
        self.time = 1_000.0

    def wall(self) -> float:  # type: ignore[override]
        return self.time


async def test_a_value_comes_back_also_from_another_store_on_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "holdfast.db"
    store = Store(path)
    await store.put("saga", "one", b"\x00value")
    await store.put("saga", "one", b"newer")
    await store.close()
    store = Store(path)
    assert await store.get("saga", "one") == b"newer"
    assert await store.get("other", "one") is None
    assert await store.keys("saga") == ["one"]
    assert await store.delete("saga", "one")
    assert not await store.delete("saga", "one")
    assert await store.get("saga", "one") is None
    await store.close()


async def test_folder_and_files_are_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "state" / "holdfast.db")
    await store.put("a", "b", b"c")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    modes = {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "state").iterdir()}
    assert set(modes.values()) == {0o600}
    assert "holdfast.db-wal" in modes
    await store.close()


async def test_without_a_path_everything_is_in_memory() -> None:
    store = Store(None)
    await store.put("a", "b", b"c")
    assert await store.get("a", "b") == b"c"
    await store.close()
    await store.close()
    with pytest.raises(Busy):
        await store.get("a", "b")


async def test_counters_add_up_and_their_window_begins_with_the_first_addition() -> None:
    clock = Clock()
    store = Store(None, clock=clock)
    assert await store.add("quota", "alice", 1.5, ttl=60) == 1.5
    clock.time += 59
    assert await store.add("quota", "alice", 2, ttl=60) == 3.5
    assert await store.get("quota", "alice") == b"3.5"
    clock.time += 1
    assert await store.get("quota", "alice") is None
    assert await store.add("quota", "alice", 1, ttl=60) == 1
    clock.time += 59
    assert await store.add("quota", "alice", 1) == 2
    await store.put("quota", "alice", b"text")
    assert await store.add("quota", "alice", 4) == 4
    with pytest.raises(ValueError, match="finite"):
        await store.add("quota", "alice", float("nan"))
    await store.close()


async def test_expired_rows_are_swept() -> None:
    clock = Clock()
    store = Store(None, clock=clock)
    for number in range(10):
        await store.put("cache", str(number), b"x", ttl=10 if number % 2 else None)
    clock.time += 10
    assert await store.get("cache", "1") is None
    assert await store.keys("cache", limit=2) == ["0", "2"]
    assert await store.sweep() == 5
    assert await store.sweep() == 0
    await store.close()


async def test_a_full_store_sweeps_then_refuses_new_keys_and_never_evicts_what_lives() -> None:
    clock = Clock()
    store = Store(None, max_rows=5, clock=clock)
    await store.put("cache", "short", b"x", ttl=10)
    for number in range(4):
        await store.add("quota", str(number), 1)
    with pytest.raises(Busy) as refused:
        await store.add("quota", "new", 1)
    assert "full" in refused.value.message
    assert await store.add("quota", "3", 1) == 2
    clock.time += 10
    assert await store.add("quota", "new", 1) == 1
    with pytest.raises(Busy):
        await store.put("cache", "another", b"x")
    await store.delete("quota", "new")
    await store.put("cache", "another", b"x")
    await store.close()


async def test_expired_rows_go_by_themselves_after_many_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("holdfast.state.store.SWEEP_EVERY", 5)
    store = Store(None, clock=clock)
    for number in range(4):
        await store.put("cache", str(number), b"x", ttl=1)
    clock.time += 2
    await store.put("cache", "last", b"x")
    assert await store.sweep() == 0
    await store.close()


async def test_oversized_or_broken_names_and_values_are_refused() -> None:
    store = Store(None)
    with pytest.raises(InputTooLarge):
        await store.put("a", "b", b"x" * (2**20 + 1))
    with pytest.raises(InputTooLarge):
        await store.get("a", "k" * 2000)
    with pytest.raises(InvalidArguments):
        await store.get("a", "\ud800")
    await store.put("a", "\x00odd", b"x")
    assert await store.get("a", "\x00odd") == b"x"
    await store.close()


async def test_concurrent_additions_from_two_instances_lose_none(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "db") for _ in range(2)]
    await asyncio.gather(*(stores[number % 2].add("quota", "alice", 1) for number in range(400)))
    assert await stores[0].add("quota", "alice", 0) == 400
    for store in stores:
        await store.close()


ADDER = """
    import asyncio, os, sys
    from pathlib import Path
    from holdfast.state.store import Store

    async def main():
        store = Store(Path(sys.argv[1]))
        async def caller():
            while True:
                await store.add("quota", "alice", 1)
                os.write(1, b".")
        await asyncio.gather(*(caller() for _ in range(4)))

    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_kill_9_loses_no_acknowledged_addition_and_tears_no_file(tmp_path: Path) -> None:
    path, acknowledged, source = tmp_path / "db", 0, random.Random(11)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(10):
        argv = [sys.executable, "-c", textwrap.dedent(ADDER), str(path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            some = child.stdout.read(source.randrange(1, 200))
            child.send_signal(signal.SIGKILL)
            acknowledged += len(some) + len(child.stdout.read())
    damaged: list[str] = []

    async def count() -> float:
        store = Store(path, on_damage=damaged.append)
        try:
            return await store.add("quota", "alice", 0)
        finally:
            await store.close()

    counted = asyncio.run(count())
    assert acknowledged <= counted <= acknowledged + 10 * 4
    assert damaged == []


@pytest.mark.parametrize("damage", ["header", "text", "page"])
async def test_a_damaged_file_is_set_aside_when_opened_and_reported(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "holdfast.db"
    store = Store(path)
    await asyncio.gather(*(store.put("a", str(number), b"x" * 100) for number in range(500)))
    await store.close()
    whole = bytearray(path.read_bytes())
    if damage == "header":
        whole[:100] = os.urandom(100)
    elif damage == "page":
        whole[4096 * 3 : 4096 * 9] = b"\xff" * 4096 * 6
    path.write_bytes(b"not a database at all" * 100 if damage == "text" else bytes(whole))
    (tmp_path / "holdfast.db.damaged-1").write_bytes(b"an older one")
    reported: list[str] = []
    store = Store(path, on_damage=reported.append)
    assert reported == ["holdfast.db.damaged-2"]
    assert (tmp_path / "holdfast.db.damaged-2").exists()
    await store.put("a", "b", b"c")
    assert await store.get("a", "b") == b"c"
    await store.close()


async def test_a_file_whose_maker_was_killed_before_it_was_prepared_is_no_damaged_one(tmp_path: Path) -> None:
    """Else quotas and keys would be refused for as long as they last, because of a kill at the very first start."""
    path, damaged = tmp_path / "state.sqlite", list[str]()
    pid = os.fork()
    if not pid:
        database._prepared = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment, return-value]
        Store(path)
    os.waitpid(pid, 0)
    assert path.stat().st_size == 0
    store = Store(path, on_damage=damaged.append)
    await store.put("space", "key", b"value")
    await store.close()
    assert damaged == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["state.sqlite", "state.sqlite.lock"]


async def test_a_file_that_somebody_emptied_is_a_damaged_one(tmp_path: Path) -> None:
    path, reported = tmp_path / "db", list[str]()
    store = Store(path)
    assert path.stat().st_size > 0, "prepared, no file of ours is empty"
    await store.add("quota", "ada", 5)
    await store.close()
    os.truncate(path, 0)
    store = Store(path, on_damage=reported.append)
    assert reported == ["db.damaged-1"]
    await store.close()


async def counted(store: Store, period: float = 60.0) -> bool:
    """Whether a unit of what may be spent once in a period could be taken."""
    try:
        return (await store.reserve([("quota", "ada", 1.0, 1.0, period)]))[0] < 0
    except Busy as error:
        return error.code != "state.lost" or error.retry_after is None


async def test_after_damage_nothing_is_counted_until_every_period_from_before_has_ended(tmp_path: Path) -> None:
    path, clock = tmp_path / "db", Clock()
    (path).write_bytes(b"not a database at all" * 100)
    store, other = Store(path, clock=clock), Store(path, clock=clock)
    assert store.lost() == 1_000.0
    assert not await counted(store)
    assert not await counted(other)
    await store.put("else", "where", b"still kept")
    await store.close()
    store = Store(path, clock=clock)
    assert not await counted(store), "a restart forgets no loss"
    clock.time = 1_059.0
    assert not await counted(store)
    clock.time = 1_061.0
    assert not await counted(store, 3_600.0), "longer periods last longer"
    assert await counted(store)
    assert not await counted(store), "and counted it is"
    await store.close()
    await other.close()


async def test_damage_while_running_refuses_too_also_other_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKED_BYTES", 0)
    path = tmp_path / "db"
    first, second = Store(path), Store(path)
    assert await counted(first)
    assert not await counted(second)
    database.set_aside(path, path.stat().st_ino, lambda name: None, time.time)
    assert not await counted(first)
    assert not await counted(second)
    await first.close()
    await second.close()


async def test_an_operator_takes_note_of_a_loss_by_moving_the_file_away(tmp_path: Path) -> None:
    path, clock = tmp_path / "db", Clock()
    for _ in range(2):
        path.write_bytes(b"not a database at all" * 100)
        store = Store(path, clock=clock)
        await store.close()
        for extra in ("-wal", "-shm"):
            Path(f"{path}{extra}").unlink(missing_ok=True)
    store = Store(path, clock=clock)
    (tmp_path / "db.damaged-2").rename(tmp_path / "kept")
    assert not await counted(store), "there is another one"
    (tmp_path / "db.damaged-1").unlink()
    assert await counted(store)
    assert store.lost() is None
    await store.close()


async def test_damage_that_shows_while_running_costs_the_content_but_no_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKED_BYTES", 0)
    path = tmp_path / "db"
    store = Store(path)
    await asyncio.gather(*(store.put("a", f"{number:04}", b"x" * 200) for number in range(2_000)))
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * (path.stat().st_size - 4096 * 6))
    reported: list[str] = []
    store = Store(path, on_damage=reported.append)
    await asyncio.gather(*(store.put("a", f"{number:04}", b"new") for number in range(0, 2_000, 7)))
    assert reported == ["db.damaged-1"]
    assert await store.get("a", "1400") == b"new"
    await store.close()


async def test_another_instance_follows_when_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "db"
    first = Store(path)
    await first.put("a", "b", b"old")
    database.set_aside(path, path.stat().st_ino, lambda name: None, time.time)
    database.set_aside(path, 1, lambda name: None, time.time)
    second = Store(path)
    database.set_aside(path, 1, lambda name: None, time.time)
    await second.put("a", "b", b"new")
    assert await first.get("a", "b") == b"new"
    path.unlink()
    assert await first.get("a", "b") is None
    await first.close()
    await second.close()


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer"):
        Store(path)
    assert sorted(each.name for each in tmp_path.iterdir() if "damaged" in each.name) == []


async def test_links_folders_and_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(ConfigurationError):
            Store(tmp_path / name)
    with pytest.raises(Busy) as refused:
        Store(tmp_path / "real" / "below" / "db")
    assert str(tmp_path) not in refused.value.message


async def test_a_lock_that_is_held_too_long_is_busy_for_all_waiting_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    path = tmp_path / "db"
    store = Store(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(store.add("a", "b", 1) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(each, Busy) for each in results)
    assert await store.get("a", "b") is None
    other.execute("ROLLBACK")
    other.close()
    assert await store.add("a", "b", 1) == 1
    await store.close()


async def test_a_disk_that_is_full_refuses_the_large_write_and_takes_the_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_BYTES", 4096 * 60)
    store = Store(tmp_path / "db")
    large, small = await asyncio.gather(
        store.put("a", "large", b"x" * 2**20), store.add("a", "small", 1), return_exceptions=True
    )
    assert isinstance(large, Busy)
    assert "full" in large.message
    assert small == 1
    await store.close()


async def test_too_many_waiting_operations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_WAITING", 0)
    store = Store(None)
    with pytest.raises(Busy):
        await store.get("a", "b")
    await store.close()


async def test_a_caller_that_leaves_before_its_turn_takes_the_operation_back() -> None:
    store = Store(None)
    tasks = [asyncio.ensure_future(store.add("a", "b", 1)) for _ in range(600)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert await store.add("a", "b", 0) >= sum(isinstance(each, float) for each in done)
    await store.close()


def test_a_loop_that_was_closed_while_it_waited_harms_nobody() -> None:
    store = Store(None)

    async def leave() -> None:
        for _ in range(300):
            asyncio.ensure_future(store.add("a", "b", 1))  # noqa: RUF006 - left behind on purpose
        await asyncio.sleep(0)

    asyncio.run(leave())
    asyncio.run(store.close())


async def test_a_function_that_fails_fails_its_caller_only() -> None:
    store = Store(None)

    def broken(connection: sqlite3.Connection) -> None:
        raise KeyError("broken")

    with pytest.raises(KeyError):
        await store._transactions.ask(broken)
    assert await store.add("a", "b", 1) == 1
    await store.close()


async def test_an_interrupted_migration_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, "CREATE TABLE more (x); SELECT nonsense;"))
    with pytest.raises(Busy):
        Store(tmp_path / "db")
    monkeypatch.undo()
    store = Store(tmp_path / "db")
    assert await store.add("a", "b", 1) == 1
    await store.close()


def test_the_state_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(location.sys, "platform", "linux")
    assert default_state_dir() == tmp_path / "xdg" / "holdfast"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_state_dir() == tmp_path / ".local" / "state" / "holdfast"
    monkeypatch.setattr(location.sys, "platform", "darwin")
    assert default_state_dir() == tmp_path / "Library" / "Application Support" / "holdfast"
    monkeypatch.setattr(location.sys, "platform", "win32")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert default_state_dir() == tmp_path / "AppData" / "Local" / "holdfast"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_state_dir() == tmp_path / "local" / "holdfast"
