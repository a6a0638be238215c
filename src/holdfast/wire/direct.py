"""One connection's plain messages, answered without the SDK; ``None`` for whatever the SDK should say."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from holdfast.core.endpoint import Request
from holdfast.errors import ProtocolError
from holdfast.wire import results
from holdfast.wire.directsession import Channel, DirectSession
from holdfast.wire.messages import REPEATED, Message
from holdfast.wire.pages import LISTS, Pages
from holdfast.wire.recognise import (
    LEVELS,
    Envelope,
    ModernEnvelopes,
    bare,
    call_of,
    handshake_envelope,
    modern_envelope,
    opening,
)

if TYPE_CHECKING:
    from holdfast.core.endpoint import Endpoint
    from holdfast.core.pipeline import Answer
    from holdfast.core.principal import Principal
    from holdfast.wire.remembered import Remembered

Era = Literal["handshake", "modern"]
INTERNAL_ERROR: Final = -32603
"""JSON-RPC 2.0, section 5.1."""


@dataclass(slots=True)
class DirectCall:
    """A ``tools/call`` that is to be served."""

    id: int | str
    request: Request
    session: DirectSession
    params: Mapping[str, Any]
    cancelled: bool = False


class Sender(NamedTuple):
    """Who sent a request, and the way back."""

    principal: Principal
    channel: Channel
    capabilities: Mapping[str, Any]
    """What the client declared in its handshake."""


class Answers:
    """What can be answered from the endpoint alone."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.pages = Pages(endpoint)
        self.envelopes = ModernEnvelopes()

    def take(
        self, body: Mapping[str, Any], era: Era, envelope: Envelope | None, sender: Sender
    ) -> bytes | DirectCall | None:
        """Answer a request at once, or say what is to be served, or leave it to the SDK."""
        if envelope is None:
            return None
        method, params = body["method"], body.get("params")
        if method == "tools/call":
            return _call(body["id"], params, era, envelope, sender)
        page = self._page(method, era == "modern", sender.principal) if bare(params) else None
        return None if page is None else results.response(body["id"], page)

    def welcome(self, request_id: int | str, params: Any) -> bytes | None:
        """The answer to a plain ``initialize``."""
        page = self.pages.welcome(params["protocolVersion"]) if opening(params) else None
        return None if page is None else results.response(request_id, page)

    def _page(self, method: str, modern: bool, principal: Principal) -> bytes | None:
        if method in LISTS:
            return self.pages.shelf(method, modern, principal)
        if method == "ping" and not modern:
            return b"{}"
        return self.pages.discovery() if method == "server/discover" and modern else None


def _call(request_id: int | str, params: Any, era: Era, envelope: Envelope, sender: Sender) -> DirectCall | None:
    wanted = call_of(params)
    if wanted is None:
        return None
    capabilities = sender.capabilities if envelope.capabilities is None else envelope.capabilities
    session = DirectSession(sender.channel, era, capabilities, envelope)
    request = Request("tool", wanted[0], wanted[1], sender.principal, session, envelope.key)
    return DirectCall(request_id, request, session, params)


async def served(
    endpoint: Endpoint, call: DirectCall, stamp: bytes | None, judged: Callable[[DirectCall, Answer], Awaitable[bytes]]
) -> bytes:
    """Serve one call; returns the response. ``judged`` makes that of an answer whose form only the SDK can judge."""
    try:
        try:
            answer = await endpoint.handle(call.request)
        finally:
            call.session.closed = True
        if not results.plain(answer):
            return await judged(call, answer)
        return results.response(call.id, results.result(answer, stamp))
    except ProtocolError as error:
        return results.failure(call.id, error.rpc_code, error.message, error.data)
    except Exception:  # boundary: a fault of one answer must not end the connection, nor leave the client waiting
        logging.getLogger("holdfast.wire").exception("a call could not be answered")
        return results.failure(call.id, INTERNAL_ERROR, "Internal error")


class Direct:
    """What a connection over pipes has said of itself, and what can be answered from that.

    It begins with the first request: a plain ``initialize``, or a plain request of 2026-07-28. A connection that begins
    otherwise is the SDK's from then on.
    """

    def __init__(self, endpoint: Endpoint, channel: Channel) -> None:
        self._answers = Answers(endpoint)
        self._sender = Sender(endpoint.local, channel, {})
        self.era: Era | None = None
        self.off = False
        """Whether the SDK answers everything on this connection."""
        self.initialized = False
        """Whether a client of the handshake era has said that it is ready."""
        self.level = LEVELS[0]
        self._begun: Mapping[str, Any] | None = None
        self.resumed = False
        """Whether the connection began with another worker."""

    def resume(self, remembered: Remembered) -> None:
        """Go on with a connection that began with another worker."""
        self.resumed = True
        if remembered.opening is not None:
            self._open(remembered.opening)
        self.initialized = remembered.initialized and self.era == "handshake"
        if remembered.level is not None:
            self.noted("logging/setLevel", remembered.level.get("params"))

    @property
    def stamp(self) -> bytes | None:
        """What results have in their ``_meta`` on this connection."""
        return self._answers.pages.stamp if self.era == "modern" else None

    def take(self, body: Mapping[str, Any]) -> bytes | DirectCall | None:
        """See ``Answers.take``."""
        if self.off:
            return None
        if self.era is None:
            return self._open(body)
        params = body.get("params")
        if self.era == "modern":
            return self._answers.take(body, "modern", self._answers.envelopes.read(params), self._sender)
        if body["method"] == "initialize":
            return None  # refused: there has been one
        return self._answers.take(body, "handshake", handshake_envelope(params), self._sender)

    def _open(self, body: Mapping[str, Any]) -> bytes | DirectCall | None:
        params = body.get("params")
        if body["method"] == "initialize":
            welcome = self._answers.welcome(body["id"], params)
            if welcome is not None and params is not None:
                self.era, self._begun = "handshake", body
                self._sender = self._sender._replace(capabilities=params["capabilities"])
                return welcome
        elif params is not None and (envelope := modern_envelope(params)) is not None:
            self.era = "modern"
            # nothing of this era opens a connection: any harmless request says which one it is
            self._begun = {"jsonrpc": "2.0", "method": "server/discover", "params": {"_meta": params["_meta"]}}
            return self._answers.take(body, "modern", envelope, self._sender)
        self.off = True
        return None

    def beginning(self) -> list[Message]:
        """What an SDK that joins now has to hear first, so that it takes the connection for what it is."""
        if self._begun is None:
            return []
        heard = [Message("request", {**self._begun, "id": REPEATED})]
        if self.initialized:
            heard.append(Message("notification", {"jsonrpc": "2.0", "method": "notifications/initialized"}))
        return heard

    def noted(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Hear a notification, or a request that the SDK answers, as far as it matters here."""
        if self.era is None:
            self.off = True  # the SDK has rules for what comes before the first request
        elif handshake_envelope(params) is None:
            return  # perhaps the SDK refuses it
        elif method == "notifications/initialized" and self.era == "handshake":
            self.initialized = True
        elif method == "logging/setLevel" and params and params.get("level") in LEVELS:
            self.level = params["level"]
