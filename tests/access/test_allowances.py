"""What may be spent, as the operator writes it: quantities with their units, and a word on what does not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.access import allowances
from holdfast.access.allowances import parse_allowances
from holdfast.errors import ConfigurationError


@pytest.mark.parametrize(
    "dimension, text, amount, period",
    [
        ("calls", "1000/day", 1000, 86_400),
        ("calls", " 5 / minute ", 5, 60),
        ("cost", "2.5/hour", 2.5, 3_600),
        ("cpu", "60 s/hour", 60, 3_600),
        ("cpu", "250ms/minute", 0.25, 60),
        ("cpu", "2 h/day", 7_200, 86_400),
        ("cpu", "7/hour", 7, 3_600),
        ("bytes", "10MB/hour", 10_000_000, 3_600),
        ("bytes", "4 KiB/second", 4_096, 1),
        ("bytes", "1 GiB/day", 2**30, 86_400),
    ],
)
def test_a_quantity_has_a_unit_and_a_period(dimension: str, text: str, amount: float, period: float) -> None:
    (found,) = parse_allowances(json.dumps({"*": {dimension: text}}))["*"]
    assert (found.dimension, found.amount, found.period, found.text) == (dimension, amount, period, text)
    assert found.covers("tool", "any")
    assert found.covers("completion", "any of them")


def test_one_who_is_limited_by_name_and_by_what_is_called() -> None:
    entries = [
        {"calls": "9/day"},
        {"tools": ["big_*", "x"], "resources": "note://*", "calls": "1/day", "cpu": "1 s/day"},
    ]
    found = parse_allowances(json.dumps({"ada": entries}))["ada"]
    assert [(each.dimension, each.covers("tool", "big_y"), each.covers("prompt", "x")) for each in found] == [
        ("calls", True, True), ("calls", True, False), ("cpu", True, False),
    ]  # fmt: skip
    assert len({each.space for each in found}) == 3
    again = parse_allowances(
        json.dumps({"bob": [{"calls": "2/day", "resources": "note://*", "tools": ["x", "big_*"]}]})
    )
    assert again["bob"][0].space == found[1].space, "the same names, however they are written"


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"call": "1/day"}, "unknown key call; the nearest is calls"),
        ({"calls": "1 s/day"}, "calls is a quantity and a period"),
        ({"calls": "0/day"}, "calls is a quantity"),
        ({"calls": 5}, "calls is a quantity"),
        ({"calls": "5"}, "calls is a quantity"),
        ({"cpu": "5 MB/day"}, "cpu is a quantity in s, ms, min, h"),
        ({"bytes": "5 mb/day"}, "bytes is a quantity in B, kB"),
        ({"bytes": "5 MB/fortnight"}, "bytes is a quantity"),
        ({"bytes": "1e3/day"}, "bytes is a quantity"),
        ({"tools": "x"}, "say what may be spent"),
        ({}, "say what may be spent"),
        ({"tools": [], "calls": "1/day"}, "a text or a list of texts"),
        ([], "an object is wanted"),
        (5, "an object is wanted"),
        (["x"], "an object is wanted"),
        ("5/day", "an object is wanted"),
        ([{"calls": "1/day"}, {"calls": "2/day"}], "limit the same thing over the same period"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(entry: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        parse_allowances(json.dumps({"ada": entry}))
    assert str(refused.value).startswith("HOLDFAST_QUOTAS, ada")


def test_everybodys_entry_is_called_so() -> None:
    with pytest.raises(ConfigurationError, match=r"^HOLDFAST_QUOTAS, everyone, entry 1: say what may be spent"):
        parse_allowances('{"*": {}}')


@pytest.mark.parametrize("text", ["", "[]", "5/day", '{"": {}}', '{"a": {"calls": "1/day"}, "a": {"calls": "1/day"}}'])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_QUOTAS"):
        parse_allowances(text)


def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowances, "MAX_ENTRIES", 1)
    assert len(parse_allowances(json.dumps({"ada": {"calls": "1/day"}}))) == 1
    with pytest.raises(ConfigurationError, match="at most 1 limits"):
        parse_allowances(json.dumps({"ada": {"calls": "1/day", "cost": "1/day"}}))
