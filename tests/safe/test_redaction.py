"""The pass that takes secrets out: the right places, nothing that a mark or a border hides, and nothing else."""

from __future__ import annotations

import pytest

from holdfast.safe.personal import PERSONAL
from holdfast.safe.redaction import _PATIENT, Redacted, Redaction
from holdfast.safe.rules import RULES
from holdfast.safe.search import _PIECE, build

CANARY = "canary-0123456789"


def looking_for(*values: str, personal: bool = False) -> Redaction:
    pairs = [(value, f"own-{number}") for number, value in enumerate(values)]
    return Redaction((build(pairs, RULES),), PERSONAL if personal else ())


KNOWN = looking_for(CANARY, "redacted", "abcdef")


@pytest.mark.parametrize(
    "text, left",
    [
        (f"\ud800{CANARY}\udfff", "\ufffd[redacted:own-0]\ufffd"),
        (f"ü日😀 {CANARY}/after ü", "ü日😀 [redacted:own-0]/after ü"),
        ("a\u200bb canary\u200b-012345\u20606789 c", "a\u200bb [redacted:own-0] c"),
        (f"a \u200b{CANARY}\u200d\u00adb", "a [redacted:own-0]b"),
        (f"{CANARY}{CANARY} {CANARY}", "[redacted:own-0][redacted:own-0] [redacted:own-0]"),
        ("abc\ndef", "[redacted:own-2]"),
        ("a" * (_PIECE + 9) + " " + CANARY, "a" * (_PIECE + 9) + " [redacted:own-0]"),
        (f"[redacted:own-0] {CANARY} redacted", "[redacted:own-0] [redacted:own-0] [redacted:own-1]"),
    ],
)
def test_a_value_goes_as_a_whole_and_its_neighbours_stay(text: str, left: str) -> None:
    assert KNOWN.redact(text).text == left
    assert KNOWN.redact(left) == Redacted(left, ())


def test_a_secret_does_not_hide_as_the_name_of_a_mark() -> None:
    assert KNOWN.redact(f"[redacted:{CANARY}]").text == "[[redacted:own-1]:[redacted:own-0]]"
    assert KNOWN.redact("[redacted:nobody]").text == "[[redacted:own-1]:nobody]"


def test_marks_of_every_kind_of_rule_stay_marks() -> None:
    known = looking_for("redacted", personal=True)
    for name in ("own-0", "password", "se-personnummer"):
        assert known.redact(f"[redacted:{name}]").hits == ()
    assert looking_for("redacted").redact("[redacted:se-personnummer]").hits == ("own-0",)


def test_personal_data_needs_no_keyword() -> None:
    assert looking_for(personal=True).redact("of 811228-9874").text == "of [redacted:se-personnummer]"


@pytest.mark.parametrize("known", [len(CANARY), len(CANARY) + 2])
def test_what_has_left_already_stays_as_it_is(known: int) -> None:
    text = f"{CANARY} and {CANARY}"
    assert KNOWN.redact(text, known=known).text == f"{CANARY} and [redacted:own-0]"


def test_what_begins_in_the_known_part_ends_where_that_ends() -> None:
    assert KNOWN.redact(CANARY, known=7).text == "canary-[redacted:own-0]"


def test_text_without_a_secret_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def none(self: Redaction, text: str) -> list[tuple[int, int, str]]:
        looks.append(text)
        return []

    monkeypatch.setattr(Redaction, "spans", none)
    assert KNOWN.redact("nothing").text == "nothing"
    assert looks == ["nothing"]


@pytest.mark.parametrize("behind", ["", " behind"])
def test_secrets_that_are_chained_to_one_another_go_with_their_whole_word(behind: str) -> None:
    """Each is inside of a word until the one before it is gone; there are more of them than rounds."""
    chain = ("GR1348941" + "a1" * 10 + "bkua_" + "a1" * 20) * 10
    left = looking_for().redact(f"x {chain}{behind}").text
    assert left.startswith("x [redacted:gitlab-token][redacted:buildkite-token]")
    assert left.endswith(f"]{behind}")
    assert left.count("[redacted:") == _PATIENT + 1
    assert "a1a1" not in left


def test_only_values_that_cross_a_border_straddle_it() -> None:
    assert KNOWN.straddling(["x canary-01", "", "23456789 y"]) == [(2, 2 + len(CANARY), "own-0")]
    assert KNOWN.straddling([f"x {CANARY}", "y"]) == []
    assert KNOWN.straddling(["x", CANARY]) == []
    assert KNOWN.straddling([f"{CANARY} password=hun", "ter2hunter2"]) == [], "a rule's, which is no value"
    assert KNOWN.straddling(["x", "y"]) == []
