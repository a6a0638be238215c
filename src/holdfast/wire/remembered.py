"""What a connection has said of itself, kept for the worker that goes on with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from holdfast.wire.messages import REPEATED, Message

if TYPE_CHECKING:
    from holdfast.core.endpoint import Endpoint, Listed
    from holdfast.core.principal import Principal

TOLD: Final = frozenset(
    ("initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe", "resources/unsubscribe")
)
"""The messages that say something for all that follow."""
MAX_FOLLOWED: Final = 1_000
"""Resources whose subscription outlives a worker."""
_LISTS: Final[Mapping[str, tuple[Listed, ...]]] = {
    "tools": ("tools",),
    "resources": ("resources", "templates"),
    "prompts": ("prompts",),
}


class Remembered:
    """The handshake, the log level, the subscriptions, and which lists the client has seen. ``keep`` stores a note."""

    def __init__(self, keep: Callable[[dict[str, Any]], None], note: Mapping[str, Any]) -> None:
        self._keep = keep
        self.opening: dict[str, Any] | None = note.get("opening")
        self.initialized: bool = note.get("initialized", False)
        self.level: dict[str, Any] | None = note.get("level")
        self.followed: dict[str, dict[str, Any]] = dict(note.get("followed", {}))
        self._lists: Mapping[str, str] = note.get("lists", {})

    def hear(self, body: Mapping[str, Any]) -> None:
        """Note one of ``TOLD`` before it is dealt with."""
        method, params = body["method"], body.get("params") or {}
        if method == "initialize":
            self.opening = self.opening or dict(body)
        elif method == "notifications/initialized":
            self.initialized = True
        elif method == "logging/setLevel":
            self.level = dict(body)
        elif isinstance(uri := params.get("uri"), str):
            self._follow(uri, None if method == "resources/unsubscribe" else dict(body))
        self._store()

    def _follow(self, uri: str, body: dict[str, Any] | None) -> None:
        if body is None:
            self.followed.pop(uri, None)
        elif len(self.followed) < MAX_FOLLOWED:
            self.followed[uri] = body

    def repeated(self) -> list[Message]:
        """What an SDK has to hear first, so that it takes the connection for what it is; nobody gets its answers."""
        if self.opening is None:
            return []
        level = [] if self.level is None else [self.level]
        heard = [Message("request", {**self.opening, "id": REPEATED})]
        if self.initialized:
            heard.append(Message("notification", {"jsonrpc": "2.0", "method": "notifications/initialized"}))
        for number, body in enumerate((*level, *self.followed.values())):
            heard.append(Message("request", {**body, "id": f"{REPEATED}{number}"}))
        return heard

    def news(self, endpoint: Endpoint, principal: Principal | None = None) -> list[str]:
        """The kinds whose lists are not what the client was last served; noted for the next time.

        ``principal`` is whose lists they are: by default those of whoever holds the pipes.
        """
        now = {kind: _digest(endpoint, lists, principal or endpoint.local) for kind, lists in _LISTS.items()}
        changed = [kind for kind, digest in now.items() if self._lists.get(kind, digest) != digest]
        self._lists = now
        self._store()
        return changed

    def _store(self) -> None:
        self._keep(
            {
                "opening": self.opening,
                "initialized": self.initialized,
                "level": self.level,
                "followed": self.followed,
                "lists": dict(self._lists),
            }
        )


def _digest(endpoint: Endpoint, lists: tuple[Listed, ...], principal: Principal) -> str:
    entries = [endpoint.listed(what, principal) for what in lists]
    return hashlib.sha256(json.dumps(entries, sort_keys=True, default=str).encode()).hexdigest()
