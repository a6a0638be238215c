"""The forms that one secret takes on its way out: encoded, escaped, reversed, and two of these at once."""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

_SHORTEST: Final = 6  # characters; a shorter form of a secret would turn up in ordinary text
_LONGEST: Final = 4_096  # characters; longer values are not searched for in two encodings at once
_LEFT: Final = ("", "/", "+=", "/+=", "!'()*", "/!'()*", ":@!$&'()*+,;=", "/:@!$&'()*+,;=", "/?:@!$'()*,;")
"""Signs that one encoder or another leaves alone: Python's, JavaScript's, and those of RFC 3986 (paths, queries)."""
_MARKUP: Final = (
    ('"', "'"),
    ("&quot;", "&#x27;"),
    ("&quot;", "&#39;"),
    ("&#34;", "&#39;"),
    ("&quot;", "&apos;"),
    ("&quot;", "'"),
)
"""What becomes of quotation marks: in text, by html.escape, in JavaScript, by markupsafe, in XML, in attributes."""


def forms(value: str) -> frozenset[str]:
    """Every form of ``value`` in which case matters, without those too short to mean anything; about 50 of them.

    The case of the hexadecimal digits of an escape (``%2F``, ``\\u00e9``) is the searcher's affair: see ``folding``.
    """
    raw = value.encode("utf-8", "surrogatepass")
    found = {value, value[::-1], codecs.encode(value, "rot13")}
    found |= _percent(raw) | _json(value) | _escaped(value, raw) | _quoted(value, raw)
    single = _base64(raw) | _base64(value.encode("utf-16-le", "surrogatepass"))
    found |= single | {quote_plus(one) for one in single}
    if len(value) <= _LONGEST:
        for one in _base64(raw) | {raw.hex(), quote(raw, safe="")}:
            found |= _base64(one.encode())
    # A key of several lines leaks a line at a time; 16 characters of base64 are 96 bits.
    found |= {line.strip() for line in value.splitlines() if len(line.strip()) >= 16}
    return _kept(found)


def caseless(value: str) -> frozenset[str]:
    """The forms of ``value`` that mean the same in either case, in lower case: hexadecimal and base32."""
    raw = value.encode("utf-8", "surrogatepass")
    pairs = [f"{byte:02x}" for byte in raw]
    found = {sign.join(pairs) for sign in ("", " ", ":", "-")}
    found |= {
        "".join("\\x" + pair for pair in pairs),
        " ".join("0x" + p for p in pairs),
        ", ".join("0x" + p for p in pairs),
    }
    found |= {value.encode(code, "surrogatepass").hex() for code in ("utf-16-le", "utf-16-be")}
    found |= {raw[::-1].hex(), raw.hex().encode().hex()}
    found |= {one.lower() for one in _aligned(raw, 5, 8, base64.b32encode)}
    return _kept(found)


def _kept(found: set[str]) -> frozenset[str]:
    return frozenset(form for form in found if len(form) >= _SHORTEST)


def _percent(raw: bytes) -> set[str]:
    text = raw.decode("utf-8", "replace")
    quoted = {quote(text, safe=signs) for signs in _LEFT} | {quote_plus(text), "".join(f"%{byte:02X}" for byte in raw)}
    return quoted | {quote(one, safe="") for one in quoted}


def _quoted(value: str, raw: bytes) -> set[str]:
    """As markup, as a literal of Python, in a shell, in SQL and CSV, and as a regular expression."""
    plain = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    found = {plain.replace('"', double).replace("'", single) for double, single in _MARKUP}
    found |= {repr(value)[1:-1], ascii(value)[1:-1], repr(raw)[2:-1], re.escape(value)}
    return found | {value.replace("'", "'\"'\"'"), value.replace("'", "''"), value.replace('"', '""')}


def _json(value: str) -> set[str]:
    once = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    slashed = {form.replace("/", "\\/") for form in once}
    return once | slashed | {json.dumps(form)[1:-1] for form in once}


def _escaped(value: str, raw: bytes) -> set[str]:
    """Every character as an escape: JSON and JavaScript, HTML, octal and decimal."""
    units = [int.from_bytes(pair, "big") for pair in _pairs(value.encode("utf-16-be", "surrogatepass"))]
    unicode = "".join(f"\\u{unit:04x}" for unit in units)
    html = {"".join(f"&#{ord(char)};" for char in value), "".join(f"&#x{ord(char):x};" for char in value)}
    octal = "".join(f"\\{byte:03o}" for byte in raw)
    decimal = {sign.join(str(byte) for byte in raw) for sign in (" ", ",", ", ")}
    return {unicode, unicode.replace("\\", "\\\\"), octal} | html | decimal


def _pairs(raw: bytes) -> list[bytes]:
    return [raw[at : at + 2] for at in range(0, len(raw), 2)]


def _base64(raw: bytes) -> set[str]:
    plain = _aligned(raw, 3, 4, base64.b64encode)
    return plain | {one.replace("+", "-").replace("/", "_") for one in plain}


def _aligned(raw: bytes, size: int, signs: int, encode: Callable[[bytes], bytes]) -> set[str]:
    """The signs that ``raw`` alone decides when 0 to ``size - 1`` bytes stand before it in the stream."""
    found = set()
    bits = size * 8 // signs
    for offset in range(size):
        first = -(-offset * 8 // bits)
        last = (offset + len(raw)) * 8 // bits
        found.add(encode(bytes(offset) + raw).decode("ascii")[first:last])
    return found
