"""A run is slower than the record only when a ratio is clearly worse, each time that it is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from compare import ATTEMPTS, WATCHED, NoRecord, confirmed, latest, recorded, slower

Found = dict[str, dict[str, list[float]]]


def found(**ours: float) -> Found:
    """A run in which the bare SDK takes 100 everywhere."""
    return {metric: {"bare": [100.0], "holdfast": [value]} for metric, value in ours.items()}


class Machine:
    """Measures what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: Found) -> None:
        self.asked: list[frozenset[str]] = []
        self._answers = iter(answers)

    def __call__(self, groups: frozenset[str]) -> Mapping[str, Mapping[str, list[float]]]:
        self.asked.append(groups)
        return next(self._answers)


EVERY = frozenset(each.group for each in WATCHED)


def judged(before: Found, machine: Machine) -> list[str]:
    return [each.watched.title for each in confirmed(before, machine, EVERY, lambda _words: None)]


def test_a_ratio_within_fifteen_percent_is_not_slower() -> None:
    assert slower(found(sequential=20.0), found(sequential=22.9)) == []


def test_a_ratio_beyond_fifteen_percent_is_slower_and_says_which() -> None:
    (late,) = slower(found(sequential=20.0, in_flight=10.0), found(sequential=23.1, in_flight=10.0))
    assert str(late) == "holdfast, stdio, one at a time: 0.231 where 0.200 is recorded (+16 %)"


def test_a_slower_machine_is_no_slower_ratio() -> None:
    twice = {"sequential": {"bare": [200.0], "holdfast": [40.0]}}
    assert slower(found(sequential=20.0), twice) == []


def test_what_one_of_the_two_did_not_measure_is_passed_over() -> None:
    assert slower(found(sequential=20.0), found(http_one=900.0)) == []


def test_the_chain_is_compared_in_turns_of_plain_python() -> None:
    def chain(microseconds: float, loop: float) -> Found:
        return {"chain": {"holdfast": [microseconds]}, "calibration": {"holdfast": [loop]}}

    assert slower(chain(40.0, 50.0), chain(80.0, 100.0)) == []
    assert len(slower(chain(40.0, 50.0), chain(80.0, 50.0))) == 1


def test_a_run_that_is_no_slower_is_measured_once() -> None:
    machine = Machine(found(sequential=20.0))
    assert judged(found(sequential=20.0), machine) == []
    assert machine.asked == [EVERY]


def test_noise_that_does_not_come_back_is_no_regression() -> None:
    machine = Machine(found(sequential=40.0, http_one=30.0), found(sequential=20.0))
    assert judged(found(sequential=20.0, http_one=30.0), machine) == []
    assert machine.asked == [EVERY, frozenset({"stdio"})]


def test_what_is_slower_every_time_is_a_regression() -> None:
    machine = Machine(*[found(sequential=40.0, in_flight=10.0)] * ATTEMPTS)
    assert judged(found(sequential=20.0, in_flight=10.0), machine) == ["holdfast, stdio, one at a time"]
    assert len(machine.asked) == ATTEMPTS


def test_only_what_was_slower_before_can_be_slower_again() -> None:
    machine = Machine(found(sequential=40.0, in_flight=10.0), found(sequential=20.0, in_flight=40.0))
    assert judged(found(sequential=20.0, in_flight=10.0), machine) == []


def test_every_measurement_that_seems_slower_is_told() -> None:
    told: list[str] = []
    machine = Machine(found(sequential=40.0), found(sequential=20.0))
    confirmed(found(sequential=20.0), machine, EVERY, told.append)
    assert told == [
        "measurement 1 of 3: holdfast, stdio, one at a time: 0.400 where 0.200 is recorded (+100 %)",
    ]


def test_the_newest_record_is_the_one_to_compare_with(tmp_path: Path) -> None:
    for day in ("2026-01-31", "2026-02-01", "2025-12-31"):
        (tmp_path / f"{day}.json").write_text("{}")
    assert latest(tmp_path).stem == "2026-02-01"


def test_the_laps_of_a_record_are_read_back(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"laps": found(sequential=20.0)}))
    assert recorded(tmp_path / "run.json") == found(sequential=20.0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"laps": {}}', '{"laps": 3}'])
def test_a_record_without_laps_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(NoRecord):
        recorded(tmp_path / "run.json")


def test_no_record_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRecord):
        latest(tmp_path)
