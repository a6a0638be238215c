"""A loop that is closed while calls are under way: whoever runs it cancels them, with no loop running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from holdfast.core.clock import SystemClock
from holdfast.resilience.deadline import by

try:
    from uvloop import new_event_loop
except ImportError:  # pragma: no cover - not on Windows
    new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]


@pytest.mark.parametrize("loops", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("stubborn", [False, True])
def test_calls_under_way_end_with_their_loop(loops: Callable[[], asyncio.AbstractEventLoop], stubborn: bool) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("told")
            if stubborn:
                await asyncio.sleep(0.05)
                ended.append("late")
            raise

    async def main() -> None:
        clock = SystemClock()
        calls = [
            asyncio.ensure_future(by(clock.now() + 30, clock, work(), on_orphan=lambda _: None, grace=grace))
            for grace in (0.01, 1.0)
        ]
        await asyncio.sleep(0.01)
        assert not any(call.done() for call in calls)

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(main())
        loop = runner.get_loop()
    assert loop.is_closed()
    assert ended.count("told") == 2
