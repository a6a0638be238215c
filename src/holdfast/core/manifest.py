"""The manifest: everything a client's model reads of a server, in one canonical form with a hash for each entry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.core.operation import Operation
    from holdfast.core.registry import Registry

SERVER = "server"
"""The key of the server's own texts: its name, title, instructions, address and icons. Its version is not pinned."""
KINDS = ("tool", "resource", "template", "prompt")
"""What else has entries, each under ``kind name``; a resource's or template's name is its URI."""
_TEXTS = frozenset({"name", "title", "description", "instructions"})
_SCHEMAS = frozenset({"inputSchema", "outputSchema", "arguments"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """``entries`` by key, each a JSON object as clients see it before anything is redacted or cleaned."""

    entries: Mapping[str, Mapping[str, Any]]

    def hashes(self) -> dict[str, str]:
        """Key -> SHA-256 (hex) of the entry's canonical JSON."""
        return {key: digest(entry) for key, entry in self.entries.items()}

    def digest(self) -> str:
        """SHA-256 (hex) over the keys and hashes of all entries."""
        return digest(self.hashes())


@dataclass(frozen=True, slots=True)
class Change:
    """How one entry differs from what was pinned: ``what`` is added, removed, or the names of the altered fields."""

    key: str
    what: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The altered fields that are read as prose."""
        return tuple(name for name in self.what if name in _TEXTS)

    @property
    def schemas(self) -> tuple[str, ...]:
        """The altered fields that say what goes in or comes out."""
        return tuple(name for name in self.what if name in _SCHEMAS)

    @property
    def others(self) -> tuple[str, ...]:
        """The altered fields that are neither."""
        return tuple(name for name in self.what if name not in _TEXTS | _SCHEMAS)

    def __str__(self) -> str:
        return f"{self.key} ({', '.join(self.what)})"


def describe(name: str, identity: Mapping[str, Any], registry: Registry) -> Manifest:
    """The manifest of a server that offers ``registry``. Texts are taken exactly as they are, without normalising."""
    shown = {"name": name, **{key: value for key, value in identity.items() if value is not None}}
    entries: dict[str, Mapping[str, Any]] = {SERVER: plain(shown)}
    for key, operation in keyed(registry):
        entries[key] = plain(operation.listing())
    return Manifest(entries)


def keyed(registry: Registry) -> Iterator[tuple[str, Operation]]:
    """Every operation that clients can list, by its key. Completions have no listing and are not pinned."""
    for name, tool in registry.tools.items():
        yield f"tool {name}", tool
    for uri, resource in registry.resources.items():
        yield f"{'template' if resource.is_template else 'resource'} {uri}", resource
    for name, prompt in registry.prompts.items():
        yield f"prompt {name}", prompt


def compare(pinned: Manifest, now: Manifest) -> tuple[Change, ...]:
    """What differs, in the order of the keys; nothing means that every hash is the same."""
    before, after = pinned.hashes(), now.hashes()
    return tuple(
        Change(key, _what(pinned.entries.get(key), now.entries.get(key)))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    )


def _what(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[str, ...]:
    if before is None:
        return ("added",)
    if after is None:
        return ("removed",)
    names = sorted(before.keys() | after.keys())
    return tuple(name for name in names if canonical(before.get(name)) != canonical(after.get(name)))


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value: keys in the order of their code points, no spaces, ASCII with escapes.

    No text is normalised: two spellings that look alike are two texts.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical form (FIPS 180-4: collisions cannot be made)."""
    return sha256(canonical(value)).hexdigest()


def plain(value: Any) -> Any:
    """``value`` as JSON holds it: keys and unknown things as text, tuples as lists, NaN and infinities by name, lone
    surrogates as backslash escapes."""
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=canonical)
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if value is None or isinstance(value, int | float):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
