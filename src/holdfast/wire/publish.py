"""Change notifications to clients of both eras: the subscription bus of 2026-07-28, and the sessions of before."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import mcp_types as types
from mcp.shared.exceptions import MCPError

if TYPE_CHECKING:
    from holdfast.core.principal import Principal

MAX_CLIENTS = 10_000
"""Handshake-era sessions that are told of changes; the one that came first is forgotten past that."""
PATIENCE = 1.0
"""Seconds that one client gets to take a notification."""
MAX_URIS = 1_000
"""Resource subscriptions of one session."""


class Listener(NamedTuple):
    """Who listens, and whether it may hear of a resource now: a grant may have ended since it asked."""

    principal: Principal
    may_follow: Callable[[str, Principal], bool]

    def hears_of(self, uri: str) -> bool:
        """Whether the listener may be told that the resource changed."""
        return self.may_follow(uri, self.principal)


Whom = Callable[["Principal"], bool]


class ClientList:
    """The handshake-era sessions that are connected, and which resources each one follows."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[int, tuple[Any, Listener, set[str]]] = OrderedDict()
        self.followed: Callable[[str], Iterable[str]] | None = None
        """What a session followed, by its handle, when another worker served it."""

    def add(self, session: Any, listener: Listener) -> None:
        """A client finished its handshake; it is forgotten when its connection closes."""
        connection = session._connection
        key = id(connection)
        if key not in self._sessions:
            connection.exit_stack.callback(self._sessions.pop, key, None)
        self._sessions[key] = (
            session,
            listener,
            set() if self.followed is None else set(self.followed(connection.session_id)),
        )
        while len(self._sessions) > MAX_CLIENTS:
            self._sessions.popitem(last=False)

    def subscribe(self, session: Any, uri: str) -> None:
        """The client wants to hear of one resource. Past the bound nothing is remembered."""
        uris = self._followed(session)
        if len(uris) < MAX_URIS:
            uris.add(uri)

    def unsubscribe(self, session: Any, uri: str) -> None:
        """The client does not want to hear of it any more."""
        self._followed(session).discard(uri)

    def _followed(self, session: Any) -> set[str]:
        known = self._sessions.get(id(session._connection))
        return set() if known is None else known[2]

    def all(self, whom: Whom | None = None) -> list[Any]:
        """Every session, or those of the principals who are meant."""
        return [session for session, who, _ in self._sessions.values() if whom is None or whom(who.principal)]

    def following(self, uri: str) -> list[Any]:
        """The sessions that follow ``uri`` and may hear of it now."""
        return [session for session, who, uris in self._sessions.values() if uri in uris and who.hears_of(uri)]

    def of(self, handle: str) -> list[Any]:
        """The session with a handle; none before it has begun in earnest."""
        return [session for session, _, _ in self._sessions.values() if session._connection.session_id == handle]

    def __len__(self) -> int:
        return len(self._sessions)


class Shares:
    """How many of something each caller holds: by default an eighth of ``most``, so it cannot take all of them."""

    def __init__(self, most: int, each: int | None = None) -> None:
        self._each = max(1, most // 8) if each is None else each
        self._held: dict[str, int] = {}  # bounded by what is held, which is at most ``most``

    def take(self, who: str) -> bool:
        """One more for ``who``; ``False`` when it has its share."""
        held = self._held.get(who, 0)
        if held >= self._each:
            return False
        self._held[who] = held + 1
        return True

    def give(self, who: str) -> None:
        """One less."""
        held = self._held.pop(who) - 1
        if held:
            self._held[who] = held


_listener: ContextVar[Listener] = ContextVar("holdfast_listener")
"""Who opens a stream."""
_meant: ContextVar[Whom | None] = ContextVar("holdfast_meant", default=None)
"""To whom a change is told that is being published."""


class _Sieve:
    """The bus as one stream is to see it: without news that is not for its client."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    async def publish(self, event: Any) -> None:
        """See the SDK's ``SubscriptionBus``."""
        await self._bus.publish(event)

    def subscribe(self, listener: Callable[[Any], None]) -> Any:
        """See the SDK's ``SubscriptionBus``; who listens is in the context."""
        from mcp.server.subscriptions import ResourceUpdated

        who = _listener.get()

        def hear(event: Any) -> None:
            whom = _meant.get()
            if who.hears_of(event.uri) if isinstance(event, ResourceUpdated) else whom is None or whom(who.principal):
                listener(event)

        return self._bus.subscribe(hear)


class Listens:
    """Streams of ``subscriptions/listen``: nobody gets more than a share of them."""

    def __init__(self, bus: Any, most: int) -> None:
        from mcp.server.subscriptions import ListenHandler

        self._handler = ListenHandler(_Sieve(bus), max_subscriptions=most)
        self._shares = Shares(most)

    async def listen(self, who: str, ctx: Any, params: Any, listener: Listener) -> Any:
        """Serve one stream to its end."""
        if not self._shares.take(who):
            raise MCPError(types.INTERNAL_ERROR, "too many of your subscriptions are open; close one first")
        try:
            token = _listener.set(listener)
            try:
                return await self._handler(ctx, params)
            finally:
                _listener.reset(token)
        finally:
            self._shares.give(who)

    def close(self) -> None:
        """End every stream gracefully."""
        self._handler.close()


_NOTES: Mapping[str, type[Any]] = {
    "tools": types.ToolListChangedNotification,
    "prompts": types.PromptListChangedNotification,
    "resources": types.ResourceListChangedNotification,
}


class _Publisher:
    def __init__(self, bus: Any, clients: ClientList) -> None:
        self._bus = bus
        self._clients = clients

    async def changed(self, kind: Literal["tools", "prompts", "resources"], whom: Whom | None = None) -> None:
        from mcp.server.subscriptions import PromptsListChanged, ResourcesListChanged, ToolsListChanged

        events = {"tools": ToolsListChanged, "prompts": PromptsListChanged, "resources": ResourcesListChanged}
        token = _meant.set(whom)
        try:
            await self._bus.publish(events[kind]())
        finally:
            _meant.reset(token)
        await self._tell(self._clients.all(whom), _NOTES[kind]())

    async def updated(self, uri: str) -> None:
        from mcp.server.subscriptions import ResourceUpdated

        await self._bus.publish(ResourceUpdated(uri=uri))
        note = types.ResourceUpdatedNotification(params=types.ResourceUpdatedNotificationParams(uri=uri))
        await self._tell(self._clients.following(uri), note)

    async def _tell(self, sessions: list[Any], note: Any) -> None:
        await asyncio.gather(*(_told(session, note) for session in sessions))


async def _told(session: Any, note: Any) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await session.send_notification(note)
    except Exception as error:  # boundary: one client that is gone or stuck must not keep the news from the others
        logging.getLogger("holdfast.wire").debug("a change notification was lost: %s", type(error).__name__)


async def tell_changed(clients: ClientList, handle: str, kinds: Iterable[str]) -> None:
    """Tell one session that lists are not what it has seen."""
    for session in clients.of(handle):
        for kind in kinds:
            await _told(session, _NOTES[kind]())


def publisher(bus: Any, clients: ClientList) -> _Publisher:
    """Implements ``core.context.Publisher`` over both eras."""
    return _Publisher(bus, clients)
