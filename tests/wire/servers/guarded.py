"""One tool for each guard, whose behaviour shows whether the guard is there."""

from __future__ import annotations

import asyncio
from itertools import count

from holdfast import Limits, Server

server = Server("guarded")
counts = count(1)
attempts = count(1)
hedged = count(1)


@server.tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Run at all; and take only integers."""
    return a + b


@server.tool
async def change() -> str:
    """Change something, which is recorded."""
    return "changed"


@server.tool(read_only=True)
async def hidden() -> str:
    """Answer with hidden text."""
    return "a\x1b[31mb\u202ec"


@server.tool(read_only=True, scopes={"secret:read"})
async def scoped() -> str:
    """Need a scope."""
    return "for your eyes only"


@server.tool(read_only=True, limits=Limits(cost=600))
async def expensive() -> str:
    """Spend most of a quota."""
    return "bought"


@server.tool(read_only=True, limits=Limits(rate="2/minute"))
async def rated() -> str:
    """Be called twice a minute."""
    return "once more"


@server.tool(limits=Limits(timeout=0.3))
async def slow() -> str:
    """Take too long."""
    await asyncio.sleep(3)
    return "late"


async def lesser() -> str:
    """The lesser answer."""
    return "a lesser answer"


@server.tool(fallback=lesser)
async def failing_over() -> str:
    """Fail, and have something to say all the same."""
    raise RuntimeError("down")


@server.tool(read_only=True, cacheable=True)
async def counted() -> int:
    """Count how often it really runs."""
    return next(counts)


@server.tool
async def booked() -> int:
    """Count how often it really runs, although it changes something."""
    return next(counts)


@server.tool(idempotent=True)
async def flaky() -> str:
    """Fail the first time as the world fails."""
    if next(attempts) == 1:
        raise ConnectionResetError("the world failed")
    return "the second time"


@server.tool(read_only=True, limits=Limits(timeout=1, hedge=0.05))
async def slow_once() -> str:
    """Hang the first time."""
    number = next(hedged)
    if number == 1:
        await asyncio.sleep(3)
    return f"attempt {number}"


@server.tool(limits=Limits(concurrency=1, queue=0))
async def single() -> str:
    """Run alone."""
    await asyncio.sleep(0.7)
    return "alone"


@server.tool
async def broken() -> str:
    """Fail every time."""
    raise ConnectionRefusedError("still down")


@server.tool(read_only=True)
async def narrow(part: str) -> str:
    """Be granted for some arguments only."""
    return part


@server.tool(read_only=True)
async def withheld() -> str:
    """Be granted to nobody."""
    return "for nobody"


if __name__ == "__main__":
    server.main()
