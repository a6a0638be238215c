"""What is looked for, in which spelling, and that a look which spares the rest never says too much."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest
from pydantic_core import to_json

from holdfast.errors import ConfigurationError
from holdfast.safe import search
from holdfast.safe.patterns import Rule
from holdfast.safe.redaction import Redaction
from holdfast.safe.rules import RULES
from holdfast.safe.search import Search, build

CANARY = "canary-0123456789"
KNOWN = build([(CANARY, "own"), ("abcdef", "short")], RULES)
RULES_ONLY = build((), RULES)


def found(value: str, text: str) -> bool:
    return bool(Redaction((build([(value, "own")], ()),)).redact(text).hits)


def blocks(*texts: str) -> bytes:
    return to_json({"content": [{"type": "text", "text": text} for text in texts]})


@pytest.mark.parametrize(
    "raw, quiet",
    [
        (blocks("ok"), True),
        (blocks("ok", "two blocks: nobody knows what stands across them"), False),
        (blocks("canary-01", "23456789"), False),
        (to_json(["canary-01", "23456789"]), False),
        (to_json(["ok", "tag \U000e0041"]), False),
        (to_json(["ok", "grin 😀"]), True),
        (to_json([f"x {CANARY}"]), False),
    ],
)
def test_an_answer_is_quiet_only_where_nothing_has_to_be_looked_at(raw: bytes, quiet: bool) -> None:
    assert KNOWN.quiet(raw) is quiet


def test_without_values_nothing_can_be_split() -> None:
    assert RULES_ONLY.quiet(blocks("one", "two"))
    assert not RULES_ONLY.may_be_split(b"pass word")


@pytest.mark.parametrize(
    "raw, silent",
    [(b"plain", True), (b"two\nlines", True), (b"x abcdef", False), (b"abc\n  def", False), (b"abc\\ndef", False)],
)
def test_a_text_is_silent_only_where_nothing_stands_in_it(raw: bytes, silent: bool) -> None:
    assert KNOWN.silent(raw) is silent


def test_what_is_prepared_is_built() -> None:
    made = build([(CANARY, "own")], RULES)
    made.prepare()
    assert {"_main", "_sieve", "_sentinel"} <= vars(made).keys()


@pytest.mark.parametrize("value", ['", ", ", "', "\u200b" * 8])
def test_a_value_of_nothing_but_signs_that_are_looked_through_disturbs_nobody(value: str) -> None:
    made = build([(value, "odd")], ())
    made.prepare()
    assert Redaction((made,)).redact("plain\ntext").hits == ()
    assert made.quiet(b'["plain"]')


def test_a_value_that_holds_invisible_characters_is_found() -> None:
    assert found("kanarie\u200bvogel", "x kanarie\u200bvogel")
    assert found("kanarie\u200bvogel", "x kanarievogel")


def test_a_value_is_found_in_either_case_from_sixteen_characters_on() -> None:
    long = "AbCdEfGh01234567"
    assert found(long, long.swapcase())
    assert found(long, long[::-1].swapcase())
    assert not found(long[:15], long[:15].swapcase())
    coded = base64.b64encode(long.encode()).decode()
    assert found(long, coded)
    assert not found(long, coded.swapcase())


def test_hexadecimal_and_base32_mean_the_same_in_either_case() -> None:
    value = "AbCdEfGh0123"
    for coded in (value.encode().hex(), base64.b32encode(value.encode()).decode().rstrip("=")):
        assert found(value, coded.lower())
        assert found(value, coded.upper())


def test_what_stands_behind_an_escape_is_found_in_either_case_of_it() -> None:
    value = "kX9/qWe7rT2"
    assert found(value, "kX9%2fqWe7rT2")
    assert found(value, "kX9%2FqWe7rT2")
    assert not found(value, "kx9%2FqWe7rT2")


def test_a_keyword_is_looked_for_as_its_rule_spells_it() -> None:
    made = build((), RULES)
    assert [hit[2] for hit in made.hits(b"akia")] == []
    assert all(isinstance(hit[2], Rule) for hit in made.hits(b"AKIA PassWord"))
    assert {hit[2].name for hit in made.hits(b"AKIA PassWord") if isinstance(hit[2], Rule)} == {
        "aws-access-key",
        "password",
    }


def test_in_lines_that_are_joined_only_values_are_looked_for() -> None:
    hits = list(KNOWN.hits(b"pass\nword: abc\n  def"))
    assert hits
    assert {hit[2] for hit in hits} == {"short"}


@pytest.mark.parametrize(
    "raw, least, count",
    [
        (b"x cana", 1, 4),
        (b"x cana", 4, 4),
        (b"x cana", 5, None),
        (b"x ca", 1, 2),
        (CANARY.encode(), 8, None),
        (b"~~", 1, None),
        (b"\xff", 1, None),
    ],
)
def test_the_beginning_of_a_word_at_the_end_is_told(raw: bytes, least: int, count: int | None) -> None:
    made: Search = build([(CANARY, "own")], ())
    assert made.begun(raw, least) == count


def test_a_long_text_is_searched_in_pieces_that_overlap_by_a_word() -> None:
    pieces: list[bytes] = []

    class Automaton:
        def find_matches_as_indexes(self, raw: bytes) -> list[object]:
            pieces.append(bytes(raw))
            return []

    raw = bytes(2 * search._PIECE + 1)
    assert not search._found(Automaton(), 10, raw)
    assert [len(piece) for piece in pieces] == [search._PIECE + 9, search._PIECE + 1, 1]


@pytest.mark.parametrize("at", [0, search._PIECE - len(CANARY), search._PIECE - 5, search._PIECE, search._PIECE + 9])
def test_a_place_in_a_long_text_is_told_once_or_twice_and_never_elsewhere(at: int) -> None:
    raw = b"." * at + CANARY.encode() + b"." * 50
    assert set(KNOWN.hits(raw)) == {(at, at + len(CANARY), "own")}


def test_few_words_make_a_fast_automaton_and_many_one_that_is_built_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[Any] = []
    real = search.library()

    class Library:
        Implementation = real.Implementation

        @staticmethod
        def BytesAhoCorasick(words: list[bytes], implementation: Any) -> None:
            kinds.append(implementation)

    monkeypatch.setattr(search, "library", lambda: Library)
    for size in (search._DFA_UP_TO, search._DFA_UP_TO + 1):
        search._automaton([b"x" * size])
    assert kinds == [real.Implementation.DFA, real.Implementation.ContiguousNFA]


def test_a_missing_library_is_told_when_the_search_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    with pytest.raises(ConfigurationError, match="ahocorasick"):
        build((), RULES)
