"""What came from a server is shown as escapes, and nothing of it is obeyed or hidden."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.safe.text import clean
from holdfast_attack.report.harmless import (
    bytes_in_line,
    encodable,
    escaped,
    one_line,
    plain,
    printable,
    sentence,
)

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


def test_terminal_sequences_and_hidden_text_become_escapes_that_can_be_read() -> None:
    assert escaped("a\x1b[31mb\x9b2J\u202e\u200b\U000e0041\x00\ud800") == (
        "a\\x1b[31mb\\x9b2J\\u202e\\u200b\\U000e0041\\x00\\ud800"
    )


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("plain", "größer, 日本語, emoji 🎉", 'C:\\path "quoted"', ""):
        assert escaped(text) == text


def test_what_is_to_be_kept_is_kept() -> None:
    assert escaped("a\nb\tc", keep="\n") == "a\nb\\tc"


@given(ANY_TEXT)
def test_nothing_escaped_is_obeyed_by_a_terminal_or_unseen(text: str) -> None:
    shown = escaped(text)
    assert all(map(plain, shown))
    assert clean(shown) == shown
    assert "\n" not in one_line(text)


@given(st.binary(max_size=80))
def test_any_bytes_are_shown_in_one_plain_line(data: bytes) -> None:
    assert all(map(plain, bytes_in_line(data, 200)))


def test_bytes_that_are_no_utf_8_are_told_from_text_of_the_same_look() -> None:
    assert bytes_in_line(b"\xff\xfeA\xc3\xa9\n", 100) == "\\xff\\xfeAé\\n"


def test_a_long_text_is_cut_and_says_how_long_it_is() -> None:
    assert one_line("x" * 3000) == f"{'x' * 2000}... (3,000 characters)"
    assert one_line("x" * 2000) == "x" * 2000
    assert one_line("  a \r\n b\t", 100) == "a b"


def test_long_bytes_are_cut_by_what_is_shown_and_say_how_many_there_are() -> None:
    assert bytes_in_line(b"\x00" * 50, 40) == "\\x00" * 10 + "... (50 bytes)"
    assert bytes_in_line(b"a" * 50, 40) == "a" * 40 + "... (50 bytes)"
    assert bytes_in_line(b"a" * 39, 40) == "a" * 39
    assert bytes_in_line("é".encode() * 30, 40) == "é" * 20 + "... (60 bytes)"


def test_bytes_are_text_only_when_all_of_them_can_be_seen() -> None:
    assert printable(b'{"a": "\xc3\xa9"}\r\n\t') == '{"a": "é"}\r\n\t'
    for data in (b"\xff", b"a\x00", b"\x1b[0m", "\u202e".encode(), "\u3164".encode(), b"\xed\xa0\x80"):
        assert printable(data) is None


def test_a_sentence_ends_with_one_full_stop() -> None:
    assert [sentence(text) for text in ("so", "so.", "so?", "")] == ["so.", "so.", "so?", "."]


def test_a_lone_surrogate_becomes_its_escape_where_only_utf_8_fits() -> None:
    assert encodable("a\ud800b") == "a\\ud800b"
    assert encodable("🎉") == "🎉"
