"""A server while it serves: the frozen snapshot of what it offers, and the door through which every call comes."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import secrets
from asyncio import CancelledError
from collections.abc import Mapping
from functools import partial
from typing import Any

from holdfast.core.context import Context, ContextServices
from holdfast.core.endpoint import Listed, Request
from holdfast.core.failures import as_protocol_error, as_result
from holdfast.core.layers import Loaded
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call
from holdfast.core.principal import Principal
from holdfast.core.registry import Admitted, Registry
from holdfast.core.reloading import LINKED, Reload, merged
from holdfast.core.resource import MAX_URI
from holdfast.errors import ConfigurationError, Draining, ProtocolError, Quarantined, UnknownName
from holdfast.plant import Plant
from holdfast.resources.suspended import waiting_in
from holdfast.snapshot import Entry, Snapshot, take_snapshot
from holdfast.state.location import path_of

_NEWS: dict[str, tuple[Listed, ...]] = {
    "tools": ("tools",),
    "resources": ("resources", "templates"),
    "prompts": ("prompts",),
}
"""What clients are told of, and the lists whose change is news."""


LOST = 600.0
"""Seconds between a call's deadline and the moment at which another process looks for its claim, at the most: the
ladder's 13 s, a pause of 30 s and 60 s for a start (``supervisor``), for each of three workers, and then some."""
LEARNED = 3_600.0
"""Seconds that a secret which a call has learned stays redacted; the registry is bounded, and so is its memory."""


class Live:
    """Implements ``core.endpoint.Endpoint`` over the current snapshot; a call ends on the one it began with."""

    def __init__(self, name: str, version: str, identity: Mapping[str, Any], plant: Plant, registry: Registry) -> None:
        self.name = name
        self.version = version
        # a copy: what the server says of itself does not change while it serves
        self.identity = dict(plant.outgoing.tree(dict(identity)))
        self.plant = plant
        self._admitted = admitted = self._admit(registry, starting=True)
        self.snapshot = take_snapshot(admitted.registry, plant, marks=admitted.marks)
        for place in self.snapshot.visible.idle_grants():
            plant.log.warning("grants", finding=f"{place}: fits nothing that this server has, names or arguments")
        self.offered = _offered(registry)
        self.local = Principal("local", frozenset(plant.loaded.settings.auth.local_scopes))
        self.states: Mapping[Any, Any] = {}
        self.homes: Mapping[Operation, Any] = {}
        """What the lifespans of the servers yielded, and the mounted server that an operation comes from."""
        self.since = plant.clock.now()
        self.draining = False
        self._cutting = False
        self.quarantined: Mapping[str, float] = {}
        """Tools that were under way when workers were lost by their own doing, and until when they may not run."""
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
        """Serve what ``registry`` holds now, and tell connected clients of both eras which lists changed.

        Raises ``ConfigurationError`` for what is not as it was pinned; everything else is served by then.
        """
        self._services = {}
        self._admitted = admitted = self._admit(registry, starting=False)
        earlier = self.snapshot
        self.snapshot = take_snapshot(admitted.registry, self.plant, earlier, admitted.marks)
        before, now = earlier.visible.whole(), self.snapshot.visible.whole()
        news = [kind for kind, lists in _NEWS.items() if any(before[what] != now[what] for what in lists)]
        if news and self.publisher is not None:
            # from any thread, and outside the context of a call that changes something: its end must not stop the news
            self._loop.call_soon_threadsafe(self._announce, news, earlier, context=contextvars.Context())
        if admitted.refusal is not None:
            raise admitted.refusal

    def reload(self, fresh: Loaded) -> Reload:
        """Serve with what can be taken of fresh settings; calls end on the snapshot that they began with.

        Raises ``ConfigurationError``, and everything stays as it was.
        """
        before = self.plant.loaded
        found = merged(before.settings, fresh.settings)
        if self.plant.renew(Loaded(found.settings, fresh.origins, fresh.again)) or LINKED.intersection(found.now):
            try:
                self.snapshot = take_snapshot(self._admitted.registry, self.plant, marks=self._admitted.marks)
            except ConfigurationError:
                self.plant.renew(before)
                raise
        return found

    def _admit(self, registry: Registry, *, starting: bool) -> Admitted:
        """What may be served of ``registry``: all of it, unless a manifest is pinned and says otherwise."""
        pin = self.plant.pin
        if pin is None:
            return Admitted(registry)
        return pin.admit(self.name, self.identity, registry, starting=starting)

    def drain(self) -> None:
        """Take no new calls; whoever asks is told at once that the server is not ready. Idempotent."""
        if not self.draining:
            self.draining = True
            self.plant.health.set_ready(False, "draining")
            self.plant.parts.events.emit("server.draining", name=self.name)

    def cut(self) -> int:
        """Cancel the calls that still wait for something; each caller is told why. Returns how many there were."""
        self.drain()
        self._cutting = True
        waiting = waiting_in(Live.handle, self)
        for task in waiting:
            task.cancel()
        return len(waiting)

    def _announce(self, news: list[str], earlier: Snapshot) -> None:
        before, now = earlier.visible, self.snapshot.visible
        for kind in news:

            def whom(principal: Principal, lists: tuple[Listed, ...] = _NEWS[kind]) -> bool:
                return any(before.listed(what, principal) != now.listed(what, principal) for what in lists)

            # whoever sees nothing of a change hears nothing of it
            all_see = before.open and now.open
            telling = self.publisher.changed(kind) if all_see else self.publisher.changed(kind, whom)
            task = self._loop.create_task(telling, name="holdfast-announce")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def listed(self, what: Listed, principal: Principal) -> list[dict[str, Any]]:
        """See ``Endpoint.listed``."""
        return self.snapshot.visible.listed(what, principal)

    def input_schema(self, tool: str, principal: Principal) -> Mapping[str, Any] | None:
        """See ``Endpoint.input_schema``."""
        snapshot = self.snapshot
        entry = snapshot.named["tool"].get(tool)
        if entry is None or snapshot.visible.hides(principal, entry.operation):
            return None
        return snapshot.schemas[tool]

    def may_follow(self, uri: str, principal: Principal) -> bool:
        """See ``Endpoint.may_follow``."""
        visible = self.snapshot.visible
        if visible.open:
            return True
        entry, parameters = self.snapshot.resource_at(uri)
        if entry is None:
            return not visible.granted
        return visible.may_follow(principal, entry.operation, parameters, self.plant.parts.sandbox)

    def repeatable(self, tool: str, key: object = None) -> bool:
        """Whether a call of the tool may be made again when nobody knows what became of it.

        One with an idempotency ``key`` may: its claim on the disk says whether it ever began. Not where it may have run
        for so long that the claim is forgotten.
        """
        entry = self.snapshot.named["tool"].get(tool)
        if entry is None or entry.operation.read_only or entry.operation.idempotent:
            return True
        timeout = self.plant.parts.bounds(entry.operation).timeout
        return key is not None and timeout + LOST <= self.plant.loaded.settings.idempotency.lifetime

    @property
    def claims(self) -> list[Any]:
        """Where the claims of idempotency keys lie, and for how many seconds; in plain values."""
        settings = self.plant.loaded.settings
        return [str(path_of(self.plant.name, settings.state)), settings.idempotency.lifetime]

    def endangers(self, tool: str) -> bool:
        """Whether a call of the tool could have ended this process: one in a process of its own ends only that."""
        entry = self.snapshot.named["tool"].get(tool)
        return entry is None or entry.operation.isolation != "process"

    async def handle(self, request: Request) -> Answer:
        """See ``Endpoint.handle``."""
        kind, arguments, snapshot = request.kind, request.arguments, self.snapshot
        entry = snapshot.named[kind].get(request.name)
        if entry is None or kind == "completion":
            entry, arguments = self._find(request, entry)
            if entry is None:
                return Answer({"completion": {"values": []}})
        operation, principal = entry.operation, request.principal
        request_id = f"{self._prefix}-{next(self._numbers)}"
        services = self._services.get(operation) or self._serving(operation)
        context = Context(request_id, operation.name, principal, services, request.session)
        call = Call(operation, arguments, principal, context, request_id, key=request.key)
        try:
            if self.draining or self.quarantined:
                self._refuse(operation)
            answer = await entry.proceed(call)
            return answer if kind != "resource" else _addressed(answer, request)
        except (ProtocolError, GeneratorExit):
            raise
        except CancelledError:
            if not self._cutting:
                raise
            return self._told(_cut_short(operation), call, request, snapshot)
        except BaseException as error:  # boundary: here an exception becomes what the caller sees, even a sys.exit()
            return self._told(error, call, request, snapshot)

    def _told(self, error: BaseException, call: Call, request: Request, snapshot: Snapshot) -> Answer:
        """What the caller sees of a failure: an answer, or a raised ``ProtocolError``."""
        kind = request.kind
        if snapshot.hides(request.principal, kind, request.name, call.operation):  # on record; not for its caller
            raise self._unknown(request) from None
        if kind != "tool":
            raise as_protocol_error(error, call.incident) from None
        return as_result(error, call.incident)

    def _refuse(self, operation: Operation) -> None:
        if self.draining:
            raise Draining("the server is shutting down; try another one, or again in a moment", retry_after=5.0)
        until = self.quarantined.get(operation.name) if operation.kind == "tool" else None
        left = 0.0 if until is None else until - self.plant.clock.now()
        if left > 0:
            raise Quarantined("this tool has ended the server more than once; use another, or wait", retry_after=left)

    def _find(self, request: Request, entry: Entry | None) -> tuple[Entry | None, Mapping[str, Any]]:
        """What is not simply found under its name: templates, and completions, which get what they take."""
        snapshot = self.snapshot
        if entry is not None:
            return entry, _wanted(entry.operation, request.arguments)
        if request.kind == "resource":
            found, parameters = snapshot.resource_at(request.name)
            if found is not None:
                return found, parameters
        elif request.kind == "completion":
            owner = snapshot.owner(request.name)
            if owner is not None and not snapshot.visible.hides(request.principal, owner):
                return None, {}
        raise self._unknown(request)

    def _unknown(self, request: Request) -> UnknownName:
        if request.kind == "resource":
            # MCP 2026-07-28 (SEP-2164) wants the URI back: cleaned, redacted and short, and not in the message
            return UnknownName("resource", {"uri": self.plant.outgoing.text(request.name[:MAX_URI])})
        return UnknownName("prompt" if request.kind == "completion" else request.kind)

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
            sagas=plant.lasting.sagas,
            resilient=plant.resilient,
        )
        return services


def _cut_short(operation: Operation) -> Draining:
    """The answer to a call that the end has cut short; its task is not cancelled any more, so that it can be sent."""
    task = asyncio.current_task()
    while task is not None and task.uncancel():
        pass
    if operation.changes_things and not operation.idempotent:
        refusal = Draining("the server shut down during this call; whether it had an effect is unknown: look first")
        refusal.retryable = False  # type: ignore[misc]  # as with codes: an instance may narrow its class's
        return refusal
    return Draining("the server shut down during this call; try another one, or again in a moment", retry_after=5.0)


def _wanted(operation: Operation, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments that a completion's function takes: it need not ask for the context."""
    return {name: value for name, value in arguments.items() if name in operation.arguments.schema["properties"]}


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
