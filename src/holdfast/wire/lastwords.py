"""Whose call a worker was in when it ended itself, crashed or stood still, so that nobody beside it is blamed.

Costs nothing until then: ``os._exit`` is replaced by a function that notes the running call's tool, and Python's
faulthandler writes into memory that the next worker reads.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import select
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.context import current_context
from holdfast.supervisor.deaths import culprits
from holdfast.supervisor.lastwords import frames, runs
from holdfast.supervisor.memory import STANDING

if TYPE_CHECKING:
    from holdfast.supervisor.worker import Attended

_STDERR: Final = 2


@contextmanager
def noting(worker: Attended) -> Iterator[None]:
    """Have this worker's end say whose call it was in."""
    words = worker.memory.last_words
    words.ours = words.fd >= 0 and not faulthandler.is_enabled()  # else it is somebody else's, and stays
    if words.ours:
        faulthandler.enable(words.fd, all_threads=True)
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
        if words.ours:
            faulthandler.disable()


def suspects(worker: Attended, under_way: Iterable[str], live: Any) -> set[str]:
    """The tools of those ``under_way`` that are to blame for the loss of the worker before this one.

    None for one that was lost by no doing of its own. Only the one that stood on the loop, that ended the process or
    in whose code it crashed, where anything tells which that was. Asked once, at the beginning of a worker's turn.
    """
    words, last = worker.memory.words, worker.memory.last_words
    standing, words[STANDING] = words[STANDING], 0
    report = last.take()
    live.plant.hooks.aside = last if last.ours else None
    if not worker.task.blamed:
        return set()
    tools = {tool for tool in under_way if live.endangers(tool)}
    tools = accused(report, tools, live) or tools
    return culprits(tools, standing, live.snapshot.named["tool"]) if standing else tools


def accused(report: bytes, under_way: Iterable[str], live: Any) -> set[str]:
    """Which of the tools ``under_way`` had their code on the stack that crashed, or on the loop's that stood still;
    also shows the report on stderr."""
    if not report:
        return set()
    _show(report)
    stack = frames(report, threading.main_thread().ident or 0)
    return {tool for tool in under_way if (code := _code_of(tool, live)) is not None and runs(code, stack)}


def _show(report: bytes) -> None:
    with suppress(OSError):
        if sys.stderr is not None and select.select([], [_STDERR], [], 0)[1]:
            os.write(_STDERR, report)


def _code_of(tool: str, live: Any) -> CodeType | None:
    entry = live.snapshot.named["tool"].get(tool)
    function = None if entry is None else entry.operation.work()
    while isinstance(function, partial):
        function = function.func
    return None if function is None else getattr(inspect.unwrap(function), "__code__", None)
