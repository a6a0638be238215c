"""What doubles a text at each step of a statement is refused, and does double it where nobody refuses it."""

from __future__ import annotations

from typing import Any

import pytest
from support.postgres import Cluster

from holdfast.errors import UnsafeQuery
from holdfast.safe.pggrowing import OF_ROWS
from holdfast.safe.pgstatements import DEFAULT_FUNCTIONS, check

STEPS = 12


def chain(first: str, step: str) -> str:
    """``STEPS`` WITH clauses, each of which makes one text of the one before."""
    clauses = [f"c0 AS (SELECT {first} AS x)"]
    for number in range(1, STEPS + 1):
        clauses.append(f"c{number} AS (SELECT {step.format(c=f'c{number - 1}')} AS x FROM c{number - 1})")
    return f"WITH {', '.join(clauses)} SELECT length(x) FROM c{STEPS}"


def again(first: str, step: str) -> str:
    """The same in a recursive WITH."""
    return (
        f"WITH RECURSIVE c(x, n) AS (SELECT {first}, 1 UNION ALL SELECT {step}, n + 1 FROM c WHERE n <= {STEPS})"
        " SELECT max(length(x)) FROM c"
    )


BYTES = "ltrim(CAST(CAST(x AS bytea) AS text), '\\')"
DOUBLING = [
    chain("""'"'""", "CAST((x, 1) AS text)"),
    chain("""'"'""", "CAST({c} AS text)"),
    chain("""'"'""", "CAST({c}.* AS text)"),
    chain("""'"'""", "CAST({c}.to_json AS text)"),
    chain("''''", "{c}.quote_literal"),
    chain("'a'", BYTES),
    again("""'"'""", "CAST((x, 1) AS text)"),
    again("'a'", BYTES),
    f"SELECT length(CAST(CAST('[{', '.join(['1e131071'] * 40)}]' AS jsonb) AS text))",
]


def code_of(text: str) -> str:
    with pytest.raises(UnsafeQuery) as caught:
        check(text, None, DEFAULT_FUNCTIONS)
    return caught.value.code


@pytest.mark.parametrize("text", DOUBLING)
def test_a_text_that_doubles_is_never_sent(text: str) -> None:
    assert code_of(text) == "query.statement"


async def test_without_the_guard_each_of_them_grows(postgres: Cluster) -> None:
    boss = await postgres.connect()
    try:
        for text in DOUBLING:
            assert await boss.fetchval(text) > 2**STEPS, text
    finally:
        await boss.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT n FROM notes n",
        "SELECT NOTES FROM Notes",
        "SELECT v FROM (VALUES (1)) AS v(x)",
        "SELECT c FROM (SELECT 1 AS x) c",
        "SELECT lag(n) OVER (ORDER BY id) FROM notes n",
        "SELECT CASE WHEN n IS NULL THEN 1 END FROM notes n",
        "SELECT (SELECT n) FROM notes n",
        "SELECT (n.*) FROM notes n",
        "SELECT n.* AS x FROM notes n",
        "SELECT count(n.*) FROM notes n",
        "SELECT public.notes.TO_JSON FROM notes",
        "SELECT (id, 1) FROM notes",
        "SELECT (SELECT (id, 1)) FROM notes",
        "SELECT coalesce((id, 1)) FROM notes",
        "SELECT x FROM (VALUES ((1, 2))) AS v(x)",
        "SELECT CAST(body AS varbinary) FROM notes",
        "SELECT CAST(body AS jsonb) FROM notes",
        "SELECT CAST((body) AS jsonb) FROM notes",
        "SELECT CAST('{a}' AS bytea[])",
        "SELECT CAST('{a}' AS jsonb[])",
        "SELECT CASE WHEN true THEN ' [1e131071]' ELSE extra END FROM notes",
        'SELECT extra @> \'{"a\\"": 1.5E+00131071}\' FROM notes',
        "SELECT 1e1000",
        "WITH RECURSIVE c(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM c) SELECT x FROM c",
        "SELECT " + "9" * 1_001,
    ],
)
def test_rows_bytes_and_huge_numbers_are_no_values(text: str) -> None:
    assert code_of(text) == "query.statement"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT n.id FROM notes n WHERE (n.id, n.body) = (1, 'x') OR ('a', 'b') < (n.body, n.body)",
        "SELECT id FROM notes WHERE (id, body) IN ((1, 'a'), (2, 'b')) OR (id, body) IN (SELECT id, body FROM notes)",
        "SELECT n.*, m.id FROM notes n JOIN notes m USING (id) ORDER BY (n.id, n.body)",
        "SELECT * FROM (VALUES (1, 2), (3, 4)) AS v(a, b)",
        "SELECT count(*) FROM notes GROUP BY (id, body)",
        "SELECT CAST('\\x00' AS bytea), CAST($1 AS jsonb), CAST(NULL AS bytea), CAST(body AS json) ->> 'k' FROM notes",
        "SELECT id FROM notes WHERE extra @> '{\"k\": \"12e45678\"}' OR body = '12e45678' OR price < 1e10",
        "SELECT body || 'x' FROM notes",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
        "WITH c AS (SELECT body || 'x' AS x FROM notes) SELECT x FROM c",
        "SELECT " + "9" * 1_000,
        "SELECT n.count, to_json FROM (SELECT count(*) AS count, 1 AS to_json FROM notes) n",
    ],
)
def test_what_cannot_grow_passes(text: str) -> None:
    assert check(text, None, DEFAULT_FUNCTIONS).sql


async def test_every_function_of_this_server_that_takes_a_row_is_known(postgres: Cluster) -> None:
    boss: Any = await postgres.connect()
    try:
        kinds = ["any", "anyelement", "record", "anynonarray", "anycompatible", "anycompatiblenonarray"]
        found = await boss.fetch(
            "SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_type t ON t.oid = p.proargtypes[0]"
            " WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND t.typname = ANY ($1)"
            " AND p.pronargs - p.pronargdefaults <= 1 AND p.pronargs >= 1",
            kinds,
        )
        assert {row[0] for row in found} <= OF_ROWS
        for kind in ("text", "varchar", "bpchar", "name", "xml", "json", "jsonb", "bytea"):
            with pytest.raises(Exception, match="column"):  # a row is no text by this spelling: PostgreSQL says no
                await boss.fetchval(f"SELECT n.{kind} FROM notes n")
    finally:
        await boss.close()
