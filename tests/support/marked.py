"""Code that runs on the loop as a tool does: marked with its deadline, so that the watchdog may interrupt it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from holdfast.isolation.inline import running


async def marked(deadline: float | None, tool: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    """Run ``tool`` as the run guard would; ``None`` is no deadline."""
    token = running.set(float("inf") if deadline is None else deadline)
    try:
        return await tool(None, None)
    finally:
        running.reset(token)
