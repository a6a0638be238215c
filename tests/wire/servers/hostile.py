"""Tools that do what tools must not do, beside honest ones; served over a real pipe or socket by the tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from typing import Any

from pydantic import BaseModel

from holdfast import Context, Depends, Image, Limits, Server, ToolError, ToolInput, ToolOutput
from holdfast.errors import Refusal

SECRET = "s3cr3t-canary-value-0123456789"
server = Server("hostile")


@server.tool(read_only=True, limits=Limits(rate="100000/second", concurrency=64))
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool(read_only=True, limits=Limits(rate="100000/second"))
async def echo(text: str) -> str:
    """Say it back."""
    return text


@server.tool
async def boom(why: str = "x") -> str:
    """Fail with a secret in the message."""
    raise RuntimeError(f"the password is {SECRET} {why}")


@server.tool
async def shown() -> str:
    """Fail with a message that is meant to be seen."""
    raise ToolError("the pet is asleep; try again later", retryable=True, retry_after=2.0)


@server.tool(read_only=True)
async def surrogate() -> list[str]:
    """What os.listdir can yield."""
    return ["caf\udce9.txt", "ok"]


@server.tool(read_only=True)
async def surrogate_text() -> str:
    """The same as plain text."""
    return "caf\udce9.txt"


@server.tool(read_only=True)
async def not_a_number() -> float:
    """NaN is not JSON."""
    return float("nan")


@server.tool(limits=Limits(timeout=0.5))
async def block(seconds: float) -> str:
    """Block the whole event loop."""
    time.sleep(seconds)
    return "slept"


@server.tool(limits=Limits(timeout=0.5))
async def swallow() -> str:
    """Swallow cancellation."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)
    return "late"


@server.tool(limits=Limits(timeout=0.3))
async def in_thread() -> str:
    """Wait for a thread that takes two seconds."""
    await asyncio.to_thread(time.sleep, 2)
    return "late"


@server.tool(limits=Limits(timeout=1, concurrency=64, rate="100000/second"))
def sync_sleep(seconds: float) -> str:
    """A synchronous tool that sleeps."""
    time.sleep(seconds)
    return "slept"


@server.tool(limits=Limits(timeout=5))
async def nap(seconds: float) -> str:
    """An honest tool that takes a while."""
    await asyncio.sleep(seconds)
    return "slept"


@server.tool(limits=Limits(timeout=30, rate="100000/second"))
async def never() -> str:
    """Never return."""
    await asyncio.Event().wait()
    return "?"


@server.tool
async def leave() -> str:
    """Try to end the process."""
    sys.exit(7)


@server.tool
async def cancel_self() -> str:
    """Raise CancelledError without anybody asking."""
    raise asyncio.CancelledError


@server.tool(read_only=True)
async def noisy() -> str:
    """Print on stdout in every way there is."""
    print("pollution")
    sys.stdout.flush()
    os.write(1, b"raw pollution\n")
    subprocess.run(["echo", "child pollution"], check=True)
    return "quiet"


@server.tool(read_only=True)
async def big(size: int) -> str:
    """A text of a size."""
    return "x" * size


class Row(BaseModel):
    """One row."""

    name: str
    count: int


@server.tool(read_only=True)
async def wrong_shape() -> Row:
    """Return what the schema does not allow."""
    return Row.model_construct(name="x", count="many")


@server.tool(read_only=True)
async def big_structure(size: int) -> Row:
    """A structure of a size."""
    return Row(name="x" * size, count=1)


@server.tool(read_only=True)
async def hidden() -> str:
    """Text with ANSI and tag characters."""
    return "a\x1b[31mred\x1b[0m\u202e" + "".join(chr(0xE0000 + ord(c)) for c in "evil") + "z"


@server.tool(read_only=True)
async def picture() -> list[Any]:
    """Text and a picture."""
    return ["look", Image(b"\x89PNG", "image/png")]


@server.tool(read_only=True)
async def learns_secret(ctx: Context) -> str:
    """Learn a secret and say it."""
    return ctx.secret(SECRET) + " is what I learned"


@server.tool
async def leftover(ctx: Context) -> str:
    """Leave a task, a thread's work and a child process behind."""
    asyncio.get_running_loop().create_task(asyncio.sleep(600))
    subprocess.Popen(["sleep", "600"])
    return "gone"


class Deep(ToolInput):
    """Nested arguments."""

    size: int
    inner: Deep | None = None


@server.tool(read_only=True)
async def nested(tree: Deep) -> int:
    """Count."""
    return tree.size


@server.tool(read_only=True, lenient=True)
async def lenient(count: int, flag: bool, items: list[int]) -> str:
    """Understand what models get wrong."""
    return f"{count} {flag} {items}"


@server.tool(read_only=True)
async def slow_progress(ctx: Context) -> str:
    """Report progress."""
    for step in range(3):
        await ctx.report_progress(step, 2, f"step {step} \x1b[31m")
    return "done"


@server.tool
async def cancellable() -> str:
    """Note on stderr that the cancellation arrived."""
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        sys.stderr.write("CANCELLED-IN-TOOL\n")
        sys.stderr.flush()
        raise
    return "?"


class Name(BaseModel):
    """What is asked."""

    name: str


@server.tool
async def who(ctx: Context) -> str:
    """Ask the user."""
    answer = await ctx.elicit("Who are you?", Name)
    return f"hello {answer.data.name}" if answer.data else answer.action


def pool() -> list[str]:
    """A dependency."""
    return ["one", "two"]


@server.tool(read_only=True)
async def depending(which: int, items: list[str] = Depends(pool)) -> str:  # noqa: B008 - how dependencies are written
    """Use a dependency."""
    return items[which]


@server.tool(read_only=True, schema={"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}})
async def raw_schema(arguments: dict[str, Any]) -> str:
    """Arguments of the author's own schema."""
    return str(arguments)


@server.tool(read_only=True)
async def threads() -> int:
    """How many threads there are."""
    return threading.active_count()


@server.tool(read_only=True)
async def descriptors() -> int:
    """How many descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


@server.tool(read_only=True)
async def tasks() -> int:
    """How many tasks there are."""
    return len(asyncio.all_tasks())


@server.tool(read_only=True)
async def pid() -> int:
    """The server's process."""
    return os.getpid()


class Out(ToolOutput):
    """An output."""

    ok: bool


@server.tool(read_only=True)
async def refuses() -> Out:
    """Refuse by hand."""
    raise Refusal("not today", retry_after=3.0)


@server.tool
async def grow() -> str:
    """Add a tool while serving."""

    @server.tool(read_only=True)
    async def grown() -> str:
        """New."""
        return "new"

    return "grown"


@server.resource("note://{user}", mime_type="text/plain")
async def note(user: str) -> str:
    """A note."""
    if user == "broken":
        raise RuntimeError(SECRET)
    return f"note of {user}"


@server.resource("note://static")
async def static_note() -> str:
    """A static note."""
    return "static"


@server.prompt
async def greeting(name: str, times: int = 1) -> str:
    """Greet."""
    return f"say hello to {name} {times} times"


@server.completion("greeting", "name")
async def names(value: str) -> list[str]:
    """Complete."""
    return [name for name in ("Ada", "Alan", "Grace") if name.startswith(value)]


if __name__ == "__main__":
    server.main()
