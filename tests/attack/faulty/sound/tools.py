"""What a tool is, how it is called, and those that touch nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sound.errors import ToolFailed

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """``name`` is also the method that does it. ``optional`` are the properties that may be missing."""

    name: str
    description: str
    properties: Mapping[str, Schema]
    optional: tuple[str, ...] = ()
    annotations: Mapping[str, bool] = field(default_factory=dict)
    output: Schema | None = None

    @property
    def schema(self) -> Schema:
        """Of its arguments."""
        return closed(dict(self.properties), tuple(name for name in self.properties if name not in self.optional))

    def listed(self) -> dict[str, Any]:
        """As ``tools/list`` has it."""
        told = {"name": self.name, "description": self.description, "inputSchema": self.schema}
        output = {} if self.output is None else {"outputSchema": self.output}
        return told | output | {"annotations": dict(self.annotations)}


def closed(properties: Schema, required: tuple[str, ...]) -> Schema:
    """The schema of an object that holds nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def text(description: str, longest: int) -> Schema:
    """The schema of a text."""
    return {"type": "string", "description": description, "maxLength": longest}


def annotated(*, writes: bool = False, reaches_out: bool = False) -> dict[str, bool]:
    """The hints of a tool that may be called again without harm."""
    hints = {"readOnlyHint": not writes, "idempotentHint": True, "openWorldHint": reaches_out}
    return hints | ({"destructiveHint": True} if writes else {})


NUMBER = {"type": "integer", "description": "a whole number", "minimum": -1_000_000_000, "maximum": 1_000_000_000}
SECONDS = {"type": "number", "description": "how long, in seconds", "minimum": 0, "maximum": 86_400}
WHO = closed({"name": {"type": "string"}, "version": {"type": "string"}}, ("name", "version"))


class Tools:
    """The list of tools, and how one is called."""

    def tools(self) -> tuple[Tool, ...]:
        """All of them, in an order that stays."""
        return (
            Tool("echo", "Repeat a text.", {"text": text("what to repeat", 65_536)}, (), annotated()),
            Tool("add", "Add two whole numbers.", {"a": NUMBER, "b": NUMBER}, (), annotated()),
            Tool("wait", "Wait, and say so.", {"seconds": SECONDS}, (), annotated()),
            Tool("whoami", "Say what this server is.", {}, (), annotated(), WHO),
        )

    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of one call; whatever happens in a tool ends that call alone, and its text stays here."""
        try:
            problem = self.check(tool.schema, arguments)
            if problem is not None:
                return self.failed(problem)
            return self.succeeded(await getattr(self, tool.name)(**arguments))
        except ToolFailed as failure:
            return self.failed(str(failure))
        except Exception as error:
            return self.broken(tool, error)

    def broken(self, tool: Tool, error: Exception) -> dict[str, Any]:
        """The result of a call that met a fault of the server's own: nobody else needs to know which."""
        print(f"{tool.name}: {type(error).__name__}", file=sys.stderr)
        return self.failed("the tool failed")

    async def echo(self, text: str) -> str:
        """The same."""
        return text

    async def add(self, a: int, b: int) -> str:
        """The sum."""
        return str(int(a) + int(b))

    async def wait(self, seconds: float) -> str:
        """Until the time is over, or the call's deadline is."""
        await asyncio.sleep(seconds)
        return "waited"

    async def whoami(self) -> dict[str, str]:
        """Name and version."""
        return {"name": "sound", "version": "1.0"}
