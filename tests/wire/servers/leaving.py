"""Tools that show what becomes of a call whose client leaves, and what carries the server."""

from __future__ import annotations

import asyncio
import sys

from holdfast import Context, Limits, Server

server = Server("leaving")


def mark(text: str) -> None:
    """Say something where the tests look."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@server.tool(limits=Limits(timeout=2, concurrency=1, queue=0, rate="100000/second"))
async def hold(name: str, padding: str = "") -> str:
    """Take the only place until cancelled, which the deadline does at last."""
    mark(f"BEGUN {name}")
    try:
        await asyncio.sleep(60)
    finally:
        mark(f"ENDED {name}")
    return "?"


@server.tool(read_only=True, limits=Limits(rate="100000/second"))
async def told(ctx: Context, name: str) -> str:
    """Report progress, so that the answer becomes a stream, and wait."""
    await ctx.report_progress(1, 2, "begun")
    mark(f"BEGUN {name}")
    try:
        await asyncio.sleep(60)
    finally:
        mark(f"ENDED {name}")
    return "?"


@server.tool(read_only=True, limits=Limits(rate="100000/second"))
async def big(size: int) -> str:
    """A text of a size."""
    return "x" * size


@server.tool(limits=Limits(timeout=600, rate="1000000/second"))
async def endless() -> str:
    """Never return."""
    await asyncio.Event().wait()
    return "?"


@server.tool(read_only=True, limits=Limits(rate="1000000/second", concurrency=64))
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
async def offspring() -> list[int]:
    """Leave processes behind, started in each way of asyncio's."""
    alone = await asyncio.create_subprocess_exec("sleep", "600", stdout=asyncio.subprocess.PIPE)
    shell = await asyncio.create_subprocess_shell("exec sleep 600")
    return [alone.pid, shell.pid]


@server.tool(read_only=True)
async def spoken() -> str:
    """Talk with a process to its end."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    said, _ = await child.communicate(b"hello" * 50_000)
    return f"{len(said)} {child.returncode}"


@server.tool(read_only=True)
async def tasks() -> int:
    """How many tasks there are."""
    return len(asyncio.all_tasks())


@server.tool(read_only=True)
async def engine() -> list[str]:
    """The event loop, and the parsers of HTTP that are loaded."""
    roots = {base.__module__.partition(".")[0] for base in type(asyncio.get_running_loop()).__mro__}
    return ["uvloop" if "uvloop" in roots else "asyncio", *sorted({"httptools", "h11"} & set(sys.modules))]


if __name__ == "__main__":
    server.main()
