"""What a grant asks of an argument: checked on the validated, normalised value, and refused where in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from math import inf, isnan
from typing import Any, Final, Protocol

from pydantic import BaseModel

from holdfast.access.globs import Matches, text_pattern
from holdfast.errors import ConfigurationError
from holdfast.safe.handle import Handle

MAX_CHOICES: Final = 1_000
"""Values of one list."""
MAX_LISTS: Final = 8
"""Lists in lists."""
MAX_CHECKS: Final = 250_000
"""Items of a list times the choices for each, which take 1 us apiece [measured]; beyond it none of them fits."""
FORM: Final = (
    'a constraint is a text with * and **, a number, true or false, {"min": ..., "max": ...}, {"exact": [...]}, '
    "or a list of these, of which one must hold"
)
_ABSENT: Final = object()


class Constraint(Protocol):
    """One thing that a value must be."""

    def fits(self, value: Any) -> bool:
        """Whether it is; ``False`` for a value of another type."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A text, or a handle's normalised text, that fits a pattern."""

    matches: Matches

    def fits(self, value: Any) -> bool:
        """See ``Constraint``."""
        return isinstance(value, str) and self.matches(value)


@dataclass(frozen=True, slots=True)
class Exactly:
    """This value. ``1`` and ``1.0`` are one number, as in JSON; ``true`` is none."""

    value: Any

    def fits(self, value: Any) -> bool:
        """See ``Constraint``."""
        if isinstance(value, bool) or isinstance(self.value, bool):
            return value is self.value
        return isinstance(value, str | int | float | Decimal) and _is_told(value) and bool(value == self.value)


@dataclass(frozen=True, slots=True)
class Between:
    """A number from ``least`` to ``most``, both included."""

    least: float
    most: float

    def fits(self, value: Any) -> bool:
        """See ``Constraint``."""
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return False
        return _is_told(value) and bool(self.least <= value <= self.most)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of several constraints holds."""

    choices: tuple[Constraint, ...]

    def fits(self, value: Any) -> bool:
        """See ``Constraint``."""
        return any(choice.fits(value) for choice in self.choices)


def _is_told(value: Any) -> bool:
    """Not NaN, which a ``Decimal`` refuses to compare."""
    return not (isinstance(value, Decimal) and value.is_nan())


def constraint(written: Any, levels: int = MAX_LISTS) -> Constraint:
    """Read a constraint from its JSON, with lists in lists up to ``levels``. Raises ``ConfigurationError``."""
    if isinstance(written, str):
        return Text(text_pattern(written))
    if isinstance(written, int) or (isinstance(written, float) and not isnan(written)):
        return Exactly(written)
    if isinstance(written, list) and levels and 0 < len(written) <= MAX_CHOICES:
        return AnyOf(tuple(constraint(item, levels - 1) for item in written))
    if isinstance(written, Mapping) and written.keys() == {"exact"}:
        return _exact(written["exact"])
    if isinstance(written, Mapping) and written and written.keys() <= {"min", "max"}:
        return Between(_number(written.get("min", -inf)), _number(written.get("max", inf)))
    raise ConfigurationError(FORM)


def _exact(values: Any) -> Constraint:
    if not (isinstance(values, list) and 0 < len(values) <= MAX_CHOICES):
        raise ConfigurationError(FORM)
    if not all(isinstance(value, str | bool | int | float) for value in values):
        raise ConfigurationError(FORM)
    return AnyOf(tuple(Exactly(value) for value in values))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ConfigurationError(FORM)
    return value


def holds(args: Any, path: tuple[str, ...], wanted: Constraint) -> bool:
    """Whether the argument at ``path`` is there and fits; of a list every item must, and an empty one does not."""
    value = _plain(_found(args, path))
    if isinstance(value, list | tuple | set | frozenset):
        return 0 < len(value) * _choices(wanted) <= MAX_CHECKS and all(wanted.fits(_plain(item)) for item in value)
    return wanted.fits(value)


def _choices(wanted: Constraint) -> int:
    return sum(map(_choices, wanted.choices)) if isinstance(wanted, AnyOf) else 1


def _found(node: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        node = _member(node, name)
    return node


def _member(node: Any, name: str) -> Any:
    """One argument by the name that callers use; nothing is looked up but fields and the keys of objects."""
    if isinstance(node, BaseModel):
        for field, info in type(node).model_fields.items():
            alias = info.validation_alias or field
            if alias == name:
                return getattr(node, field, _ABSENT)
        return _ABSENT
    return node.get(name, _ABSENT) if isinstance(node, Mapping) else _ABSENT


def _plain(value: Any) -> Any:
    if isinstance(value, Handle):
        return value.text
    return value.value if isinstance(value, Enum) else value
