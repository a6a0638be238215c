"""What a fast parser of JSON lets pass and a strict one must not: asked of its value afterwards, beside the bytes."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

from holdfast.safe.values import Bounds

_SPARSE: Final = 256
"""Bytes a value from which it is cheaper to look at each value than at each byte."""
_SHAPE: Final = bytes.maketrans(b"123456789E", b"000000000e")
_DIGITS: Final = b"0" * 65


def digits_fit(raw: bytes, bounds: Bounds) -> bool:
    """Whether no number has too many digits; ``False`` also where a string only looks as if it held one."""
    return len(raw) <= bounds.integer_digits or _DIGITS[: bounds.integer_digits + 1] not in raw.translate(_SHAPE)


def numbers_fit(raw: bytes, value: Any, bounds: Bounds) -> bool:
    """Whether no number is too long or overflows; ``False`` also where strings only look as if they held one.

    With 64 digits at most in a row, only an exponent of three digits or more goes beyond 1e308.
    """
    if len(raw) > _SPARSE and len(raw) > _SPARSE * raw.count(b","):
        return _all_short(value, bounds)
    shape = raw.translate(_SHAPE)
    if len(raw) > bounds.integer_digits and _DIGITS[: bounds.integer_digits + 1] in shape:
        return False
    return not (b"e000" in shape or b"e+000" in shape) or _all_short(value, bounds)


def _all_short(value: Any, bounds: Bounds) -> bool:
    """Each number looked at."""
    level = [value]
    while level:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                below += item.values()
            elif kind is list:
                below += item
            elif kind is float:
                if not isfinite(item):
                    return False
            elif kind is int and item.bit_length() > 33 and abs(item) >= 10**bounds.integer_digits:
                return False
        level = below
    return True


_MANY: Final = 64


def names_are_unique(raw: bytes, value: Any) -> bool:
    """Whether well-formed ``raw`` holds as many names as the objects in ``value``: then none of them came twice."""
    colons, seen, objects = raw.count(b":"), 0, None
    level = [value]
    while level:
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                colons -= len(item)
                seen += 1
                below += item.values()
            elif type(item) is list:
                below += item
        if not colons:  # each has its name, so there is no second one
            return True
        if len(below) > _MANY:
            objects = raw.count(b"{") if objects is None else objects
            if seen == objects:  # all of them: a long list need not be walked
                break
        level = below
    return colons == _colons_in_strings(raw)


def _colons_in_strings(raw: bytes) -> int:
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    return b"".join(bare.split(b'"')[1::2]).count(b":")
