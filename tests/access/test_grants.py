"""Grants as the operator writes them: what is meant, and what is refused with a word on what to write instead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.access import grants
from holdfast.access.grants import MAX_LEVELS, parse_grants
from holdfast.core.config import AccessSettings
from holdfast.core.layers import load
from holdfast.errors import ConfigurationError


def one(entry: dict[str, Any]) -> Any:
    return parse_grants(json.dumps({"ada": [entry]}))["ada"][0]


def test_an_entry_says_what_how_with_which_arguments_and_until_when() -> None:
    grant = one(
        {
            "tools": ["read_*"],
            "prompts": "greet",
            "actions": ["call"],
            "where": {"path": "docs/**", "options.depth": {"max": 3}},
            "until": "1970-01-01T01:00:00+01:00",
        }
    )
    assert grant.names_it("tool", "read_x")
    assert grant.names_it("prompt", "greet")
    assert not grant.names_it("tool", "greet")
    assert not grant.names_it("resource", "greet")
    assert grant.actions == {"call"}
    assert [path for path, _ in grant.where] == [("path",), ("options", "depth")]
    assert grant.until == 0.0


@pytest.mark.parametrize(
    "kind, actions",
    [
        ("tools", {"call"}),
        ("resources", {"read", "complete", "subscribe"}),
        ("prompts", {"call", "complete"}),
    ],
)
def test_without_actions_all_of_its_kind_are_meant(kind: str, actions: set[str]) -> None:
    assert one({kind: "x"}).actions == actions


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"tool": ["x"]}, "unknown key tool; the nearest is tools"),
        ({"tools": "x", "untill": "2030-01-01T00:00:00Z"}, "the nearest is until"),
        (
            {"tools": "x", "zzz\x1b": 1},
            r"unknown key zzz\?; there are tools, resources, prompts, actions, where, until",
        ),
        ({}, "say what is granted"),
        ({"actions": ["call"]}, "say what is granted"),
        ({"tools": []}, "a text or a list of texts"),
        ({"tools": [1]}, "a text or a list of texts"),
        ({"tools": 1}, "a text or a list of texts"),
        ({"tools": {"x": 1}}, "a text or a list of texts"),
        ({"tools": ""}, "a pattern has 1 to"),
        ({"tools": "x", "actions": ["list"]}, "what may be called or read is also listed"),
        ({"tools": "x", "actions": ["read"]}, "the actions are call"),
        ({"tools": "x", "actions": ["call", "read"]}, "the actions are call"),
        ({"tools": "x", "resources": "y", "actions": ["read"]}, "at least one for each kind"),
        ({"tools": "x", "actions": []}, "a text or a list of texts"),
        ({"tools": "x", "where": {}}, "where is an object"),
        ({"tools": "x", "where": "path"}, "where is an object"),
        ({"tools": "x", "where": {"a..b": 1}}, "dotted path"),
        ({"tools": "x", "where": {"": 1}}, "dotted path"),
        ({"tools": "x", "where": {"a." * 20 + "a": 1}}, "dotted path"),
        ({"tools": "x", "where": {"a": None}}, "a constraint is a text"),
        ({"tools": "x", "until": "2030-01-01T00:00:00"}, "a moment with its time zone"),
        ({"tools": "x", "until": "tomorrow"}, "a moment with its time zone"),
        ({"tools": "x", "until": 5}, "a moment with its time zone"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        one(entry)
    assert str(refused.value).startswith("HOLDFAST_ACCESS__GRANTS, ada, grant 1")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{", '{"": []}', '{"a": {}}', '{"a": [1]}', '{"a": [], "a": []}', '{"scope:": []}', "[" * 100_000,
     '{"a": [{"tools": "x", "tools": "y"}]}', '{"a": "x"}'],
)  # fmt: skip
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_ACCESS__GRANTS"):
        parse_grants(text)


def test_all_actions_of_a_kind_may_be_named_and_a_path_may_be_as_deep_as_is_said() -> None:
    deep = ".".join("a" * MAX_LEVELS)
    grant = one({"tools": "x", "actions": ["call"], "where": {deep: 1}})
    assert (grant.actions, len(grant.where[0][0])) == ({"call"}, MAX_LEVELS)
    with pytest.raises(ConfigurationError, match="dotted path"):
        one({"tools": "x", "where": {f"{deep}.a": 1}})


def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "MAX_ENTRIES", 2)
    parse_grants('{"a": [{"tools": "x"}], "b": [{"tools": "x"}]}')
    with pytest.raises(ConfigurationError, match="at most 2 grants"):
        parse_grants('{"a": [{"tools": "x"}, {"tools": "y"}], "b": [{"tools": "x"}]}')


def test_a_file_may_hold_a_table_with_moments_of_its_own(tmp_path: Any) -> None:
    file = tmp_path / "holdfast.toml"
    file.write_text('[[access.grants.ada]]\ntools = "x"\nuntil = 1970-01-01T00:00:01Z\n')
    text = load(file=file, environ={}).settings.access.grants
    assert text is not None
    assert parse_grants(text)["ada"][0].until == 1.0
    with pytest.raises(ValueError, match="only what JSON can hold"):
        AccessSettings(grants={"ada": [{"tools": {1, 2}}]})  # type: ignore[arg-type]
