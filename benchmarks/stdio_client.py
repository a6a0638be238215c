"""A lean client over standard input and output: bytes written, lines counted, nothing parsed while the clock runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from answers import INITIALIZE, INITIALIZED, Failed, call, check
from processes import Started
from subjects import Subject

CHUNK = 65_536
TICK = 0.01
"""Seconds: the grain of CPU times (USER_HZ is 100 on every Linux that is left)."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of calls took: seconds in all, and of each call where they were made one after the other."""

    calls: int
    seconds: float
    cpu: float
    """Seconds of CPU that the server used meanwhile, all its threads together."""
    each: tuple[float, ...] = ()

    @property
    def microseconds(self) -> float:
        """Wall time of one call."""
        return self.seconds / self.calls * 1e6

    @property
    def cpu_microseconds(self) -> float:
        """CPU time of one call; at least one tick of the kernel's accounting in all, so that it is never nothing."""
        return max(self.cpu, TICK) / self.calls * 1e6


class StdioServer(Started):
    """One server and its only client. ``initialized`` and ``first`` are seconds from the start of the process."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        begun = perf_counter()
        super().__init__(subject, folder, "stdio")
        if self.process.stdin is None or self.process.stdout is None:
            raise Failed("no pipes")
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._rest = b""
        self._next = 1
        try:
            self._greet(begun)
        except BaseException:
            self.__exit__()
            raise

    def _greet(self, begun: float) -> None:
        self._write(INITIALIZE + b"\n")
        answers = self._lines()
        self.initialized = perf_counter() - begun
        if b'"protocolVersion":"2025-11-25"' not in answers[0].replace(b" ", b""):
            raise Failed("the server does not speak 2025-11-25")
        self._write(INITIALIZED + b"\n")
        self.load(1, 1)
        self.first = perf_counter() - begun

    def load(self, calls: int, in_flight: int) -> Load:
        """Make ``calls`` calls, ``in_flight`` of them under way at any time; all are checked when the clock stands."""
        numbers = range(self._next, self._next + calls)
        self._next += calls
        requests = [call(number) + b"\n" for number in numbers]
        answers: list[bytes] = []
        sent = min(in_flight, calls)
        used = self.cpu
        stamps = [begun := perf_counter()]
        self._write(b"".join(requests[:sent]))
        while len(answers) < calls:
            lines = self._lines()
            stamps.append(perf_counter())
            answers += lines
            if sent < calls:
                self._write(b"".join(requests[sent : sent + len(lines)]))
                sent += len(lines)
        used = self.cpu - used
        check(answers, numbers)
        each = tuple(later - earlier for earlier, later in pairwise(stamps))
        return Load(calls, stamps[-1] - begun, used, each if in_flight == 1 else ())

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._in, data) :]
            except BrokenPipeError:
                raise self.silent() from None

    def _lines(self) -> list[bytes]:
        """At least one whole line that is an answer; what the server merely tells is left out."""
        while True:
            data = os.read(self._out, CHUNK)
            if not data:
                raise self.silent()
            *lines, self._rest = (self._rest + data).split(b"\n")
            answers = [line for line in lines if b'"method":' not in line]
            if answers:
                return answers
