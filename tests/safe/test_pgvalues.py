"""Values into PostgreSQL and out of it, and its errors in our words, without a server."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.errors import UnsafeQuery
from holdfast.safe.pgerrors import refusal
from holdfast.safe.pgvalues import bind, kind_of, row_of

DEEP: list[Any] = []
for _ in range(5_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "kind, value",
    [
        ("int4", True), ("int8", 1 << 63), ("int4", "1"), ("float8", "1"), ("float8", True), ("numeric", True),
        ("numeric", []), ("numeric", "x"), ("numeric", "1e5000"), ("text", 1), ("text", "a\x00"), ("text", "\ud800"),
        ("bool", 1), ("bytea", "x"), ("jsonb", float("nan")), ("jsonb", object()), ("date", "hunter2"), ("uuid", 1),
        ("timestamp", "2020-01-01T00:00:00Z"), ("timestamptz", "2020-01-01"), ("int4[]", 1), ("int4[]", [[1]]),
        ("int4[]", [1] * 10_001), ("regclass", "x"), ("mood", "x"),
        ("jsonb", DEEP), ("numeric", "1" * 1_001), ("numeric", "1e1001"), ("numeric", "1e-1001"),
        ("numeric", Fraction(1)),
        ("text", ["a"]), ("text", {"a": 1}), ("int8", -(1 << 63) - 1),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_and_not_repeated(kind: str, value: Any) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        bind([value], (), [SimpleNamespace(name=kind, schema="pg_catalog")])
    assert caught.value.code == "query.failed"
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "kind, value, bound",
    [
        ("int8", -(1 << 63), -(1 << 63)),
        ("int8", (1 << 63) - 1, (1 << 63) - 1),
        ("int4[]", [1] * 10_000, [1] * 10_000),
        ("numeric", "1" * 1_000, Decimal("1" * 1_000)),
        ("numeric", "1e1000", Decimal("1e1000")),
        ("numeric", "1e-1000", Decimal("1e-1000")),
        ("bool", False, False),
        ("bool", True, True),
    ],
)
def test_a_value_at_its_bound_fits(kind: str, value: Any, bound: Any) -> None:
    assert bind([value], (), [SimpleNamespace(name=kind, schema="pg_catalog")]) == [bound]


def test_names_take_a_mapping_and_numbers_a_list() -> None:
    kinds = [SimpleNamespace(name="int4", schema="pg_catalog"), SimpleNamespace(name="text", schema="pg_catalog")]
    assert bind({"b": "x", "a": 1}, ("a", "b"), kinds) == [1, "x"]
    for parameters, names in (
        ([1, "x"], ("a", "b")),
        ({"a": 1, "b": "x"}, ()),
        ({"a": 1}, ("a", "b")),
        ({"a": 1, "b": "x"}, ("a",)),
        ({"a": 1}, ("a",)),
        ([1], ()),
    ):
        with pytest.raises(UnsafeQuery) as caught:
            bind(parameters, names, kinds)
        assert caught.value.code == "query.failed"


def test_a_type_that_takes_no_parameter_is_told_what_to_write() -> None:
    with pytest.raises(UnsafeQuery) as caught:
        bind(["1 day"], (), [SimpleNamespace(name="interval", schema="pg_catalog")])
    assert "CAST($1 AS TEXT)" in caught.value.message


def test_values_that_fit_are_converted() -> None:
    kinds = [
        SimpleNamespace(name=name, schema="pg_catalog")
        for name in ("int8", "float4", "date", "date", "text[]", "numeric", "bytea")
    ]
    given = [1, 2, "2020-01-02", date(2020, 1, 2), ["a", None], 1.5, b"x"]
    assert bind(given, (), kinds)[:5] == [1, 2.0, date(2020, 1, 2), date(2020, 1, 2), ["a", None]]


def test_a_type_that_only_bears_the_name_of_one_of_postgresqls_is_nobodys() -> None:
    theirs = SimpleNamespace(name="int4", schema="public")
    assert row_of('["hunter2"]', [kind_of(theirs)]) == ["hunter2"]
    with pytest.raises(UnsafeQuery):
        bind([1], (), [theirs])


def test_cells_are_read_by_their_type() -> None:
    texts = '["1", "true", "\\\\x00ff", "1e400", "-12.5", "NaN", "9999999999999999", null, "x"]'
    kinds = ["int4", "bool", "bytea", "float8", "numeric", "numeric", "numeric", "int4", "mood"]
    assert row_of(texts, kinds) == [1, True, "base64:AP8=", None, -12.5, None, "9999999999999999", None, "x"]


def test_a_whole_number_stays_whole_and_one_beyond_fifteen_digits_is_text() -> None:
    assert repr(row_of('["999999999999999", "7", "7.0", "1000000000000000"]', ["numeric"] * 4)) == (
        "[999999999999999, 7, 7.0, '1000000000000000']"
    )


class InternalClientError(Exception):
    """Named as asyncpg's own."""


@pytest.mark.parametrize(
    "error, code",
    [
        (ValueError("hunter2"), "query.failed"),
        (InternalClientError("hunter2"), "query.failed"),
        (OSError("hunter2"), "query.unavailable"),
        (type("E", (Exception,), {"sqlstate": "XX000"})("hunter2"), "query.failed"),
        (type("E", (Exception,), {"sqlstate": "40P01"})("hunter2"), "query.busy"),
        (type("E", (Exception,), {"sqlstate": "54001"})("hunter2"), "query.too_deep"),
    ],
)
def test_an_error_has_a_code_and_never_its_own_words(error: Exception, code: str) -> None:
    refused = refusal(error)
    assert refused.code == code
    assert "hunter2" not in refused.message
