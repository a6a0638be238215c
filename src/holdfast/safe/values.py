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
    flat = _flat_size(value, bounds) if type(value) is dict else 0
    if flat:
        return flat
    level: list[Any] = [value]
    size = count = depth = 0
    while level:
        below: list[Any] = []
        alike = _size_of_alike(level, bounds.string) if len(level) > _MANY else None
        if alike is not None:
            size += alike
        else:
            containers, more = _level_size(level, below, bounds.elements - count, bounds)
            size += more
            count += len(below)
            depth += containers
        _hold(depth, size, bounds)
        level = below
    return size


_FLAT: Final = 16
_BRIEF: Final = 1_024


def _flat_size(value: dict[Any, Any], bounds: Bounds) -> int:
    """The same for a few short texts and small integers by name, as most arguments are; 0 for everything else."""
    if len(value) > _FLAT or bounds.string < _BRIEF or bounds.elements < _FLAT:
        return 0
    size = 2
    for key, item in value.items():
        kind = type(item)
        if type(key) is not str or not key.isascii() or len(key) > _BRIEF:
            return 0
        if kind is int and _SAFE_LEAST < item < _SAFE_MOST:
            size += len(key) + 11
        elif kind is str and len(item) <= _BRIEF and item.isascii():
            size += len(key) + len(item) + 6
        else:
            return 0
    return size if size <= bounds.bytes else 0


def _level_size(level: list[Any], below: list[Any], room: int, bounds: Bounds) -> tuple[bool, int]:
    """Whether there are containers on this level, and its size; what they hold is added to ``below``."""
    containers, size, longest = False, 0, bounds.string
    for item in level:
        kind = type(item)
        if kind is str:
            size += len(item) + 3 if item.isascii() and len(item) <= longest else _text_size(item, bounds)
        elif kind is int and _SAFE_LEAST < item < _SAFE_MOST:
            size += 8
        elif kind is dict or kind is list:
            size += 2 if kind is list else _keys_size(item, bounds) + 2
            below += item if kind is list else item.values()
            containers = True
            if len(below) > room:  # checked per container: shared branches must not pile up
                raise JsonTooLarge(f"more than {bounds.elements} values; send fewer")
        else:
            size += _scalar_size(item, kind, bounds)
    return containers, size


_MANY: Final = 16
_SAFE_LEAST: Final = -(1 << 53)
_SAFE_MOST: Final = 1 << 53


def _size_of_alike(items: list[Any], longest: int) -> int | None:
    """What many harmless values of one kind count for, found without a look at each; ``None`` where it takes one."""
    kinds = set(map(type, items))
    if kinds == {int}:
        return 8 * len(items) if min(items) > _SAFE_LEAST and max(items) < _SAFE_MOST else None
    if kinds == {float}:
        return 12 * len(items) if all(map(isfinite, items)) else None
    if kinds == {str} and all(map(str.isascii, items)):
        lengths = list(map(len, items))
        return sum(lengths) + 3 * len(items) if max(lengths) <= longest else None
    return None


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
        if item.bit_length() > bounds.integer_digits * 3 and abs(item) >= 10**bounds.integer_digits:
            raise JsonTooLarge(f"an integer has more than {bounds.integer_digits} digits")
        return bounds.integer_digits
    if kind is float:
        if not isfinite(item):
            raise InvalidArguments("a number that is not finite; JSON has none")
        return 12
    raise InvalidArguments("a type that JSON does not have")
