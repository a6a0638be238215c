"""The frozen picture of what a server offers: every operation with its linked chain, and what is listed of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.access.visibility import Visibility
from holdfast.core.completion import Completion, owner_of
from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Proceed
from holdfast.core.reach import check_needs
from holdfast.core.registry import Registry
from holdfast.core.resource import Resource
from holdfast.guards import chain

if TYPE_CHECKING:
    from holdfast.core.endpoint import Kind
    from holdfast.core.principal import Principal
    from holdfast.plant import Plant


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation with its linked chain."""

    operation: Operation
    proceed: Proceed
    scopes: frozenset[str]
    """What the chain asks for, which for a completion is what its prompt or template asks for."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a server offers at one moment. Never changed: a new one takes its place."""

    named: Mapping[str, Mapping[str, Entry]]
    templates: tuple[Entry, ...]
    visible: Visibility
    schemas: Mapping[str, Mapping[str, Any]]

    def resource_at(self, uri: str) -> tuple[Entry | None, Mapping[str, str]]:
        """The resource or template behind a URI, and the template's parameters."""
        static = self.named["resource"].get(uri)
        if static is not None:
            return static, {}
        for template in self.templates:
            found = template.operation.match(uri) if isinstance(template.operation, Resource) else None
            if found is not None:
                return template, found
        return None, {}

    def owner(self, completion: str) -> Operation | None:
        """The prompt or template of which a completion was asked."""
        name = owner_of(completion)
        prompt = self.named["prompt"].get(name)
        if prompt is not None:
            return prompt.operation
        templates = (entry.operation for entry in self.templates)
        return next((item for item in templates if isinstance(item, Resource) and item.uri == name), None)

    def hides(self, principal: Principal, kind: Kind, name: str, operation: Operation | None) -> bool:
        """Whether what was asked for is to be as unknown to its caller as what does not exist."""
        subject = self.owner(name) if kind == "completion" else operation
        return subject is not None and self.visible.hides(principal, subject)


def take_snapshot(
    registry: Registry, plant: Plant, earlier: Snapshot | None = None, marks: Mapping[Operation, str] | None = None
) -> Snapshot:
    """Link every operation's chain; operations that were there before keep theirs, limits and counts included.

    ``marks`` says of what is not as it was pinned how it differs; clients see it in ``_meta``.
    """
    check_needs(registry, plant.parts.sandbox)
    _hand_down(registry)
    known = {entry.operation: entry for entry in _entries(earlier)}

    def entry(operation: Operation) -> Entry:
        there = known.get(operation)
        if there is not None and there.scopes == operation.scopes:
            return there
        return Entry(operation, chain(operation, plant.parts), operation.scopes)

    def shown(operations: Iterable[Operation]) -> list[tuple[Operation, dict[str, Any]]]:
        return [(operation, plant.outgoing.tree(_marked(operation, marks))) for operation in operations]

    static = [item for item in registry.resources.values() if not item.is_template]
    templates = [item for item in registry.resources.values() if item.is_template]
    return Snapshot(
        named={
            "tool": {name: entry(item) for name, item in registry.tools.items()},
            "resource": {item.uri: entry(item) for item in static},
            "prompt": {name: entry(item) for name, item in registry.prompts.items()},
            "completion": {name: entry(item) for name, item in registry.completions.items()},
        },
        templates=tuple(entry(item) for item in templates),
        visible=Visibility(
            plant.parts.access,
            {
                "tools": shown(registry.tools.values()),
                "resources": shown(static),
                "templates": shown(templates),
                "prompts": shown(registry.prompts.values()),
            },
        ),
        schemas={name: item.arguments.schema for name, item in registry.tools.items()},
    )


def _marked(operation: Operation, marks: Mapping[Operation, str] | None) -> dict[str, Any]:
    listing = operation.listing()
    if marks and operation in marks:
        listing["_meta"] = {**listing.get("_meta", {}), f"{META}manifest": marks[operation]}
    return listing


def _entries(snapshot: Snapshot | None) -> list[Entry]:
    if snapshot is None:
        return []
    return [entry for shelf in snapshot.named.values() for entry in shelf.values()] + list(snapshot.templates)


def _hand_down(registry: Registry) -> None:
    """A completion asks for what its prompt or template asks for: its suggestions tell as much."""
    for completion in registry.completions.values():
        name = owner_of(completion.name)
        owner: Operation | None = registry.prompts.get(name) or registry.resources.get(name)
        completion.scopes = frozenset() if owner is None else owner.scopes
        if owner is not None and isinstance(completion, Completion):
            completion.owner_kind = "prompt" if owner.kind == "prompt" else "resource"
