"""Thousands of secrets in each of many encodings, split and wrapped: every one is found.

Ten thousand with ``SLOW_TESTS=1``.
"""

from __future__ import annotations

import base64
import codecs
import html
import json
import os
import random
import re
import shlex
import string
from collections.abc import Callable
from functools import cache
from urllib.parse import quote, quote_plus

import pytest

from holdfast.safe.encodings import caseless, forms
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.text import clean

SAMPLES = 10_000 if os.environ.get("SLOW_TESTS") else 1_000  # all of them take 40 seconds
BATCH = 500
ALPHABET = string.ascii_letters + string.digits + "+/=_-!#$%&*?@^~\"'<>\\"


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def random_case(text: str) -> str:
    return "".join(char.upper() if at % 3 else char for at, char in enumerate(text))


def wrapped(text: str, width: int, joint: str = "\n") -> str:
    return joint.join(text[at : at + width] for at in range(0, len(text), width))


def escapes(value: str, form: str) -> str:
    return "".join(form.format(ord(char)) for char in value)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "reversed": lambda v: v[::-1],
    "rot13": lambda v: codecs.encode(v, "rot13"),
    "hex": lambda v: v.encode().hex(),
    "hex of mixed case": lambda v: random_case(v.encode().hex()),
    "hex with colons": lambda v: v.encode().hex(":").upper(),
    "hex of UTF-16": lambda v: v.encode("utf-16-le").hex(),
    "base64": b64,
    "base64 after one byte": lambda v: b64("x" + v + "yz"),
    "base64 after two bytes": lambda v: b64("xy" + v + "z"),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(v.encode()).decode().rstrip("="),
    "base64 of UTF-16": lambda v: base64.b64encode(v.encode("utf-16-le")).decode(),
    "base64 of base64": lambda v: b64(b64(v)),
    "base64 of hex": lambda v: b64(v.encode().hex()),
    "base64 in a URL": lambda v: quote(b64(v), safe=""),
    "base32": lambda v: base64.b32encode(b"ab" + v.encode()).decode(),
    "percent": lambda v: quote(v, safe=""),
    "percent in lower case": lambda v: escapes(v, "%{:02x}"),
    "percent in a form": quote_plus,
    "percent twice": lambda v: quote(quote(v, safe=""), safe=""),
    "percent as a path has it": lambda v: quote(v, safe="/:@!$&'()*+,;="),
    "percent as JavaScript has it": lambda v: quote(v, safe="!'()*"),
    "markup of templates": lambda v: html.escape(v).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "markup of text": lambda v: html.escape(v, quote=False),
    "a word of a shell": lambda v: shlex.quote(v)[1:-1] if shlex.quote(v) != v else v,
    "a string of SQL": lambda v: v.replace("'", "''"),
    "a regular expression": re.escape,
    "the other case": lambda v: v.swapcase(),
    "JSON": json.dumps,
    "JSON in JSON": lambda v: json.dumps(json.dumps({"x": v})),
    "JSON escapes": lambda v: escapes(v, "\\u{:04X}"),
    "string escapes": lambda v: escapes(v, "\\x{:02x}"),
    "HTML": html.escape,
    "HTML numbers": lambda v: escapes(v, "&#{};"),
    "repr": repr,
    "zero-width characters": lambda v: "\u200b".join(v),
    "soft hyphens": lambda v: v[:7] + "\xad" + v[7:],
    "terminal colours": lambda v: f"{v[:5]}\x1b[31m{v[5:9]}\x1b[0m{v[9:]}",
    "a backspace": lambda v: v[:9] + "\x08" + v[9:],
    "lines": lambda v: v[:11] + "\n    " + v[11:],
    "base64 in lines": lambda v: base64.encodebytes(("user:" * 12 + v).encode()).decode(),
    "base64 in PEM": lambda v: wrapped(b64("x" * 40 + v), 64, "\r\n"),
    "base64 in lines, escaped": lambda v: json.dumps(wrapped(b64(v), 20)),
}


@cache
def samples(count: int) -> list[str]:
    made = random.Random(20261120)
    return ["K" + "".join(made.choices(ALPHABET, k=made.randint(16, 40))) + "9" for _ in range(count)]


def batch_of(values: list[str]) -> SecretRegistry:
    registry = SecretRegistry()
    for value in values:
        registry.add(value, "own")
    return registry


def kept(registry: SecretRegistry, encode: Callable[[str], str], values: list[str]) -> list[str]:
    """The values of which a line that should be gone, or nearly, is still there."""
    redacted = registry.redact("\n#\n".join([clean(encode(value)) for value in values])).text.split("\n#\n")
    assert len(redacted) == len(values)
    return [value for value, left in zip(values, redacted, strict=True) if "[redacted:own]" not in left]


@cache
def batches() -> list[tuple[list[str], SecretRegistry]]:
    values = samples(SAMPLES)
    return [(batch, batch_of(batch)) for batch in (values[at : at + BATCH] for at in range(0, SAMPLES, BATCH))]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_thousands_of_secrets_are_found_in_every_encoding(encoding: str) -> None:
    for values, registry in batches():
        assert kept(registry, ENCODINGS[encoding], values) == []


@cache
def few() -> list[tuple[str, Outgoing]]:
    return [(value, Outgoing(batch_of([value]))) for value in samples(20)]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_left_of_an_encoded_secret_says_nothing_of_it(encoding: str) -> None:
    for value, outgoing in few():
        out = outgoing.text("<" + ENCODINGS[encoding](value) + ">")
        longest = max(map(len, out.replace("[redacted:own]", " ").split()), default=0)
        assert longest <= (100 if "lines" in encoding or "PEM" in encoding else 14), out


def test_a_form_too_short_to_mean_anything_is_left_out() -> None:
    for value in ("", "a", "ab", "abcde", "p w"):
        assert all(len(form) >= 6 for form in forms(value) | caseless(value))
    assert {"abcdef", "fedcba"} <= forms("abcdef")


@pytest.mark.parametrize("length, searched", [(4_096, True), (4_097, False)])
def test_two_encodings_at_once_are_searched_for_up_to_a_length(length: int, searched: bool) -> None:
    value = "k" * length
    found = forms(value)
    assert b64(value)[: length * 8 // 6] in found
    assert (b64(value.encode().hex())[: 2 * length * 8 // 6] in found) is searched


def test_each_long_line_of_a_secret_is_a_form_and_a_short_one_is_not() -> None:
    found = forms("BEGIN KEY\n  MIIEpAIBAAKCAQEA\nMIIEpAIBAAKCAQE\n")
    assert "MIIEpAIBAAKCAQEA" in found
    assert not {"BEGIN KEY", "MIIEpAIBAAKCAQE"} & found
