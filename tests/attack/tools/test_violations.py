"""Each violation is invalid, says where, and is the same for the same seed."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from attack.tools.listings import INTEGER, STRING, STRINGS, clock, fetching, files, git, tool, workspace

from holdfast_attack.tools import Tool, World, conforms, honest
from holdfast_attack.tools.violations import EXTRA, FEW, MOST, Violation, violations
from holdfast_attack.tools.wrong import Fault

TOOLS = [tool for box in (files(), git(), clock(), fetching(), workspace()) for tool in box.tools]
CLOSED = {"additionalProperties": False}


def all_of(made: Tool, *kinds: Fault) -> tuple[Violation, ...]:
    """In a full run."""
    return violations(made, honest(made, World()), Random(1), True, *kinds)


@pytest.mark.parametrize("made", TOOLS, ids=lambda made: made.name)
def test_every_one_is_invalid_and_differs_from_the_honest_call(made: Tool) -> None:
    arguments = honest(made, World())
    found = violations(made, arguments, Random(1), True)
    assert len(found) >= 8
    assert all(conforms(made.schema, violation.arguments) is False for violation in found)
    assert conforms(made.schema, arguments) is True


@pytest.mark.parametrize("made", TOOLS, ids=lambda made: made.name)
def test_a_quick_run_has_a_few_of_different_kinds_the_same_for_the_same_seed(made: Tool) -> None:
    arguments = honest(made, World())
    quick = [violations(made, arguments, Random(seed), False) for seed in (1, 1)]
    assert quick[0] == quick[1]
    assert 0 < len(quick[0]) <= FEW
    assert {violation.kind for violation in quick[0]} == {violation.kind for violation in all_of(made)}


def test_a_quick_run_takes_parameters_in_turns_required_ones_first() -> None:
    made = tool("do", {"a": INTEGER, "b": INTEGER, "c": INTEGER}, "a", "b")
    quick = violations(made, {"a": 1, "b": 1}, Random(3), False, Fault.TYPE)
    assert {violation.parameter for violation in quick[:2]} == {"a", "b"}
    assert quick[2].parameter == "c"
    assert [violation.what.split(" (")[0] for violation in quick[:3]] == ["a fraction in place of an integer"] * 3


def test_each_required_parameter_is_left_out_and_all_of_them() -> None:
    made = tool("do", {"a": STRING, "b": STRING, "c": STRING}, "a", "b")
    assert [violation.arguments for violation in all_of(made, Fault.MISSING)] == [{"b": "hello"}, {"a": "hello"}, {}]


def test_an_extra_parameter_is_sent_only_where_the_schema_forbids_it() -> None:
    assert all_of(tool("do", {"a": STRING}, "a"), Fault.EXTRA) == ()
    found = all_of(tool("do", {"a": STRING}, "a", **CLOSED), Fault.EXTRA)
    assert [violation.arguments for violation in found] == [{"a": "hello", EXTRA: 1}, {"a": "hello", "A": "hello"}]


def test_nothing_is_wrong_with_a_parameter_that_takes_anything() -> None:
    assert {violation.kind for violation in all_of(tool("do", {"a": {}}, "a"))} == {Fault.MISSING}


def test_only_the_kinds_that_are_asked_for_come() -> None:
    made = tool("do", {"a": {**INTEGER, "maximum": 5}}, "a", **CLOSED)
    for kind in (Fault.TYPE, Fault.BOUNDS, Fault.COERCION):
        assert {violation.kind for violation in all_of(made, kind)} == {kind}


def test_faults_inside_lists_stand_first_and_last() -> None:
    made = tool("do", {"paths": {**STRINGS, "minItems": 1}}, "paths")
    found = [violation.arguments["paths"] for violation in all_of(made, Fault.NESTED)]
    assert [["holdfast", "attack"]] in found
    assert ["hello.txt", ["holdfast", "attack"]] in found
    assert [None] in found
    assert {violation.parameter for violation in all_of(made, Fault.NESTED)} == {"paths[]"}


def test_faults_inside_objects_and_lists_of_them() -> None:
    inner = {
        "type": "object",
        "properties": {"old": STRING, "n": {**INTEGER, "maximum": 5}},
        "required": ["old", "n"],
        **CLOSED,
    }
    plain = [v.arguments["o"] for v in all_of(tool("do", {"o": inner}, "o"), Fault.NESTED)]
    assert {"n": 1} in plain
    assert {"old": "hello"} in plain
    assert {"old": "hello", "n": 6} in plain
    assert {"old": 41, "n": 1} in plain
    listed = [v.arguments["o"] for v in all_of(tool("do", {"o": {"type": "array", "items": inner}}, "o"), Fault.NESTED)]
    assert [{"n": 1}] in listed
    assert [{"old": "hello", "n": 6}] in listed


def test_without_valid_arguments_or_a_schema_that_can_be_used_there_are_none() -> None:
    made = tool("do", {"a": INTEGER}, "a")
    assert violations(made, {"a": "x"}, Random(1), True) == ()
    assert violations(tool("do", {"a": {"type": "nonsense"}}, "a"), {"a": 1}, Random(1), True) == ()
    assert violations(tool("do", {"a": {"$ref": "http://127.0.0.1:1/"}}, "a"), {"a": 1}, Random(1), True) == ()


def test_there_is_a_most() -> None:
    many: dict[str, Any] = {f"p{n}": INTEGER for n in range(90)}
    assert len(all_of(tool("do", many))) == MOST


def test_the_honest_arguments_are_not_touched() -> None:
    made = tool("do", {"a": {**STRINGS}}, "a")
    arguments = {"a": ["x"]}
    violations(made, arguments, Random(1), True)
    assert arguments == {"a": ["x"]}
