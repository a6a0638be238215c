"""Four hundred synchronous tools that fall asleep for ever, and asynchronous ones beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from holdfast import Limits, Server

TOOLS = 400
server = Server("asleep")
never = threading.Event()
lock = threading.Lock()
asleep = [0]


def sleeper(number: int) -> Callable[[], str]:
    """A tool of its own for each number: none is held up by the places of another."""

    def fall() -> str:
        with lock:
            asleep[0] += 1
        never.wait()
        return "awake"

    fall.__name__, fall.__doc__ = f"asleep{number}", f"Sleep for ever, number {number}."
    return fall


for number in range(TOOLS):
    server.tool(sleeper(number))


@server.tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool(read_only=True)
async def sleeping() -> int:
    """How many are asleep."""
    return asleep[0]


@server.tool(read_only=True, limits=Limits(timeout=20))
def quick() -> str:
    """A synchronous tool that would be done at once."""
    return "done"


if __name__ == "__main__":
    server.main()
