"""Calls that a server refuses, with a secret in what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast_attack.link.messages import encoded
from holdfast_attack.tools import honest
from holdfast_attack.tools.roles import types_of

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.tools import Tool

TOOLS = 25
PARAMETERS = 2
"""How many of each are tried in the quick profile."""
SENSITIVE = ("password", "api_key")
"""Names under which nobody expects to find a value in a log."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """``words`` say what is wrong; ``secret`` stands in it, another in each call."""

    tool: str
    arguments: Any
    words: str
    secret: str

    @property
    def sent(self) -> bytes:
        """For a reader."""
        return encoded({"method": "tools/call", "params": {"name": self.tool, "arguments": self.arguments}})


def wrong_calls(probe: Probe) -> Iterator[Wrong]:
    """A parameter of another type, one that is not there, and nothing but one that is not there."""
    number = 0
    for tool in probe.tools.tools[: None if probe.full else TOOLS]:
        for make in _ways(probe, tool):
            number += 1
            secret = probe.arena.canaries.argument(f"{probe.case.id} {number}")
            arguments, words = make(secret)
            yield Wrong(tool.name, arguments, words, secret)


def _ways(probe: Probe, tool: Tool) -> Iterator[Any]:
    """Makers of wrong arguments, each from a secret."""
    around = _around(probe, tool)
    for parameter in tool.parameters[: None if probe.full else PARAMETERS]:
        schema, name = parameter.whole or parameter.schema, parameter.name
        yield lambda secret, schema=schema, name=name: (
            {**around, name: misfit(schema, secret)},
            f"{name!r} of another type",
        )
    if tool.schema.get("additionalProperties") is False:
        yield lambda secret: ({**around, SENSITIVE[0]: secret}, "a parameter that is not there")
    if tool.schema.get("required"):
        yield lambda secret: ({SENSITIVE[1]: secret}, "nothing but a parameter that is not there")


def _around(probe: Probe, tool: Tool) -> dict[str, Any]:
    """Honest arguments; such that do no harm for a tool that may not be called with valid ones."""
    if tool.name in probe.honest:
        return dict(probe.honest[tool.name].arguments)
    return honest(tool, probe.arena.world.harmless())


def misfit(schema: Mapping[str, Any], secret: str) -> Any:
    """A value that is not of a type that the schema names, with the secret in it."""
    kinds = types_of(schema)
    for kind, value in (("object", {"token": secret}), ("array", [secret]), ("string", secret)):
        if kind not in kinds:
            return value
    return {"token": {"token": secret}}
