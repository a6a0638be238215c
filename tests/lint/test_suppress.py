"""Suppressions: a code and a reason, on the line or above it, and none that is not needed."""

from __future__ import annotations

import pytest
from support.linting import codes

from holdfast.lint.catalogue import checks

ABOVE, BESIDE = "# holdfast: ignore[HF106] whole books", "  # holdfast: ignore[HF106] whole books"


def server(above: str = "", beside: str = "", inside: str = "") -> str:
    return (
        f"{above}\n@server.tool(read_only=True)\nasync def it(word: str) -> str:{beside}\n"
        f'    """Say a word again."""\n    return word{inside}\n'
    )


@pytest.mark.parametrize(
    "case",
    [
        server(above=ABOVE),
        server(above=ABOVE + "\n# and more words"),
        server(beside=BESIDE),
        server(beside="  # holdfast:ignore[hf106, HF101] the reason".replace(", HF101", "")),
    ],
)
def test_a_suppression_with_a_reason_silences_its_code(case: str, look) -> None:  # type: ignore[no-untyped-def]
    assert codes(look(case)) == set()


@pytest.mark.parametrize(
    "case, expected",
    [
        (server(beside="  # holdfast: ignore[HF106]"), {"HF106", "HF901"}),
        (server(beside="  # holdfast: ignore[HF106] --"), {"HF106", "HF901"}),
        (server(beside="  # holdfast: ignore everything here"), {"HF106", "HF901"}),
        (server(beside="  # holdfast: ignore[] why not"), {"HF106", "HF901"}),
        (server(beside="  # holdfast: ignore[HF101] not a path"), {"HF106", "HF902"}),
        (server(beside="  # holdfast: ignore[HF999] no such code"), {"HF106", "HF902"}),
        (server(inside=BESIDE), {"HF106", "HF902"}),
        (server(above=f'TEXT = "{ABOVE}"'), {"HF106"}),
        (server(above=f"x = 1{BESIDE}"), {"HF106", "HF902"}),
    ],
)
def test_a_suppression_that_does_not_hold_is_told_of(case: str, expected: set[str], look) -> None:  # type: ignore[no-untyped-def]
    assert codes(look(case)) == expected


def test_an_unused_suppression_is_no_finding_where_its_code_was_not_looked_for(look) -> None:  # type: ignore[no-untyped-def]
    case = server(beside="  # holdfast: ignore[HF701, HF106] pinned elsewhere, whole books")
    assert codes(look(case)) == set()
    assert codes(look(case, ignore=frozenset({"HF106"}))) == set()
    assert codes(look(case, select=frozenset({"HF101"}))) == set()


def test_select_and_ignore_are_by_code(look) -> None:  # type: ignore[no-untyped-def]
    assert codes(look(server(), select=frozenset({"HF101"}))) == set()
    assert codes(look(server(), ignore=frozenset(checks()) - {"HF106"})) == {"HF106"}


def test_two_runs_say_the_same_in_the_same_order(look) -> None:  # type: ignore[no-untyped-def]
    case = server() + server().replace(" it(", " it2(")
    one, two = look(case), look(case)
    assert [(item.code, item.message, item.place.line) for item in one] == [
        (item.code, item.message, item.place.line) for item in two
    ]
    assert [item.place.line for item in one] == sorted(item.place.line for item in one)
