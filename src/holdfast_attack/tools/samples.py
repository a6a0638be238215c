"""What an honest caller would put into a parameter: from the world by its role, or an example that is written there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from holdfast_attack.tools.listed import Tool
from holdfast_attack.tools.parameter import Parameter
from holdfast_attack.tools.values import ANYTHING
from holdfast_attack.tools.vocabulary import Role, each
from holdfast_attack.tools.words import words_of
from holdfast_attack.tools.world import World

_WRITES: Final = each("write create save put make touch upload export mkdir")
_CHANGES: Final = each("edit append patch replace update delete remove move rename unlink insert")
_STANDING: Final = each("repo repository cwd workdir root workspace project")
_GOALS: Final = each("destination dest dst output out target")
_QUOTED: Final = re.compile(r"""['"`]([^'"`\n]{1,60})['"`]""")
_KNOWN: Final[Mapping[str, str]] = {
    "timezone": "Etc/UTC",
    "tz": "Etc/UTC",
    "time": "12:00",
    "date": "2026-01-31",
    "timestamp": "2026-01-31",
    "since": "2026-01-31",
    "until": "2026-01-31",
    "language": "en",
    "lang": "en",
    "locale": "en",
    "encoding": "utf-8",
    "currency": "EUR",
    "email": "somebody@example.invalid",
    "host": "localhost",
    "hostname": "localhost",
    "ip": "127.0.0.1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "expression": "1+1",
}
"""By the last word of a name."""


def sample(tool: Tool, parameter: Parameter, world: World) -> Any:
    """What is wanted there; ``ANYTHING`` where the schema alone decides."""
    words = words_of(str(parameter.steps[-1]) if _is_inner(parameter) else parameter.name)
    extra = _extra(parameter.name, words, world)
    if extra is not None:
        return extra
    if parameter.role in (Role.PATH, Role.FOLDER):
        return _path(tool, parameter.role, frozenset(words), world)
    if parameter.role is Role.DURATION:
        return world.duration
    if parameter.role in (Role.OTHER, Role.TEXT, Role.ARGUMENT):
        known = _KNOWN.get(words[-1]) if words else None
        if known is not None or parameter.role is Role.OTHER:
            return known or _written(parameter.schema)
    if parameter.role is Role.ARGUMENT and not tool.read_only and tool.words & _WRITES:
        return world.new  # such as the branch that is to be made
    return {
        Role.URL: world.url,
        Role.COMMAND: world.command,
        Role.ARGUMENT: world.argument,
        Role.SQL: world.sql,
        Role.PATTERN: world.pattern,
        Role.TEXT: world.text,
    }.get(parameter.role, ANYTHING)


def _is_inner(parameter: Parameter) -> bool:
    return bool(parameter.steps) and isinstance(parameter.steps[-1], str)


def _extra(name: str, words: tuple[str, ...], world: World) -> str | None:
    return next((world.extra[key] for key in (name, *reversed(words)) if key in world.extra), None)


def _path(tool: Tool, role: Role, words: frozenset[str], world: World) -> str:
    """A file that is there to be read; one that is there to be changed; or one that is not there yet."""
    if words & _STANDING:
        return world.folder
    if words & _GOALS:
        return world.new
    if not tool.read_only and tool.words & _WRITES:
        return world.new if role is Role.PATH else f"{world.new}-folder"
    if role is Role.FOLDER:
        return world.folder
    return world.spare if not tool.read_only and tool.words & _CHANGES else world.file


def _written(schema: Mapping[str, Any]) -> Any:
    """The first example between quotes in the description: `Whether to list ('local', 'remote')`."""
    description = schema.get("description")
    found = _QUOTED.search(description[:2_000]) if isinstance(description, str) else None
    return found[1] if found else ANYTHING
