"""As much of a probe as choosing parameters and putting values into them needs."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from holdfast_attack.link.reply import Reply
from holdfast_attack.tools import Toolbox

ANSWER = {"result": {"content": [{"type": "text", "text": "hello"}]}}
REFUSED = {"result": {"content": [{"type": "text", "text": "no"}], "isError": True}}


def tool(name: str, read_only: bool = True, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": read_only}}


class Probe:
    """As much of one as the functions under test use."""

    left = 60.0

    def __init__(
        self, arena: Any, *tools: dict[str, Any], worked: bool = True, writes: bool = False, full: bool = False
    ) -> None:
        self.arena, self.tools, self.allow_writes, self.full = arena, Toolbox.parse(list(tools)), writes, full
        reply = Reply(ANSWER if worked else REFUSED)
        self.honest = {
            one.name: SimpleNamespace(arguments={"path": "hello.txt"}, worked=worked, reply=reply)
            for one in self.tools.callable(writes)
        }
        self.calls: list[tuple[str, Any]] = []
        self.answer: Callable[[str, Any], Reply] = lambda _tool, _arguments: Reply(REFUSED, b"no")

    async def call(self, name: str, arguments: Any, *, within: float) -> Reply:
        self.calls.append((name, arguments))
        return self.answer(name, arguments)


PATH = {"type": "string"}
PATHS = {"type": "array", "items": {"type": "string"}}


def read(arena: Any, **options: Any) -> Any:
    return Probe(arena, tool("read_file", path=PATH), **options)
