"""An open breaker is open in the next process too, for as long as it would have been; and not for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, code, server_in

from holdfast import Server
from holdfast.errors import Busy
from holdfast.live import Live
from holdfast.resilience.breaker import Breaker
from holdfast.state.breakers import REMEMBERED, SPACE, Breakers
from holdfast.state.durable import Durable
from holdfast.state.store import Store
from holdfast.testing import FakeClock


class Life:
    """One process after the other over the same folder and the same clock."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.clock = FakeClock()

    def durable(self) -> Durable:
        return Durable(self.base, lambda: self.base.mkdir(exist_ok=True), self.clock, lambda name: None)

    async def begin(self, name: str = "tool a") -> tuple[Breaker, Breakers, Durable]:
        durable = self.durable()
        breakers = Breakers(durable, self.clock)
        breaker = Breaker(self.clock, min_calls=1, on_change=lambda old, new: breakers.changed(name))
        breakers.watch(name, breaker)
        if durable.there():
            await breakers.recall()
        return breaker, breakers, durable

    async def end(self, breakers: Breakers, durable: Durable) -> None:
        await breakers.close(5)
        await durable.close()


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path / "state")


async def test_what_was_open_is_open_for_the_rest_of_its_pause(life: Life) -> None:
    breaker, *rest = await life.begin()
    breaker.permit().failure(0.1)
    paused = breaker.pause()
    assert paused is not None
    await life.end(*rest)
    await life.clock.advance(1)
    breaker, *rest = await life.begin()
    assert breaker.state == "open"
    assert breaker.pause() == (pytest.approx(paused[0] - 1), 1)
    await life.clock.advance(paused[0])
    breaker.permit().failure(0.1)
    longer = breaker.pause()
    assert longer is not None
    assert longer[0] > paused[0], "its pauses go on growing"
    await life.end(*rest)


async def test_what_has_closed_is_closed(life: Life) -> None:
    breaker, *rest = await life.begin()
    breaker.permit().failure(0.1)
    await life.clock.advance(60)
    for _ in range(3):
        breaker.permit().success(0.1)
    assert breaker.state == "closed"
    await life.end(*rest)
    breaker, breakers, durable = await life.begin()
    assert breaker.state == "closed"
    assert await (await durable.open()).keys(SPACE) == []
    await life.end(breakers, durable)


async def test_what_is_old_or_absurd_is_forgotten(life: Life) -> None:
    breaker, *rest = await life.begin()
    breaker.permit().failure(0.1)
    await life.end(*rest)
    await life.clock.advance(60 + REMEMBERED)
    breaker, breakers, durable = await life.begin()
    assert breaker.state == "closed"
    await (await durable.open()).put(SPACE, "tool a", b"[9e99, 1]")
    await life.end(breakers, durable)
    breaker, *rest = await life.begin()
    assert breaker.state == "closed", "written by a clock that was wrong"
    await life.end(*rest)


async def test_a_tool_that_is_added_later_is_found_open_too_and_another_is_not(life: Life) -> None:
    breaker, *rest = await life.begin()
    breaker.permit().failure(0.1)
    await life.end(*rest)
    other, breakers, durable = await life.begin("tool b")
    late = Breaker(life.clock)
    breakers.watch("tool a", late)
    assert (other.state, late.state) == ("closed", "open")
    late.resume(9.0, 1)
    await life.end(breakers, durable)


async def test_a_state_that_cannot_be_written_takes_no_breaker_down(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise Busy("full")

    monkeypatch.setattr(Store, "put", full)
    breaker, *rest = await life.begin()
    breaker.permit().failure(0.1)
    await life.end(*rest)
    assert breaker.state == "open"


def broken(base: Path) -> Server:
    """A server whose tool fails."""
    server = server_in(base)

    @server.tool(read_only=True)
    async def fail() -> str:
        raise KeyError

    return server


async def until_open(live: Live) -> list[str]:
    codes = [code(await ask(live, "fail")) for _ in range(40)]
    return sorted(set(codes))


async def test_a_server_that_starts_again_leaves_alone_what_was_failing(tmp_path: Path) -> None:
    async with broken(tmp_path).serving() as live:
        assert "breaker.open" in await until_open(live)
    async with broken(tmp_path).serving() as live:
        assert code(await ask(live, "fail")) == "breaker.open"


async def test_a_server_whose_state_cannot_be_opened_starts_all_the_same(tmp_path: Path) -> None:
    async with broken(tmp_path).serving() as live:
        await until_open(live)
    folder = tmp_path / "state" / "inside" / "alive"
    folder.rmdir()
    folder.write_text("in the way")
    async with broken(tmp_path).serving() as live:
        assert code(await ask(live, "fail")) == "tool.failed"
        assert (await live.plant.health.report()).checks["state"].status == "failed"
        await asyncio.sleep(0)
