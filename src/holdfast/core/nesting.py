"""What alternatives that nest in each other cost: each level of a value multiplies how often the next is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

from holdfast.core.unfolding import MAX_LOOKS, Schemas
from holdfast.errors import ConfigurationError, InputTooLarge

MAX_WORK: Final = 100_000
"""Looks at all parts of one value; one takes up to 17 us where it ends in a fault, so two seconds at worst [measured: a
list in a list ... 32 levels deep, held by pydantic against two models that each hold such lists, took 4 s, and twice as
long for each two levels more, of which the bound on depth allows 64]."""
_DEEPEST: Final = 192
"""Levels that a value can have (the most that ``limits.depth`` takes)."""
_MOST_VARIANTS: Final = 64
_SAYS_NOTHING: Final = frozenset({"title", "description", "default", "examples", "deprecated"})
_MOST_PARTS: Final = 100_000
"""Entries of all tables together; a schema that needs more is refused."""
_FIRST: Final = ("prefixItems", "items")
_ITEMS: Final = ("items", "contains", "unevaluatedItems", "additionalItems")
_OTHERS: Final = ("additionalProperties", "unevaluatedProperties")

_LEADS_ON: Final = frozenset(
    {"properties", "patternProperties", *_ITEMS, *_OTHERS, "prefixItems", "allOf", "anyOf", "oneOf", "not", "if"}
    | {"then", "else", "dependentSchemas", "dependencies", "$ref", "$dynamicRef", "$recursiveRef"}
)
"""Words without which a subschema looks at one value once, and at no part of it."""

Parts = dict[tuple[str, str], Counter[int]]
"""Which subschemas look at a part of a value: the item at a number, the property of a name, or (no name) any other."""


@dataclass(frozen=True, slots=True)
class Growth:
    """``looks[d]``: how often a part at depth ``d`` may be looked at; the last one counts for all beneath."""

    looks: tuple[int, ...]

    def check(self, value: Any) -> None:
        """Raise ``InputTooLarge`` for a value that costs more."""
        if not self.fits(value):
            raise InputTooLarge("the arguments are nested too deep for this tool; flatten them, or send less")

    def fits(self, value: Any) -> bool:
        """Whether all parts of ``value`` together cost at most ``MAX_WORK``. Walks without recursion."""
        level, depth, work = [value], 0, 0
        while level:
            work += len(level) * self.looks[min(depth, len(self.looks) - 1)]
            if work > MAX_WORK:
                return False
            below: list[Any] = []
            for item in level:
                if isinstance(item, Mapping):
                    below += item.values()
                elif isinstance(item, list | tuple):
                    below += item
            level, depth = below, depth + 1
        return True


def growth(schema: Mapping[str, Any], *, tagged: bool = False) -> Growth | None:
    """How a schema's looks grow with the depth of a value; ``None`` when no value can make them many.

    ``tagged``: of alternatives with a discriminator only the one that is named is looked at, as pydantic does. Raises
    ``ConfigurationError`` for a schema whose tables would be too large.
    """
    table = _Table(Schemas(schema), tagged)
    try:
        table.fill(schema)
    except RecursionError:
        raise ConfigurationError("a schema refers to itself without end; let it descend into the value first") from None
    looks: list[int] = []
    now = dict.fromkeys(table.known, 1)
    for _ in range(_DEEPEST):
        looks.append(now[table.root])
        if looks[-1] > MAX_LOOKS:
            return Growth(tuple(looks))
        before, now = now, {key: _most(variants, now) for key, variants in table.known.items()}
        if now == before:
            break
    return None


def _most(parts: list[list[tuple[int, int]]], looks: Mapping[int, int]) -> int:
    """How often one part may be looked at, one level further down: whichever of them it is."""
    found = (sum(looks[target] * times for target, times in targets) for targets in parts)
    return min(max(found, default=0), MAX_LOOKS * MAX_LOOKS)


@dataclass(eq=False)
class _Table:
    """For each subschema that looks at a part of a value: which subschemas look at that one's parts.

    There is one variant for each way in which tagged alternatives can be chosen.
    """

    schemas: Schemas
    tagged: bool
    known: dict[int, list[list[tuple[int, int]]]] = field(default_factory=dict)
    root: int = 0
    _wanted: list[Any] = field(default_factory=list)
    _size: int = 0

    def fill(self, root: Any) -> None:
        """Every subschema that can be reached from the root through parts of a value."""
        self.root = id(root)
        self._wanted.append(root)
        while self._wanted:
            node = self._wanted.pop()
            if id(node) not in self.known:
                found = [list(told.items()) for parts in self._variants(node) for told in parts.values() if told]
                self.known[id(node)] = found
                self._size += sum(map(len, found))
                if self._size > _MOST_PARTS:
                    raise ConfigurationError("a JSON schema is too entangled to be used; nest fewer alternatives")

    def _variants(self, node: Any) -> list[Parts]:
        """Those of a subschema with all that applies to the same value. Ends: ``weigh`` refuses circles."""
        if not isinstance(node, dict):
            return [{}]
        if self.tagged and "discriminator" in node and isinstance(node.get("oneOf"), list):
            return [variant for inner in node["oneOf"] for variant in self._variants(inner)] or [{}]
        found = [self._parts(node)]
        for inner in self.schemas.beside(node):
            others = self._variants(inner)
            if len(found) * len(others) > _MOST_VARIANTS:  # as if each were chosen: more than the truth, never less
                others = [reduce(_joined, others)]
            found = [_joined(one, other) for one in found for other in others]
        return found

    def _parts(self, node: dict[str, Any]) -> Parts:
        """What one subschema looks at by itself."""
        named, patterns = node.get("properties"), node.get("patternProperties")
        matching = list(patterns.values()) if isinstance(patterns, dict) else []
        first = next((found for key in _FIRST if isinstance(found := node.get(key), list)), ())
        contained = _schemas(node, ("contains",))
        told = [
            *((("item", str(number)), [inner, *contained]) for number, inner in enumerate(first)),
            (("item", ""), _schemas(node, _ITEMS)),
            *((("property", f".{name}"), [inner, *matching]) for name, inner in dict(named or {}).items()),
            (("property", ""), [*matching, *_schemas(node, _OTHERS)]),
        ]
        return {label: self._counted(inner) for label, inner in told if inner}

    def _counted(self, nodes: list[Any]) -> Counter[int]:
        found = [self._meant(node) for node in nodes if isinstance(node, dict) and not _LEADS_ON.isdisjoint(node)]
        self._wanted += found
        return Counter(map(id, found))

    def _meant(self, node: Any) -> Any:
        """What a mere reference leads to, so that it is gone through once."""
        for _ in range(_DEEPEST):
            if not isinstance(node, dict) or set(node) - _SAYS_NOTHING != {"$ref"}:
                break
            node = next(self.schemas.beside(node))
        return node


def _schemas(node: dict[str, Any], keys: tuple[str, ...]) -> list[Any]:
    """The schemas of words that take one; ``true`` and ``false`` look at nothing."""
    return [inner for key in keys if isinstance(inner := node.get(key), dict)]


def _joined(one: Parts, other: Parts) -> Parts:
    """Both look at the same value: a property that only one of them names is any other one to the other."""
    if not (one and other):
        return one or other
    none: Counter[int] = Counter()
    return {
        label: one.get(label, one.get((label[0], ""), none)) + other.get(label, other.get((label[0], ""), none))
        for label in one.keys() | other.keys()
    }
