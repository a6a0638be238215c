"""Taking a key that is free, changing what is as it was, and the room of one space and of its family."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.errors import Busy, InputTooLarge
from holdfast.state.claiming import Room
from holdfast.state.location import FILE
from holdfast.state.store import Store
from holdfast.testing import FakeClock

ROOM = Room(rows=2, bytes=10, family_rows=3, family_bytes=15)


async def test_of_many_who_claim_a_key_one_has_it_also_between_instances(tmp_path: Path) -> None:
    stores = [Store(tmp_path / FILE) for _ in range(2)]
    told = await asyncio.gather(*(stores[n % 2].claim("a:b", "k", str(n).encode(), 60) for n in range(40)))
    winner = [n for n, there in enumerate(told) if there is None]
    assert len(winner) == 1
    assert set(told) == {None, str(winner[0]).encode()}
    for store in stores:
        await store.close()


async def test_a_claim_ends_with_its_time_and_one_for_ever_does_not() -> None:
    clock = FakeClock()
    store = Store(None, clock=clock)
    assert await store.claim("a", "k", b"1", 10) is None
    assert await store.claim("b", "k", b"1", None) is None
    await clock.advance(11)
    assert await store.claim("a", "k", b"2", 10) is None
    assert await store.claim("b", "k", b"2", None) == b"1"
    await store.close()


async def test_a_value_changes_only_while_it_is_what_it_was_thought_to_be() -> None:
    clock = FakeClock()
    store = Store(None, clock=clock)
    await store.claim("a", "k", b"1", 10)
    assert not await store.swap("a", "k", b"2", b"3")
    assert await store.swap("a", "k", b"1", b"3")
    assert await store.left("a", "k") == 10, "its time stays as it was"
    assert not await store.swap("a", "k", b"1", None)
    assert await store.swap("a", "k", b"3", None)
    assert await store.keys("a") == []
    with pytest.raises(InputTooLarge):
        store.swap("a", "k", b"1", b"x" * (2**20 + 1))
    await store.close()


async def test_a_space_and_its_family_have_room_for_so_many() -> None:
    clock = FakeClock()
    store = Store(None, clock=clock)
    for key in ("1", "2"):
        assert await store.claim("i:ada", key, b"", 10, ROOM) is None
    with pytest.raises(Busy):
        await store.claim("i:ada", "3", b"", 10, ROOM)
    assert await store.claim("i:eve", "1", b"", 10, ROOM) is None
    with pytest.raises(Busy):
        await store.claim("i:bob", "1", b"", 10, ROOM)
    assert await store.claim("ix:bob", "1", b"", 10, ROOM) is None, "another family"
    assert await store.claim("i:ada", "1", b"", 10, ROOM) == b"", "what is there is found"
    await clock.advance(11)
    assert await store.claim("i:bob", "1", b"", 10, ROOM) is None, "what has expired makes room"
    await store.close()


async def test_what_is_too_large_for_the_room_leaves_the_smaller_one() -> None:
    store = Store(None)
    for who in ("ada", "eve"):
        await store.claim(f"i:{who}", "1", b"", 10, ROOM)
    assert await store.fulfil("i:ada", "1", b"", (b"x" * 11, b"-"), ROOM)
    assert await store.get("i:ada", "1") == b"-"
    assert await store.fulfil("i:ada", "1", b"-", (b"x" * 9, b"-"), ROOM)
    assert await store.fulfil("i:eve", "1", b"", (b"x" * 7, b"-"), ROOM), "together they would be too much"
    assert await store.get("i:eve", "1") == b"-"
    assert not await store.fulfil("i:eve", "1", b"other", (b"x", b"-"), ROOM)
    assert await store.items("i:eve") == [("1", b"-")]
    await store.close()
