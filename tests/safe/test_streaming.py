"""Text in chunks leaves as the whole text would: wherever the borders lie, no secret gets out and nothing is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.safe.encodings import caseless, forms
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.streaming import HELD, Streaming
from holdfast.safe.text import clean

SECRETS = ("canary-0123456789", 'kX9/+q"W<e &7\\rT2', "pässwörd-ключ", "line one\nline two of it")
FORMS = sorted({form for secret in SECRETS for form in forms(secret) | caseless(secret)})
PLAIN = (
    "plain words, nothing else\n", "می\u200cخواهم کتاب", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x90dcs\x9c", "a\rb\r\n", "\U0001f1e9\U0001f1ea", "क्\u200dष", " ", "\n",
    "ไทย\u200bไทย", "⠓\u2800⠓", "ᠷ\u180b\u180eᠠ", "ᠷ\u180eᠠ", "password: ", "token", "eyJ", "-----BEGIN ",
)  # fmt: skip


def outgoing(*secrets: str) -> Outgoing:
    registry = SecretRegistry()
    for number, secret in enumerate(secrets):
        registry.add(secret, f"own-{number}")
    return Outgoing(registry)


KNOWN = outgoing(*SECRETS)


def streamed(out: Outgoing, chunks: Iterable[str]) -> str:
    stream = Streaming(out)
    return "".join([*map(stream.feed, chunks), stream.flush()])


def cut(text: str, sizes: Iterable[int]) -> list[str]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(text[at : at + size])
        at += size
    return [*chunks, text[at:]]


@pytest.mark.parametrize("form", FORMS[::4])
def test_a_secret_is_found_wherever_it_is_cut(form: str) -> None:
    text = f"before {form} after\n"
    for at in range(8, 7 + len(form), max(1, len(form) // 12)):
        assert streamed(KNOWN, [text[:at], text[at:]]) == KNOWN.text(text)
    assert streamed(KNOWN, text) == KNOWN.text(text)


def test_the_first_sign_of_a_secret_is_held_while_more_may_come_and_leaves_in_a_pause() -> None:
    out = outgoing(")&canary-0123456789")
    stream = Streaming(out)
    assert stream.feed("if a )") == "if a "
    assert stream.pause() == ")"
    assert streamed(out, ["if a )", "&canary-0123456789 b"]) == "if a [redacted:own-0] b"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*PLAIN]) | st.text(max_size=6), max_size=8).map("".join),
    st.lists(st.integers(0, 9), max_size=40),
)
def test_text_without_secrets_leaves_as_the_whole_would(text: str, sizes: list[int]) -> None:
    whole = KNOWN.text(text)
    if "[redacted:" not in whole:
        assert streamed(KNOWN, cut(text, sizes)) == whole


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.sampled_from(PLAIN), max_size=4).map("".join),
    st.sampled_from(FORMS),
    st.lists(st.sampled_from(PLAIN), max_size=4).map("".join),
    st.lists(st.integers(0, 30), max_size=40),
)
def test_no_secret_gets_out_of_any_text_in_any_chunks(before: str, form: str, after: str, sizes: list[int]) -> None:
    assert form not in streamed(KNOWN, cut(before + form + after, sizes))


@pytest.mark.parametrize(
    "rule, text",
    [
        ("github-token", "see ghp_" + "a1" * 18 + " there"),
        ("password", "x password = hunter2! y\n"),
        ("jwt", "t eyJ" + "a1B" * 40 + "." + "c2D" * 300 + "." + "e3F" * 14 + " u"),
        ("private-key", "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBg+/\n" * 90 + "-----END PRIVATE KEY-----\nend"),
        ("terraform-token", "t " + "a1" * 7 + ".atlasv1." + "b2" * 33 + " u"),
    ],
)
def test_forms_of_secrets_are_found_across_chunks(rule: str, text: str) -> None:
    made = random.Random(5)
    whole = outgoing().text(text)
    assert f"[redacted:{rule}]" in whole
    for size in (3, 64):
        assert streamed(outgoing(), cut(text, [size] * (len(text) // size))) == whole
    assert streamed(outgoing(), cut(text, [made.randint(1, 20) for _ in range(60)])) == whole


def test_ordinary_lines_do_not_wait() -> None:
    stream = Streaming(KNOWN)
    for line in ("starting up\n", "listening on 127.0.0.1:8000\n", "schöne Grüße\n", "می\u200cخواهم\n"):
        assert stream.feed(line) == line
    assert stream.feed("half a wo") == "half a "
    assert stream.pause() == "wo"


def test_what_may_be_the_beginning_of_a_secret_waits_even_in_a_pause() -> None:
    stream = Streaming(KNOWN)
    assert stream.feed("it is canary-01") == "it is "
    assert stream.pause() == ""
    assert stream.feed("23456789\n") == "[redacted:own-0]\n"
    assert stream.feed("it is canary-01") + stream.flush() == "it is canary-01"


def test_each_redaction_is_told_once() -> None:
    told: list[str] = []
    registry = SecretRegistry()
    registry.add(SECRETS[0], "own")
    streamed(Outgoing(registry, on_redaction=told.append), f"a {SECRETS[0]} b")
    assert told == ["own"]


@pytest.mark.parametrize("unit", ["\x1b]", "password=", "-----BEGIN PRIVATE KEY-----", "canary-", "❤\u200d"])
def test_what_is_held_is_bounded(unit: str) -> None:
    stream = Streaming(KNOWN)
    for _ in range(40):
        stream.feed(unit * (1_024 // len(unit)))
        assert len(stream._raw) + len(stream._text) <= 3 * HELD


SEQUENCE = "\x1b[31m"


@pytest.mark.parametrize(
    "chunks",
    [
        *("ᠷ\u180eᠠ", "می\u200cخواهم", "1\ufe0f\u20e3 #\ufe0f\u20e3", "\U0001f468\u200d\U0001f469", "a\u180eb"),
        ("ᠷ" + SEQUENCE, "\u180eᠠ\n"),
        ("ᠷ\u180e" + SEQUENCE + "ᠠ", "x\n"),
        ("ᠷ\u180e\x01ᠠ", "x\n"),
        ("ᠷ\u180e" + "\x01" * 300 + "ᠠ", "x\n"),
        ("a\x1b[5~", "b\n"),
        ("\x1b[3", "1mred\n"),
        ("\x1b[", "31mred\n"),
        ("x\x1b]0;" + "title " * 100 + "of", " a window\x07y\n"),
    ],
    ids=ascii,
)
def test_cleaning_judges_both_sides_of_every_border(chunks: Iterable[str]) -> None:
    text = "".join(chunks)
    assert streamed(KNOWN, chunks) == clean(text) == KNOWN.text(text)


@pytest.mark.parametrize("gone", ["\U000e0001", "\U0001d173", "\U0001bca0", "\U0001fffe", "\U0010ffff"], ids=ascii)
def test_what_is_removed_parts_no_marks_that_would_carry_bits(gone: str) -> None:
    chunks = ["a", *(mark + gone for mark in "\u200e\u200f\u200e\u200e\u200f"), "b\n"]
    assert streamed(KNOWN, chunks) == KNOWN.text("".join(chunks)) == "a\u200eb\n"


@pytest.mark.parametrize("between", [SEQUENCE, SEQUENCE * 3 + "\x01" * 3, "\x01" + SEQUENCE + "\x02"], ids=ascii)
@pytest.mark.parametrize("marks", [250, 252, 253, 254, 255, 256, 257])
def test_sequences_are_seen_however_far_from_the_end_they_stand(between: str, marks: int) -> None:
    text = "ᠷ\u180e" + between + "ᠠ" + "\u0301" * marks
    assert streamed(KNOWN, [text, "x\n"]) == KNOWN.text(text + "x\n")


def test_a_spacer_far_in_front_holds_nothing_back() -> None:
    assert Streaming(KNOWN).feed("ไ\u200bไ abc ü") == "ไ\u200bไ abc "


def test_what_cannot_be_judged_yet_waits_up_to_the_bound_and_no_further() -> None:
    stream = Streaming(KNOWN)
    assert stream.feed("\u2764\u200d" * (HELD // 2)) == ""
    assert len(stream.feed("\u2764")) == HELD + 1


def test_a_value_that_grows_by_another_waits_up_to_the_bound_and_no_further() -> None:
    stream = Streaming(outgoing("aaaaaaaa"))
    assert stream.feed("a" * HELD) == ""
    assert stream.feed("a") == "[redacted:own-0]"


def test_a_value_in_the_midst_of_which_another_begins_waits_for_that_one() -> None:
    assert streamed(outgoing("abcdefgh", "efghijkl"), ["x abcdefgh", "ijkl y\n"]) == "x [redacted:own-0] y\n"


@pytest.mark.parametrize("rest", ["", " next\n"])
def test_a_secret_at_the_very_end_is_redacted_and_told(rest: str) -> None:
    told: list[str] = []
    registry = SecretRegistry()
    registry.add(SECRETS[0], "own")
    stream = Streaming(Outgoing(registry, on_redaction=told.append))
    assert stream.feed(f"x {SECRETS[0]}") + stream.flush() + stream.feed(rest) == f"x [redacted:own]{rest}"
    assert told == ["own"]


@pytest.mark.parametrize(
    "left, following",
    [
        ("xghp_" + "a1" * 18 + " " + "w" * 58 + "\n", "more\n"),
        ("x" + ("eyJ" + "a1B" * 10 + "." + "eyJc2D" * 5 + "." + "e3F" * 12)[:100], " more\n"),
    ],
)
def test_what_left_already_is_not_marked_later(left: str, following: str) -> None:
    """The last hundred characters stay before the text: there a word begins where the one that left did not."""
    stream = Streaming(KNOWN)
    assert stream.feed(left) + stream.flush() == left == KNOWN.text(left)
    assert stream.feed(following) == following


@pytest.mark.parametrize(
    "out, chunks",
    [
        (KNOWN, ("x canary-01\n234", "56789 y\n")),
        (KNOWN, ("x canary-\\n01234", "56789 y\n")),
        (outgoing("میخواهم-گذرواژه"), ("x م\u200cی\u200cخ\u200cواهم-", "گذرواژه y\n")),
    ],
)
def test_a_value_that_is_wrapped_or_split_waits_from_where_it_begins(out: Outgoing, chunks: tuple[str, str]) -> None:
    assert streamed(out, chunks) == "x [redacted:own-0] y\n"


def test_a_value_on_the_line_after_its_name_is_waited_for() -> None:
    for chunks in (
        ["password:\n", "hunter2!\n"],
        ["password:\nab!", "c$9xyz7Q\n"],
        ["password:\n", "abcd!", "efgh9!\n"],
    ):
        assert streamed(outgoing(), chunks) == "password:\n[redacted:password]\n"


def test_a_keyword_holds_nothing_back_once_its_line_or_its_reach_is_over() -> None:
    stream = Streaming(outgoing())
    assert stream.feed("password = hunter2!\nand so on\n") == "password = [redacted:password]\nand so on\n"
    assert stream.feed("password " + "word " * 200) == "password " + "word " * 200


@pytest.mark.parametrize("gone", ["\x01", "\U000e0001"], ids=ascii)
def test_a_flood_of_what_is_removed_is_not_looked_through_for_each_chunk(gone: str) -> None:
    stream = Streaming(KNOWN)
    stream.feed("ไ\u200b" + gone * 15_000 + "é")
    began = time.process_time()
    for _ in range(20):
        assert stream.feed(gone) == ""
    assert time.process_time() - began < 1
