"""Whose call a worker was in when it ended itself or crashed, so that nobody who was only beside it is blamed.

Costs nothing until then: ``os._exit`` is replaced by a function that notes the running call's tool, and Python's
faulthandler writes into memory that the next worker reads.
"""

from __future__ import annotations

import faulthandler
import os
import re
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from inspect import unwrap
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.context import current_context

if TYPE_CHECKING:
    from holdfast.supervisor.worker import Worker

_STDERR: Final = 2
_FRAME: Final = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)
"""A line of faulthandler's (CPython, Python/traceback.c, dump_frame)."""
_CURRENT: Final = "Current thread"


@contextmanager
def noting(worker: Worker) -> Iterator[None]:
    """Have this worker's end say whose call it was in."""
    ours = worker.memory.last_words.fd >= 0 and not faulthandler.is_enabled()  # else it is somebody else's, and stays
    if ours:
        faulthandler.enable(worker.memory.last_words.fd, all_threads=True)
    before, pid = os._exit, os.getpid()

    def leave(status: int) -> Any:
        context = current_context.get(None)
        if context is not None and os.getpid() == pid:  # not a child that a tool has forked
            worker.standing(context.tool)
        before(status)

    os._exit = leave
    try:
        yield
    finally:
        os._exit = before
        if ours:
            faulthandler.disable()


def accused(told: str, under_way: Iterable[str], live: Any) -> set[str]:
    """Which of the tools ``under_way`` had their code on the stack that crashed; also shows the stacks on stderr."""
    if not told:
        return set()
    _show(told)
    current = told.partition(_CURRENT)[2].partition("\n\n")[0]
    frames = [(file, int(line), name) for file, line, name in _FRAME.findall(current)]
    return {tool for tool in under_way if (code := _code_of(tool, live)) is not None and _stands(code, frames)}


def _show(told: str) -> None:
    with suppress(OSError):
        if sys.stderr is not None and select.select([], [_STDERR], [], 0)[1]:
            os.write(_STDERR, told.encode())


def _code_of(tool: str, live: Any) -> CodeType | None:
    entry = live.snapshot.named["tool"].get(tool)
    return None if entry is None else getattr(unwrap(entry.operation.work()), "__code__", None)


def _stands(code: CodeType, frames: list[tuple[str, int, str]]) -> bool:
    last = max((line for _, _, line in code.co_lines() if line is not None), default=code.co_firstlineno)
    return any(
        name == code.co_name and code.co_firstlineno <= line <= last and code.co_filename.endswith(file[-100:])
        for file, line, name in frames
    )
