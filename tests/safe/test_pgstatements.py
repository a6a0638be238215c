"""The grammar of PostgreSQL alone: what passes and how it is written, and what is refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import UnsafeQuery
from holdfast.safe import sqltree
from holdfast.safe.pgstatements import DEFAULT_FUNCTIONS, check, table_of
from holdfast.safe.pgwords import check_words

TABLES = frozenset({("public", "notes"), ("app", "orders")})


def code_of(text: str) -> str:
    with pytest.raises(UnsafeQuery) as caught:
        check(text, TABLES, DEFAULT_FUNCTIONS)
    return caught.value.code


@pytest.mark.parametrize(
    "text, sql",
    [
        ("SELECT ID FROM Notes", 'SELECT "id" FROM "public"."notes"'),
        ('SELECT "ID" FROM notes n', 'SELECT "ID" FROM "public"."notes" AS "n"'),
        ("SELECT o.id FROM app.orders AS o", 'SELECT "o"."id" FROM "app"."orders" AS "o"'),
        ("SELECT :a, :b, :a FROM notes", 'SELECT $1, $2, $1 FROM "public"."notes"'),
        ("SELECT 1 /*! UNION SELECT 2 */ -- x", "SELECT 1"),
        ("SELECT now()::date", "SELECT CAST(CURRENT_TIMESTAMP AS DATE)"),
        ("WITH c(x) AS (SELECT 1) SELECT x FROM c", 'WITH "c"("x") AS (SELECT 1) SELECT "x" FROM "c"'),
        ("SELECT x FROM (VALUES (1)) AS v(x)", 'SELECT "x" FROM (VALUES (1)) AS "v"("x")'),
        ("SELECT id FROM notes WHERE extra @> '{}' AND id = ANY($1)",
         'SELECT "id" FROM "public"."notes" WHERE "extra" @> \'{}\' AND "id" = ANY($1)'),
        ("SELECT user", 'SELECT "user"'),
        ("SELECT ÄB FROM notes", 'SELECT "Äb" FROM "public"."notes"'),
        ("SELECT 1 AS " + "ä" * 31 + "x", 'SELECT 1 AS "' + "ä" * 31 + 'x"'),
        ("SELECT 1::char(10000)", "SELECT CAST(1 AS CHAR(10000))"),
        ("SELECT 1 AS pg_x FROM notes AS pg_y", 'SELECT 1 AS "pg_x" FROM "public"."notes" AS "pg_y"'),
    ],
)  # fmt: skip
def test_what_passes_is_written_with_every_name_quoted_and_every_table_with_its_schema(text: str, sql: str) -> None:
    statement = check(text, TABLES, DEFAULT_FUNCTIONS)
    assert statement.sql == sql
    assert check(sql, TABLES, DEFAULT_FUNCTIONS).sql == sql


@pytest.mark.parametrize(
    "text, code",
    [
        ("SELECT $1, :a", "query.statement"),
        ("SELECT ?", "query.statement"),
        ("SELECT $x", "query.statement"),
        ("SELECT %(a)s", "query.statement"),
        ('SELECT :""', "query.statement"),
        ("SELECT 1::char(10001)", "query.statement"),
        ("SELECT 1::mood", "query.statement"),
        ("SELECT 'x'::regclass", "query.statement"),
        ("SELECT '<x/>'::xml", "query.statement"),
        ("SELECT a.b.c.d FROM notes", "query.table"),
        ("SELECT * FROM x.public.notes", "query.table"),
        ("SELECT * FROM information_schema.tables", "query.table"),
        ("SELECT * FROM pg_toast.x", "query.table"),
        ("SELECT * FROM app.notes", "query.table"),
        ("SELECT * FROM public.orders", "query.table"),
        ("WITH pg_class AS (SELECT 1) SELECT * FROM pg_class", "query.table"),
        ('WITH "pg_class" AS (SELECT 1) SELECT 1', "query.table"),
        ("WITH RECURSIVE c(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM c) SELECT 1", "query.statement"),
        ("SELECT " + "x" * 64, "query.statement"),
        ("SELECT 1 AS " + "ä" * 32, "query.statement"),
        ('SELECT ""', "query.statement"),
        ('SELECT * FROM "".notes', "query.statement"),
        ("SELECT 'a\x00'", "query.statement"),
        ("SELECT '\ud800'", "query.statement"),
        ("SELECT \ud800", "query.statement"),
        ("SELECT 1 AS secret FROM secret", "query.table"),
        ("SELECT 1 FROM secret AS secret", "query.table"),
        ("WITH secret AS (SELECT 1) SELECT * FROM app.secret", "query.table"),
        ("WITH notes AS (SELECT 1) SELECT * FROM app.notes", "query.table"),
        ("SELECT FROM [ $1 [", "query.statement"),  # IndexError in sqlglot 30.30
        ("SELECT * FROM ONLY notes", "query.statement"),
        ("SELECT repeat('x', 9)", "query.function"),
        ("SELECT lower(x) OVER (ORDER BY pg_sleep(1)) FROM notes", "query.function"),
        ("SELECT " + "(" * 100 + "1" + ")" * 100, "query.too_deep"),
        ("SELECT x FROM " + "(SELECT x || x AS x FROM " * 12 + "(SELECT 'a' AS x) q" + ") q" * 12, "query.too_deep"),
    ],
)
def test_what_is_refused_has_its_code(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize(
    "table",
    [
        "pg_class", "pg_catalog.pg_class", "information_schema.tables", "pg_toast.x", "lower('x')", "lower('x') AS t",
        "public.lower('x')", "$1", "x.public.notes",
    ],
)  # fmt: skip
def test_tables_of_the_system_and_what_is_no_table_are_refused_even_when_every_table_may_be_read(table: str) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        check(f"SELECT * FROM {table}", None, DEFAULT_FUNCTIONS)
    assert caught.value.code == "query.table"


@pytest.mark.parametrize("placeholder", ["$x", "@x", "$\N{SUPERSCRIPT TWO}"])
def test_a_placeholder_of_another_kind_is_told_how_to_be_written(placeholder: str) -> None:
    with pytest.raises(UnsafeQuery) as caught:
        check(f"SELECT {placeholder}", TABLES, DEFAULT_FUNCTIONS)
    assert caught.value.message == "write placeholders as $1 or :name"


@pytest.mark.parametrize(
    "text, written",
    [
        ("SELECT 0", ["SELECT 1", "SELECT 2"]),  # never the same twice
        ("SELECT * FROM app.orders", ['SELECT * FROM "public"."notes"'] * 2),  # other tables than were asked for
    ],
)
def test_a_text_that_is_not_read_again_as_what_it_was_is_refused(
    text: str, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = iter(written)
    monkeypatch.setattr(sqltree, "written", lambda *_, **__: next(texts))
    with pytest.raises(UnsafeQuery) as caught:
        check(text, TABLES, DEFAULT_FUNCTIONS)
    assert "two ways" in caught.value.message


def test_tables_are_named_with_their_schema_or_are_public() -> None:
    assert (table_of("notes"), table_of("app.orders")) == (("public", "notes"), ("app", "orders"))


_WORDS = (
    "SELECT FROM WHERE JOIN LEFT ON USING ( ) , * notes orders secret a 1 'x' AND OR NOT IN CASE WHEN THEN END AS WITH "
    "UNION ALL VALUES EXISTS CAST :: < > [ ] ; $1 :p @> $x$ -> || pg_sleep count lower INTERVAL LATERAL OVER FILTER "
    "PARTITION BY ORDER GROUP LIMIT - ~ -- /* */ E'x' U&'x' \"q\" public . ~~ ! % ? @ regclass text app RECURSIVE"
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(_WORDS.split(" ")), max_size=40))
def test_any_text_is_refused_quickly_or_written_as_something_that_passes(words: list[str]) -> None:
    began = time.process_time()
    try:
        statement = check("SELECT " + " ".join(words), TABLES, DEFAULT_FUNCTIONS)
    except UnsafeQuery:
        return
    finally:
        assert time.process_time() - began < 1.0
    assert statement.tables <= TABLES
    assert check(statement.sql, TABLES, DEFAULT_FUNCTIONS).sql == statement.sql
    check_words(statement.sql, DEFAULT_FUNCTIONS)


@pytest.mark.parametrize("width", ["max", "-1"])
def test_the_width_of_a_type_is_a_number(width: str) -> None:
    with pytest.raises(UnsafeQuery):
        check(f"SELECT CAST('a' AS varchar({width}))", frozenset(), DEFAULT_FUNCTIONS)
