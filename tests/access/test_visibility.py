"""Lists by principal: made once for all who hold the same, bounded in number, and right to the second."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.access import visibility
from holdfast.access.capabilities import Capabilities
from holdfast.access.visibility import Visibility
from holdfast.core.function import FunctionTool
from holdfast.core.resource import Resource
from holdfast.testing import principal


class Time:
    """A wall clock to be set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def work(part: str = "") -> str:
    return part


def tool(name: str, *scopes: str) -> FunctionTool:
    return FunctionTool(work, name=name, scopes=scopes)


TOOLS = [tool("a"), tool("b", "s"), tool("c", "s", "t")]


def made(table: dict[str, Any] | None, tools: list[FunctionTool] = TOOLS, wall: Any = None) -> Visibility:
    access = None if table is None else Capabilities(json.dumps(table), wall or Time())
    return Visibility(access, {"tools": [(item, {"name": item.name}) for item in tools], "prompts": []})


def names(seen: Visibility, *who: str) -> list[str]:
    return [entry["name"] for entry in seen.listed("tools", principal(*who))]


def test_without_grants_and_scopes_there_is_one_list_for_all() -> None:
    seen = made(None, TOOLS[:1])
    assert seen.open
    assert seen.listed("tools", principal("ada", "x")) is seen.listed("tools", principal("bob", "x"))
    assert seen.listed("tools", principal("ada", "x")) is seen.whole()["tools"]


def test_scopes_hide_what_asks_for_more() -> None:
    seen = made(None)
    assert names(seen, "ada", "x") == ["a"]
    assert names(seen, "ada", "s") == ["a", "b"]
    assert names(seen, "ada", "s", "t") == names(seen, "ada", "*") == ["a", "b", "c"]
    assert not seen.hides(principal("ada", "x"), TOOLS[2]), "a scope may be asked for"


def test_grants_and_scopes_must_both_hold() -> None:
    seen = made({"*": [{"tools": "a"}], "ada": [{"tools": ["b", "c"]}]})
    assert names(seen, "ada", "s") == ["a", "b"]
    assert names(seen, "bob", "s", "t") == ["a"]
    assert seen.hides(principal("bob", "*"), TOOLS[1])
    assert not seen.hides(principal("ada", "x"), TOOLS[1])


def test_whoever_holds_the_same_gets_the_same_list() -> None:
    seen = made({"*": [{"tools": "a"}], "scope:s": [{"tools": "b"}]})
    one = seen.listed("tools", principal("bob", "s", "of", "no", "account"))
    assert one is seen.listed("tools", principal("eve", "s"))
    assert one is not seen.listed("tools", principal("eve", "t"))


def test_grants_hide_all_else_where_nothing_asks_for_scopes() -> None:
    seen = made({"ada": [{"tools": "a"}]}, TOOLS[:1])
    assert (names(seen, "ada", "x"), names(seen, "bob", "*")) == (["a"], [])
    assert not seen.open


def test_nobody_is_shown_the_list_that_was_made_for_somebody_with_other_grants() -> None:
    seen = made({"ada": [{"tools": "a"}], "bob": [{"tools": "b"}]})
    assert (names(seen, "ada", "s"), names(seen, "bob", "s"), names(seen, "eve", "s")) == (["a"], ["b"], [])
    seen = made({"scope:g": [{"tools": "a"}]}, TOOLS[:1])
    assert (names(seen, "ada", "g"), names(seen, "bob", "h")) == (["a"], []), "a scope that no tool asks for"


def test_what_has_ended_is_listed_no_more() -> None:
    wall = Time()
    seen = made({"ada": [{"tools": "a", "until": "1970-01-01T00:01:00Z"}]}, wall=wall)
    assert names(seen, "ada", "x") == ["a"]
    wall.now = 60.0
    assert names(seen, "ada", "x") == []
    assert not seen.hides(principal("ada", "x"), TOOLS[0]), "it knew of it"


def test_lists_are_bounded_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "MAX_VIEWS", 2)
    people = [f"p{number}" for number in range(5)]
    seen = made({name: [{"tools": "a"}] for name in people})
    first = seen.listed("tools", principal("p0", "x"))
    for name in people:
        assert names(seen, name, "x") == ["a"]
        assert len(seen._views) <= 2
    assert seen.listed("tools", principal("p0", "x")) == first


def test_the_lists_that_are_kept_are_those_asked_for_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "MAX_VIEWS", 2)
    seen = made({name: [{"tools": "a"}] for name in ("ada", "bob", "eve")})
    ada, bob = (seen.listed("tools", principal(name, "x")) for name in ("ada", "bob"))
    assert seen.listed("tools", principal("ada", "x")) is ada, "as many as are allowed are kept"
    seen.listed("tools", principal("eve", "x"))
    assert seen.listed("tools", principal("ada", "x")) is ada
    assert seen.listed("tools", principal("bob", "x")) is not bob


def test_who_may_follow_everything_still_follows_only_what_it_may_read() -> None:
    note = Resource("note://{part}", work)
    table = {
        "ada": [
            {"resources": "note://*", "actions": "read", "where": {"part": "docs"}},
            {"resources": "note://*", "actions": "subscribe"},
        ]
    }
    seen = Visibility(Capabilities(json.dumps(table), Time()), {"templates": [(note, {})]})
    sandbox: Any = None
    assert seen.may_follow(principal("ada", "x"), note, {"part": "docs"}, sandbox)
    assert not seen.may_follow(principal("ada", "x"), note, {"part": "other"}, sandbox)


@pytest.mark.parametrize(
    "entry, parameters, follows",
    [
        ({"resources": "note://*"}, {"part": "x"}, True),
        ({"resources": "note://*", "actions": "read"}, {"part": "x"}, False),
        ({"resources": "note://*", "where": {"part": "docs"}}, {"part": "docs"}, True),
        ({"resources": "note://*", "where": {"part": "docs"}}, {"part": "x"}, False),
        ({"resources": "note://*"}, {"other": "x"}, False),
        ({"resources": "doc://*"}, {"part": "x"}, False),
    ],
)
def test_a_resource_is_followed_by_whom_it_is_granted_to(
    entry: dict[str, Any], parameters: dict[str, str], follows: bool
) -> None:
    note = Resource("note://{part}", work, scopes={"s"})
    sandbox: Any = None
    seen = Visibility(Capabilities(json.dumps({"ada": [entry]}), Time()), {"templates": [(note, {})]})
    assert seen.may_follow(principal("ada", "s"), note, parameters, sandbox) is follows
    assert not seen.may_follow(principal("ada", "t"), note, parameters, sandbox)
    assert not seen.may_follow(principal("bob", "s"), note, parameters, sandbox)
    by_scope = Visibility(None, {"templates": [(note, {})]})
    assert by_scope.may_follow(principal("bob", "s"), note, parameters, sandbox)


def test_a_grant_that_is_of_no_use_is_found_whatever_is_wrong_with_it() -> None:
    table = {
        "ada": [{"tools": "a"}, {"tools": "typo_*"}, {"tools": "a", "where": {"prat": "x"}}],
        "scope:s": [{"prompts": "*"}],
        "*": [{"tools": ["b", "typo"]}],
    }
    assert made(table).idle_grants() == [
        "HOLDFAST_ACCESS__GRANTS, ada, grant 2",
        "HOLDFAST_ACCESS__GRANTS, ada, grant 3",
        "HOLDFAST_ACCESS__GRANTS, scope:s, grant 1",
    ]
    assert made(None).idle_grants() == []


def test_a_grant_of_following_or_completing_alone_is_of_use() -> None:
    note = Resource("note://{part}", work)
    table = {"ada": [{"resources": "note://*", "actions": action} for action in ("subscribe", "complete")]}
    access = Capabilities(json.dumps(table), Time())
    assert Visibility(access, {"templates": [(note, {})]}).idle_grants() == []
