"""Reads what the operator allows each principal to spend: calls, processor time, bytes and cost, by period."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from holdfast.access.globs import Matches
from holdfast.access.grants import EVERYONE, KINDS, check_keys, patterns, shown, table, words
from holdfast.core.limits import parse_rate
from holdfast.errors import ConfigurationError

Dimension = Literal["calls", "cpu", "bytes", "cost"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("calls", "cpu", "bytes", "cost")
SETTING: Final = "HOLDFAST_QUOTAS"
MAX_ENTRIES: Final = 1_000
"""Entries in all: a call is counted against each that names it."""
_QUANTITY: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_UNITS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "calls": {"": 1.0},
        "cost": {"": 1.0},
        "cpu": {"": 1.0, "s": 1.0, "ms": 0.001, "min": 60.0, "h": 3_600.0},
        "bytes": {
            "": 1.0, "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9,
            "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3,
        },
    }
)  # fmt: skip
_EXAMPLES: Final = '"calls": "1000/day", "cpu": "60 s/hour", "bytes": "10 MB/hour", "cost": "500/day"'


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of one thing may be spent in a period, by calls of the operations that it names."""

    dimension: Dimension
    amount: float
    """Calls, seconds, bytes or units of cost."""
    period: float
    """Seconds, from the first call on."""
    text: str
    space: str
    """Where it is counted: the same for the same names and period, however much is allowed."""
    names: Mapping[str, tuple[Matches, ...]] | None = None

    def covers(self, kind: str, name: str) -> bool:
        """Whether calls of this operation count. A completion counts only where everything does."""
        return self.names is None or any(matches(name) for matches in self.names.get(kind, ()))


def parse_allowances(text: str) -> Mapping[str, tuple[Allowance, ...]]:
    """Allowances by principal; ``*`` is each principal that is not named. Raises ``ConfigurationError``."""
    found = {name: tuple(_entries(name, entries)) for name, entries in table(text, SETTING).items()}
    if sum(map(len, found.values())) > MAX_ENTRIES:
        raise ConfigurationError(f"{SETTING} holds at most {MAX_ENTRIES} limits")
    for name, allowances in found.items():
        if len({allowance.space for allowance in allowances}) < len(allowances):
            raise ConfigurationError(f"{SETTING}, {shown(name)}: two entries limit the same thing over the same period")
    return found


def cost_of(rate: str) -> Allowance:
    """The allowance of ``limits.quota``, which counts every operation's cost. Raises ``ConfigurationError``."""
    amount, period = parse_rate(rate)
    return Allowance("cost", amount, period, rate, "quota")


def allowances_of(
    quotas: str | None, cost: str | None
) -> tuple[Mapping[str, tuple[Allowance, ...]], tuple[Allowance, ...]]:
    """By principal, and everybody's: of ``HOLDFAST_QUOTAS`` and ``limits.quota``. Raises ``ConfigurationError``."""
    return {} if quotas is None else parse_allowances(quotas), () if cost is None else (cost_of(cost),)


def _entries(name: str, entries: Any) -> Iterator[Allowance]:
    listed = [entries] if isinstance(entries, dict) else entries
    if not (isinstance(listed, list) and listed and all(isinstance(entry, dict) for entry in listed)):
        raise ConfigurationError(f"{SETTING}, {shown(name)}: an object is wanted, or a list of them: {{{_EXAMPLES}}}")
    for number, entry in enumerate(listed, 1):
        place = f"{SETTING}, {shown(name) if name != EVERYONE else 'everyone'}, entry {number}"
        check_keys(entry, (*DIMENSIONS, *KINDS), place)
        if not entry.keys() & set(DIMENSIONS):
            raise ConfigurationError(f"{place}: say what may be spent: {_EXAMPLES}")
        names = patterns(entry, place) or None
        for dimension in DIMENSIONS:
            if dimension in entry:
                yield _allowance(dimension, entry, names, place)


def _allowance(dimension: Dimension, entry: Mapping[str, Any], names: Any, place: str) -> Allowance:
    text = entry[dimension]
    amount, period = _amount(dimension, text, place)
    named = {key: sorted(words(entry[key], place)) for key in KINDS if key in entry}
    mark = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16] if named else "all"
    return Allowance(dimension, amount, period, text, f"quota.{dimension}.{period:g}.{mark}", names)


def _amount(dimension: Dimension, text: Any, place: str) -> tuple[float, float]:
    quantity, _, period = text.rpartition("/") if isinstance(text, str) else ("", "", "")
    match, units = _QUANTITY.fullmatch(quantity), _UNITS[dimension]
    try:
        if match is None or match[2] not in units:
            raise ConfigurationError("")
        count, seconds = parse_rate(f"{match[1]}/{period}")
    except ConfigurationError:
        wanted = ", ".join(unit for unit in units if unit)
        hint = f" in {wanted}" if wanted else ""
        raise ConfigurationError(f"{place}: {dimension} is a quantity{hint} and a period, as in {_EXAMPLES}") from None
    return count * units[match[2]], seconds
