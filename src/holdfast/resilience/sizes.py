"""About how much memory a plain value takes, all the way down."""

from __future__ import annotations

import sys
from collections.abc import Mapping

_MEASURED_PARTS = 10_000
"""Parts of a value that are measured; a value with more is too large to be worth keeping."""


def size_of(value: object) -> int:
    """About how many bytes a plain result takes (strings, numbers and containers of them, or models)."""
    total = 0
    pending: list[object] = [value]
    for _ in range(_MEASURED_PARTS):
        if not pending:
            return total
        part = pending.pop()
        total += sys.getsizeof(part, 64)
        if isinstance(part, Mapping):
            pending.extend(part.keys())
            pending.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            pending.extend(part)
        else:
            pending.extend(_attributes(part))
    return sys.maxsize


def _attributes(part: object) -> list[object]:
    """What an object holds, in its dictionary or in slots; a type is nobody's to measure."""
    if isinstance(part, type):
        return []
    slots = [getattr(kind, "__slots__", ()) for kind in type(part).__mro__]
    names = [name for names in slots for name in ((names,) if isinstance(names, str) else names)]
    held = [getattr(part, name, None) for name in ("__dict__", *names)]
    return [each for each in held if each is not None]
