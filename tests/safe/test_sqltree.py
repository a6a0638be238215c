"""sqlglot's tree of a statement: what an author's statement does, and that a clause is planned once."""

from __future__ import annotations

import pytest

from holdfast.errors import UnsafeQuery
from holdfast.safe.pgstatements import POSTGRES, verb_of
from holdfast.safe.sqltree import names_of, parsed, written


@pytest.mark.parametrize(
    "text, verb",
    [
        ("insert INTO t SELECT 1 ON CONFLICT DO UPDATE SET a = 1", "INSERT"),
        ('WITH x AS (DELETE FROM t RETURNING *), "delete" AS (SELECT 1) SELECT * FROM x', "SELECT"),
        ("WITH x AS MATERIALIZED (SELECT ')') /* SELECT */ UPDATE t SET a = 1", "UPDATE"),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("VALUES (1)", ""),
    ],
)
def test_the_verb_is_the_first_that_stands_in_no_parenthesis(text: str, verb: str) -> None:
    assert verb_of(text) == verb


def test_a_clause_that_would_be_planned_at_each_mention_is_refused() -> None:
    with pytest.raises(UnsafeQuery) as caught:
        parsed("WITH c AS NOT MATERIALIZED (SELECT 1 AS x) SELECT 1 FROM c AS a, c AS b", POSTGRES, frozenset())
    assert caught.value.code == "query.statement"
    tree, nodes = parsed("WITH C AS MATERIALIZED (SELECT 1 AS x) SELECT x FROM C", POSTGRES, frozenset())
    assert written(tree, POSTGRES) == "WITH C AS MATERIALIZED (SELECT 1 AS x) SELECT x FROM C"
    assert names_of(nodes, "CTE") == {"c"}
