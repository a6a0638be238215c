"""Secrets that calls learn and that pass: kept in groups, so that one more costs a small automaton and not all anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from holdfast.safe.search import Search, build

SMALL: Final = 16
"""Values of the group that is being filled: 5 ms to prepare (measured)."""
MERGED: Final = 8
"""Groups of one size that become one: each value is prepared again twice at most, and ten groups are searched."""
MAX_LEARNED: Final = 512
"""Values in all; the oldest give way, so that no caller can use up the room of the server's own secrets."""


@dataclass(slots=True)
class _Group:
    values: dict[str, str] = field(default_factory=dict)
    until: float = 0.0
    search: Search | None = None

    def prepared(self) -> Search:
        if self.search is None:
            self.search = build(self.values.items(), ())
        return self.search


class Learned:
    """At most 512 values with their names. A group is forgotten when its last value may be. Not locked."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []

    def __len__(self) -> int:
        return sum(len(group.values) for group in self._groups)

    @property
    def expiry(self) -> float | None:
        """When the first group ends."""
        return min((group.until for group in self._groups), default=None)

    @property
    def searches(self) -> tuple[Search, ...]:
        """What is to be looked for, group by group."""
        return tuple(group.prepared() for group in self._groups)

    def add(self, value: str, name: str, until: float) -> bool:
        """Keep ``value`` until then at least; whether it was not known yet."""
        for group in self._groups:
            if value in group.values:
                group.until = max(group.until, until)
                return False
        if not self._groups or len(self._groups[-1].values) >= SMALL:
            self._merge()
            self._groups.append(_Group())
        last = self._groups[-1]
        last.values[value] = name
        last.until = max(last.until, until)
        last.search = None
        while len(self) > MAX_LEARNED:
            del self._groups[0]
        return True

    def remove(self, value: str) -> None:
        """Forget ``value``."""
        for group in self._groups:
            if group.values.pop(value, None) is not None:
                group.search = None
        self._groups = [group for group in self._groups if group.values]

    def purge(self, now: float) -> None:
        """Forget the groups that have ended."""
        self._groups = [group for group in self._groups if group.until > now]

    def _merge(self) -> None:
        small = [group for group in self._groups if len(group.values) <= SMALL]
        if len(small) < MERGED:
            return
        one = _Group(until=max(group.until for group in small))
        for group in small:
            one.values |= group.values
        self._groups = [group for group in self._groups if len(group.values) > SMALL] + [one]
