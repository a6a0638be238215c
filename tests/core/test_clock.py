"""The machine's clock, as the protocol that everything is handed."""

from __future__ import annotations

import time

from holdfast.core.clock import Clock, SystemClock


async def test_the_systems_clock_moves_on_and_sleeps() -> None:
    clock: Clock = SystemClock()
    before = clock.now()
    await clock.sleep(0)
    assert clock.now() >= before
    assert abs(clock.wall() - time.time()) < 5
