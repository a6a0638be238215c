"""HF701 to HF705: what a server offers against its pinned manifest, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from holdfast.core.manifest import Change, Manifest, compare, describe, keyed
from holdfast.core.manifestfile import read
from holdfast.lint.finding import Finding, Place
from holdfast.lint.subject import Whole
from holdfast.safe.text import clean


def manifest_of(whole: Whole) -> Manifest:
    """The manifest of the server as it is now."""
    return describe(whole.server.name, whole.server.identity, whole.server.whole())


def find(whole: Whole, file: Path) -> Iterator[Finding]:
    """Compare with ``file``. Raises ``ConfigurationError`` when it cannot be used."""
    places = _places(whole)
    for change in compare(read(file), manifest_of(whole)):
        place = places.get(change.key, whole.home)
        yield from (Finding(code, message, place) for code, message in _words(change))


def _places(whole: Whole) -> dict[str, Place]:
    of = {subject.operation: subject.place for subject in whole.subjects}
    return {key: of[operation] for key, operation in keyed(whole.server.whole()) if operation in of}


def _words(change: Change) -> Iterator[tuple[str, str]]:
    key = clean(change.key)
    if change.what == ("added",):
        yield "HF701", f"{key} is not in the pinned manifest"
        return
    if change.what == ("removed",):
        yield "HF702", f"{key} is pinned and no longer offered"
        return
    for code, fields in (("HF703", change.texts), ("HF704", change.schemas), ("HF705", change.others)):
        if fields:
            yield code, f"{key} is not as it was pinned: {', '.join(fields)}"
