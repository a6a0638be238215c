"""Tools that talk back to their client in every way there is, and a lifespan that leaves its mark."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from pydantic import BaseModel, Field

from holdfast import (
    Audio,
    Context,
    Depends,
    EmbeddedResource,
    Image,
    Limits,
    ResourceLink,
    Server,
    ToolError,
    ToolOutput,
)

SECRET = "canary-learned-while-talking-0123"


def mark(text: str) -> None:
    """Say something where the tests look."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@asynccontextmanager
async def lifespan(_server: Server) -> AsyncIterator[dict[str, str]]:
    """Open something, lend it to the tools, and close it again."""
    mark("LIFESPAN-BEGINS")
    print("printed in the lifespan")
    yield {"pool": "an open pool"}
    await asyncio.sleep(0.2)
    mark("LIFESPAN-ENDS")


server = Server("talking", title="Talking", instructions="Ask.", lifespan=lifespan)
child = Server("child")


class Pet(BaseModel):
    """A form."""

    name: str
    age: int = Field(ge=0)
    kind: Literal["cat", "dog"] = "cat"


class Sum(ToolOutput):
    """A structure."""

    total: int
    parts: list[int]


@server.tool(read_only=True)
async def add(parts: list[int]) -> Sum:
    """Add numbers."""
    return Sum(total=sum(parts), parts=parts)


@server.tool
async def adopt(ctx: Context) -> str:
    """Ask for a pet."""
    answer = await ctx.elicit("Which pet?", Pet)
    return f"{answer.data.name} {answer.data.age} {answer.data.kind}" if answer.data else answer.action


@server.tool
async def adopt_two(ctx: Context) -> str:
    """Ask twice, one after the other."""
    first = await ctx.elicit("Which pet?", Pet)
    if first.data is None:
        return first.action
    second = await ctx.elicit(f"And besides {first.data.name}?", Pet)
    return f"{first.data.name} and {second.data.name if second.data else second.action}"


@server.tool
async def adopt_both(ctx: Context) -> str:
    """Ask twice at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ctx.elicit(f"Pet {key}?", Pet, key=key)) for key in ("a", "b")]
    return " and ".join(answer.data.name for answer in (task.result() for task in tasks) if answer.data)


@server.tool
async def pay(ctx: Context) -> str:
    """Send the user to a page."""
    return (await ctx.elicit_url("Pay here", "https://pay.example/1", "payment-1")).action


@server.tool
async def dream(ctx: Context) -> str:
    """Have the client's model write."""
    answer = await ctx.sample("What is a dream?", max_tokens=50, system="Be brief.")
    return str(answer["content"]["text"])


@server.tool
async def where(ctx: Context) -> str:
    """List the client's folders."""
    return ", ".join(str(root["uri"]) for root in await ctx.roots())


@server.tool
def threaded(ctx: Context) -> str:
    """Ask from a thread."""
    answer = ctx.wait(ctx.elicit("Which pet?", Pet))
    return answer.data.name if answer.data else answer.action


@server.tool(read_only=True)
async def steps(ctx: Context) -> str:
    """Report progress, with what must not be seen in it."""
    for step in range(1, 4):
        await ctx.report_progress(step, 3, f"step {step}\x1b[31m {ctx.secret(SECRET)}")
    return "done"


@server.tool(read_only=True)
async def levels(ctx: Context) -> str:
    """Log at every other level."""
    for level in ("debug", "info", "warning", "error"):
        await ctx.notify_log(level, {"say": f"{level}\x1b[31m", "secret": ctx.secret(SECRET)}, "talking")  # type: ignore[arg-type]
    return "done"


@server.tool(limits=Limits(timeout=60))
async def wait() -> str:
    """Wait until cancelled."""
    mark("WAITING")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        mark("CANCELLED-IN-TOOL")
        raise
    return "?"


@server.tool(limits=Limits(timeout=60))
async def slow(seconds: float) -> str:
    """Take a while."""
    mark("SLOW")
    await asyncio.sleep(seconds)
    return "slept"


@server.tool(read_only=True)
async def everything() -> list[Any]:
    """Every kind of content."""
    return [
        "text",
        Image(b"\x89PNG", "image/png"),
        Audio(b"RIFF", "audio/wav"),
        EmbeddedResource("note://1", "embedded", "text/plain"),
        EmbeddedResource("note://2", b"\x00\x01", "application/octet-stream"),
        ResourceLink("note://3", "three", "the third", "text/plain", 5),
    ]


def connection() -> Iterator[str]:
    """A dependency with an end."""
    mark("OPENED")
    yield "connection"
    mark("CLOSED")


@server.tool(read_only=True)
async def use(it: str = Depends(connection)) -> str:
    """Use the dependency."""
    mark("USED")
    return it


@server.tool(read_only=True)
async def state(ctx: Context) -> str:
    """What the lifespan lent."""
    return str(ctx.state["pool"])


@server.tool(read_only=True, scopes={"pets:write"})
async def scoped(ctx: Context) -> str:
    """Who calls."""
    return ctx.principal.name


@server.tool
async def touch(ctx: Context) -> str:
    """Tell that a resource changed."""
    await ctx.resource_updated("note://static")
    return "touched"


@server.tool
async def hang_up(ctx: Context) -> str:
    """End the call's own stream, where there is one."""
    await ctx.close_stream()
    return "still here"


@server.tool
async def grow(kind: Literal["tool", "resource", "prompt"], name: str) -> str:
    """Add something while serving."""

    async def grown() -> str:
        return "grown"

    if kind == "tool":
        server.tool(name=name)(grown)
    elif kind == "resource":
        server.resource(f"grown://{name}")(grown)
    else:
        server.prompt(name=name)(grown)
    return "grown"


@server.tool(isolation="process")
def elsewhere(number: int) -> str:
    """Run in a process of its own, out of a script."""
    print("printed elsewhere")
    return f"{os.getpid()} {number + 1}"


@server.tool(read_only=True)
async def pid() -> int:
    """The server's own process."""
    return os.getpid()


@server.tool
async def exit_in_a_task() -> str:
    """Try to end the process from a task of one's own."""

    async def bye() -> None:
        sys.exit(3)

    await asyncio.get_running_loop().create_task(bye())
    return "?"


@server.tool
async def shown() -> str:
    """Fail with words."""
    raise ToolError("the pet is asleep", retryable=True, retry_after=2)


@server.resource("note://static", mime_type="text/plain")
async def static() -> str:
    """A note."""
    return "static"


@server.resource("note://{user}")
async def note(user: str) -> str:
    """A user's note."""
    return f"note of {user}"


@server.prompt
async def greeting(name: str) -> str:
    """Greet."""
    return f"hello {name}"


@server.completion("greeting", "name")
async def names(value: str) -> list[str]:
    """Suggest."""
    return [name for name in ("Ada", "Alan") if name.startswith(value)]


@child.tool(read_only=True)
async def inner() -> str:
    """A tool of a mounted server."""
    return "inner"


server.mount(child, namespace="child")

if __name__ == "__main__":
    server.main()
