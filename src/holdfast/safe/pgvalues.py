"""Values on their way into PostgreSQL and out of it, by the types that PostgreSQL itself has named."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from holdfast.errors import UnsafeQuery

if TYPE_CHECKING:
    from holdfast.safe.databases import Cell, Parameters

MAX_ELEMENTS: Final = 10_000
"""Elements of a list that is bound to one placeholder."""
_BIG: Final = 1 << 63


def bind(parameters: Parameters, names: Sequence[str], types: Sequence[Any]) -> list[Any]:
    """One value for each placeholder, fit for the type that PostgreSQL found. Raises ``UnsafeQuery``."""
    if isinstance(parameters, Mapping):
        if set(parameters) != set(names) or len(names) != len(types):
            raise _refused("named placeholders take exactly their names")
        values = [parameters[name] for name in names]
    else:
        values = list(parameters)
        if names or len(values) != len(types):
            raise _refused("the number of parameters does not fit the placeholders")
    return [_bound(value, kind_of(kind)) for value, kind in zip(values, types, strict=True)]


def kind_of(kind: Any) -> str:
    """The name of a type of PostgreSQL's own; that of nobody's for a type which only bears such a name."""
    return str(kind.name) if kind.schema == "pg_catalog" else "another's"


def _bound(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind.endswith("[]"):
        if not isinstance(value, list | tuple) or len(value) > MAX_ELEMENTS:
            raise _refused(f"a list of at most {MAX_ELEMENTS} values belongs here")
        return [_bound(each, kind[:-2]) for each in value]
    convert = _INTO.get(kind)
    if convert is None:
        raise _refused("a parameter of this type; write CAST($1 AS TEXT) or a number or date type")
    try:
        converted = convert(value)
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        raise _refused("a parameter does not fit its type") from None
    return converted


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_BIG <= value < _BIG:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    text = str(value)
    if len(text) > 1_000:
        raise ValueError
    made = Decimal(text)
    if abs(made.adjusted()) > 1_000:
        raise ValueError
    return made


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise TypeError
    value.encode()  # a lone surrogate is a ValueError here, and not in asyncpg, which would repeat the text
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _raw(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _read_as(kind: type[Any], read: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else read(_text(value))


def _naive(value: Any) -> datetime:
    found: datetime = _read_as(datetime, datetime.fromisoformat)(value)
    if found.tzinfo is not None:
        raise ValueError
    return found


def _aware(value: Any) -> datetime:
    found: datetime = _read_as(datetime, datetime.fromisoformat)(value)
    if found.tzinfo is None:
        raise ValueError
    return found


_INTO: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("int2", "int4", "int8"), _whole),
    **dict.fromkeys(("float4", "float8"), _number),
    **dict.fromkeys(("text", "varchar", "bpchar", "char", "name"), _text),
    **dict.fromkeys(("json", "jsonb"), _json),
    "numeric": _decimal,
    "bool": _truth,
    "bytea": _raw,
    "date": _read_as(date, date.fromisoformat),
    "time": _read_as(time, time.fromisoformat),
    "timestamp": _naive,
    "timestamptz": _aware,
    "uuid": _read_as(UUID, UUID),
}


def row_of(text: str, kinds: Sequence[str]) -> list[Cell]:
    """The cells of one row, which PostgreSQL sent as a JSON list of their texts."""
    return [
        None if cell is None else _OUT.get(kind, _same)(cell)
        for cell, kind in zip(json.loads(text), kinds, strict=True)
    ]


def _same(text: str) -> Cell:
    return text


def _integer(text: str) -> Cell:
    return int(text)


def _float(text: str) -> Cell:
    value = float(text)
    return value if math.isfinite(value) else None


def _numeric(text: str) -> Cell:
    """A whole number stays exact, as text beyond what readers of JSON keep; a fraction becomes the nearest float."""
    whole, point, _ = text.lstrip("-").partition(".")
    if not whole.isdigit():
        return None  # NaN, Infinity
    if len(whole) > 15:  # RFC 8259, section 6: 2**53
        return text
    return float(text) if point else int(text)


def _boolean(text: str) -> Cell:
    return text == "true"


def _blob(text: str) -> Cell:
    return "base64:" + base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode("ascii")


_OUT: Final[Mapping[str, Callable[[str], Cell]]] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), _integer),
    **dict.fromkeys(("float4", "float8"), _float),
    "numeric": _numeric,
    "bool": _boolean,
    "bytea": _blob,
}


def _refused(what: str) -> UnsafeQuery:
    return UnsafeQuery(what, code="query.failed")
