"""The share of failed calls in the last minute: what the caller did wrong does not count, and what is old leaves."""

from __future__ import annotations

from support.moving import Moving

from holdfast.observe.metrics import Metrics
from holdfast.watchdog.failures import Failures


class Calls:
    """Ends calls, and reads the share of those that failed."""

    def __init__(self) -> None:
        self.metrics, self.clock = Metrics(), Moving()
        self.failures = Failures(self.metrics, self.clock.now, window=60.0, least=20)
        self.failures.read()

    def end(self, outcome: str, count: int, tool: str = "tool") -> None:
        for _ in range(count):
            self.metrics.for_tool(tool).ended(outcome, 0.1)

    def share(self) -> float:
        reading = self.failures.read()
        assert reading is not None
        return reading.value


def test_below_the_least_number_of_calls_nothing_is_said() -> None:
    calls = Calls()
    calls.end("failed", 19)
    assert calls.share() == 0.0
    calls.end("failed", 1)
    assert calls.share() == 1.0


def test_the_tool_that_fails_most_is_named() -> None:
    calls = Calls()
    calls.end("ok", 30, "good")
    calls.end("failed", 8, "bad")
    calls.end("failed", 2, "better")
    reading = calls.failures.read()
    assert reading is not None
    assert (reading.value, reading.said) == (0.25, {"calls": 40, "failed": 10, "tool": "bad"})


def test_calls_out_of_time_count_and_refusals_and_mistakes_of_callers_do_not() -> None:
    calls = Calls()
    calls.end("ok", 15)
    calls.end("error", 5)
    calls.end("refused", 500)
    calls.metrics.refused("rate", "rate.limited")
    assert calls.share() == 0.0
    for code in ("deadline.exceeded", "isolation.crashed"):
        for _ in range(10):
            calls.metrics.refused(code.partition(".")[0], code)
    assert calls.share() == 0.5


def test_old_calls_leave_the_window() -> None:
    calls = Calls()
    calls.end("failed", 100)
    assert calls.share() == 1.0
    for _ in range(14):
        calls.clock.time += 5
        calls.end("ok", 2)
        calls.share()
    assert calls.share() == 0.0
