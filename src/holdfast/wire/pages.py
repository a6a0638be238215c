"""Answers that depend on no call, as bytes: who the server is, and its lists; made once for each that is offered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import OutputInvalid
from holdfast.safe.json import dumps
from holdfast.wire.recognise import HANDSHAKE, MODERN

if TYPE_CHECKING:
    from holdfast.core.endpoint import Endpoint, Listed
    from holdfast.core.principal import Principal

LIST_TTL_MS: Final = 0
"""Milliseconds that a client may keep a list: 0, since list-changed notifications say when to fetch it again."""
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
LISTS: Final[Mapping[str, tuple[Listed, str]]] = {
    "tools/list": ("tools", "tools"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("templates", "resourceTemplates"),
    "prompts/list": ("prompts", "prompts"),
}
"""Methods, what the endpoint calls their list, and its key on the wire."""
MAX_SHELVES: Final = 64
"""Lists that are kept as bytes: four methods in two eras, for up to eight groups of callers who see the same."""
_HINTS: Final = {"ttlMs": LIST_TTL_MS, "cacheScope": "private", "resultType": "complete"}
_TOLD: Final = "name title description inputSchema outputSchema annotations uri uriTemplate mimeType arguments size"
_PLAIN: Final = frozenset(_TOLD.split())
"""Keys of an entry that need no look by the SDK: it checks icons and ``_meta``, and drops what it does not know."""


Shelf = tuple[list[Any], bytes | None]
"""A list, and what was made of it."""


class Pages:
    """The answers of one endpoint. ``None`` means that the SDK has to say it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        info, self._plain = _info(endpoint)
        self.stamp = b'"%s":%s' % (SERVER_INFO.encode(), dumps(info))
        """What each result of 2026-07-28 has in its ``_meta``, without the braces."""
        self._welcomes: dict[str, bytes] = {}  # bounded by the versions
        self._latest: dict[tuple[str, bool], Shelf] = {}  # bounded by lists and eras
        self._shelves: OrderedDict[tuple[str, bool, int], Shelf] = OrderedDict()

    def welcome(self, wanted: str) -> bytes | None:
        """The result of ``initialize`` for a client that asks for a version."""
        if not self._plain:
            return None
        version = wanted if wanted in HANDSHAKE else HANDSHAKE[-1]
        known = self._welcomes.get(version)
        if known is None:
            told = {"protocolVersion": version, "capabilities": self._capabilities(), "serverInfo": self._server()}
            known = self._welcomes[version] = dumps(told | self._instructions())
        return known

    def discovery(self) -> bytes | None:
        """The result of ``server/discover``."""
        if not self._plain:
            return None
        if MODERN not in self._welcomes:
            told = {"supportedVersions": [MODERN], "capabilities": self._capabilities(), **self._instructions()}
            self._welcomes[MODERN] = dumps(told | _HINTS | {"_meta": {SERVER_INFO: self._server()}})
        return self._welcomes[MODERN]

    def shelf(self, method: str, modern: bool, principal: Principal) -> bytes | None:
        """The result of a list; made once for all who are given the same one, and again when there is another."""
        what, key = LISTS[method]
        if what not in self._endpoint.offered and not (what == "templates" and "resources" in self._endpoint.offered):
            return None
        entries = self._endpoint.listed(what, principal)
        latest = self._latest.get((method, modern))
        if latest is None or latest[0] is not entries:
            latest = self._latest[method, modern] = self._kept(method, key, entries, modern)
        return latest[1]

    def _kept(self, method: str, key: str, entries: list[Any], modern: bool) -> Shelf:
        place = (method, modern, id(entries))  # its own for as long as the list is held here
        known = self._shelves.pop(place, None)
        if known is None:
            known = (entries, self._shelved(key, entries, modern))
        self._shelves[place] = known
        if len(self._shelves) > MAX_SHELVES:
            self._shelves.popitem(last=False)
        return known

    def _shelved(self, key: str, entries: list[Any], modern: bool) -> bytes | None:
        if not all(entry.keys() <= _PLAIN for entry in entries):
            return None
        body = {key: entries, **_HINTS, "_meta": {SERVER_INFO: self._server()}} if modern else {key: entries}
        try:
            return dumps(body)
        except OutputInvalid:
            return None

    def _server(self) -> dict[str, Any]:
        return _info(self._endpoint)[0]

    def _instructions(self) -> dict[str, Any]:
        told = self._endpoint.identity.get("instructions")
        return {} if told is None else {"instructions": told}

    def _capabilities(self) -> dict[str, Any]:
        offered = self._endpoint.offered
        found: dict[str, Any] = {"completions": {}} if "completions" in offered else {}
        found["logging"] = {}
        if "prompts" in offered:
            found["prompts"] = {"listChanged": True}
        if "resources" in offered:
            found["resources"] = {"listChanged": True, "subscribe": True}
        if "tools" in offered:
            found["tools"] = {"listChanged": True}
        return found


def _info(endpoint: Endpoint) -> tuple[dict[str, Any], bool]:
    """Name and version as the wire has them, and whether there is nothing in it that the SDK has to check."""
    identity = endpoint.identity
    told = {"name": endpoint.name, "version": endpoint.version}
    told |= {
        key: identity[name] for name, key in (("title", "title"), ("website_url", "websiteUrl")) if identity.get(name)
    }
    return told, not identity.get("icons")
