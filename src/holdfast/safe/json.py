"""JSON with bounds: counted before it is built, parsed strictly, walked without recursion, written safely."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from holdfast.errors import InputTooLarge, InvalidArguments, OutputInvalid, OutputTooLarge, ProtocolError

_PARSE_ERROR: Final = -32700  # JSON-RPC 2.0, section 5.1
_DEEPEST: Final = 200  # the C parser recurses, and so does pydantic's encoder, which gives up at 255


class JsonTooLarge(InputTooLarge):
    """The document is larger, deeper or more numerous than the bounds allow."""


class JsonMalformed(ProtocolError):
    """The bytes are not strict JSON (RFC 8259, with I-JSON's unique names and UTF-8: RFC 7493); -32700."""

    def __init__(self, message: str) -> None:
        super().__init__(_PARSE_ERROR, message)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a document may be. ``depth`` counts nested arrays and objects, ``elements`` every value in them.

    4 MiB of ``{},`` becomes 101 MiB in memory (measured), so elements are bounded and not bytes alone.
    ``bytes`` and ``string`` (one string or key) are bytes of UTF-8; ``integer_digits`` bounds the cost of parsing and
    printing an integer, which grows with its square (CVE-2020-10735).
    """

    bytes: int = 1 << 20
    depth: int = 64
    elements: int = 100_000
    string: int = 1 << 20
    integer_digits: int = 64

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= _DEEPEST:
            raise ValueError(f"depth must be from 1 to {_DEEPEST}")
        if self.integer_digits < 10:  # numbers of up to nine digits are parsed without being looked at
            raise ValueError("integer_digits must be at least 10")
        if min(self.bytes, self.elements, self.string) < 1:
            raise ValueError("each bound must be at least 1")


DEFAULT: Final = Bounds()


def check_value(value: Any, bounds: Bounds = DEFAULT) -> int:
    """Walk a decoded value without recursion; return its approximate size as JSON in bytes.

    Raises ``JsonTooLarge`` (bytes, depth, elements, a string, an integer) or ``InvalidArguments`` (not a finite
    number, a lone surrogate, a key that is not text, a type that JSON does not have).
    """
    level: list[Any] = [value]
    size = count = depth = 0
    longest = bounds.string
    while level:
        below: list[Any] = []
        nested = False
        for item in level:
            kind = type(item)
            if kind is str:
                size += len(item) + 3 if item.isascii() and len(item) <= longest else _text_size(item, bounds)
                continue
            if kind is dict:
                size += _keys_size(item, bounds) + 2
                children: Iterable[Any] = item.values()
            elif kind is list:
                size += 2
                children = item
            else:
                size += _scalar_size(item, kind, bounds)
                continue
            nested = True
            count += len(item)
            if count > bounds.elements:
                raise JsonTooLarge(f"more than {bounds.elements} values; send fewer")
            below += children
        depth += nested
        if depth > bounds.depth:
            raise JsonTooLarge(f"nested deeper than {bounds.depth} levels; flatten it")
        if size > bounds.bytes:
            raise JsonTooLarge(f"larger than {bounds.bytes} bytes; send less")
        level = below
    return size


def _keys_size(item: dict[Any, Any], bounds: Bounds) -> int:
    try:
        keys = "".join(item)
    except TypeError:
        raise InvalidArguments("every key must be text") from None
    if keys.isascii() and len(keys) <= bounds.string:  # almost always: one look at all of them
        return len(keys) + 3 * len(item)
    return sum([_text_size(key, bounds) for key in item])


def _text_size(text: str, bounds: Bounds) -> int:
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise InvalidArguments("text with a lone surrogate; send well-formed Unicode") from None
    if size > bounds.string:
        raise JsonTooLarge(f"a text is longer than {bounds.string} bytes; send less")
    return size + 3


def _scalar_size(item: Any, kind: type, bounds: Bounds) -> int:
    if item is None or kind is bool:
        return 5
    if kind is int:
        if -(1 << 53) < item < 1 << 53:
            return 8
        if item.bit_length() > bounds.integer_digits * 3 and abs(item) >= 10**bounds.integer_digits:
            raise JsonTooLarge(f"an integer has more than {bounds.integer_digits} digits")
        return bounds.integer_digits
    if kind is float:
        if not isfinite(item):
            raise InvalidArguments("a number that is not finite; JSON has none")
        return 12
    raise InvalidArguments("a type that JSON does not have")


_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(_STEP))


def scan(raw: bytes, bounds: Bounds = DEFAULT) -> str:
    """Bound bytes, depth and elements in linear time before anything is built; return the decoded text.

    Exact for well-formed JSON. Malformed text may be counted wrongly behind its first error, where no parser comes.
    Raises ``JsonTooLarge`` or ``JsonMalformed`` (not strict UTF-8).
    """
    if len(raw) > bounds.bytes:
        raise JsonTooLarge(f"larger than {bounds.bytes} bytes; send less")
    opened = raw.count(b"[") + raw.count(b"{")
    if opened > bounds.depth or raw.count(b",") + opened > bounds.elements:
        _scan_structure(raw, bounds)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise JsonMalformed("not valid UTF-8") from None


def _scan_structure(raw: bytes, bounds: Bounds) -> None:
    """Count what stands outside strings: escapes are dropped first, then every second piece between quotes."""
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * bounds.elements + 4:  # at most a key and a value with two quotes each, per element
        raise JsonTooLarge(f"more than {bounds.elements} values; send fewer")
    structure = b'"'.join(bare.split(b'"')[::2]).translate(None, b" \t\r\n")
    opened = structure.count(b"[") + structure.count(b"{")
    # Elements are commas, plus one for each container that is not empty.
    if structure.count(b",") + opened - structure.count(b"[]") - structure.count(b"{}") > bounds.elements:
        raise JsonTooLarge(f"more than {bounds.elements} values; send fewer")
    # Past twice as many brackets as were opened there is one too many closed, where every parser has stopped.
    brackets = structure.translate(None, _NOT_BRACKETS)[: 2 * opened]
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > bounds.depth:
        raise JsonTooLarge(f"nested deeper than {bounds.depth} levels; flatten it")


_RISKY_NUMBER: Final = re.compile(r"[0-9]{10}|[eE]\+?[0-9]{3}")  # seen in a string it only costs the slower decoder
_RISKY_TEXT: Final = re.compile(r"\\u[dD][89a-fA-F]")


def loads(raw: bytes, bounds: Bounds = DEFAULT) -> Any:
    """Scan, then parse strictly. Raises ``JsonTooLarge`` or ``JsonMalformed``.

    Refused besides bad syntax: duplicate keys (every parser keeps another one: a validator and a handler would see
    different requests), NaN and Infinity, numbers that overflow, lone surrogates, too long integers and strings.
    Keys are compared exactly, never by folded case (CVE-2026-27896).
    """
    text = scan(raw, bounds)
    decoder = _PLAIN if _RISKY_NUMBER.search(text) is None else _careful(bounds)
    try:
        value = decoder.decode(text)
    except (json.JSONDecodeError, RecursionError):
        raise JsonMalformed("not valid JSON") from None
    if len(raw) > bounds.string or _RISKY_TEXT.search(text) is not None:
        _check_strings(value, bounds)
    return value


def _check_strings(value: Any, bounds: Bounds) -> None:
    try:
        check_value(value, Bounds(4 * bounds.bytes, bounds.depth, bounds.elements, bounds.string, 1_000))
    except InvalidArguments:
        raise JsonMalformed("text with a lone surrogate; send well-formed Unicode") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonMalformed("an object has the same key twice")
    return made


def _constant(_: str) -> Any:
    raise JsonMalformed("a number that is not finite; JSON has none")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise JsonMalformed("a number is too large to be held")
    return number


_PLAIN: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _careful(bounds: Bounds) -> json.JSONDecoder:
    """A decoder that looks at each number, for text that holds long ones."""
    longest = bounds.integer_digits

    def integer(digits: str) -> int:
        if len(digits) > longest + digits.startswith("-"):
            raise JsonTooLarge(f"an integer has more than {longest} digits")
        return int(digits)

    return json.JSONDecoder(
        object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite, parse_int=integer
    )


def dumps(value: Any, max_bytes: int | None = None) -> bytes:
    """Compact JSON in UTF-8: numbers that are not finite become null, lone surrogates U+FFFD.

    Raises ``OutputTooLarge`` beyond ``max_bytes`` and ``OutputInvalid`` for what JSON cannot hold (cycles, depth
    beyond 200, foreign types). The message names neither.
    """
    try:
        raw = to_json(value, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        try:
            raw = to_json(_well_formed(value, 0), inf_nan_mode="null")
        except (PydanticSerializationError, ValueError, TypeError, RecursionError):
            raise OutputInvalid("the answer holds something that JSON cannot hold") from None
    if max_bytes is not None and len(raw) > max_bytes:
        raise OutputTooLarge(f"the answer is larger than {max_bytes} bytes; ask for less")
    return raw


def _well_formed(value: Any, depth: int) -> Any:
    """A copy whose text can be encoded; only made after encoding failed."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_well_formed(key, depth + 1): _well_formed(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_well_formed(item, depth + 1) for item in value]
    return value
