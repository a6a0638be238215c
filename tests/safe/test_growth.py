"""How large a statement becomes once its subqueries are folded into each other."""

from __future__ import annotations

import pytest
from sqlglot import parse_one

from holdfast.safe.growth import MAX_GROWTH, growth


@pytest.mark.parametrize(
    "text, copies",
    [
        ("SELECT 1", 1),
        ("SELECT a, b FROM t", 1),
        ("SELECT a || a || b FROM t", 3),
        ("SELECT x || x FROM (SELECT a || a AS x FROM t) AS q", 4),
        ("SELECT x || x FROM (SELECT 1 AS x UNION SELECT a || a || a FROM t) AS q", 6),
        ("WITH c AS (SELECT a || a AS x FROM t), d AS (SELECT x || x AS y FROM C) SELECT y || y FROM d", 8),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT a || a FROM t)", 2),
        ("(SELECT a || a FROM t) EXCEPT SELECT b FROM t", 2),
        ("VALUES (1)", 1),
        ("WITH c AS (SELECT a || a AS x FROM t) SELECT b || b FROM t", 2),
        ("WITH c AS (SELECT a || a AS x FROM t) SELECT c FROM t", 1),
        ("SELECT b FROM t UNION SELECT b FROM t ORDER BY (SELECT a || a FROM t)", 2),
        ("((SELECT a || a FROM t))", 2),
        ("SELECT 1 UNION SELECT 2 LIMIT (SELECT length(a || a || a) FROM t)", 3),
        ("(SELECT 1) OFFSET (SELECT length(a || a || a) FROM t)", 3),
        ("SELECT x || x FROM " + "(SELECT x || x AS x FROM " * 12 + "t" + ") AS q" * 12, MAX_GROWTH + 1),
    ],
)
def test_each_level_multiplies_the_copies_of_a_column(text: str, copies: int) -> None:
    assert growth(parse_one(text, read="postgres"), {}) == copies
