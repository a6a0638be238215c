"""One look at the JSON of an answer says that nothing is to be done only where a look at each string says so too."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from holdfast.safe import outgoing, text
from holdfast.safe.encodings import forms
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.search import _PIECE
from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.text import _SUSPECT_HIGH, clean, suspects

SECRETS = (
    "canary-0123456789",
    'kX9/+q"W<e &7\\rT2',
    "pässwörd-ключ",
    "line one\nline two of it",
    "31415926",
    "tab\tbed\x1f!",
)


def registry(*values: str, personal: bool = False) -> SecretRegistry:
    made = SecretRegistry(personal=personal)
    for number, value in enumerate(values):
        made.add(value, f"own-{number}")
    return made


KNOWN = registry(*SECRETS)
FORMS = sorted({form for secret in SECRETS for form in forms(secret)} | set(SECRETS))
TOKENS = ("ghp_" + "a" * 36, "password=hunter2hunter2", "Bearer abcdefghijklmnopqrstuvwx", "https://u:passw@h.example/")
INVISIBLE = ("\u200b", "\u00ad", "\u2060", "\ufeff", "\u200d", "\ufe0f", "\U000e0041", "\u180e")


ODD = ["", "\\u0041", "\\b", "a\rb", "\x7f", "\x1b[31m", "\ud800", "a\udfffb", "👨‍👩‍👧", "می‌خواهم", "\x85", "\ufff9"]
SPLITS = [*INVISIBLE, "\x00", "\x1b[0m", "\n"]


def split(secret: str, at: int, char: str) -> str:
    return secret[: at % len(secret)] + char + secret[at % len(secret) :]


planted = (
    st.sampled_from([*FORMS, *TOKENS])
    | st.builds(split, st.sampled_from(FORMS), st.integers(1, 60), st.sampled_from(SPLITS))
)  # fmt: skip
ordinary = (
    st.text(st.characters(exclude_categories=()), max_size=12)
    | st.text("abc \n\t\"\\/é日😀u{}[]:,", max_size=30)
    | st.sampled_from(ODD)
)  # fmt: skip
texts = ordinary | st.builds(lambda a, b, c: a + b + c, ordinary, planted, ordinary)
scalars = texts | st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from([31415926, 3141592.6])
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def written(value: Any) -> bytes | None:
    try:
        return to_json(value, inf_nan_mode="null")
    except ValueError:  # a lone surrogate
        return None


@settings(max_examples=400, deadline=None)
@given(trees)
def test_what_is_quiet_would_not_have_been_altered_anywhere(tree: Any) -> None:
    raw = written(tree)
    if raw is not None and Outgoing(KNOWN).quiet(raw):
        assert Outgoing(KNOWN).tree(tree) is tree


@settings(max_examples=500, deadline=None)
@given(trees)
def test_json_shown_as_text_is_quiet_only_where_the_text_and_the_structure_are(tree: Any) -> None:
    raw = written(tree)
    if raw is not None and Outgoing(KNOWN).quiet(raw):
        again = from_json(raw)
        assert Outgoing(KNOWN).tree([raw.decode(), again]) == [raw.decode(), again]


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]), min_size=8, max_size=30), texts, texts)
def test_no_secret_of_any_characters_is_quiet(value: str, before: str, after: str) -> None:
    secret = value.strip() if len(value.strip()) >= 6 else value + "123456"
    known = registry(secret)
    for tree in ({"a": [before + secret + after]}, {before + secret + after: 1}, [to_json(secret).decode()]):
        raw = written(tree)
        assert raw is None or not Outgoing(known).quiet(raw)


@pytest.mark.parametrize(
    "value",
    ["plain", "two\nlines\tand \"quotes\"", "ünïcödé 日本語", "😀 grin", {"a": [1, 2.5, None, True]}, "x" * 300_000,
     "é" * 300_000],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_ordinary_values_are_quiet(value: Any) -> None:
    assert Outgoing(KNOWN).quiet(to_json(value))


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_across_two_pieces_of_a_long_text_is_not_quiet(secret: str) -> None:
    for at in (_PIECE - 50, *range(_PIECE - 20, _PIECE + 3), 2 * _PIECE - 4):
        assert not Outgoing(KNOWN).quiet(to_json("a" * at + secret + "b" * 90))


def test_personal_data_is_looked_for_in_each_string() -> None:
    assert not Outgoing(registry(personal=True)).quiet(b'"nothing of the kind"')


def test_a_secret_that_is_no_unicode_is_found_as_it_leaves() -> None:
    out = Outgoing(registry("\ud800canary-of-old\udfff"))
    assert out.tree({"a": "x \ud800canary-of-old\udfff y"}) == {"a": "x [redacted:own-0] y"}
    assert not out.quiet(to_json({"a": "\ufffdcanary-of-old\ufffd"}))


def test_what_was_quiet_is_looked_at_again_when_there_is_another_secret() -> None:
    known = registry()
    out = Outgoing(known)
    raw = b'{"a":"a-later-canary"}'
    assert out.quiet(raw)
    assert out.quiet(raw)
    known.add("a-later-canary", "later")
    assert not out.quiet(raw)
    known.remove("a-later-canary")
    assert out.quiet(raw)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "REMEMBERED", 10)
    out = Outgoing(registry())
    for number in range(100):
        assert out.quiet(b'"%d"' % number)
        assert out.text(f"text {number}") == f"text {number}"
        assert len(out._harmless) <= 10


def test_invisible_characters_are_taken_from_bytes_as_from_text() -> None:
    every = "a".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    assert text.visible(every.encode()) == text.INVISIBLE.sub("", every).encode()
    raw = "a\u200b\u200cb\ufe0f\U000e0041\U000e0100c".encode()
    assert text.visible(raw) == b"abc"


def test_every_invisible_character_is_one_that_cleaning_looks_at() -> None:
    known, high = suspects(), re.compile(_SUSPECT_HIGH)
    for first in (*range(0x80, 0xD800, 128), *range(0xE000, 0x110000, 128)):
        chars = [chr(code) for code in range(first, first + 128)]
        line = "x".join(chars)  # most lines hold none, which one look tells
        if text.INVISIBLE.search(line) or clean(line) != line:
            for char in chars:
                if text.INVISIBLE.match(char) or clean(char) != char:
                    assert char in known if first < 0x10000 else high.match(char)


def test_json_in_a_text_is_looked_through_as_what_it_holds() -> None:
    """Structured answers leave twice: what is taken out of the structure must not stand in its text."""
    out = Outgoing(registry("canary-0123456789"))
    held = {"token": "q7Rt2mXw9Zk4", "pieces": ["canary-01", "23456789"], "n": [{"cookie": "ab12cd34ef"}], "ok": "x"}
    safe = {
        "token": "[redacted:named-secret]", "pieces": ["[redacted:own-0]", ""],
        "n": [{"cookie": "[redacted:named-secret]"}], "ok": "x",
    }  # fmt: skip
    for sent in (json.dumps(held), json.dumps(held, indent=1), " " + json.dumps(held) + "\n"):
        block = {"type": "text", "text": sent}
        raw = to_json({"content": [block]})
        assert not out.quiet(raw)
        left = out.tree(block)["text"]
        assert json.loads(left) == safe
        assert out.tree(left) is left
        assert ("\n" in left) == ("\n" in sent)
    assert json.loads(json.loads(out.tree(json.dumps({"inner": json.dumps(held)})))["inner"]) == safe
    for sent in (
        '{"token": "a"}',
        "[1, 2]",
        '{"token"',
        "{not json}",
        "[" * 2_000 + "]" * 2_000,
        "[" + "9" * 5_000 + "]",
    ):
        assert out.tree(sent) is sent


@pytest.mark.parametrize(
    "sent",
    [
        "\ufeff{}", "{}\ufeff", "\x1b[1m{}\x1b[0m", "\x0b{}", "\u00a0{}", "{}\x00", "\u200b{}\u200b", " {}\n", "[{}]",
        "\x1b]0;title\x07{}",
    ],
)  # fmt: skip
def test_json_is_looked_through_whatever_unseen_stands_around_it(sent: str) -> None:
    held = '{"cookie": "ab12cd34ef", "session_token": "q7Rt2mXw9Zk4"}'
    out = Outgoing(registry())
    block = {"type": "text", "text": sent.format(held)}
    left = out.tree(block)["text"]
    gone = {"cookie": "[redacted:named-secret]", "session_token": "[redacted:named-secret]"}
    assert json.loads(left) in (gone, [gone])
    assert out.tree(left) is left
    assert not out.quiet(to_json(block))
    assert json.loads(Outgoing(registry(CANARY)).tree('\ufeff["canary-", "0123456789"]')) == ["[redacted:own-0]", ""]


@pytest.mark.parametrize("sent", ["", " ", "x", " 5", "é", "5]", ' "a"', "[INFO] started", "{", "\ufeff"])
def test_other_texts_are_taken_as_they_are(sent: str) -> None:
    out = Outgoing(registry())
    assert out.tree({"a": sent})["a"] == clean(sent)


CANARY = "canary-0123456789"
BASE64 = "AKIAABCDEFGH23456723"  # which stands in an image as well as in a leak


def test_the_base64_of_a_content_block_leaves_as_it_is() -> None:
    out = Outgoing(registry())
    for block in (
        {"type": "image", "data": BASE64, "mimeType": "image/png"},
        {"type": "audio", "data": BASE64},
        {"type": "resource", "resource": {"uri": "file:///a", "blob": BASE64}},
    ):
        assert out.tree(block) is block


@pytest.mark.parametrize(
    "block",
    [
        {"data": CANARY},
        {"blob": CANARY},
        {"type": "text", "data": CANARY},
        {"uri": "file:///a", "data": CANARY},
        {"type": "image", "data": "AAAA", "alt": CANARY},
        {"uri": "file:///a", "blob": "AAAA", "name": CANARY},
        {"type": ["image"], "data": CANARY},
    ],
)
def test_what_is_no_base64_of_a_content_block_is_looked_through(block: dict[str, object]) -> None:
    left = Outgoing(registry(CANARY)).tree(block)
    assert CANARY not in str(left)
    assert left == {key: "[redacted:own-0]" if item == CANARY else item for key, item in block.items()}


def test_keys_that_are_no_texts_stay() -> None:
    out = Outgoing(registry(CANARY))
    assert out.tree({1: "x", None: CANARY, 2.5: [CANARY]}) == {
        1: "x",
        None: "[redacted:own-0]",
        2.5: ["[redacted:own-0]"],
    }


def test_each_redaction_is_told_once_whatever_it_was_found_in() -> None:
    told: list[str] = []
    out = Outgoing(registry(CANARY), on_redaction=told.append)
    for sent in (CANARY, "a long text " * 10 + CANARY, [CANARY[:7], CANARY[7:]], {CANARY: 1}):
        out.tree(sent)
        assert told == ["own-0"], sent
        told.clear()
    out.tree({"token": "q7Rt2mXw9Zk4"})
    assert told == ["named-secret"]


def test_beside_a_secret_in_two_texts_the_others_stay_the_same_objects() -> None:
    blocks: list[Any] = [{"type": "text", "text": part} for part in ("before", CANARY[:7], CANARY[7:], "after")]
    left = Outgoing(registry(CANARY)).tree(blocks)
    assert [block["text"] for block in left] == ["before", "[redacted:own-0]", "", "after"]
    assert left[0] is blocks[0]
    assert left[3] is blocks[3]


def test_only_texts_and_blocks_of_text_are_read_together() -> None:
    out = Outgoing(registry(CANARY))
    for kind in ("note", None, ["text"]):
        rows = [{"type": kind, "text": CANARY[:7]}, {"type": kind, "text": CANARY[7:]}]
        assert out.tree(rows) is rows
    odd = [{"type": "text", "text": 5}, {"type": "text", "text": None}, "a", "b", {"type": "text"}]
    assert out.tree(odd) is odd
    apart = out.tree([CANARY[:7], 5, "", None, CANARY[7:]])
    assert apart == ["[redacted:own-0]", 5, "", None, ""]


def test_what_is_not_quiet_is_not_remembered_as_quiet_nor_is_what_is_long() -> None:
    out = Outgoing(registry(CANARY))
    for _ in range(2):
        assert not out.quiet(to_json([CANARY]))
        assert out.text(CANARY) == "[redacted:own-0]"
    assert not out._harmless
    assert out.text("x" * outgoing.SHORT) == "x" * outgoing.SHORT
    assert out.quiet(b"1" * outgoing.SHORT_JSON)
    assert len(out._harmless) == 2
    out.text("x" * (outgoing.SHORT + 1))
    out.quiet(b"1" * (outgoing.SHORT_JSON + 1))
    assert len(out._harmless) == 2


def test_the_shortest_secret_is_found_as_a_text_by_itself() -> None:
    assert Outgoing(registry("kX9/+q")).text("kX9/+q") == "[redacted:own-0]"


@pytest.mark.parametrize("item", [1, None, "said", ["said"], {"said": 1}])
def test_a_secret_in_a_key_is_gone_also_where_its_value_stays_as_it_is(item: object) -> None:
    tree = {"list": [{f"of {SECRETS[0]}": item}]}
    assert Outgoing(KNOWN).tree(tree) == {"list": [{"of [redacted:own-0]": item}]}
