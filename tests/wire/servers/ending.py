"""Tools and a lifespan that make the end of a server hard."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from holdfast import Limits, Server


def mark(text: str) -> None:
    """Say something where the tests look."""
    with suppress(OSError):  # nobody may listen
        os.write(2, f"{text}\n".encode())


@asynccontextmanager
async def lifespan(_server: Server) -> AsyncIterator[None]:
    """End as ``TEARDOWN`` says: at once, never, never whatever one says, or with the loop blocked."""
    how = os.environ.get("TEARDOWN", "")
    yield
    mark("TEARDOWN-BEGINS")
    if how == "hangs":
        await asyncio.Event().wait()
    while how == "ignores":
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            mark("IGNORED")
    if how == "blocks":
        time.sleep(60)
    mark("TEARDOWN-ENDS")


server = Server("ending", lifespan=lifespan)


@server.tool(limits=Limits(timeout=60))
async def never(name: str = "x") -> str:
    """Wait for what does not come."""
    mark(f"BEGUN {name}")
    await asyncio.Event().wait()
    return "never"


@server.tool(limits=Limits(timeout=60), read_only=True)
async def look() -> str:
    """As ``never``, but a second look harms nothing."""
    mark("BEGUN look")
    await asyncio.Event().wait()
    return "never"


@server.tool(limits=Limits(timeout=60))
async def stubborn() -> str:
    """Swallow every cancellation."""
    mark("BEGUN stubborn")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            mark("SWALLOWED")


@server.tool(limits=Limits(timeout=60))
def stuck() -> str:
    """Sit in a thread."""
    mark("BEGUN stuck")
    time.sleep(60)
    return "never"


@server.tool(limits=Limits(timeout=60))
async def brief(seconds: float) -> str:
    """Take a while."""
    mark("BEGUN brief")
    await asyncio.sleep(seconds)
    return "slept"


@server.prompt
async def hold() -> str:
    """A prompt that is never ready."""
    mark("BEGUN hold")
    await asyncio.Event().wait()
    return "never"


@server.tool(limits=Limits(rate="100000/second"))
async def shout(size: int) -> int:
    """Print ``size`` bytes on both streams."""
    print("x" * size)
    print("y" * size, file=sys.stderr)
    return size


@server.tool(limits=Limits(rate="100000/second"))
async def add(a: int, b: int) -> int:
    """Add, on the record."""
    return a + b


if __name__ == "__main__":
    server.main()
