"""Where a loop stood that C code held: written by a thread of C behind the shared memory, and read by the next worker.

While C code holds the interpreter no thread of Python can look whose call the loop is in; faulthandler's timer can.
"""

from __future__ import annotations

import os
import re
from types import CodeType
from typing import Final, NamedTuple

from holdfast.supervisor.memory import Memory

LONGEST: Final = 262_144
"""Bytes of one report that are read: faulthandler shows a hundred frames of each of a hundred threads at most."""
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_CURRENT: Final = re.compile(r"^Current thread 0x([0-9a-f]+) ", re.MULTILINE)


class Frame(NamedTuple):
    """As faulthandler names it: characters beyond ASCII are escaped."""

    file: str
    line: int
    function: str


class Aside:
    """Room behind the memory, in the same file; nothing else is ever written there."""

    def __init__(self, memory: Memory) -> None:
        self.fd = memory.fd
        self._at = len(memory.map)

    def take(self) -> bytes:
        """What has been written since the last time; what comes next is written at the beginning again."""
        report = os.pread(self.fd, LONGEST, self._at)
        if report:
            os.ftruncate(self.fd, self._at)
        os.lseek(self.fd, self._at, os.SEEK_SET)
        return report


def current(report: bytes) -> int:
    """The ident of the thread that a fault came upon; 0 when the report is of no fault."""
    found = _CURRENT.findall(report.decode("ascii", "replace"))
    return int(found[-1], 16) if found else 0


def frames(report: bytes, thread: int) -> list[Frame]:
    """The stack of the thread with that ident in a report of faulthandler's, innermost first; empty when there is none.

    A forked process has its main thread where its parent had it, so the ident of one worker is that of the next.
    """
    heads = (f"Thread 0x{thread:016x} ", f"Current thread 0x{thread:016x} ")
    found: list[Frame] = []
    for part in report.decode("ascii", "replace").split("\n\n"):
        lines = part.splitlines()
        start = next((number for number, line in enumerate(lines) if line.startswith(heads)), None)
        if start is not None:
            found = [
                Frame(match[1], int(match[2]), match[3])
                for line in lines[start + 1 :]
                if (match := _FRAME.fullmatch(line)) is not None
            ]
    return found


def runs(code: CodeType, stack: list[Frame]) -> bool:
    """Whether this code is on that stack."""
    file, name = (text.encode("ascii", "backslashreplace").decode() for text in (code.co_filename, code.co_name))
    lines = [line for _, _, line in code.co_lines() if line is not None]
    return any(
        frame.file == file and frame.function == name and min(lines) <= frame.line <= max(lines) for frame in stack
    )
