"""A server while it serves: the frozen snapshot of what it offers, and the door through which every call comes."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import secrets
from asyncio import CancelledError
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from holdfast.core.context import Context, ContextServices
from holdfast.core.endpoint import Listed, Request
from holdfast.core.failures import as_protocol_error, as_result
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.core.principal import Principal
from holdfast.core.reach import check_needs
from holdfast.core.registry import Registry
from holdfast.core.resource import MAX_URI, Resource
from holdfast.errors import Draining, ProtocolError, UnknownName
from holdfast.guards import chain
from holdfast.plant import Plant

_NEWS: dict[str, tuple[Listed, ...]] = {
    "tools": ("tools",),
    "resources": ("resources", "templates"),
    "prompts": ("prompts",),
}
"""What clients are told of, and the lists whose change is news."""


LEARNED = 3_600.0
"""Seconds that a secret which a call has learned stays redacted; the registry is bounded, and so is its memory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation with its linked chain."""

    operation: Operation
    proceed: Proceed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a server offers at one moment. Never changed: a new one takes its place."""

    named: Mapping[str, Mapping[str, Entry]]
    templates: tuple[Entry, ...]
    lists: Mapping[Listed, list[dict[str, Any]]]
    schemas: Mapping[str, Mapping[str, Any]]


def take_snapshot(registry: Registry, plant: Plant, earlier: Snapshot | None = None) -> Snapshot:
    """Link every operation's chain; operations that were there before keep theirs, limits and counts included."""
    check_needs(registry, plant.parts.sandbox)
    known = {entry.operation: entry for entry in _entries(earlier)}

    def entry(operation: Operation) -> Entry:
        return known.get(operation) or Entry(operation, chain(operation, plant.parts))

    def shown(operations: list[Any]) -> list[dict[str, Any]]:
        return [plant.outgoing.tree(operation.listing()) for operation in operations]

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
        lists={
            "tools": shown(list(registry.tools.values())),
            "resources": shown(static),
            "templates": shown(templates),
            "prompts": shown(list(registry.prompts.values())),
        },
        schemas={name: item.arguments.schema for name, item in registry.tools.items()},
    )


def _entries(snapshot: Snapshot | None) -> list[Entry]:
    if snapshot is None:
        return []
    return [entry for shelf in snapshot.named.values() for entry in shelf.values()] + list(snapshot.templates)


class Live:
    """Implements ``core.endpoint.Endpoint`` over the current snapshot; a call ends on the one it began with."""

    def __init__(self, name: str, version: str, identity: Mapping[str, Any], plant: Plant, registry: Registry) -> None:
        self.name = name
        self.version = version
        self.identity = identity
        self.plant = plant
        self.snapshot = take_snapshot(registry, plant)
        self.offered = _offered(registry)
        self.local = Principal("local", frozenset(plant.loaded.settings.auth.local_scopes))
        self.states: Mapping[Any, Any] = {}
        self.homes: Mapping[Operation, Any] = {}
        """What the lifespans of the servers yielded, and the mounted server that an operation comes from."""
        self.draining = False
        self._publisher: Any = None
        self._services: dict[Operation, ContextServices] = {}  # bounded by the operations of the snapshot
        self._loop = asyncio.get_running_loop()
        self._telling: set[asyncio.Task[None]] = set()  # bounded by three for each change
        self._numbers = itertools.count(1)
        self._prefix = secrets.token_hex(4)

    @property
    def publisher(self) -> Any:
        """Tells clients what changed; the wire sets it."""
        return self._publisher

    @publisher.setter
    def publisher(self, publisher: Any) -> None:
        self._publisher = publisher
        self._services = {}  # they hold the one before

    def swap(self, registry: Registry) -> None:
        """Serve what ``registry`` holds now, and tell connected clients of both eras which lists changed."""
        self._services = {}
        earlier, self.snapshot = self.snapshot, take_snapshot(registry, self.plant, self.snapshot)
        before, now = earlier.lists, self.snapshot.lists
        news = [kind for kind, lists in _NEWS.items() if any(before[what] != now[what] for what in lists)]
        if news and self.publisher is not None:
            # from any thread, and outside the context of a call that changes something: its end must not stop the news
            self._loop.call_soon_threadsafe(self._announce, news, context=contextvars.Context())

    def drain(self) -> None:
        """Take no new calls; whoever asks is told at once that the server is not ready. Idempotent."""
        if not self.draining:
            self.draining = True
            self.plant.health.set_ready(False, "draining")
            self.plant.parts.events.emit("server.draining", name=self.name)

    def _announce(self, news: list[str]) -> None:
        for kind in news:
            task = self._loop.create_task(self.publisher.changed(kind), name="holdfast-announce")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def listed(self, what: Listed) -> list[dict[str, Any]]:
        """See ``Endpoint.listed``."""
        return self.snapshot.lists[what]

    def input_schema(self, tool: str) -> Mapping[str, Any] | None:
        """See ``Endpoint.input_schema``."""
        return self.snapshot.schemas.get(tool)

    async def handle(self, request: Request) -> Answer:
        """See ``Endpoint.handle``."""
        kind, arguments = request.kind, request.arguments
        entry = self.snapshot.named[kind].get(request.name)
        if entry is None or kind == "completion":
            entry, arguments = self._find(request, entry)
            if entry is None:
                return Answer({"completion": {"values": []}})
        operation, principal = entry.operation, request.principal
        request_id = f"{self._prefix}-{next(self._numbers)}"
        services = self._services.get(operation) or self._serving(operation)
        context = Context(request_id, operation.name, principal, services, request.session)
        call = Call(operation, arguments, principal, context, request_id)
        try:
            if self.draining:
                raise Draining("the server is shutting down; try another one, or again in a moment", retry_after=5.0)
            answer = await entry.proceed(call)
            return answer if kind != "resource" else _addressed(answer, request)
        except (ProtocolError, CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # boundary: here an exception becomes what the caller sees, even a sys.exit()
            if kind != "tool":
                raise as_protocol_error(error, call.incident) from None
            return as_result(error, call.incident)

    def _find(self, request: Request, entry: Entry | None) -> tuple[Entry | None, Mapping[str, Any]]:
        """What is not simply found under its name: templates, and completions, which get what they take."""
        snapshot, name = self.snapshot, request.name
        if entry is not None:
            return entry, _wanted(entry.operation, request.arguments)
        if request.kind == "resource":
            for template in snapshot.templates:
                found = template.operation.match(name) if isinstance(template.operation, Resource) else None
                if found is not None:
                    return template, found
            # MCP 2026-07-28 (SEP-2164) wants the URI back: cleaned, redacted and short, and not in the message
            raise UnknownName("resource", {"uri": self.plant.outgoing.text(name[:MAX_URI])})
        if request.kind == "completion" and _known_owner(snapshot, name):
            return None, {}
        raise UnknownName("prompt" if request.kind == "completion" else request.kind)

    def _serving(self, operation: Operation) -> ContextServices:
        """What contexts of the operation are lent, kept for its next calls."""
        plant = self.plant
        services = self._services[operation] = ContextServices(
            loop=self._loop,
            clock=plant.clock,
            log=plant.log,
            state=self.states.get(self.homes.get(operation), self.states.get(None)),
            publisher=self._publisher,
            secret=partial(plant.secrets.learn, lasts=LEARNED),
            clean=plant.outgoing.tree,
            sandbox=plant.parts.sandbox,
        )
        return services


def _wanted(operation: Operation, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments that a completion's function takes: it need not ask for the context."""
    return {name: value for name, value in arguments.items() if name in operation.arguments.schema["properties"]}


def _known_owner(snapshot: Snapshot, name: str) -> bool:
    """Whether a completion was asked of a prompt or template that exists: then there are just no suggestions."""
    owner = name.rpartition(" ")[0]
    return owner in snapshot.named["prompt"] or any(
        isinstance(entry.operation, Resource) and entry.operation.uri == owner for entry in snapshot.templates
    )


def _addressed(answer: Answer, request: Request) -> Answer:
    """A resource's contents under the URI that was asked for, not the template's."""
    found = [{**item, "uri": request.name} for item in answer.body.get("contents", ())]
    return Answer(
        {**answer.body, "contents": found} if found else answer.body,
        answer.meta,
        answer.is_error,
        answer.input_required,
    )


def _offered(registry: Registry) -> frozenset[str]:
    kinds = {
        "tools": True,
        "resources": registry.resources,
        "prompts": registry.prompts,
        "completions": registry.completions,
    }
    return frozenset(kind for kind, shelf in kinds.items() if shelf)
