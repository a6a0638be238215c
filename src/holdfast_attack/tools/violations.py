"""Arguments that violate a tool's input schema in one place each; every one was checked to be invalid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from random import Random
from typing import Any

from holdfast_attack.tools.conforms import Checker
from holdfast_attack.tools.listed import Tool
from holdfast_attack.tools.parameter import Parameter
from holdfast_attack.tools.values import ANYTHING, branch
from holdfast_attack.tools.wrong import Fault, Wrong, wrong

FEW = 12
"""Violations of one tool in a quick run."""
MOST = 400
"""In a full one."""
EXTRA = "holdfast_attack_extra"


@dataclass(frozen=True, slots=True)
class Violation:
    """``what`` says for a reader what is wrong where, without the value; ``parameter`` is empty when it is none."""

    kind: Fault
    parameter: str
    what: str
    required: bool
    """The fault lies in a parameter that the tool needs: without it, it cannot do what it is for."""
    arguments: dict[str, Any] = field(repr=False)


def violations(
    tool: Tool, arguments: Mapping[str, Any], random: Random, full: bool, *kinds: Fault
) -> tuple[Violation, ...]:
    """Made from valid ``arguments``; none where those are not, or where the schema cannot be used.

    Of ``kinds`` alone, if any are named. In a quick run a few of them, in turns by kind and by parameter, the same for
    the same ``random``.
    """
    checker = Checker(dict(tool.schema))
    if checker.accepts(dict(arguments)) is not True:
        return ()
    wanted = kinds or tuple(Fault)
    made = (violation for violation in _all(tool, dict(arguments)) if violation.kind in wanted)
    found = islice((violation for violation in made if checker.accepts(violation.arguments) is False), MOST)
    return tuple(found) if full else tuple(_in_turns(list(found), random)[:FEW])


def _all(tool: Tool, arguments: dict[str, Any]) -> Iterator[Violation]:
    yield from _missing(tool, arguments)
    for parameter in tool.parameters:
        for fault in wrong(parameter.whole, arguments.get(parameter.name, ANYTHING), parameter.role):
            yield _violation(parameter, parameter.name, fault, {**arguments, parameter.name: fault.value})
    for parameter in tool.parameters:
        if parameter.steps:
            yield from _elements(parameter, arguments)
    for parameter in tool.nested:
        yield from _inside(parameter, arguments)
    yield from _extra(tool, arguments)


def _violation(parameter: Parameter, label: str, fault: Wrong, arguments: dict[str, Any]) -> Violation:
    return Violation(fault.fault, label, f"{fault.what} ({label!r})", parameter.required, arguments)


def _missing(tool: Tool, arguments: dict[str, Any]) -> Iterator[Violation]:
    required = [parameter.name for parameter in tool.parameters if parameter.required]
    for name in required:
        left = {key: value for key, value in arguments.items() if key != name}
        yield Violation(Fault.MISSING, name, f"{name!r}, which is required, is left out", True, left)
    if len(required) > 1:
        yield Violation(Fault.MISSING, "", "no arguments at all, though some are required", True, {})


def _extra(tool: Tool, arguments: dict[str, Any]) -> Iterator[Violation]:
    """Where the schema forbids what it does not name."""
    what = "a parameter that the schema does not allow"
    yield Violation(Fault.EXTRA, EXTRA, what, False, {**arguments, EXTRA: 1})
    for parameter in tool.parameters:
        other = parameter.name.swapcase()
        twin = {**arguments, other: arguments.get(parameter.name, 1)}
        yield Violation(Fault.EXTRA, other, f"{parameter.name!r} once more, written in other case", False, twin)


def _elements(parameter: Parameter, arguments: dict[str, Any]) -> Iterator[Violation]:
    """A fault in the first element of a list, and in the last of several."""
    sound = arguments.get(parameter.name)
    sound = sound if isinstance(sound, list) and sound else parameter.carry("a")
    for fault in wrong(parameter.schema, sound[0], parameter.role):
        inner = Wrong(Fault.NESTED, f"{fault.what}, in a list", fault.value)
        yield _violation(parameter, parameter.label, inner, parameter.put(arguments, fault.value))
        if fault.fault is Fault.TYPE:
            last = Wrong(Fault.NESTED, f"{fault.what}, as the last of a list", fault.value)
            longer = {**arguments, parameter.name: [*sound, fault.value]}
            yield _violation(parameter, parameter.label, last, longer)


def _inside(parameter: Parameter, arguments: dict[str, Any]) -> Iterator[Violation]:
    """A fault in a property of an object, that property left out, and one that is not allowed."""
    for fault in wrong(parameter.schema, ANYTHING, parameter.role):
        inner = Wrong(Fault.NESTED, f"{fault.what}, inside", fault.value)
        yield _violation(parameter, parameter.label, inner, parameter.put(arguments, fault.value))
    key = next((step for step in reversed(parameter.steps) if isinstance(step, str)), None)
    holder = Parameter(
        parameter.name,
        branch(parameter.whole, "object") or {},
        parameter.required,
        parameter.role,
        parameter.steps[: parameter.steps.index(key)] if key is not None else (),
        parameter.whole,
    )
    sound = _at(parameter.put(arguments, None).get(parameter.name), holder.steps)
    if key is None or not isinstance(sound, dict):
        return
    less = {name: value for name, value in sound.items() if name != key}
    left_out = Wrong(Fault.NESTED, "a required property is left out", less)
    yield _violation(parameter, parameter.label, left_out, holder.put(arguments, less))


def _at(value: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _in_turns(found: list[Violation], random: Random) -> list[Violation]:
    """The first of each kind for some parameter, then the next: however early one stops, they differ."""
    by_kind: defaultdict[Fault, dict[str, list[Violation]]] = defaultdict(dict)
    for violation in found:
        by_kind[violation.kind].setdefault(violation.parameter, []).append(violation)
    kinds = []
    for by_parameter in by_kind.values():
        same = list(by_parameter.values())
        random.shuffle(same)
        same.sort(key=lambda violations: not violations[0].required)
        kinds.append(_turns(same))
    return _turns(kinds)


def _turns(lists: list[list[Violation]]) -> list[Violation]:
    return [violation for turn in zip_longest(*lists) for violation in turn if violation is not None]
