"""The bounds of a decoded value at their exact edges, on the short way for plain arguments and on the long one."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import InvalidArguments
from holdfast.safe.values import DEEPEST, Bounds, JsonTooLarge, check_value

TIGHT = Bounds(bytes=1 << 16, elements=100, string=1_024, integer_digits=64)
LARGEST = 10**64 - 1
SAFE = (1 << 53) - 1
"""The largest integer that every reader of JSON holds exactly (RFC 8259, 6)."""


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_most_and_the_least_that_bounds_may_be() -> None:
    assert Bounds(depth=DEEPEST).depth == DEEPEST
    assert Bounds(bytes=1, depth=1, elements=1, string=1, integer_digits=10).integer_digits == 10


@pytest.mark.parametrize(
    "wrong", [{"depth": 0}, {"depth": 201}, {"bytes": 0}, {"elements": 0}, {"string": 0}, {"integer_digits": 9}]
)
def test_senseless_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Bounds(**wrong)


@pytest.mark.parametrize("value", [{"a": "x" * 11}, {"x" * 11: 1}])
def test_short_texts_are_measured_where_shorter_ones_are_taken(value: Any) -> None:
    with pytest.raises(JsonTooLarge, match="text"):
        check_value(value, Bounds(string=10))


def test_short_arguments_beside_each_other_are_counted_too() -> None:
    assert check_value(dict.fromkeys("abcdefghijklmno", 1), Bounds(elements=16))
    with pytest.raises(JsonTooLarge, match="values"):
        check_value(dict.fromkeys("abcdefghijklmnopq", 1), Bounds(elements=16))


@pytest.mark.parametrize(
    "value",
    [
        {f"n{number}": number for number in range(100)},
        [1] * 100,
        ["x" * 1_024] * 20,
        ["x" * 1_024],
        ["é" * 512],
        {"k" * 1_024: 1},
        {"é" * 512: 1},
        {"a": "x" * 1_024},
        {"a": LARGEST, "b": -LARGEST},
        [LARGEST] * 20,
        deep(64),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_just_fits_is_taken(value: Any) -> None:
    size = check_value(value, TIGHT)
    assert check_value(value, Bounds(size, 64, 100, 1_024, 64)) == size
    with pytest.raises(JsonTooLarge, match="bytes"):
        check_value(value, Bounds(size - 1, 64, 100, 1_024, 64))


@pytest.mark.parametrize(
    "value, says",
    [
        ({f"n{number}": number for number in range(101)}, "values"),
        ([1] * 101, "values"),
        (["x"] * 19 + ["x" * 1_025], "text"),
        (["x" * 1_025], "text"),
        (["é" * 513], "text"),
        ({"k" * 1_025: 1}, "text"),
        ({"é" * 513: 1}, "text"),
        ({"a": "x" * 1_025}, "text"),
        ({"a": "é" * 513}, "text"),
        ({"a": LARGEST + 1}, "digits"),
        ({"a": -LARGEST - 1}, "digits"),
        ([LARGEST + 1] * 20, "digits"),
        (deep(65), "nested"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_one_more_is_refused(value: Any, says: str) -> None:
    with pytest.raises(JsonTooLarge, match=says):
        check_value(value, TIGHT)


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"\ud800": 1}, ["\ud800"] * 20, {"a": float("inf")}])
def test_plain_arguments_are_no_way_around_what_json_cannot_hold(value: Any) -> None:
    with pytest.raises(InvalidArguments):
        check_value(value)


@pytest.mark.parametrize("number, size", [(SAFE, 8), (-SAFE, 8), (SAFE + 1, 64), (-SAFE - 1, 64)])
def test_an_integer_counts_the_same_wherever_it_stands(number: int, size: int) -> None:
    assert check_value(number, TIGHT) == size
    assert check_value([number] * 20, TIGHT) == 20 * size + 2
    assert check_value({"a": number}, TIGHT) == size + 6


def test_few_plain_values_are_counted_where_fewer_are_taken() -> None:
    plain = {f"n{number}": number for number in range(6)}
    assert check_value(plain, Bounds(elements=6)) > 0
    with pytest.raises(JsonTooLarge, match="more than 5 values"):
        check_value(plain, Bounds(elements=5))
