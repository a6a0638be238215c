"""The one place where a handle's blocking work leaves the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run ``function`` on the loop's default executor (the server sets one of its own), with this call's context.

    Only for short, bounded I/O of the handles (open, fstat, read). A tool's own blocking code runs in
    ``holdfast.isolation`` instead, whose threads are counted.
    """
    loop = asyncio.get_running_loop()
    work = partial(copy_context().run, function, *args, **kwargs)
    return await loop.run_in_executor(None, work)
