"""The tools of a server as it listed them, believed only as far as they make sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from holdfast_attack.tools.parameter import MOST, Parameter, parameter_of, within
from holdfast_attack.tools.reading import reads
from holdfast_attack.tools.refs import resolved
from holdfast_attack.tools.roles import Setting
from holdfast_attack.tools.vocabulary import Role
from holdfast_attack.tools.words import singular, words_of

MOST_TOOLS = 1_000
MOST_DROPPED = 100
"""Entries that are kept as evidence of what is no tool."""
LONGEST_NAME = 1_000


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. ``raw`` is what was listed; ``schema`` its `inputSchema`, empty when that is no object."""

    name: str
    description: str
    title: str
    schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None
    annotations: Mapping[str, Any]
    raw: dict[str, Any] = field(repr=False)
    parameters: tuple[Parameter, ...] = field(repr=False)
    """Those of the first level."""
    nested: tuple[Parameter, ...] = field(repr=False, default=())
    """Those one level beneath, in objects and lists of them."""

    @property
    def promises(self) -> bool:
        """Whether the server says that it changes nothing."""
        return self.annotations.get("readOnlyHint") is True

    @property
    def read_only(self) -> bool:
        """Whether the server says that it changes nothing, or says nothing of it and calls it by a verb that does."""
        return self.promises or reads(self.name, self.title, self.description, self.annotations)

    @property
    def words(self) -> frozenset[str]:
        """Of its name and title."""
        return frozenset(map(singular, words_of(f"{self.name} {self.title}")))

    def with_role(self, *roles: Role) -> tuple[Parameter, ...]:
        """The parameters that have one of ``roles``, those of the first level first."""
        return tuple(found for found in (*self.parameters, *self.nested) if found.role in roles)


@dataclass(frozen=True, slots=True)
class Dropped:
    """An entry of the list that is no tool: where it stood, and why."""

    index: int
    why: str
    entry: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """All tools of a server, each name once."""

    tools: tuple[Tool, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    duplicates: tuple[str, ...] = ()
    """Names that were listed more than once; the first tool of a name is kept."""
    listed: int = 0
    """Entries in the list, whatever they were."""

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def callable(self, allow_writes: bool) -> tuple[Tool, ...]:
        """Those that may be called with valid arguments: what is there to be read from, or all."""
        return tuple(tool for tool in self.tools if allow_writes or tool.read_only)

    def with_role(self, *roles: Role, allow_writes: bool = False) -> tuple[tuple[Tool, Parameter], ...]:
        """The parameters with one of ``roles`` of the tools that may be called."""
        return tuple((tool, found) for tool in self.callable(allow_writes) for found in tool.with_role(*roles))

    @classmethod
    def parse(cls, listed: list[Any]) -> Self:
        """From the `tools` of all pages together; whatever is in them, this does not raise."""
        tools: dict[str, Tool] = {}
        dropped: list[Dropped] = []
        duplicates: dict[str, None] = {}
        for index, entry in enumerate(listed):
            why = _why_not(entry) or ("one tool too many" if len(tools) >= MOST_TOOLS else "")
            if why:
                dropped += [Dropped(index, why, entry)] if len(dropped) < MOST_DROPPED else []
            elif entry["name"] in tools:
                duplicates[entry["name"]] = None
            else:
                tools[entry["name"]] = _tool(entry)
        return cls(tuple(tools.values()), tuple(dropped), tuple(duplicates), len(listed))


def _why_not(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "it is no object"
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        return "it has no name"
    return "its name is too long" if len(name) > LONGEST_NAME else ""


def _tool(entry: dict[str, Any]) -> Tool:
    name, title, description = (_text(entry.get(key)) for key in ("name", "title", "description"))
    schema, output = _dict(entry.get("inputSchema")), entry.get("outputSchema")
    setting = Setting.of(name, title, description)
    whole = resolved(schema)
    properties, required = _dict(whole.get("properties")), whole.get("required")
    required = required if isinstance(required, list) else []
    parameters = tuple(
        parameter_of(key, part, key in required, setting)
        for key, part in list(properties.items())[:MOST]
        if isinstance(part, dict)
    )
    return Tool(
        name=name,
        description=description,
        title=title,
        schema=schema,
        output_schema=output if isinstance(output, dict) else None,
        annotations=_dict(entry.get("annotations")),
        raw=entry,
        parameters=parameters,
        nested=tuple(inner for parameter in parameters for inner in within(parameter, setting))[:MOST],
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
