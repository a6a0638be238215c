"""Waiting for what comes by itself: never for a span of time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

PATIENCE = 30.0
"""Seconds after which what has not come is held never to come; a machine that is busy elsewhere loses several."""
TURNS = 200
"""Turns of the loop after which threads are given time too."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop and its threads go on until something is so. Raises ``TimeoutError`` when it never is.

    Looks after each turn of the loop at first: some states last no longer.
    """
    async with asyncio.timeout(PATIENCE):
        for turn in count():
            if condition():
                return
            await asyncio.sleep(0 if turn < TURNS else 0.001)
