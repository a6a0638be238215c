"""What becomes of a worker's end: who is blamed, what the next one hears, and how long it waits."""

from __future__ import annotations

import signal

import pytest

from holdfast.supervisor import losses
from holdfast.supervisor.control import Control
from holdfast.supervisor.losses import FAILURES, Losses
from holdfast.supervisor.worker import Child, Task


def child() -> Child:
    """One that has served since second 1."""
    ours, theirs = Control.pair()
    ours.close()
    theirs.close()
    return Child(1, ours, 0.0, ready_at=1.0)


def test_the_next_one_hears_who_died_and_of_what_was_under_way() -> None:
    task, pause = Losses().lost(child(), 3, 7, ["leave"], 5.0)
    assert (task, pause) == (Task(7, True, "a tool ended the process with status 3", ("leave",)), 0.0)


def test_a_kill_from_outside_blames_nobody_unless_memory_was_short(monkeypatch: pytest.MonkeyPatch) -> None:
    kills = 3
    monkeypatch.setattr(losses, "oom_kills", lambda: kills)
    found = Losses()
    assert not found.lost(child(), -signal.SIGKILL, 1, [], 5.0)[0].blamed
    kills = 4
    assert found.lost(child(), -signal.SIGKILL, 2, [], 6.0)[0].why == "the system ended it for want of memory"
    assert not found.lost(child(), -signal.SIGKILL, 3, [], 7.0)[0].blamed


def test_the_eleventh_death_in_a_minute_makes_the_next_one_wait() -> None:
    found = Losses()
    pauses = [found.lost(child(), -signal.SIGSEGV, number, [], 5.0)[1] for number in range(12)]
    assert pauses == [0.0] * 10 + [1.0, 2.0]


def test_the_first_one_that_is_never_ready_is_the_last() -> None:
    assert Losses().never_ready(child(), 1, 0, 5.0) is None


def test_later_ones_are_tried_a_few_times_unless_one_serves(capfd: pytest.CaptureFixture[str]) -> None:
    found = Losses()
    assert [found.never_ready(child(), 1, 5, 5.0) for _ in range(FAILURES - 1)] == [1.0, 2.0]
    found.none()
    assert [found.never_ready(child(), 1, 5, 5.0) for _ in range(FAILURES)] == [1.0, 2.0, None]
    assert capfd.readouterr().err.count("supervisor.gave_up") == 1


def test_whoever_kills_workers_before_they_are_ready_is_outlasted(monkeypatch: pytest.MonkeyPatch) -> None:
    kills = 0
    monkeypatch.setattr(losses, "oom_kills", lambda: kills)
    found = Losses()
    pauses = [found.never_ready(child(), -signal.SIGKILL, number, 5.0) for number in range(12)]
    assert pauses == [0.0] * 10 + [1.0, 2.0], "the first worker of all too"
    kills = 1
    assert found.never_ready(child(), -signal.SIGKILL, 0, 6.0) is None, "the kernel did it: there is not enough memory"


def test_a_worker_that_took_too_long_to_be_ready_counts() -> None:
    slow = child()
    slow.ended_for = "it took too long"
    assert Losses().never_ready(slow, -signal.SIGKILL, 0, 5.0) is None


def test_kills_for_want_of_memory_are_counted_by_the_system() -> None:
    assert losses.oom_kills() >= 0
