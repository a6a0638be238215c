"""What is asked of a parsed value besides its bytes: a yes only where it is sure, and a yes wherever that is cheap."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.safe.afterwards import digits_fit, names_are_unique, numbers_fit
from holdfast.safe.values import Bounds

BOUNDS = Bounds()
LONGEST = b"9" * 64
TOO_LONG = b"9" * 65
BESIDE = b'"' + b"x" * 2_000 + b'"'
"""Text beside which there are so few values that each is looked at."""
AMONG = b",".join([b"1"] * 40)
"""Values among which the bytes are looked at."""


def numbers(raw: bytes) -> bool:
    return numbers_fit(raw, json.loads(raw), BOUNDS)


@pytest.mark.parametrize(
    "raw", [b"[" + AMONG + b"]", b"[" + LONGEST + b"]", b"[" + LONGEST + b",1.5," + LONGEST + b"]"]
)
def test_digits_up_to_the_bound_fit(raw: bytes) -> None:
    assert digits_fit(raw, BOUNDS)


@pytest.mark.parametrize("raw", [TOO_LONG, b"-" + TOO_LONG, b"[" + AMONG + b"," + TOO_LONG + b"]"])
def test_one_digit_more_does_not_fit(raw: bytes) -> None:
    assert not digits_fit(raw, BOUNDS)
    assert not numbers(raw)


@pytest.mark.parametrize("frame", [b"[%s]", b"[" + BESIDE + b",%s]", b"[" + AMONG + b",%s]", b'{"a":{"b":[%s]}}'])
@pytest.mark.parametrize(
    "number, fits",
    [(b"0", True), (b"-1.5e-400", True), (b"1e308", True), (b"1e+100", True), (b"12345678901", True), (LONGEST, True),
     (b"-" + LONGEST, True), (TOO_LONG, False), (b"-" + TOO_LONG, False), (b"1e999", False), (b"-1E+999", False),
     (b"null", True), (b'"text"', True)],
)  # fmt: skip
def test_numbers_fit_that_are_finite_and_short_enough(frame: bytes, number: bytes, fits: bool) -> None:
    assert numbers(frame % number) is fits


def test_where_values_are_few_a_text_of_digits_is_no_number() -> None:
    assert numbers(b"[" + BESIDE + b',"' + TOO_LONG + b'"]')


MANY = b",".join(b'{"k":%d}' % each for each in range(70))


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[1]",
        b'{"a":1,"b":2}',
        b'{"a":{"b":{"c":1}},"d":[{"a":1},[{"a":2}]]}',
        b'{"a":"http://x","b":":"}',
        b'{"a":"\\"","b":":\\":"}',
        b"[" + MANY + b"]",
        b"[" + MANY.replace(b"{", b"[{").replace(b"}", b"}]") + b"]",
        b'["' + b":" * 3 + b'",' + MANY + b"]",
        b'["{",' + MANY + b"," + MANY + b"]",
    ],
)
def test_names_that_come_once_in_their_object_are_unique(raw: bytes) -> None:
    assert names_are_unique(raw, json.loads(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":"\\"","a":1}',
        b'{"a":"\\\\","a":1}',
        b'{"a":"http://x","a":2}',
        b'{"a":{"x":{}},"a":2}',
        b'[[{"b":1,"b":2}]]',
        b"[" + MANY + b',{"a":1,"a":2}]',
        b"[[" + MANY + b'],[[{"a":1,"a":2}]]]',
    ],
)
def test_a_name_that_came_twice_is_noticed(raw: bytes) -> None:
    value: Any = json.loads(raw)
    assert not names_are_unique(raw, value)
