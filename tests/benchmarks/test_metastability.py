"""What the run over an outage says: met only when the server came back, and only when the control did not."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest
from metastability import CAPACITY, Course, Plan, Record, both, course, report

PLAN = Plan()
FULL = int(CAPACITY)


def steady(*empty: range) -> Record:
    """A run in which every second is full, but for those."""
    gone = {second for span in empty for second in span}
    offered = Counter({second: int(PLAN.rate(second)) for second in range(PLAN.end)})
    calls = Counter({second: min(FULL, count) for second, count in offered.items()})
    good = Counter({second: 0 if second in gone else count for second, count in calls.items()})
    return Record(offered, good, Counter(good=good.total()), Counter(calls), calls)


@pytest.mark.parametrize(
    "record, sound, collapsed",
    [
        (steady(range(PLAN.down, PLAN.up)), True, False),
        (steady(range(PLAN.down, PLAN.up + 10)), True, False),
        (steady(range(PLAN.down, PLAN.up + 18)), False, False),
        (steady(range(PLAN.down, PLAN.end)), False, True),
        (steady(range(PLAN.down, PLAN.relaxed)), False, False),
        (steady(range(PLAN.loaded, PLAN.down)), False, False),
    ],
)
def test_a_run_is_sound_when_it_was_back_in_time_and_collapsed_when_it_never_was(
    record: Record, sound: bool, collapsed: bool
) -> None:
    found = course(record, PLAN)
    assert (found.sound, found.collapsed) == (sound, collapsed), found


def test_more_than_a_fifth_of_further_attempts_is_too_much() -> None:
    record = steady(range(PLAN.down, PLAN.up))
    record.attempts = Counter({second: int(1.3 * count) for second, count in record.calls.items()})
    found = course(record, PLAN)
    assert found.retries == pytest.approx(0.28, abs=0.02)
    assert not found.sound


def test_the_report_shows_every_second() -> None:
    record = steady(range(PLAN.down, PLAN.up))
    lines = report("it", course(record, PLAN), record, PLAN).splitlines()
    assert lines[0] == "it: during 100%, after 100%, all of it 100%, then 100% of calls; +0% retries"
    assert lines[1].strip() == "8" * 5 + "9" * 20 + "0" * 5 + "9" * 35 + "8" * 25


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="5 s over pipes; `python benchmarks/metastability.py` takes 95")
def test_both_servers_run_and_answer(tmp_path: Path) -> None:
    plan = Plan(1, 2, 3, 4, 5)
    records = asyncio.run(both(tmp_path, plan, "refuses", 1))
    assert all(record.codes["good"] > FULL for record in records)
    assert isinstance(course(records[0], plan), Course)
