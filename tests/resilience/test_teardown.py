"""A context's end is waited for as long as there is time, in the task that entered it, and not longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from holdfast.resilience.deadline import Orphans
from holdfast.resilience.teardown import Punctual
from holdfast.testing import FakeClock


async def test_what_ends_in_time_ends_as_it_would_by_itself() -> None:
    seen: list[object] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[str]:
        task = asyncio.current_task()
        try:
            yield "state"
        except KeyError:
            seen.append("swallowed")
        seen.append(asyncio.current_task() is task)

    punctual = Punctual(life(), lambda: 5.0, seen.append, FakeClock(), Orphans())
    async with punctual as state:
        seen.append(state)
        raise KeyError
    assert seen == ["state", "swallowed", True]


async def test_what_is_late_is_cancelled_told_and_owned() -> None:
    clock, orphans, told, end = FakeClock(), Orphans(), [], asyncio.Event()

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        yield
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    async def serve() -> None:
        async with Punctual(life(), lambda: 2.0, told.append, clock, orphans):
            pass

    serving = asyncio.ensure_future(serve())
    await clock.advance(1.9)
    assert not serving.done()
    await clock.advance(0.2)
    await serving
    assert (told, orphans.count) == ([2.0], 1)
    end.set()
    await clock.settle()
    assert orphans.count == 0


async def test_what_its_end_raises_is_raised() -> None:
    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        yield
        raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        async with Punctual(life(), lambda: 2.0, lambda _: None, FakeClock(), Orphans()):
            pass
