"""Which HTTP requests have headers so plain that they can be answered without the SDK."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from holdfast.wire.recognise import HANDSHAKE, MODERN

_WANTED: Final = frozenset((b"content-type", b"accept", b"mcp-protocol-version", b"mcp-method", b"mcp-name"))
_PARAM: Final = b"mcp-param-"
_JSON: Final = b"application/json"
_EVENTS: Final = b"text/event-stream"
HANDSHAKE_VERSIONS: Final = frozenset(version.encode() for version in HANDSHAKE)
_MODERN: Final = MODERN.encode()
_NAMED: Final[Mapping[str, str]] = {"tools/call": "name"}


class Plain(NamedTuple):
    """Headers that are understood."""

    modern: bool
    found: Mapping[bytes, bytes]


def plain(headers: Iterable[tuple[bytes, bytes]], *, json_only: bool) -> Plain | None:
    """Read a request's headers (names in lower case); ``None`` when there is anything unusual among them.

    ``json_only`` is whether the client need not take event streams.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            if name in found:
                return None
            found[name] = value
        elif name.startswith(_PARAM):
            return None
    if found.get(b"content-type", b"").partition(b";")[0].rstrip() != _JSON:
        return None
    takes = [part.partition(b";")[0].strip() for part in found.get(b"accept", b"").split(b",")]
    if _JSON not in takes or not (json_only or _EVENTS in takes):
        return None
    version = found.get(b"mcp-protocol-version")
    if version == _MODERN:
        return Plain(True, found)
    return Plain(False, found) if version is None or version in HANDSHAKE_VERSIONS else None


def agree(headers: Plain, body: Mapping[str, Any]) -> bool:
    """Whether the headers of a request of 2026-07-28 plainly say what its body says."""
    found, method = headers.found, body["method"]
    if not method.isascii() or found.get(b"mcp-method") != method.encode():
        return False
    key = _NAMED.get(method)
    if key is None:
        return True
    name = (body.get("params") or {}).get(key)
    if not isinstance(name, str) or not name.isascii() or name.startswith("=?"):
        return False
    return found.get(b"mcp-name") == name.encode()
