"""A tool for every shape of argument, answer and failure: two ways of serving it must give the same answers."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from holdfast import (
    Audio,
    Context,
    EmbeddedResource,
    Image,
    Limits,
    Message,
    Refusal,
    ResourceLink,
    Server,
    ToolError,
    ToolOutput,
)

server = Server("differential", version="3.2.1", title="Two ways", instructions="Ask twice, über alles.")


class Inner(BaseModel):
    """A part."""

    name: str
    weight: float = 1.0
    tags: list[str] = Field(default_factory=list, max_length=4)


class Outer(BaseModel):
    """A whole."""

    inner: Inner
    others: list[Inner] = Field(default_factory=list)
    table: dict[str, int] = Field(default_factory=dict)
    kind: Literal["a", "b"] = "a"


class Report(ToolOutput):
    """An answer with a structure."""

    total: float
    outer: Outer
    note: str | None = None


class Pet(BaseModel):
    """A form."""

    name: str
    age: int = Field(ge=0)


@server.tool(read_only=True)
async def nothing() -> None:
    """Take nothing, give nothing."""


@server.tool(read_only=True)
async def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@server.tool(read_only=True, title="Scalars")
async def scalars(text: str, number: float, flag: bool = False, maybe: str | None = None) -> dict[str, Any]:
    """Repeat what was given."""
    return {"text": text, "number": number, "flag": flag, "maybe": maybe}


@server.tool(read_only=True)
async def nested(outer: Outer, scale: Annotated[float, Field(ge=0, le=10)] = 1.0) -> Report:
    """Take a structure, give a structure."""
    return Report(total=scale * outer.inner.weight, outer=outer)


@server.tool(read_only=True)
async def listed(count: Annotated[int, Field(ge=0, le=50)]) -> list[int]:
    """Give a list."""
    return list(range(count))


@server.tool(read_only=True)
async def texts() -> list[str]:
    """Give several texts."""
    return ["one", "zwei 💧", ""]


@server.tool(read_only=True)
async def content() -> list[Any]:
    """Give every kind of content."""
    return [
        "text",
        Image(b"\x89PNG", "image/png"),
        Audio(b"RIFF", "audio/wav"),
        EmbeddedResource("note://1", "embedded", "text/plain"),
        EmbeddedResource("note://2", b"\x00\x01", "application/octet-stream"),
        ResourceLink("note://3", "three", "the third", "text/plain", 5),
    ]


@server.tool(read_only=True)
async def odd() -> list[Any]:
    """Give what JSON, or a client, may choke on."""
    return ["lone \ud800", "nul \x00 esc \x1b[31m bidi \u202e", float("nan"), float("inf"), {"big": 2**70}]


@server.tool(read_only=True)
async def long(size: Annotated[int, Field(ge=0, le=200_000)]) -> str:
    """Give a long text."""
    return "x" * size


@server.tool
async def fails() -> str:
    """Fail with words."""
    raise ToolError("the pump is dry", retryable=True, retry_after=2)


@server.tool
async def breaks() -> str:
    """Fail without a word."""
    raise RuntimeError("secret-detail-of-the-fault")


@server.tool
async def refuses() -> str:
    """Say no."""
    raise Refusal("not today")


@server.tool(read_only=True, scopes={"nobody:has"})
async def scoped() -> str:
    """Ask for a scope."""
    return "in"


@server.tool(read_only=True)
async def regional(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], n: int = 0) -> str:
    """Take an argument that HTTP repeats in a header."""
    return f"{region} {n}"


@server.tool(read_only=True)
async def progresses(ctx: Context, steps: Annotated[int, Field(ge=0, le=5)] = 2) -> str:
    """Report progress."""
    for step in range(steps):
        await ctx.report_progress(step, steps, f"step {step}")
    return "done"


@server.tool(read_only=True)
async def logs(ctx: Context) -> str:
    """Log at every other level."""
    for level in ("debug", "info", "warning", "error"):
        await ctx.notify_log(level, {"say": level}, "differential")  # type: ignore[arg-type]
    await ctx.notify_log("critical", "plain")
    return "logged"


@server.tool
async def asks(ctx: Context, question: str = "Which pet?") -> str:
    """Ask the user."""
    answer = await ctx.elicit(question, Pet)
    return f"{answer.data.name} {answer.data.age}" if answer.data else answer.action


@server.tool
async def asks_twice(ctx: Context) -> str:
    """Ask the user, and then again."""
    first = await ctx.elicit("First?", Pet)
    if first.data is None:
        return first.action
    second = await ctx.elicit(f"After {first.data.name}?", Pet)
    return f"{first.data.name} {second.data.name if second.data else second.action}"


@server.tool
async def samples(ctx: Context) -> str:
    """Have the client's model write."""
    answer = await ctx.sample("What is a dream?", max_tokens=5)
    return str(answer["content"]["text"])


@server.tool(read_only=True)
async def knows(ctx: Context) -> dict[str, Any]:
    """Tell what the client said of itself."""
    offered = {name: ctx.offers(name) for name in ("elicitation", "elicitation.url", "sampling", "roots")}
    return {"era": ctx.era, "who": ctx.principal.name, **offered}


@server.tool(limits=Limits(timeout=60))
async def waits() -> str:
    """Wait until cancelled."""
    await asyncio.sleep(60)
    return "?"


@server.tool(limits=Limits(timeout=0.2))
async def late() -> str:
    """Take too long."""
    await asyncio.sleep(60)
    return "?"


@server.tool(read_only=True)
def threaded(a: int) -> int:
    """Work in a thread."""
    return a + 1


@server.resource("note://static", mime_type="text/plain")
async def static() -> str:
    """A note."""
    return "static"


@server.resource("note://{user}")
async def note(user: str) -> str:
    """A user's note."""
    return f"note of {user}"


@server.prompt
async def greeting(name: str, tone: str = "kind") -> list[Message]:
    """Greet."""
    return [Message(f"hello {name}, be {tone}")]


@server.prompt
async def misread() -> list[Message]:
    """Answer with what is no prompt."""
    return [Message("hello", "nobody")]  # type: ignore[arg-type]


@server.completion("greeting", "name")
async def names(value: str) -> list[str]:
    """Suggest."""
    return [name for name in ("Ada", "Alan") if name.startswith(value)]


if __name__ == "__main__":
    server.main()
