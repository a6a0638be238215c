"""A lean client over standard input and output: bytes written, lines counted, nothing parsed while the clock runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Self

from answers import INITIALIZE, INITIALIZED, LIST, Failed, call, check, check_greeting, check_list
from processes import Started
from subjects import Subject
from work import Add, Work

CHUNK = 65_536
HEAD = 512
"""Bytes of a line in which a request's or notification's method stands, and not yet a caller's text."""
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
    """One server and its only client, which says hello by ``greet``."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self._begun = perf_counter()
        self.initialized = self.first = 0.0
        super().__init__(subject, folder, "stdio")
        if self.process.stdin is None or self.process.stdout is None:
            raise Failed("no pipes")
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._rest: list[bytes] = []
        self._next = 1

    def greet(self) -> Self:
        """What every client does: initialize, list the tools, call one. Leaves the seconds since the process began.

        They are in ``initialized`` (the first answer) and ``first`` (the answer to the call).
        """
        with self.watched():
            self._write(INITIALIZE + b"\n")
            greeting = self._lines()[0]
            self.initialized = perf_counter() - self._begun
            self._write(INITIALIZED + b"\n" + LIST + b"\n")
            listed = self._lines()[0]
            self._write(call(0, Add()) + b"\n")
            answers = self._lines()
            self.first = perf_counter() - self._begun
        check_greeting(greeting)
        check_list(listed)
        check(answers, range(1), Add())
        return self

    def load(self, calls: int, in_flight: int, work: Work) -> Load:
        """Make ``calls`` calls, ``in_flight`` of them under way at any time; all are checked when the clock stands."""
        numbers = self._numbers(calls)
        requests = [call(number, work) + b"\n" for number in numbers]
        answers: list[bytes] = []
        sent = min(in_flight, calls)
        with self.watched():
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
        check(answers, numbers, work)
        each = tuple(later - earlier for earlier, later in pairwise(stamps))
        return Load(calls, stamps[-1] - begun, used, each if in_flight == 1 else ())

    def send(self, calls: int, work: Work) -> range:
        """Make calls whose answers are to be taken later; returns their numbers."""
        numbers = self._numbers(calls)
        with self.watched():
            for number in numbers:
                self._write(call(number, work) + b"\n")
        return numbers

    def take(self, numbers: Sequence[int], work: Work) -> None:
        """Wait for the answers to ``numbers``. Raises ``Failed`` for any other."""
        answers: list[bytes] = []
        with self.watched():
            while len(answers) < len(numbers):
                answers += self._lines()
        check(answers, numbers, work)

    def _numbers(self, calls: int) -> range:
        self._next += calls
        return range(self._next - calls, self._next)

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
            self._rest.append(data)
            if b"\n" not in data:
                continue
            *lines, rest = b"".join(self._rest).split(b"\n")
            self._rest = [rest]
            answers = [line for line in lines if b'"method":' not in line[:HEAD]]
            if answers:
                return answers
