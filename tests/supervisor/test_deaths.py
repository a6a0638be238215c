"""Why a worker died, how soon the next may start, and which tools are left alone."""

from __future__ import annotations

import signal

import pytest

from holdfast.supervisor.deaths import LONGEST_PAUSE, MOST, WINDOW, Intensity, Quarantine, culprits, judged, mark


@pytest.mark.parametrize(
    "status, more, blamed",
    [
        (-signal.SIGKILL, {}, False),
        (-signal.SIGTERM, {}, False),
        (-signal.SIGKILL, {"out_of_memory": True}, True),
        (-signal.SIGKILL, {"ladder": "its loop stood still"}, True),
        (-signal.SIGSEGV, {}, True),
        (-signal.SIGABRT, {}, True),
        (0, {}, True),
        (3, {}, True),
        (-63, {}, True),
    ],
)
def test_a_worker_is_blamed_for_what_it_did_itself(status: int, more: dict[str, object], blamed: bool) -> None:
    assert judged(status, 5.0, **more).blamed is blamed  # type: ignore[arg-type]


def test_a_kill_from_outside_counts_only_against_a_worker_that_had_hardly_begun() -> None:
    assert not judged(-signal.SIGKILL, 1.0).counts
    assert judged(-signal.SIGKILL, 0.5).counts


def test_ten_deaths_in_a_minute_cost_no_pause_and_more_cost_a_longer_one_each_time() -> None:
    intensity = Intensity()
    assert [intensity.pause(float(second)) for second in range(MOST)] == [0.0] * MOST
    assert [intensity.pause(10.0 + second) for second in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert max(intensity.pause(15.0) for _ in range(10)) == LONGEST_PAUSE


def test_deaths_that_are_a_minute_apart_never_cost_a_pause() -> None:
    intensity = Intensity()
    assert all(intensity.pause(number * (WINDOW / MOST + 1)) == 0.0 for number in range(50))


def test_a_pause_is_forgotten_when_it_has_become_quiet() -> None:
    intensity = Intensity()
    for _ in range(MOST + 3):
        intensity.pause(1.0)
    assert intensity.pause(1.0 + WINDOW) == 0.0


def test_a_tool_that_was_there_twice_is_left_alone_for_a_while() -> None:
    quarantine = Quarantine()
    quarantine.suspect({"a", "b"}, 100.0)
    assert quarantine.until(100.0) == {}
    later = Quarantine(quarantine.note())
    later.suspect({"b", "c"}, 130.0)
    assert later.until(131.0) == {"b": 130.0 + Quarantine.FOR}
    assert later.until(130.0 + Quarantine.FOR) == {}


def test_two_deaths_that_are_far_apart_are_no_pattern() -> None:
    quarantine = Quarantine()
    quarantine.suspect({"a"}, 100.0)
    quarantine.suspect({"a"}, 100.0 + WINDOW)
    assert quarantine.until(161.0) == {}


def test_a_standing_loop_is_the_fault_of_the_tool_that_ran_on_it() -> None:
    known = ["slow", "quick", "other"]
    assert culprits({"slow", "quick"}, mark("slow"), known) == {"slow"}
    assert culprits({"quick"}, mark("slow"), known) == {"slow"}, "also when its caller has been answered"
    assert culprits({"slow", "quick"}, 0, known) == {"slow", "quick"}, "when nobody could look"
    assert culprits({"slow"}, mark("of code that is gone"), known) == {"slow"}
    assert culprits(set(), 0, known) == set()
    assert len({mark(name) for name in (*known, "", "\ud800")}) == 5
    assert 0 not in {mark(name) for name in (*known, "")}
