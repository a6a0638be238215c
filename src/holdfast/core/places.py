"""Finds the part of a JSON schema that a path into the arguments leads to, through references and alternatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]
MAX_LEAVES = 64
"""Alternatives of one place that are looked at; more tell nobody anything."""


def found(schema: Node, path: Iterable[int | str], *, unions: bool = True) -> list[Node]:
    """The schemas, without unions and references, of the place that ``path`` leads to.

    With ``unions`` the first step into a union names one of its alternatives (pydantic writes it so) and leads
    nowhere; neither does the name of a check.
    """
    nodes, chosen = alternatives(schema, schema), False
    for step in path:
        if unions and isinstance(step, str) and not chosen and _is_union(nodes):
            chosen = True
            continue
        inner = [leaf for node in nodes for child in _children(node, step) for leaf in alternatives(child, schema)]
        nodes, chosen = inner[:MAX_LEAVES] or nodes, False
    return nodes


def _is_union(nodes: list[Node]) -> bool:
    return len([node for node in nodes if node.get("type") != "null"]) > 1


def alternatives(node: Node, schema: Node) -> list[Node]:
    """What ``node`` may be, with references followed and unions taken apart."""
    leaves: list[Node] = []
    waiting, seen = [node], 0
    while waiting and len(leaves) < MAX_LEAVES and seen < 4 * MAX_LEAVES:  # a reference may lead back to itself
        seen += 1
        item = _followed(waiting.pop(0), schema)
        choices = [choice for word in ("anyOf", "oneOf", "allOf") for choice in item.get(word, ())]
        if choices:
            waiting[:0] = [choice for choice in choices if isinstance(choice, Mapping)]
        else:
            leaves.append(item)
    return leaves


def _children(node: Node, step: int | str) -> Iterator[Node]:
    if isinstance(step, int):
        places = node.get("prefixItems", ())
        inner = places[step] if step < len(places) else node.get("items")
    else:
        properties = node.get("properties", {})
        inner = properties[step] if step in properties else node.get("additionalProperties")
    if isinstance(inner, Mapping):
        yield inner


def _followed(node: Node, schema: Node) -> Node:
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        target = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        return target if isinstance(target, Mapping) else node
    return node


def names_in(schema: Any) -> frozenset[str]:
    """Every property name that a schema declares, at any depth."""
    names: set[str] = set()
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            properties = node.get("properties")
            if isinstance(properties, Mapping):
                names.update(properties)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return frozenset(names)
