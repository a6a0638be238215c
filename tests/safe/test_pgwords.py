"""The second reading takes only what it knows, whatever the first one has let through."""

from __future__ import annotations

import pytest

from holdfast.errors import UnsafeQuery
from holdfast.safe.pgstatements import DEFAULT_FUNCTIONS
from holdfast.safe.pgwords import check_words


@pytest.mark.parametrize(
    "sql, code",
    [
        ('SELECT "f"(1)', "query.function"),
        ('SELECT * FROM "a", "f"("x")', "query.function"),
        ('SELECT * FROM "a", "f"("x") AS ("y" INT)', "query.function"),
        ('SELECT * FROM "a", "f"("x" 1) AS (SELECT 1)', "query.function"),
        ('SELECT * FROM "a", "f"("x") AS (VALUES INT)', "query.function"),
        ('SELECT * FROM "a", "f"("x") AS "y"("z")', "query.function"),
        ('SELECT * FROM "f"("x") AS (SELECT 1)', "query.function"),
        ('SELECT "a", "f"("x") + (SELECT 1)', "query.function"),
        ('SELECT 1 AS "f"("x" 1)', "query.function"),
        ('"f"("x") "a" AS', "query.function"),
        ('WITH "f"("x") AS (', "query.function"),
        ("SELECT pg_sleep(1)", "query.function"),
        ("SELECT CURRENT_USER", "query.statement"),
        ("SELECT 1 FOR UPDATE", "query.statement"),
        ("SELECT 1 INTO x", "query.statement"),
        ('SELECT ""', "query.statement"),
        ("SELECT DATE'2020-01-01'", "query.statement"),
        ("SELECT.5", "query.statement"),
        ("SELECT 1+--x", "query.statement"),
        ("SELECT 1*/*x*/2", "query.statement"),
        ('MATERIALIZED "a" AS', "query.statement"),
        ("MATERIALIZED", "query.statement"),
        ("SELECT e'x'", "query.statement"),
        ("SELECT U&'x'", "query.statement"),
        ("SELECT 'a' 'b'", "query.statement"),
        ("SELECT \"regclass\" 'x'", "query.statement"),
        ("SELECT $$x$$", "query.statement"),
        ("SELECT 1 -- x", "query.statement"),
        ("SELECT 1 /* x */", "query.statement"),
        ("SELECT 1; SELECT 2", "query.statement"),
        ("SELECT 'x'::\"regclass\"", "query.statement"),
        ('WITH "a" AS NOT MATERIALIZED (SELECT 1) SELECT 1', "query.statement"),
        ("SELECT 1 <<< 2", "query.statement"),
        ("SELECT 1 OPERATOR(public.+) 2", "query.function"),
        ("SELECT 'unterminated", "query.statement"),
        ("SELECT `x`", "query.statement"),
        ("SELECT x1", "query.statement"),
        ("SELECT\t1", "query.statement"),
        ('WITH "c"("x") SELECT 1', "query.function"),
        ('SELECT "c"("x"', "query.function"),
        ('SELECT "pg_sleep"("a")', "query.function"),
        ("SELECT INT(5)", "query.function"),  # a known word that calls when a parenthesis follows
        ("SELECT 1 ~~ 2", "query.statement"),
        ("SELECT NULL.5", "query.statement"),
        ("SELECT INT4$1", "query.statement"),
        ("SELECT $tag$x$tag$", "query.statement"),
        ("SELECT '", "query.statement"),
        ('SELECT "', "query.statement"),
    ],
)
def test_what_it_does_not_know_is_refused(sql: str, code: str) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        check_words(sql, DEFAULT_FUNCTIONS)
    assert caught.value.code == code


def test_lists_of_columns_and_clauses_that_are_planned_once_are_taken() -> None:
    for sql in (
        'WITH "a"("x") AS (SELECT 1), "b"("y") AS MATERIALIZED (VALUES (1)) SELECT COUNT(*) FROM "a"',
        "SELECT '-- x /* y', DATE '2020-01-01', 1",
        "SELECT ((1)) + (2), 1 IN (1, 2), 'x' IN ('x', 'y'), .5",
        'WITH "a"("x") AS ((SELECT 1)), "b"("y") AS (WITH "c" AS (SELECT 1) SELECT 1) SELECT 1',
        'WITH RECURSIVE "a"("x", "y") AS (SELECT 1, 2) SELECT 1 FROM (VALUES (1)) AS "v"("x")',
    ):
        check_words(sql, DEFAULT_FUNCTIONS)
