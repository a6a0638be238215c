"""Tasks that wait inside a method are found by what they await, however deep, and nobody else's are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast.resources.suspended import waiting_in


class Door:
    """What is looked into."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def handle(self) -> str:
        """Wait."""
        await self.deeper()
        return "through"

    async def deeper(self) -> None:
        """Wait further down."""
        await self.open.wait()


class Stepped:
    """An awaitable that is a generator, as those that meter the work are."""

    def __init__(self, work: object) -> None:
        self.work = work

    def __await__(self) -> object:
        return (yield from self.work.__await__())  # type: ignore[attr-defined]


@asynccontextmanager
async def around(door: Door) -> AsyncIterator[str]:
    """Somebody's context manager."""
    yield await door.handle()


async def test_those_inside_are_found_and_no_others() -> None:
    door, other = Door(), Door()

    async def through() -> str:
        async with around(door) as told:
            return told

    async def stepped() -> None:
        await Stepped(door.handle())  # type: ignore[misc]

    async def elsewhere() -> None:
        await asyncio.gather(door.deeper(), other.handle())

    inside = {asyncio.ensure_future(each) for each in (door.handle(), stepped(), through())}
    outside = asyncio.ensure_future(elsewhere())
    await asyncio.sleep(0.01)
    found = set(waiting_in(Door.handle, door))
    assert found == inside
    door.open.set()
    other.open.set()
    await asyncio.gather(*inside, outside)
    assert waiting_in(Door.handle, door) == []
