"""Runs a coroutine that cleans up after itself whatever signal ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU")
ENDING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""What would end a process at once, and can be caught."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``. A signal cancels it; when it has cleaned up, the process leaves with 128 and its number.

    Further signals while it cleans up are ignored: the first one is being obeyed. One that was ignored from the start,
    as by ``nohup``, still is; but what ``work`` starts gets the default, which only a handler of ours can bring about.
    """
    return asyncio.run(_watched(work))


async def _watched(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    caught: list[int] = []

    def end(number: int) -> None:
        if not caught:
            caught.append(number)
            task.cancel()

    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]
    for number in ENDING:
        loop.add_signal_handler(number, _ignore if number in ignored else end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        print(f"holdfast: ended by {signal.Signals(caught[0]).name}; nothing is left running", file=sys.stderr)
        raise SystemExit(128 + caught[0]) from None
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _ignore(_: int) -> None: ...
