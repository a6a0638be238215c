"""holdfast's wire over an endpoint without a single guard, to show what the guards cost. Nothing to serve for real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from holdfast import Server
from holdfast.core.endpoint import Request
from holdfast.core.pipeline import Answer


async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


async def echo(text: str) -> str:
    """Give a text back."""
    return text


class Unguarded(Server):
    """Replaces the door through which every call comes: the function is called, and that is all."""

    @asynccontextmanager
    async def serving(self, loaded: Any = None) -> AsyncIterator[Any]:
        """The live endpoint, whose ``handle`` knows no chain."""
        tools = {tool.name: tool for tool in self.registry}
        functions = {"add": add, "echo": echo}

        async def handle(request: Request) -> Answer:
            return tools[request.name].present(await functions[request.name](**request.arguments))

        async with super().serving(loaded) as live:
            live.handle = handle
            yield live


server = Unguarded("unguarded")


@server.tool(name="add")
async def guarded_add(a: int, b: int) -> int:
    """Add two integers."""
    raise RuntimeError("a call came through the guards: this server does not measure what it claims")


@server.tool(name="echo")
async def guarded_echo(text: str) -> str:
    """Give a text back."""
    raise RuntimeError("a call came through the guards: this server does not measure what it claims")


if __name__ == "__main__":
    server.main()
