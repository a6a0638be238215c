"""A decoded JSON value walked without recursion: its depth, elements, sizes and types held to bounds."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from holdfast.errors import InputTooLarge, InvalidArguments

DEEPEST: Final = 200
"""The C parser recurses, and so does pydantic's encoder, which gives up at 255."""


class JsonTooLarge(InputTooLarge):
    """The document is larger, deeper or more numerous than the bounds allow."""


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
        if not 1 <= self.depth <= DEEPEST:
            raise ValueError(f"depth must be from 1 to {DEEPEST}")
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
        containers = 0
        for item in level:
            kind = type(item)
            if kind is str:
                size += len(item) + 3 if item.isascii() and len(item) <= longest else _text_size(item, bounds)
            elif kind is dict:
                size += _keys_size(item, bounds) + 2
                below += item.values()
                containers += 1
            elif kind is list:
                size += 2
                below += item
                containers += 1
            else:
                size += _scalar_size(item, kind, bounds)
            if count + len(below) > bounds.elements:  # checked per container: shared branches must not pile up
                raise JsonTooLarge(f"more than {bounds.elements} values; send fewer")
        count += len(below)
        depth += containers > 0
        _hold(depth, size, bounds)
        level = below
    return size


def _hold(depth: int, size: int, bounds: Bounds) -> None:
    if depth > bounds.depth:
        raise JsonTooLarge(f"nested deeper than {bounds.depth} levels; flatten it")
    if size > bounds.bytes:
        raise JsonTooLarge(f"larger than {bounds.bytes} bytes; send less")


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
