"""Constraints look at what the tool will get: handles by their text, numbers as numbers, and never in doubt."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any

import pytest
from pydantic import BaseModel, Field

from holdfast.access.constraints import MAX_CHECKS, MAX_CHOICES, constraint, holds
from holdfast.errors import ConfigurationError
from holdfast.safe.handle import Handle


class Color(Enum):
    """Not a text itself."""

    RED = "red"


class Name(StrEnum):
    """A text too."""

    ADA = "ada"


class Agreeing:
    """Equal to everything, as some libraries' values are for a query."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Inner(BaseModel):
    """An object in the arguments."""

    depth: int = 1
    other: int = Field(2, alias="caller's name")
    third: int = Field(3, validation_alias="read as")


def fits(written: Any, *values: Any) -> list[bool]:
    wanted = constraint(json.loads(json.dumps(written)))
    return [holds({"x": value}, ("x",), wanted) for value in values]


def test_a_text_is_a_pattern_for_texts_and_handles() -> None:
    handle = Handle("docs/a", None)
    assert fits("docs/*", "docs/a", handle, "docs/../a", 1, None, b"docs/a", ["docs"]) == [True, True] + [False] * 5
    assert fits("red", Color.RED, "red", "RED") == [True, True, False]
    assert fits("a*", Name.ADA) == [True]


def test_numbers_and_truth_are_only_ever_themselves() -> None:
    assert fits(1, 1, 1.0, True, "1", None, Decimal(1)) == [True, True, False, False, False, True]
    assert fits(True, True, 1, "true", False) == [True, False, False, False]
    assert fits(False, False, 0, None, "") == [True, False, False, False]
    assert fits(1.5, 1.5, Decimal("1.5"), 1, "1.5") == [True, True, False, False]
    assert fits(1, 1 + 0j, Fraction(1), Agreeing()) == [False] * 3, "equal, but of no type that is known"


def test_a_range_takes_numbers_within_it() -> None:
    assert fits({"min": 1, "max": 10}, 1, 10, 5.5, 0, 11, True, "5", None) == [True] * 3 + [False] * 5
    assert fits({"max": 10}, -(10**400), 10**400, float("nan"), float("-inf")) == [True, False, False, True]
    assert fits({"min": 0}, Decimal("0.5"), Decimal("-1")) == [True, False]


def test_one_of_a_list_must_hold() -> None:
    assert fits(["docs", "docs/**", 7, {"min": 100}], "docs", "docs/a", 7, 100, 8, "x") == [True] * 4 + [False] * 2
    assert fits({"exact": ["*", 1, True]}, "*", "a", 1, True, False) == [True, False, True, True, False]


def test_every_item_of_a_list_must_fit_and_none_is_too_few() -> None:
    assert fits("docs/*", ["docs/a", "docs/b"], ["docs/a", "x"], [], [["docs/a"]], ("docs/a",)) == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert holds({"x": {1, 2}}, ("x",), constraint({"max": 2}))


def test_a_value_is_found_by_the_name_that_callers_use() -> None:
    args = {"options": Inner.model_validate({"depth": 4, "caller's name": 5, "read as": 6}), "plain": {"a": {"b": 7}}}
    for path, value in (("depth", 4), ("caller's name", 5), ("read as", 6)):
        assert holds(args, ("options", path), constraint(value)), path
    assert holds(args, ("plain", "a", "b"), constraint(7))
    assert holds(args["options"], ("depth",), constraint(4))


@pytest.mark.parametrize(
    "path",
    [("nothing",), ("options", "other"), ("options", "__class__"), ("options", "model_fields"),
     ("options", "depth", "real"), ("plain", "a"), ("plain", "a", "c"), ("text", "upper"), ("none",),
     ("options", "model_extra")],
)  # fmt: skip
def test_what_is_absent_or_of_another_type_fits_nothing(path: tuple[str, ...]) -> None:
    args = {"options": Inner(), "plain": {"a": {"b": 7}}, "text": "x", "none": None}
    for written in ("**", "x", 1, True, {"min": -1e300}, {"exact": ["x"]}, ["**", 1, False]):
        assert not holds(args, path, constraint(written)), written


@pytest.mark.parametrize(
    "written",
    [None, [], {}, {"min": "1"}, {"min": True}, {"mni": 1}, {"exact": []}, {"exact": "x"}, {"exact": [None]}, [None],
     {"min": float("nan")}, float("nan"), "", ["x"] * (MAX_CHOICES + 1), {"exact": ["x"] * (MAX_CHOICES + 1)},
     {"exact": [["x"]]}, {"exact": ["x"], "min": 1}, (1, 2)],
)  # fmt: skip
def test_what_is_no_constraint_is_the_operators_error(written: Any) -> None:
    with pytest.raises(ConfigurationError):
        constraint(written)


def test_a_list_may_be_as_long_as_is_said() -> None:
    for written in ([*["y"] * (MAX_CHOICES - 1), "x"], {"exact": [*["y"] * (MAX_CHOICES - 1), "x"]}):
        assert constraint(written).fits("x")


def test_a_decimal_that_is_no_number_fits_nothing_and_raises_nothing() -> None:
    for odd in (Decimal("NaN"), Decimal("sNaN")):
        assert not constraint({"max": 3}).fits(odd)
        assert not constraint(3).fits(odd)


def test_a_number_of_any_size_may_be_asked_for() -> None:
    huge = 10**400
    assert constraint(huge).fits(huge)
    assert constraint({"min": -huge, "max": huge}).fits(7)


def test_lists_in_lists_have_an_end() -> None:
    written: object = 1
    for _ in range(2_000):
        written = [written]
    with pytest.raises(ConfigurationError, match="a constraint is"):
        constraint(written)


def test_a_long_list_against_many_choices_is_refused_and_not_worked_through() -> None:
    wanted = constraint([[f"d{number}*/**" for number in range(999)], "q*"])
    begun = time.perf_counter()
    assert not holds({"x": ["q" * 8] * 50_000}, ("x",), wanted), "in doubt, no"
    assert time.perf_counter() - begun < 1
    assert holds({"x": ["q" * 8] * (MAX_CHECKS // 1_000)}, ("x",), wanted)
    assert not holds({"x": ["q" * 8] * (MAX_CHECKS // 1_000 + 1)}, ("x",), wanted)
    assert holds({"x": ["q"] * 100_000}, ("x",), constraint("q*"))
