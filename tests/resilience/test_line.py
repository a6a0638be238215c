"""Who is served next: the higher rank, then who came first, and nobody is passed over for ever."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import Busy, DeadlineExceeded
from holdfast.resilience.line import PATIENCE, Line, Waiter


def lined(*waiters: Waiter) -> Line:
    line = Line()
    for waiter in waiters:
        line.append(waiter)
    return line


async def test_a_low_rank_has_its_turn_although_higher_ones_keep_coming() -> None:
    low = Waiter(None, 2, 0.0)
    line, served = lined(low, Waiter(None, 0, 0.0)), []
    for _ in range(PATIENCE + 1):
        served.append(line.take(0.0))
        line.append(Waiter(None, 0, 0.0))
    assert served.index(low) == PATIENCE


@settings(deadline=None, max_examples=2_000 if os.environ.get("SOAK") else 100)
@given(steps=st.lists(st.one_of(st.none(), st.integers(0, 2)), max_size=150))
def test_order_holds_within_a_rank_and_the_wait_is_bounded_for_every_rank(steps: list[int | None]) -> None:
    async def run() -> None:
        line, waiting = Line(), ([], [], [])
        heads = [0, 0, 0]
        for step in [*steps, *[None] * len(steps)]:
            if step is not None:
                waiter = Waiter(None, step, 0.0)
                line.append(waiter)
                waiting[step].append(waiter)
                continue
            first = next((rank for rank in range(3) if waiting[rank]), None)
            chosen = line.take(0.0)
            assert (chosen is None) == (first is None)
            if chosen is None or first is None:
                continue
            assert waiting[chosen.rank].pop(0) is chosen
            assert chosen.rank == first or heads[chosen.rank] >= PATIENCE, "out of turn only after waiting long"
            for rank in range(3):
                heads[rank] = heads[rank] + 1 if waiting[rank] and rank != chosen.rank else 0
                assert heads[rank] < PATIENCE + 2
        assert line.count == sum(map(len, waiting))

    asyncio.run(run())


async def test_the_expired_are_dropped_and_cost_their_rank_no_turn() -> None:
    late, alive = Waiter(1.0, 2, 0.0), Waiter(9.0, 2, 0.0)
    line = lined(late, alive, Waiter(2.0, 0, 0.0))
    assert line.take(5.0) is alive
    assert line.count == 0
    assert isinstance(late.granted.exception(), DeadlineExceeded)
    assert line.take(5.0) is None


async def test_who_has_spent_half_of_its_time_in_line_comes_after_those_who_have_not() -> None:
    """First come, first served begins with whoever has the least time left, and does most work in vain."""
    old, patient = Waiter(10.0, 1, 0.0), Waiter(None, 1, 0.0)
    older, new = Waiter(8.0, 1, 0.0), Waiter(14.0, 1, 4.0)
    line = lined(older, old, patient, new)
    assert line.take(3.9) is older
    assert [line.take(5.0) for _ in range(3)] == [patient, new, old]
    tired = Waiter(10.0, 1, 0.0)
    line.append(tired)
    assert line.take(5.0) is tired, "nobody else is there"
    line.append(Waiter(10.0, 0, 0.0))
    line.append(Waiter(10.0, 1, 4.0))
    assert [line.take(5.0).rank for _ in range(2)] == [0, 1], "a rank goes before that"


async def test_the_tired_can_leave_be_cleared_and_expire_too() -> None:
    first, second, third, fresh = (Waiter(end, 2, 0.0) for end in (10.0, 11.0, 12.0, None))
    line = lined(first, second, third, fresh)
    assert line.take(6.5) is fresh
    line.remove(second)
    assert (line.count, line.oldest(9.0)) == (2, 0.0)
    assert line.newest_below(1) is third
    line.drop_expired(10.0)
    assert isinstance(first.granted.exception(), DeadlineExceeded)
    assert line.clear(2) == [third]
    assert line.count == 0


async def test_the_newest_of_the_lowest_rank_is_found_and_none_of_its_own() -> None:
    waiters = [Waiter(None, rank, 0.0) for rank in (0, 1, 2, 1)]
    line = lined(*waiters)
    assert line.newest_below(0) is waiters[2]
    line.remove(waiters[2])
    assert line.newest_below(0) is waiters[3]
    assert line.newest_below(1) is None
    assert line.newest_below(2) is None


async def test_one_rank_is_cleared_and_the_longest_waiter_is_known() -> None:
    waiters = [Waiter(None, 2, 3.0), Waiter(None, 0, 5.0), Waiter(None, 2, 6.0)]
    line = lined(*waiters)
    assert line.oldest(9.0) == 3.0
    assert line.clear(2) == [waiters[0], waiters[2]]
    assert (line.count, line.oldest(9.0)) == (1, 5.0)
    line.remove(waiters[1])
    assert line.oldest(9.0) == 9.0


async def test_who_is_dropped_hears_why() -> None:
    waiter = Waiter(None, 1, 0.0)
    waiter.drop(Busy("no"))
    with pytest.raises(Busy):
        await waiter.granted
