"""Longer work of a handle in a thread, which stops soon after its call was cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from holdfast.errors import UnsafePath
from holdfast.safe.blocking import in_thread

P = ParamSpec("P")
R = TypeVar("R")
Stop = Callable[[], None]
"""Called between two steps of the work; raises when nobody waits for it any more."""


def never() -> None:
    """For work that nobody can cancel."""


async def stoppable(function: Callable[Concatenate[Stop, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run ``function(stop, ...)`` as ``in_thread`` does. Once the caller is gone, ``stop`` raises ``UnsafePath``."""
    gone = threading.Event()

    def stop() -> None:
        if gone.is_set():
            raise UnsafePath("the call has ended; what was begun is taken back", code="path.closed")

    try:
        return await in_thread(function, stop, *args, **kwargs)
    finally:
        gone.set()
