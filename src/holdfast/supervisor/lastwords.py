"""What a worker that crashed or stood still leaves behind: stacks, written by C code while Python could do nothing."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from types import CodeType
from typing import Final, NamedTuple

LONGEST: Final = 262_144
"""Bytes of what was written that are read: faulthandler shows a hundred frames of each of a hundred threads at most
(CPython, Python/traceback.c)."""
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_CURRENT: Final = "Current thread 0x"


class LastWords:
    """A file in memory that every worker writes to and the next one reads. Nothing where there are no such files."""

    def __init__(self) -> None:
        self.fd = -1
        self.ours = False
        """Whether faulthandler writes here in this process."""
        with suppress(AttributeError, OSError):
            self.fd = os.memfd_create("holdfast-last-words", os.MFD_CLOEXEC)
            fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)  # all workers share one offset; so it does not matter

    def take(self) -> bytes:
        """What was written; the file is empty then."""
        if self.fd < 0:
            return b""
        report = os.pread(self.fd, LONGEST, 0)
        if report:
            os.ftruncate(self.fd, 0)
        return report


class Frame(NamedTuple):
    """As faulthandler names it: characters beyond ASCII are escaped."""

    file: str
    line: int
    function: str


def frames(report: bytes, thread: int) -> list[Frame]:
    """The stack of the thread that crashed, innermost first, or else of the one with that ident; empty without either.

    Of several reports the last one counts. A forked process has its main thread where its parent had it, so the ident
    of one worker is that of the next.
    """
    found: dict[bool, list[Frame]] = {}
    for part in report.decode("ascii", "replace").split("\n\n"):
        lines = part.splitlines()
        for number, line in enumerate(lines):
            crashed = line.startswith(_CURRENT)
            if crashed or line.startswith(f"Thread 0x{thread:016x} "):
                found[crashed] = _stack(lines[number + 1 :])
    return found.get(True) or found.get(False, [])


def _stack(lines: list[str]) -> list[Frame]:
    """The frames up to the next thread's."""
    stack: list[Frame] = []
    for line in lines:
        match = _FRAME.fullmatch(line)
        if match is None and "Thread 0x" in line:
            break
        if match is not None:
            stack.append(Frame(match[1], int(match[2]), match[3]))
    return stack


def runs(code: CodeType, stack: list[Frame]) -> bool:
    """Whether this code is on that stack."""
    file, name = (text.encode("ascii", "backslashreplace").decode() for text in (code.co_filename, code.co_name))
    lines = [line for _, _, line in code.co_lines() if line is not None] or [code.co_firstlineno]
    return any(
        file.endswith(frame.file[-100:]) and frame.function == name and min(lines) <= frame.line <= max(lines)
        for frame in stack
    )
