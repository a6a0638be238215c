"""The forms that one secret takes on its way out: encoded, escaped, reversed."""

from __future__ import annotations

import base64
import json
from typing import Final
from urllib.parse import quote, quote_plus

_SHORTEST: Final = 6  # characters; a shorter form of a secret would turn up in ordinary text


def forms(value: str) -> frozenset[str]:
    """Every form of ``value`` that is looked for, without those too short to mean anything; about 25 of them."""
    from html import escape  # here: its tables are half a megabyte, and most servers hold no secret

    raw = value.encode("utf-8", "surrogatepass")
    found = {value, value[::-1], raw.hex(), raw.hex().upper(), escape(value), repr(value)[1:-1]}
    found |= _percent(value, raw) | _json(value)
    for offset in range(3):
        found |= _base64(raw, offset)
    # A key of several lines leaks a line at a time; 16 characters of base64 are 96 bits.
    found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= 16}
    return frozenset(form for form in found if len(form) >= _SHORTEST)


def _percent(value: str, raw: bytes) -> set[str]:
    text = raw.decode("utf-8", "replace")
    quoted = {quote(text, safe=""), quote(text), quote_plus(text)}
    every = "".join(f"%{byte:02X}" for byte in raw)
    return quoted | {_lower_escapes(one) for one in quoted} | {every, every.lower()}


def _lower_escapes(quoted: str) -> str:
    head, *rest = quoted.split("%")
    return head + "".join("%" + piece[:2].lower() + piece[2:] for piece in rest)


def _json(value: str) -> set[str]:
    once = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    slashed = {form.replace("/", "\\/") for form in once}
    return once | slashed | {json.dumps(form)[1:-1] for form in once}


def _base64(raw: bytes, offset: int) -> set[str]:
    """The characters that ``raw`` alone decides when ``offset`` bytes (modulo 3) stand before it in the stream."""
    encoded = base64.b64encode(bytes(offset) + raw).decode("ascii")
    first = (0, 2, 3)[offset]
    last = len(encoded) - (0, 3, 2)[(offset + len(raw)) % 3]
    kept = encoded[first:last]
    return {kept, kept.replace("+", "-").replace("/", "_")}
