"""However many different principals call, what is remembered of them stays within its bounds.

``make soak`` has a million of them call; here they are a few thousand, and the bounds are smaller.
"""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import psutil
from support.calls import ask, code, server_in
from support.soaking import LONG, note
from support.waiting import until

from holdfast.core.limits import Limits
from holdfast.resources.allocator import trim
from holdfast.testing import principal

CALLERS = 1_000_000 if LONG else 1_000
KNOWN = 10_000 if LONG else 200
"""Principals whose rates are remembered at once (``limits.principals``); by default as many as in the long form."""
FLAT = 8 << 20
"""Bytes: one that kept 100 for each principal would grow by ten times as much."""


def resident() -> int:
    gc.collect()
    trim()
    return int(psutil.Process().memory_info().rss)


async def test_many_principals_leave_memory_descriptors_and_tasks_as_they_were(tmp_path: Path) -> None:
    server = server_in(tmp_path, limits__principals=KNOWN, limits__rate="5/minute", log__level="error")

    @server.tool(read_only=True)
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool(read_only=True, cacheable=60, limits=Limits(cost=0))
    async def kept(a: int) -> str:
        return "x" * 100 + str(a)

    async with server.serving() as live:
        sizes: list[int] = []
        for number in range(CALLERS):
            who = principal(f"caller-{number}")
            assert code(await ask(live, "add", {"a": number, "b": 1}, who=who)) == ""
            if number % 4 == 0:
                assert code(await ask(live, "kept", {"a": 1}, who=who)) == ""
            if number % (CALLERS // 10) == CALLERS // 10 - 1:
                await asyncio.sleep(0)
                sizes.append(resident())
                if len(sizes) == 2:
                    standing = psutil.Process().num_fds(), len(asyncio.all_tasks())
        grown = sizes[-1] - sizes[1]
        note(principals=CALLERS, mib_after_each_tenth=[size >> 20 for size in sizes], grown_kib=grown >> 10)
        assert grown < FLAT
        await until(lambda: psutil.Process().num_fds() <= standing[0])  # what the watchdog reads is open for a moment
        await until(lambda: len(asyncio.all_tasks()) <= standing[1])
        refused = [code(await ask(live, "add", {"a": 1, "b": 1}, who=who)) for _ in range(5)]
        assert refused == [""] * 4 + ["rate.limited"], "the last is still known"
