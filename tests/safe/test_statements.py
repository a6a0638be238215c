"""The grammar layer alone: what is a single read-only SELECT, and what is refused with which code."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe import sqltree, statements
from holdfast.safe.statements import DEFAULT_FUNCTIONS, check

TABLES = frozenset({"notes", "people"})


def code_of(text: str, tables: frozenset[str] | None = TABLES) -> str:
    with pytest.raises(UnsafeQuery) as caught:
        check(text, tables, DEFAULT_FUNCTIONS)
    assert all(word not in caught.value.message for word in ("hidden", "secret", "/etc"))
    return caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, count(*) FROM notes WHERE id = ? AND body = :b GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 LIMIT 5",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9) SELECT x FROM c",
        "SELECT strftime('%Y', d), date('now', '-1 day'), CURRENT_DATE, datetime(d) FROM notes",
        "SELECT group_concat(body, ','), substr(body, 1, 2), ifnull(body, ''), iif(id, 1, 2), max(id, 2) FROM notes",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b), lag(a, 1) OVER w FROM notes WINDOW w AS (ORDER BY a)",
        "SELECT * FROM notes LEFT JOIN people USING (id) CROSS JOIN notes AS n2 NATURAL JOIN people AS p2",
        "SELECT id IN (1, 2), EXISTS(SELECT 1), 2 BETWEEN 1 AND 2, a LIKE 'x%' ESCAPE '!', CAST(id AS INT) FROM notes",
        "SELECT CASE id WHEN 1 THEN 2 ELSE 3 END, body || 'x', -id, ~id, id % 2, x'00ff' FROM main.notes AS n",
        "SELECT body -> '$.a', body ->> '$.b' FROM notes",
        "VALUES (1), (2)",
        "(SELECT 1)",
        "SELECT 'a;b -- not a comment', \"body\" FROM notes;",
        "SELECT body FROM notes WHERE body = 'Ünïcødé \U0001f600 \u202e'",
    ],
)
def test_an_ordinary_select_passes_and_its_text_passes_again(text: str) -> None:
    once = check(text, TABLES, DEFAULT_FUNCTIONS)
    assert check(once.sql, TABLES, DEFAULT_FUNCTIONS) == once


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; SELECT 2",  # CVE-2026-130008, CVE-2026-48774: stacked statements
        "SELECT 1; ATTACH 'hidden' AS x",  # CVE-2026-130008: ATTACH
        "ATTACH DATABASE 'hidden' AS x",
        "DETACH DATABASE x",
        "COMMIT; DROP TABLE notes",  # server-postgres <= 0.6.2: COMMIT ends the read-only transaction
        "COMMIT",
        "BEGIN",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "VACUUM INTO 'hidden'",
        "EXPLAIN SELECT 1",
        "INSERT INTO notes VALUES (1) RETURNING *",
        "UPDATE notes SET body = 'hidden' RETURNING *",
        "DELETE FROM notes",
        "REPLACE INTO notes VALUES (1)",
        "WITH x AS (SELECT 1) INSERT INTO notes SELECT * FROM x",  # writes behind WITH
        "WITH x AS (DELETE FROM notes RETURNING *) SELECT * FROM x",
        "WITH x AS (EXPLAIN SELECT hidden) SELECT * FROM x",
        "WITH x AS NOT MATERIALIZED (SELECT 1) SELECT * FROM x a, x b",
        "SELECT * INTO hidden FROM notes",
        "SELECT * FROM notes FOR UPDATE",
        "SELECT * FROM notes TABLESAMPLE (10)",
        "SELECT * FROM notes JOIN LATERAL (SELECT 1) AS x",
        "SELECT {d 'hidden'}",
        "SELECT ?1",
        "CREATE TABLE hidden (a)",
        "DROP TABLE notes",
        "UPDATE sqlite_master SET sql = 'hidden'",
        "FROM notes",
        "SELECT 'unterminated",
        "SELECT \x00",
        "ＳＥＬＥＣＴ 1",
        "",
        ";",
        "--",
        "/* */",
    ],
)
def test_whatever_is_not_one_plain_select_is_refused(text: str) -> None:
    assert code_of(text) == "query.statement"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT load_extension('hidden')",
        "SELECT \"load_extension\"('hidden')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('hidden', 'x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000000000)",
        "SELECT printf('%1000000000d', 1)",
        "SELECT * FROM notes WHERE body REGEXP 'x'",
        "SELECT * FROM pragma_table_info('notes')",  # CVE-2026-85620: functions in FROM missed
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM notes('x')",
        "SELECT id FROM notes ORDER BY (SELECT edit('hidden'))",
        "SELECT count(*) FILTER (WHERE load_extension('x')) FROM notes",
        "SELECT rank() OVER (ORDER BY load_extension('x')) FROM notes",
        "WITH c AS (SELECT load_extension('x')) SELECT 1",
    ],
)
def test_a_function_that_is_not_listed_is_refused_wherever_it_stands(text: str) -> None:
    assert code_of(text) == "query.function"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM secret",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM sqlite_temp_master",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM '/etc/passwd'",  # DuckDB reads files named in FROM: no function shows (CVE-2026-85620)
        "SELECT * FROM other.notes",
        "SELECT * FROM a.main.notes",
        "SELECT * FROM notes WHERE id IN (SELECT id FROM secret)",
        "SELECT (SELECT count(*) FROM secret)",
        "SELECT 1 UNION SELECT pass FROM secret",
        "SELECT * FROM notes NATURAL JOIN secret",
        "WITH notes AS (SELECT * FROM people) SELECT * FROM notes",
        "SELECT * FROM (SELECT * FROM people) AS notes",
    ],
)
def test_a_table_that_is_not_listed_is_refused_wherever_it_stands(text: str) -> None:
    assert code_of(text) == "query.table"


@pytest.mark.parametrize("table", ["sqlite_master", "sqlite_schema", "PRAGMA_table_list", "temp.x"])
def test_system_tables_are_refused_even_when_every_table_may_be_read(table: str) -> None:
    assert code_of(f"SELECT * FROM {table}", None) == "query.table"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 100 + "1" + ")" * 100,  # sqlglot: RecursionError at 100 parentheses
        "SELECT " + "(" * 5_000,
        "SELECT " + "NOT " * 400 + "1",
        "SELECT " + "- " * 400 + "1",
        "SELECT " + "CASE WHEN " * 60 + "1" + " THEN 1 END" * 60,
        "SELECT 1" + " OR 1" * 300,
        "SELECT 1" + " + 1" * 300,
        "SELECT 1" + " UNION SELECT 1" * 200,
        "SELECT a" + "::int" * 300,
        "SELECT " + "1, " * 5_000 + "1",
        "SELECT * FROM notes" + " JOIN notes" * 40,  # exponential in sqlglot: 2.2 s at sixteen
        "SELECT " + "STRUCT<" * 40 + "1" + ">" * 40,
    ],
)
def test_a_statement_made_to_be_slow_is_refused_quickly(text: str) -> None:
    statements.require()
    began = time.process_time()
    assert code_of(text) in ("query.too_deep", "query.statement")
    assert time.process_time() - began < 1.0


def test_thirty_levels_pass_and_one_more_does_not() -> None:
    assert check("SELECT " + "(" * 30 + "1" + ")" * 30, None, DEFAULT_FUNCTIONS)
    assert code_of("SELECT " + "(" * 31 + "1" + ")" * 31) == "query.too_deep"


def test_comments_do_not_reach_the_database() -> None:
    sql = check("SELECT 1 /*! UNION SELECT 2 */ -- tail\n /*+ hint */", TABLES, DEFAULT_FUNCTIONS).sql
    assert sql == "SELECT 1"


def test_the_statement_never_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    code_of("WITH x AS (EXPLAIN SELECT hidden) SELECT * FROM x")
    code_of("SELECT * FROM notes TABLESAMPLE (10)")
    assert caplog.text == ""


def test_what_sqlglot_would_leave_out_is_refused_and_not_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert code_of("SELECT x FROM (VALUES (1)) AS v(x)") == "query.statement"  # SQLite has no names for these columns
    assert caplog.text == ""


def test_without_sqlglot_the_server_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    sqltree.dialect_of.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="sqlglot"):
            statements.require()
    finally:
        sqltree.dialect_of.cache_clear()


def test_a_parser_that_does_not_count_its_steps_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqltree._Dialect, "counts", lambda self: False)
    with pytest.raises(ConfigurationError, match="bounded"):
        statements.require()


def test_a_library_that_writes_another_statement_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "check", lambda *_: statements.Statement("SELECT 2", frozenset(), frozenset()))
    with pytest.raises(ConfigurationError, match="bounded"):
        statements.require()


@pytest.mark.parametrize("text", ["SELECT 'a\x00'", "SELECT '\ud800'", "SELECT 1 AS \ud800"])
def test_characters_that_cannot_be_sent_are_refused_as_such(text: str) -> None:
    with pytest.raises(UnsafeQuery, match="characters that no statement needs") as caught:
        check(text, None, DEFAULT_FUNCTIONS)
    assert caught.value.code == "query.statement"


@pytest.mark.parametrize("table", ["lower('x')", "main.lower('x')", "json_array_length('[]') AS t", "?"])
def test_what_is_no_table_is_refused_even_when_every_table_may_be_read(table: str) -> None:
    assert code_of(f"SELECT * FROM {table}", None) == "query.table"


_SPLIT = (
    "SELECT FROM WHERE JOIN LEFT ON USING ( ) , * notes people secret a 1 'x' AND OR NOT IN CASE WHEN THEN END AS "
    "WITH UNION ALL VALUES EXISTS CAST :: < > [ ] { } ; ? :p @x $y -> || PRAGMA ATTACH load_extension count "
    "STRUCT INTERVAL LATERAL UNNEST OVER FILTER PARTITION BY ORDER GROUP LIMIT OFFSET - ~ -- /* */ \x00 \ud800"
)
WORDS = st.sampled_from(_SPLIT.split(" "))


def test_a_statement_that_can_be_read_in_two_ways_is_refused() -> None:
    with pytest.raises(UnsafeQuery, match="two ways"):
        check("SELECT , ALL LEFT", TABLES, DEFAULT_FUNCTIONS)


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=60))
def test_any_text_is_either_refused_or_re_serialised_to_something_that_passes(words: list[str]) -> None:
    text = "SELECT " + " ".join(words)
    try:
        statement = check(text, TABLES, DEFAULT_FUNCTIONS)
    except UnsafeQuery:
        return
    assert statement.sql.upper().startswith(("SELECT", "WITH", "VALUES", "("))
    assert check(statement.sql, TABLES, DEFAULT_FUNCTIONS).sql == statement.sql


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5), st.integers(20, 120))
def test_no_repetition_of_words_makes_the_parser_slow(words: list[str], times: int) -> None:
    statements.require()
    text = "SELECT * FROM notes " + (" ".join(words) + " ") * times
    began = time.process_time()
    with suppress(UnsafeQuery):
        check(text, None, DEFAULT_FUNCTIONS)
    assert time.process_time() - began < 1.0
