"""Whose call a worker was in when it was lost, so that nobody who was only beside it is blamed."""

from __future__ import annotations

import inspect
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.context import current_context
from holdfast.supervisor.aside import Aside, current, frames, runs
from holdfast.supervisor.deaths import culprits
from holdfast.supervisor.memory import STANDING

if TYPE_CHECKING:
    from holdfast.supervisor.worker import Attended

_STDERR: Final = 2


@contextmanager
def noting(worker: Attended) -> Iterator[None]:
    """Have ``os._exit`` tell whose call it was called in. It costs nothing until then."""
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


def guilty(worker: Attended, under_way: set[str], live: Any) -> set[str]:
    """Of the tools ``under_way`` those that may have ended the worker before: only the one that stood on its loop, that
    left, or in whose code it crashed, where anything tells which that was. Has the next fault be told of likewise."""
    words, aside = worker.memory.words, Aside(worker.memory)
    standing, words[STANDING] = words[STANDING], 0
    report = aside.take()
    _show(report)
    live.plant.hooks.aside = aside
    if live.plant.heartbeat is not None:
        live.plant.heartbeat.told_aside()
    held = set() if standing else set(_held(report, live))
    able = {tool for tool in under_way if live.endangers(tool)}
    return held & able or held or culprits(able, standing, live.snapshot.named["tool"])


def _held(report: bytes, live: Any) -> Iterator[str]:
    """The tools whose code is on the stack that crashed, or else on the loop's, as C code has shown it."""
    stack = frames(report, current(report) or threading.main_thread().ident or 0)
    for name, entry in live.snapshot.named["tool"].items() if stack else ():
        function = entry.operation.work()
        while isinstance(function, partial):
            function = function.func
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is not None and runs(code, stack):
            yield name


def _show(report: bytes) -> None:
    """Where a worker that is gone had crashed, on standard error, unless nobody takes it."""
    with suppress(OSError):
        if report and select.select([], [_STDERR], [], 0)[1]:
            os.write(_STDERR, report)
