"""Audit records that wait for the writer thread, and how those who wait for them hear of it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BATCH = 512
"""Records that are joined into one write."""
WAKE: Final = object()
"""Wakes the thread because there is something to sync."""


@dataclass(slots=True)
class Entry:
    """A record, when it came (epoch seconds), and who waits for it on which loop."""

    when: float
    fields: Mapping[str, object]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


Queue = queue.SimpleQueue[Entry | object | None]


def batch(waiting: Queue, timeout: float | None) -> tuple[list[Entry], bool]:
    """Wait ``timeout`` seconds for an entry and take what there is; False when None said that it was the last."""
    entries: list[Entry] = []
    try:
        entry = waiting.get(timeout=timeout)
        while entry is not None:
            if isinstance(entry, Entry):
                entries.append(entry)
            if len(entries) == BATCH:
                return entries, True
            entry = waiting.get_nowait()
    except queue.Empty:
        return entries, True
    return entries, False


def settle(entries: list[Entry], error: OSError | None) -> None:
    """Tell every loop, from the thread, that its entries are written, or why not."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for entry in entries:
        loops.setdefault(entry.loop, []).append(entry.done)
    for loop, waiting in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(_answer, waiting, error)


def _answer(waiting: list[asyncio.Future[None]], error: OSError | None) -> None:
    for done in waiting:
        if done.done():  # its caller left
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(OSError(*error.args))
