"""Whoever waits sees how far the run is, and a stream that is gone never stops it."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from holdfast_attack.model.case import Transport
from holdfast_attack.model.outcome import Lane, Report, Verdict
from holdfast_attack.report import progress as progress_module
from holdfast_attack.report.progress import Live, Plain, Progress, Silent, progress_for


class Clock:
    """Time that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def live(stream: Any, clock: Callable[[], float], columns: int = 100) -> Live:
    return Live(stream, clock, lambda: columns)


def test_the_line_in_a_terminal_tells_case_lane_count_failures_and_time(make: Any) -> None:
    stream, clock = Terminal(), Clock()
    shown = live(stream, clock)
    case = make.case()
    shown.began(3, 300.0)
    shown.playing(case, make.stdio_old)
    clock.now += 2.4
    shown.played(make.outcome(case, make.stdio_old, Verdict.FAILED))
    shown.playing(make.case("wire.deep"), make.http_new)
    assert stream.getvalue().split("\r\x1b[2K")[1:] == [
        "0 of 3, 0 failed, 0 s of 300 s",
        "0 of 3, 0 failed, 0 s of 300 s | paths.parent on stdio/2025-11-25",
        "1 of 3, 1 failed, 2 s of 300 s",
        "1 of 3, 1 failed, 2 s of 300 s | wire.deep on http/2026-07-28",
    ]


def test_accepted_failures_are_none(make: Any) -> None:
    stream = Terminal()
    shown = live(stream, Clock())
    shown.began(1, 300.0)
    shown.played(make.outcome(make.case(), make.stdio_old, Verdict.FAILED, accepted=True))
    assert "1 of 1, 0 failed" in stream.getvalue()


def test_cases_side_by_side_are_counted_and_the_latest_is_named(make: Any) -> None:
    stream = Terminal()
    shown = live(stream, Clock())
    shown.began(3, 300.0)
    for case_id in ("load.memory", "time.many-sleeping", "time.regex"):
        shown.playing(make.case(case_id), make.stdio_old)
    assert stream.getvalue().endswith("| time.regex on stdio/2025-11-25 and 2 more")
    shown.played(make.outcome(make.case("time.regex"), make.stdio_old))
    assert stream.getvalue().endswith("| time.many-sleeping on stdio/2025-11-25 and 1 more")


def test_in_the_end_the_line_is_gone_and_the_cursor_was_never_hidden(make: Any) -> None:
    stream = Terminal()
    shown = live(stream, Clock())
    shown.began(1, 300.0)
    shown.playing(make.case(), make.stdio_old)
    shown.ended()
    assert stream.getvalue().endswith("\r\x1b[2K")
    assert set(re.findall(r"\x1b\[[0-9?]*[a-zA-Z]", stream.getvalue())) == {"\x1b[2K"}


@pytest.mark.parametrize("columns", [0, 1, 20, 60])
def test_the_line_never_wraps(make: Any, columns: int) -> None:
    stream = Terminal()
    shown = live(stream, Clock(), columns)
    shown.began(1000, 300.0)
    shown.playing(make.case(), make.stdio_old)
    assert all(len(line) < max(columns, 1) for line in stream.getvalue().split("\r\x1b[2K"))


def test_a_version_of_a_servers_choice_is_harmless(make: Any) -> None:
    stream = Terminal()
    shown = live(stream, Clock())
    shown.began(1, 300.0)
    shown.playing(make.case(), Lane(Transport.STDIO, make.hostile_text))
    told = stream.getvalue().replace("\r\x1b[2K", "")
    assert told.isascii()
    assert told.isprintable()


def test_the_line_moves_on_by_itself_while_a_case_takes_long(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_TICK", 0.0)
    stream, clock = Terminal(), Clock()
    shown = live(stream, clock)

    async def run() -> None:
        shown.began(1, 300.0)
        shown.playing(make.case(), make.stdio_old)
        clock.now += 9.0
        async with asyncio.timeout(10):
            while "9 s of 300 s" not in stream.getvalue():
                await asyncio.sleep(0)
        shown.ended()
        said = stream.getvalue()
        for _ in range(5):
            await asyncio.sleep(0)
        assert stream.getvalue() == said

    asyncio.run(run())


def test_a_pipe_gets_a_line_for_each_class(make: Any) -> None:
    stream, clock = io.StringIO(), Clock()
    shown = Plain(stream, clock)
    shown.began(3, 300.0)
    for case_id, verdict in (
        ("paths.parent", Verdict.FAILED),
        ("paths.fifo", Verdict.PASSED),
        ("wire.deep", Verdict.PASSED),
    ):
        shown.playing(make.case(case_id), make.stdio_old)
        clock.now += 1.0
        shown.played(make.outcome(make.case(case_id), make.stdio_old, verdict))
    shown.ended()
    assert stream.getvalue().splitlines() == [
        "paths: 0 of 3, 0 failed, 0 s of 300 s",
        "wire: 2 of 3, 1 failed, 2 s of 300 s",
        "done: 3 of 3, 1 failed, 3 s of 300 s",
    ]


class Broken(Terminal):
    """A terminal that was closed on the other side."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.tries = 0

    def write(self, _text: str, /) -> int:
        self.tries += 1
        raise self.error


def closed() -> io.StringIO:
    stream = Terminal()
    stream.close()
    return stream


@pytest.mark.parametrize("kind", [Live, Plain])
@pytest.mark.parametrize(
    "stream",
    [Broken(BrokenPipeError()), Broken(OSError(5, "EIO")), Broken(ValueError()), None, closed()],
    ids=["broken pipe", "input and output", "closed meanwhile", "none", "closed"],
)
def test_a_stream_that_is_gone_stops_nothing(kind: type[Live | Plain], stream: Any, report: Report) -> None:
    shown = kind(stream)
    shown.began(len(report.outcomes), 300.0)
    for outcome in report.outcomes:
        shown.playing(outcome.case, outcome.lane)
        shown.played(outcome)
    shown.ended()
    assert getattr(stream, "tries", 1) <= 5  # tried once for each of the ten parameters' runs, and then left alone


def test_the_fitting_display_is_chosen() -> None:
    assert isinstance(progress_for(Terminal(), quiet=False, environment={"TERM": "xterm"}), Live)
    assert isinstance(progress_for(Terminal(), quiet=False, environment={"TERM": "dumb"}), Plain)
    assert isinstance(progress_for(io.StringIO(), quiet=False), Plain)
    for stream, quiet in ((Terminal(), True), (None, False), (closed(), False)):
        assert isinstance(progress_for(stream, quiet=quiet), Silent)


def test_silence_is_silent(make: Any) -> None:
    shown: Progress = Silent()
    shown.began(1, 300.0)
    shown.playing(make.case(), make.stdio_old)
    shown.played(make.outcome(make.case()))
    shown.ended()


def test_what_is_remembered_is_bounded(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_MOST", 2)
    stream = Terminal()
    shown = live(stream, Clock())
    shown.began(9, 300.0)
    for number in range(9):
        shown.playing(make.case(f"wire.case-{number}"), make.stdio_old)
    assert stream.getvalue().endswith("| wire.case-1 on stdio/2025-11-25 and 1 more")
