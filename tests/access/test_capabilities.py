"""Who may use what: by name, by scope and for everybody; until when; and with which arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.access.capabilities import Capabilities, Reach
from holdfast.core.completion import Completion
from holdfast.core.function import FunctionTool
from holdfast.core.principal import Principal
from holdfast.core.prompt import Prompt
from holdfast.core.resource import Resource
from holdfast.errors import AccessDenied


def principal(name: str, *scopes: str) -> Principal:
    """A caller with these scopes, and none when there are none."""
    return Principal(name, frozenset(scopes))


class Time:
    """A wall clock to be set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def read_file(part: str, depth: int = 0) -> str:
    return part


async def suggest(value: str) -> list[str]:
    return []


READ = FunctionTool(read_file)
GREET = Prompt(read_file, name="greet")
NOTE = Resource("note://{part}/{depth}", read_file)


def reach(table: dict[str, Any], operation: Any = READ, wall: Any = None) -> Reach:
    return Capabilities(json.dumps(table), wall or Time()).reach(operation)


def code(check: Any, *given: Any) -> str:
    try:
        check(*given)
    except AccessDenied as denied:
        return denied.code
    return ""


ANY = [{"tools": "read_*"}]


@pytest.mark.parametrize(
    "table, who, standing",
    [
        ({}, ("ada", "*"), "hidden"),
        ({"ada": ANY}, ("ada",), "open"),
        ({"ada": ANY}, ("bob", "*"), "hidden"),
        ({"ada": ANY}, ("Ada",), "hidden"),
        ({"*": ANY}, ("bob",), "open"),
        ({"scope:notes": ANY}, ("bob", "notes"), "open"),
        ({"scope:notes": ANY}, ("bob", "note", "notes2"), "hidden"),
        ({"scope:notes": ANY}, ("bob", "*"), "open"),
        ({"scope:notes": ANY}, ("scope:notes",), "hidden"),
        ({"scope:notes": ANY}, ("notes",), "hidden"),
        ({"ada": [{"tools": "write_*"}]}, ("ada",), "hidden"),
        ({"ada": [{"prompts": "*", "resources": "*"}]}, ("ada",), "hidden"),
        ({"ada": []}, ("ada",), "hidden"),
    ],
)
def test_a_principal_holds_what_is_granted_to_its_name_its_scopes_and_everybody(
    table: dict[str, Any], who: tuple[str, ...], standing: str
) -> None:
    one = reach(table)
    assert one.standing(principal(who[0], *who[1:])) == standing
    assert code(one.check, principal(who[0], *who[1:])) == ("" if standing == "open" else "access.denied")


def test_what_is_granted_ends_at_its_moment_and_is_told_apart_from_what_never_was() -> None:
    wall = Time()
    one = reach({"ada": [{"tools": "*", "until": "1970-01-01T00:01:00Z"}]}, wall=wall)
    ada = principal("ada", "x")
    assert (one.standing(ada), code(one.check, ada)) == ("open", "")
    wall.now = 60.0
    assert (one.standing(ada), code(one.check, ada)) == ("expired", "access.expired")
    assert code(one.check_arguments, ada, {"part": "x"}) == "access.expired"
    both = reach({"ada": [{"tools": "*", "until": "1970-01-01T00:01:00Z"}], "*": ANY}, wall=wall)
    assert both.standing(ada) == "open", "another one holds"


def test_arguments_must_fit_one_grant_as_a_whole() -> None:
    one = reach(
        {
            "ada": [
                {"tools": "*", "where": {"part": "docs/**", "depth": {"max": 3}}},
                {"tools": "*", "where": {"part": "tmp/**"}},
            ]
        }
    )
    ada = principal("ada", "x")
    assert one.constrained

    def judged(path: str, depth: int) -> str:
        return code(one.check_arguments, ada, {"part": path, "depth": depth})

    assert (judged("docs/a", 3), judged("tmp/a", 9)) == ("", "")
    assert (judged("docs/a", 4), judged("etc/a", 0)) == ("access.constraint", "access.constraint")
    assert code(one.check_arguments, ada, {}) == "access.constraint"
    assert code(one.check_arguments, principal("bob"), {"part": "tmp/a"}) == "access.denied"


def test_a_constraint_on_an_argument_that_there_is_not_grants_nothing() -> None:
    one = reach({"ada": [{"tools": "*", "where": {"file": "docs/**"}}]})
    assert one.standing(principal("ada")) == "hidden"
    assert not one.constrained


def test_resources_are_named_by_their_uri_or_template_and_prompts_by_their_name() -> None:
    ada = principal("ada", "x")
    table = {"ada": [{"resources": "note://{part}/*", "where": {"part": "a"}}, {"prompts": "gr*"}]}
    note, greet = reach(table, NOTE), reach(table, GREET)
    assert (note.standing(ada), greet.standing(ada)) == ("open", "open")
    assert code(note.check_arguments, ada, {"part": "b"}) == "access.constraint"
    assert reach({"ada": [{"resources": "read_file"}]}, NOTE).standing(ada) == "hidden", "its function's name"


def test_a_tool_is_named_by_its_name_whatever_else_it_has() -> None:
    class Located(FunctionTool):
        uri = "note://x"

    located = Located(read_file)
    assert reach({"ada": [{"tools": "note://*"}]}, located).standing(principal("ada")) == "hidden"
    assert reach({"ada": [{"tools": "read_*"}]}, located).standing(principal("ada")) == "open"


def test_two_to_whom_something_is_granted_by_name_are_told_apart() -> None:
    access = Capabilities(json.dumps({"ada": ANY, "bob": ANY}), Time())
    standing = {name: access.moment(principal(name, "x")) for name in ("ada", "bob", "eve", "mallory")}
    assert standing["ada"] != standing["bob"]
    assert standing["eve"] == standing["mallory"] != standing["ada"]


def test_reading_is_not_subscribing() -> None:
    ada = principal("ada", "x")
    only = reach({"ada": [{"resources": "*", "actions": "read"}]}, NOTE)
    assert code(only.check, ada) == ""
    assert code(only.check_extra, ada, "subscribe") == "access.denied"
    without = reach({"ada": [{"resources": "*", "actions": "subscribe"}]}, NOTE)
    assert without.standing(ada) == "hidden"
    assert code(without.check_extra, ada, "subscribe") == "access.denied"
    assert code(reach({"ada": [{"resources": "*"}]}, NOTE).check_extra, ada, "subscribe") == ""


@pytest.mark.parametrize("owner, kind", [("greet", "prompts"), ("note://{part}/{depth}", "resources")])
def test_completing_takes_leave_to_use_and_to_complete_without_a_constraint(owner: str, kind: str) -> None:
    ada = principal("ada", "x")
    completion = Completion(owner, "part", suggest)

    def judged(*entries: dict[str, Any]) -> str:
        return code(reach({"ada": list(entries)}, completion).check_extra, ada, "complete")

    use = "call" if kind == "prompts" else "read"
    assert judged({kind: owner}) == ""
    assert judged({kind: owner, "actions": use}) == "access.denied"
    assert judged({kind: owner, "actions": "complete"}) == "access.denied"
    assert judged({kind: owner, "actions": "complete"}, {kind: owner, "actions": use}) == ""
    assert judged({kind: owner, "where": {"part": "docs/**"}}) == "access.denied"
    assert judged({kind: "other"}) == "access.denied"
    assert judged({"tools": "*"}) == "access.denied"


def test_no_refusal_tells_what_others_hold_or_what_is_asked_of_arguments() -> None:
    one = reach({"ada": [{"tools": "*", "where": {"part": "canary/**"}}], "scope:canary": ANY, "canary": ANY})
    for who, given in ((principal("bob"), {}), (principal("ada", "x"), {"part": "sent-canary"})):
        with pytest.raises(AccessDenied) as denied:
            one.check_arguments(who, given)
        assert "canary" not in denied.value.message
        assert "ask the operator" in denied.value.message
