"""Calls of tools are counted while they last, however they end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast import Server
from holdfast.core.endpoint import Request
from holdfast.core.principal import ANONYMOUS
from holdfast.errors import ProtocolError
from holdfast.supervisor.flight import Flight
from holdfast.testing import settings_for
from holdfast.wire.counted import Counted


def asking(name: str, kind: Any = "tool") -> Request:
    """A request that needs no session."""
    session: Any = None
    return Request(kind, name, {}, ANONYMOUS, session)


async def test_a_tool_is_under_way_while_it_runs_and_not_after(tmp_path: Path) -> None:
    server, flight = Server("counted", settings=settings_for(tmp_path)), Flight()
    seen: list[list[str]] = []

    @server.tool(read_only=True)
    async def looks() -> str:
        seen.append(flight.under_way())
        await asyncio.sleep(0)
        return "seen"

    @server.resource("text://one")
    async def one() -> str:
        seen.append(flight.under_way())
        return "text"

    async with server.serving() as serving:
        live: Any = serving
        counted = Counted(live, flight)
        await asyncio.gather(counted.handle(asking("looks")), counted.handle(asking("looks")))
        await counted.handle(asking("text://one", "resource"))
        assert counted.listed("tools", ANONYMOUS) == live.listed("tools", ANONYMOUS)
        waits = asyncio.ensure_future(counted.handle(asking("looks")))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        with pytest.raises(ProtocolError):
            await counted.handle(asking("made up"))
    assert seen == [["looks"], ["looks"], [], ["looks"]]
    assert flight.under_way() == []
    assert flight.place("another") == 2, "a name that nobody has takes no place"
