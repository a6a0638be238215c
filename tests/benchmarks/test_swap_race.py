"""The symlink-swap race in the suite's size: no escape by either resolver, and a control that leaks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from swap_race import HEAD, Tally, race, sound

TRIES = 20_000
"""The issue's number for the suite; `python benchmarks/swap_race.py` makes 500,000 of it."""
WRITES = 800
"""So many that some are sure to land inside: about one in fifty does on a busy machine."""


@pytest.mark.skipif(sys.platform != "linux", reason="openat2 is Linux's")
def test_neither_resolver_ever_leaves_the_root_while_links_are_swapped_in(tmp_path: Path) -> None:
    tallies = race(tmp_path, TRIES, WRITES)
    assert sound(tallies), "\n".join([HEAD, *map(str, tallies)])
    assert [tally.tries for tally in tallies] == [TRIES, WRITES, TRIES, WRITES, TRIES]


@pytest.mark.parametrize(
    "guarded, usual, verdict",
    [
        (Tally("", inside=9, refused=1), Tally("", inside=9, escaped=1), True),
        (Tally("", inside=9, refused=1, escaped=1), Tally("", inside=9, escaped=1), False),
        (Tally("", inside=9, refused=1), Tally("", inside=9), False),
        (Tally("", inside=9), Tally("", escaped=1), False),
        (Tally("", refused=9), Tally("", escaped=1), False),
    ],
)
def test_a_run_counts_only_when_the_control_leaked_and_the_race_was_met(
    guarded: Tally, usual: Tally, verdict: bool
) -> None:
    assert sound([guarded, guarded, usual]) is verdict
    assert str(guarded.tries) in str(guarded)
