"""Holds what a server offers to its pinned manifest: what differs is not served, or served and flagged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from holdfast.core.manifest import Change, compare, describe, keyed
from holdfast.core.manifestfile import read
from holdfast.core.registry import Admitted, Registry
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.core.operation import Operation

MAX_NAMED = 10
"""Entries that one message names."""

Tell = Callable[[tuple[Change, ...], bool], None]
"""Is told of changes that were not told before, and whether they were refused."""


class Pin:
    """The pinned manifest of one serving. Raises ``ConfigurationError`` when its file cannot be used.

    At the start every difference counts. While serving, an entry may go away, and come back as it was pinned: to offer
    less misleads nobody. See docs/decisions/0011-manifest.md.
    """

    def __init__(self, file: Path, on_change: Literal["refuse", "flag"], tell: Tell) -> None:
        self.pinned = read(file)
        self.changes: tuple[Change, ...] = ()
        """What differs now, refused or flagged."""
        self._refuses = on_change == "refuse"
        self._tell = tell

    def admit(self, name: str, identity: Mapping[str, Any], registry: Registry, *, starting: bool) -> Admitted:
        """Judge what a server would offer. Raises ``ConfigurationError`` at the start, when changes are refused."""
        found = compare(self.pinned, describe(name, identity, registry))
        if not starting:
            found = tuple(change for change in found if change.what != ("removed",))
        self._note(found)
        if not found:
            return Admitted(registry)
        if not self._refuses:
            return Admitted(registry, _marks(registry, found))
        refusal = ConfigurationError(_message(found))
        if starting:
            raise refusal
        return Admitted(_without(registry, {change.key for change in found}), refusal=refusal)

    def _note(self, found: tuple[Change, ...]) -> None:
        news = tuple(change for change in found if change not in self.changes)
        self.changes = found
        if news:
            self._tell(news, self._refuses)


def _marks(registry: Registry, found: tuple[Change, ...]) -> dict[Operation, str]:
    how = {change.key: "added" if change.what == ("added",) else "changed" for change in found}
    return {operation: how[key] for key, operation in keyed(registry) if key in how}


def _without(registry: Registry, keys: set[str]) -> Registry:
    left_out = {operation for key, operation in keyed(registry) if key in keys}
    kept = Registry()
    for operation in registry:
        if operation not in left_out:
            kept.add(operation)
    return kept


def _message(found: tuple[Change, ...]) -> str:
    named = ", ".join(map(str, found[:MAX_NAMED])) + (f" and {len(found) - MAX_NAMED} more" * (len(found) > MAX_NAMED))
    return (
        f"what the server offers is not what was pinned: {named}; look at what changed, then pin it again "
        "(holdfast check FILE --pin), or set HOLDFAST_MANIFEST__ON_CHANGE=flag"
    )
