"""Every case of SQL finds its fault in a server that runs any statement, and nothing in one that refuses."""

from __future__ import annotations

import hashlib
import re
import shlex
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attack.cases.aimed import PATH, Probe, tool
from attack.cases.played import found, not_found, played

from holdfast_attack.cases.sql import CASES, injection
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Outcome, Verdict

PLAYED = ("sql",)
IDS = [case.id for case in CASES]


@pytest.mark.parametrize("name", IDS)
def test_its_fault_is_found(name: str, naive: Mapping[str, Outcome]) -> None:
    found(naive[name])


@pytest.mark.parametrize("name", IDS)
def test_nothing_is_found_in_a_sound_server(name: str, sound: Mapping[str, Outcome]) -> None:
    not_found(sound[name])


def test_the_database_holds_what_it_held_after_all_of_it(naive: Mapping[str, Outcome]) -> None:
    assert naive["sql.aftermath"].verdict is Verdict.PASSED


def test_somebody_elses_database_is_sent_nothing_that_changes_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mine.db")) as mine:
        mine.executescript("CREATE TABLE pet (name, age); INSERT INTO pet VALUES ('Rex', 1)")
    before = (tmp_path / "mine.db").read_bytes()
    outcomes = played("sql", extra={"HOLDFAST_DATABASE": str(tmp_path / "mine.db")})
    for name in ("sql.write", "sql.stacked", "sql.commit-first", "sql.pragma", "sql.comment"):
        assert outcomes[name].verdict is Verdict.NOT_APPLICABLE
        assert "{database}" in outcomes[name].why
    assert (tmp_path / "mine.db").read_bytes() == before


def test_where_no_honest_statement_works_nothing_is_said(tmp_path: Path) -> None:
    outcomes = played("sql.attach", "sql.heavy", extra={"HOLDFAST_DATABASE": str(tmp_path / "none" / "x.db")})
    assert {one.verdict for one in outcomes.values()} == {Verdict.INCONCLUSIVE}


def test_unions_have_as_many_columns_as_said() -> None:
    assert injection._unions(2)[0] == "x' UNION SELECT value, value FROM secrets -- "


def rows(held: str) -> Reply:
    return Reply({"result": {"content": [{"type": "text", "text": held}]}}, held.encode())


def from_database(statement: str, tells: bool = False) -> Callable[[str, Any], Reply]:
    """A tool that puts its text into a statement; ``?`` takes it as a parameter."""
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE pet (name, age); INSERT INTO pet VALUES ('Rex', 1), ('Tom', 2)")

    def answer(_tool: str, arguments: Any) -> Reply:
        text = arguments["text"]
        given, values = (statement, (text,)) if "?" in statement else (statement.replace("TEXT", text), ())
        try:
            return rows(f"{text}: {database.execute(given, values).fetchall()}")
        except sqlite3.Error as error:
            return rows(f"failed: {error}" if tells else "nothing")

    return answer


async def trial(answer: Callable[[str, Any], Reply], *, read_only: bool = True, full: bool = False) -> str | None:
    probe: Any = Probe(SimpleNamespace(), tool("show", read_only, text=PATH), writes=True, full=full)
    probe.answer = answer
    (aim,) = injection._targets(probe)
    found = injection._Trial(probe, aim)
    finding = await found.broken() or await found.conditional()
    return None if finding is None else finding.what


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM pet WHERE name = 'TEXT'",
        "SELECT * FROM pet WHERE name LIKE '%TEXT%'",
        "SELECT * FROM pet WHERE (name LIKE '%TEXT%') LIMIT 5",
        "SELECT * FROM pet WHERE age = TEXT",
    ],
)
async def test_a_text_within_a_statement_is_found_by_what_a_condition_changes(statement: str) -> None:
    assert "a condition in it" in str(await trial(from_database(statement)))


@pytest.mark.parametrize("statement", ["INSERT INTO pet (name) VALUES ('TEXT')", "DELETE FROM pet WHERE name = 'TEXT'"])
async def test_a_tool_that_changes_something_is_only_asked_about_quotes(statement: str) -> None:
    assert "a quote in it" in str(await trial(from_database(statement, tells=True), read_only=False))
    assert await trial(from_database(statement), read_only=False) is None


def search(_tool: str, arguments: Any) -> Reply:
    """Splits what it is asked for into words, and gives every line that holds one of them."""
    words = re.findall(r"\w+", arguments["text"].lower())
    lines = ("a k and more", "j is here", "zq was there", "0 and 7", "or else")
    return rows("\n".join(line for line in lines if set(line.split()) & set(words)))


def hashed(_tool: str, arguments: Any) -> Reply:
    return rows(hashlib.sha256(arguments["text"].encode()).hexdigest())


def measured(_tool: str, arguments: Any) -> Reply:
    return rows(f"{arguments['text']} has {len(arguments['text'])} letters")


def split(_tool: str, arguments: Any) -> Reply:
    try:
        return rows(str(len(shlex.split(arguments["text"]))))
    except ValueError as error:
        return rows(f"syntax error: {error}")


def numbered() -> Callable[[str, Any], Reply]:
    numbers = count()
    return lambda _tool, _arguments: rows(str(next(numbers)))


@pytest.mark.parametrize(
    "answer",
    [
        from_database("SELECT * FROM pet WHERE name = ?"),
        from_database("SELECT * FROM pet WHERE name LIKE '%' || ? || '%'"),
        search,
        hashed,
        measured,
        split,
        numbered(),
    ],
    ids=["parameter", "pattern", "search", "hash", "length", "shell words", "never the same"],
)
async def test_no_statement_is_seen_where_there_is_none(answer: Callable[[str, Any], Reply]) -> None:
    assert await trial(answer, full=True) is None


@pytest.mark.parametrize(
    "said",
    [
        'near "zq": syntax error',
        "unrecognized token: \"'zq')\"",
        'syntax error at or near "\'"',
        'unterminated quoted string at or near "\'zq"',
        "You have an error in your SQL syntax; check the manual",
        "Unclosed quotation mark after the character string",
        "ORA-01756: quoted string not properly terminated",
    ],
)
def test_the_complaints_of_databases_are_known(said: str) -> None:
    assert injection.COMPLAINT.search(said)


async def test_a_parameter_that_takes_conditions_may_take_them() -> None:
    probe: Any = Probe(SimpleNamespace(), tool("show", filter=PATH), full=True)
    (aim,) = injection._targets(probe)
    assert all(each.quoted for each in injection._Trial(probe, aim)._conditions())
