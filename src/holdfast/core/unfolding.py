"""What a JSON schema may cost before it is used: how often one value is looked at, and which patterns look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from holdfast.errors import ConfigurationError

MAX_LOOKS: Final = 10_000
"""Subschemas that one value may be held against, references followed: 23 definitions that each name the next one twice
are four million, and took 0.08 s; thirty would take 20 s and forty six hours [measured, and reckoned]."""
MAX_NODES: Final = 50_000
"""Objects and lists of one schema."""
MAX_DEPTH: Final = 200
"""Levels of one schema: its readers recurse."""
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SINGLE: Final = ("not", "if", "then", "else")
_NAMED: Final = ("dependentSchemas", "dependencies")
_VALUES: Final = frozenset({"default", "const", "enum", "examples"})
_MAPS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
"""Words whose objects hold schemas by names of the author's."""


def weigh(schema: Mapping[str, Any]) -> None:
    """Raise ``ConfigurationError`` for a schema that is too large, too deep, or looks too often at one value.

    Only what applies to the same value is counted (``$ref``, ``allOf``, ``if`` ...); what applies to its parts is paid
    for by the size of the value. A reference that leads back to itself on the same value says nothing and is refused.
    """
    schemas = Schemas(schema)
    looks = _Looks(schemas)
    for node in schemas.nodes:
        if isinstance(node, dict):
            looks.of(node)


def patterns_of(schema: Mapping[str, Any]) -> list[str]:
    """Every regular expression in the schema, each once."""
    found: dict[str, None] = {}
    for node in _nodes(schema):
        if isinstance(node, dict):
            pattern, named = node.get("pattern"), node.get("patternProperties")
            if isinstance(pattern, str):
                found[pattern] = None
            if isinstance(named, dict):
                found |= dict.fromkeys(name for name in named if isinstance(name, str))
    return list(found)


def _nodes(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Each object and list that may be a schema, or hold some, level by level; plain values are left out, but not what
    is only *called* ``default`` or ``enum``. Raises ``ConfigurationError`` beyond the bounds."""
    level: list[tuple[Any, bool]] = [(schema, False)]
    count = 0
    for _ in range(MAX_DEPTH):
        below: list[tuple[Any, bool]] = []
        for node, of_names in level:
            count += 1
            if not of_names:
                yield node
            below += _below(node, of_names)
        if not below:
            return
        if count + len(below) > MAX_NODES:
            break
        level = below
    raise ConfigurationError("a JSON schema is too large or too deep to be used")


def _below(node: Any, of_names: bool) -> list[tuple[Any, bool]]:
    """What one object or list holds, and whether its keys are names and no words of a schema."""
    if isinstance(node, list):
        return [(item, False) for item in node if isinstance(item, dict | list)]
    return [
        (item, not of_names and key in _MAPS and isinstance(item, dict))
        for key, item in node.items()
        if isinstance(item, dict | list) and (of_names or key not in _VALUES)
    ]


class Schemas:
    """The subschemas of a schema, and what applies to the same value as one of them. Raises ``ConfigurationError``."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.nodes = list(_nodes(root))
        self._root = root
        self._anchors = _anchors(self.nodes)
        self._known = {id(node) for node in self.nodes}

    def beside(self, node: dict[str, Any]) -> Iterator[Any]:
        """What applies to the same value as ``node``."""
        for name in _LISTS:
            inner = node.get(name)
            yield from inner if isinstance(inner, list) else ()
        yield from (node[name] for name in _SINGLE if name in node)
        for name in _NAMED:
            inner = node.get(name)
            yield from inner.values() if isinstance(inner, dict) else ()
        for name in ("$ref", "$dynamicRef", "$recursiveRef"):
            reference = node.get(name)
            if isinstance(reference, str):
                yield self._target(reference)

    def _target(self, reference: str) -> Any:
        """Where a reference leads; ``None`` for a schema of schemas, which the library has with it."""
        found = self._anchors.get(reference)
        if found is None and (reference == "#" or reference.startswith("#/")):
            found = _pointed(self._root, unquote(reference[2:]))
        if isinstance(found, dict) and id(found) not in self._known:
            found, reference = None, ""  # a plain value, or what holds schemas by their names
        if found is None and not reference.startswith("https://json-schema.org/"):
            raise ConfigurationError("a JSON schema's reference is not usable: write #/$defs/name, and define the name")
        return found


class _Looks:
    """How many subschemas each subschema holds one value against; every one is counted once (by identity)."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._known: dict[int, int] = {}
        self._open: set[int] = set()

    def of(self, node: Any) -> int:
        """The number for one subschema, itself included. Raises ``ConfigurationError``."""
        if not isinstance(node, dict):
            return 1
        key = id(node)
        if key in self._known:
            return self._known[key]
        if key in self._open or len(self._open) > MAX_DEPTH:
            raise ConfigurationError("a JSON schema refers to itself without end; let it descend into the value first")
        self._open.add(key)
        count = 1 + sum(self.of(inner) for inner in self._schemas.beside(node))
        self._open.discard(key)
        if count > MAX_LOOKS:
            raise ConfigurationError(f"a JSON schema looks at one value more than {MAX_LOOKS} times; name less twice")
        self._known[key] = count
        return count


def _pointed(root: Mapping[str, Any], pointer: str) -> Any:
    """What a JSON pointer without its first slash leads to (RFC 6901); ``None`` for nothing."""
    found: Any = root
    for step in pointer.split("/") if pointer else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict):
            found = found.get(name)
        else:
            return None
    return found


def _anchors(nodes: list[Any]) -> dict[str, Any]:
    """The subschemas that have a name of their own, by the reference to it. Raises ``ConfigurationError`` for a schema
    within the schema that has an id: references in it start from there, and would be followed elsewhere than here."""
    found: dict[str, Any] = {}
    own = "id" if "draft-04" in str(nodes[0].get("$schema")) else "$id"
    for number, node in enumerate(nodes):
        if isinstance(node, dict):
            if number and isinstance(node.get(own), str):
                raise ConfigurationError("a JSON schema holds another one with an id; put it under $defs without")
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(key), str):
                    found[f"#{node[key]}"] = node
    return found
