"""sqlglot's tree of a statement: what an author's statement does, and that a clause is planned once."""

from __future__ import annotations

import time

import pytest
from sqlglot import exp

from holdfast.errors import UnsafeQuery
from holdfast.safe import sqltree
from holdfast.safe.growth import MAX_GROWTH, growth
from holdfast.safe.pgstatements import POSTGRES, verb_of
from holdfast.safe.sqltree import MAX_NESTING, MAX_TOKENS, dialect_of, names_of, parsed, written


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


def read(text: str) -> UnsafeQuery:
    """How the tree's reader alone refuses it, before any node is looked at."""
    with pytest.raises(UnsafeQuery) as caught:
        dialect_of(POSTGRES).tree(text)
    return caught.value


@pytest.mark.parametrize(
    "text", ["", ";", ";;", "DELETE FROM t", "WITH x AS (SELECT 1) DELETE FROM t", "(VACUUM)", "SELECT 1; SELECT 2"]
)
def test_what_is_not_one_query_is_not_read(text: str) -> None:
    assert read(text).message == "send exactly one SELECT statement"


def test_a_semicolon_within_is_refused_before_the_parser_sees_it() -> None:
    with pytest.raises(UnsafeQuery):
        sqltree._check_tokens(["SELECT", "NUMBER", "SEMICOLON", "SELECT", "NUMBER"])
    assert dialect_of(POSTGRES).tree("SELECT 1;;")


def test_what_the_parser_does_not_know_is_refused_and_not_written_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert "this part is not" in read("WITH x AS (EXPLAIN SELECT hunter2) SELECT 1").message
    assert caplog.text == ""


def test_a_thousand_tokens_are_read_and_one_more_is_not() -> None:
    text = "SELECT 1" + ", 1" * (MAX_TOKENS // 2 - 1)
    assert dialect_of(POSTGRES).tree(text)
    refused = read(text.replace("SELECT 1", "SELECT -1"))
    assert (refused.code, "parameters" in refused.message) == ("query.too_deep", True)


@pytest.mark.parametrize(
    "text", ["DELETE FROM t", "SELECT 1; SELECT 2", f"SELECT {'(' * (MAX_NESTING + 1)}1{')' * (MAX_NESTING + 1)}"]
)
def test_what_its_tokens_give_away_never_reaches_the_parser(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = dialect_of(POSTGRES)
    monkeypatch.setattr(dialect, "_parser", lambda **_: pytest.fail("the parser saw it"))
    with pytest.raises(UnsafeQuery):
        dialect.tree(text)


def test_a_parser_that_does_not_count_its_steps_is_known_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = dialect_of(POSTGRES)
    assert dialect.counts()
    monkeypatch.setattr(dialect, "_parser", dialect._dialect.parser_class)
    monkeypatch.setattr(dialect._parser, "steps", 0, raising=False)
    assert not dialect.counts()


def test_a_subquery_without_a_name_bears_none() -> None:
    _, nodes = parsed("SELECT x FROM (SELECT 1 AS x)", POSTGRES, frozenset())
    assert names_of(nodes, "Subquery") == frozenset()


@pytest.mark.parametrize("name", ["L_PAREN", "L_BRACKET", "CASE", "NOT", "DASH"])
def test_nesting_is_bounded_before_the_parser_sees_it(name: str) -> None:
    sqltree._check_tokens(["SELECT", *[name] * MAX_NESTING, "NUMBER"])
    with pytest.raises(UnsafeQuery) as caught:
        sqltree._check_tokens(["SELECT", *[name] * (MAX_NESTING + 1), "NUMBER"])
    assert caught.value.code == "query.too_deep"


def test_what_stands_beside_each_other_is_not_nested() -> None:
    sqltree._check_tokens(["SELECT", *["L_PAREN", "NUMBER", "R_PAREN", "COMMA"] * 100, "NUMBER"])
    sqltree._check_tokens(["SELECT", *["NOT", "VAR", "AND"] * 100, "VAR"])
    sqltree._check_tokens(["SELECT", *["VAR", "COMMA"] * 100, "VAR"])


def test_the_parser_gives_up_where_it_would_try_alternatives_without_end() -> None:
    began = time.process_time()
    with pytest.raises(UnsafeQuery) as caught:
        parsed("SELECT 1 FROM a " + "JOIN b " * 16, POSTGRES, frozenset())
    assert caught.value.code == "query.too_deep"
    assert time.process_time() - began < 1.0


def folded(*widths: int) -> str:
    """Subqueries in each other, whose columns stand for that many copies of the next one's."""
    text = "t"
    for width in widths:
        text = f"(SELECT {' || '.join(['x'] * width)} AS x FROM {text}) AS q"
    return f"SELECT x FROM {text}"


def test_a_thousand_copies_of_a_column_pass_and_one_more_do_not() -> None:
    tree, _ = parsed(folded(10, 10, 10), POSTGRES, frozenset())
    assert growth(tree, {}) == MAX_GROWTH
    with pytest.raises(UnsafeQuery) as caught:
        parsed(folded(7, 11, 13), POSTGRES, frozenset())
    assert caught.value.code == "query.too_deep"


@pytest.mark.parametrize(
    "outer", ["SELECT 1 UNION SELECT 2 LIMIT ({})", "(SELECT 1) OFFSET ({})", "SELECT 1 LIMIT ({})"]
)
def test_subqueries_are_counted_wherever_they_stand(outer: str) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        parsed(outer.format(folded(7, 11, 13)), POSTGRES, frozenset())
    assert caught.value.code == "query.too_deep"


def test_a_tree_that_cannot_be_written_is_refused() -> None:
    class Unknown(exp.Expression):
        pass

    deep: exp.Expression = exp.Literal.number(1)
    for _ in range(5_000):
        deep = exp.Paren(this=deep)
    for tree, code in ((Unknown(), "query.statement"), (deep, "query.too_deep")):
        with pytest.raises(UnsafeQuery) as caught:
            written(tree, POSTGRES)
        assert caught.value.code == code
