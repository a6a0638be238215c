"""Arguments as an honest caller would send them: valid by the tool's schema, meaningful by role, and few."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from holdfast_attack.tools.conforms import Checker
from holdfast_attack.tools.listed import Tool
from holdfast_attack.tools.parameter import Parameter
from holdfast_attack.tools.refs import resolved
from holdfast_attack.tools.samples import sample
from holdfast_attack.tools.values import ANYTHING, valid
from holdfast_attack.tools.vocabulary import Role
from holdfast_attack.tools.world import World

_NEEDED: Final = frozenset({Role.PATH, Role.FOLDER, Role.URL, Role.SQL, Role.COMMAND, Role.PATTERN})
"""Without one of these a tool that has it has nothing to work on, even where its schema requires none."""
MOST_TRIED = 20


def honest(tool: Tool, world: World) -> dict[str, Any]:
    """The required parameters; an optional one where nothing is required and the tool has nothing to work on, or
    where the schema is not satisfied otherwise. Where no try fits, the first.
    """
    checker = Checker(dict(tool.schema))
    tries = list(islice(_tries(tool, world), MOST_TRIED))
    return next((arguments for arguments in tries if checker.accepts(arguments)), tries[0])


def value_for(tool: Tool, parameter: Parameter, world: World) -> Any:
    """What an honest caller puts under ``parameter.name``."""
    wanted = sample(tool, parameter, world)
    if parameter.steps and wanted is not ANYTHING:
        wanted = parameter.carry(valid(parameter.schema, wanted))
    value = valid(parameter.whole, wanted)
    for inner in tool.nested:
        if inner.name == parameter.name and inner.required and (part := sample(tool, inner, world)) is not ANYTHING:
            value = inner.put({inner.name: value}, valid(inner.schema, part))[inner.name]
    return value


def _tries(tool: Tool, world: World) -> Iterator[dict[str, Any]]:
    required = {
        parameter.name: value_for(tool, parameter, world) for parameter in tool.parameters if parameter.required
    }
    optional = [parameter for parameter in tool.parameters if not parameter.required]
    needed = [parameter for parameter in optional if parameter.role in _NEEDED and "default" not in parameter.whole]
    if not required and needed:
        yield {needed[0].name: value_for(tool, needed[0], world)}
    yield required
    for parameter in optional[:MOST_TRIED]:
        yield {**required, parameter.name: value_for(tool, parameter, world)}
    made = valid(resolved(tool.schema))
    if isinstance(made, dict):
        yield {**made, **{name: value for name, value in required.items() if name in made}}
        yield made
