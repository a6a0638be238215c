"""Runs one mutant: a forked process in which one function has its broken code, and the tests that run its line.

Everything is imported and collected once, by the process that is forked. A mutant therefore costs the time of its tests
alone; what a module computed from the function when it was imported stays as it was.
"""

from __future__ import annotations

import ast
import gc
import os
import resource
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from _pytest.runner import runtestprotocol

KILLED, SURVIVED, SLOW, UNTRIED = "killed", "survived", "timeout", "untried"
MEMORY = 4 << 30
"""Bytes of data a mutant may use: one that no longer bounds its input must not take the machine with it."""
_UNTRIED_STATUS = 71

Place = tuple[str, str, int]
"""A function: its file, its qualified name, its first line."""


def functions() -> dict[Place, list[FunctionType]]:
    """Every function that was imported, wrapped ones and methods included."""
    found: dict[Place, list[FunctionType]] = {}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType):
            found.setdefault(_place(thing.__code__), []).append(thing)
    return found


def _place(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def exchange(path: Path, whole: ast.Module, broken: ast.Module, known: Mapping[Place, list[FunctionType]]) -> bool:
    """Give each function whose code differs its broken code. ``False`` when there is none that could take it."""
    before = {_place(code): code for code in _codes(compile(whole, str(path), "exec", dont_inherit=True))}
    done = False
    for code in _codes(compile(broken, str(path), "exec", dont_inherit=True)):
        was = before.get(_place(code))
        if was is not None and was != code:
            for function in known.get(_place(code), ()):
                with suppress(ValueError):  # the change left a variable of the function around it unused
                    function.__code__ = code
                    done = True
    return done


class Trial:
    """One mutant being tried: a forked child, which must end before ``seconds`` are over."""

    def __init__(self, attempt: Attempt, tests: Sequence[pytest.Item], seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._pid = os.fork()
        if self._pid == 0:
            _child(attempt, tests)

    def verdict(self) -> str | None:
        """``killed``, ``survived``, ``untried``, or ``timeout`` (some test would wait for ever); ``None``: it runs."""
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return {0: SURVIVED, _UNTRIED_STATUS: UNTRIED}.get(code, KILLED)
        if time.monotonic() < self._ends:
            return None
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        return SLOW


class Attempt:
    """What is to be broken, and where it is found."""

    def __init__(self, path: Path, broken: ast.Module, known: Mapping[Place, list[FunctionType]]) -> None:
        self._path, self._broken, self._known = path, broken, known

    def make(self) -> bool:
        """Break it in this process."""
        return exchange(self._path, ast.parse(self._path.read_text()), self._broken, self._known)


def _child(attempt: Attempt, tests: Sequence[pytest.Item]) -> None:
    status = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        status = _tested(tests) if attempt.make() else _UNTRIED_STATUS
    finally:
        os._exit(status)


def _tested(tests: Sequence[pytest.Item]) -> int:
    """0 when all of them pass, up to the first that does not."""
    for number, test in enumerate(tests):
        following = tests[number + 1] if number + 1 < len(tests) else None
        if any(report.failed for report in runtestprotocol(test, log=False, nextitem=following)):
            return 1
    return 0
