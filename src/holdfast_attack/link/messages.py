"""Requests as both protocol eras want them, and what an honest client answers when it is asked something itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

MODERN: Final = "2026-07-28"
"""The era without a handshake: each request says who sends it."""
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The versions with a handshake, newest first."""
CLIENT: Final = {"name": "holdfast-attack", "version": "1"}
METHOD_NOT_FOUND: Final = -32601
_META: Final = "io.modelcontextprotocol/"

Message = dict[str, Any]


def is_modern(version: str) -> bool:
    """Whether a version of the protocol has no handshake (2026-07-28 and later; versions are dates)."""
    return version >= MODERN


def envelope(version: str) -> Message:
    """What stands in ``_meta`` of each request of the era without a handshake."""
    return {
        f"{_META}protocolVersion": version,
        f"{_META}clientCapabilities": {},
        f"{_META}clientInfo": dict(CLIENT),
    }


def request(version: str, method: str, params: Mapping[str, Any] | None, number: Any) -> Message:
    """A request as ``version`` wants it."""
    body = dict(params or {})
    if is_modern(version):
        given = body.get("_meta")
        body["_meta"] = {**envelope(version), **(given if isinstance(given, dict) else {})}
    message: Message = {"jsonrpc": "2.0", "id": number, "method": method}
    return message | ({"params": body} if body else {})


def initialize(version: str, number: Any = 0) -> Message:
    """The first request of the era with a handshake."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": dict(CLIENT)}
    return {"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params}


INITIALIZED: Final[Message] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def answer(asked: Mapping[str, Any]) -> Message:
    """What a client without capabilities says to a request of the server's."""
    said: Message = {"jsonrpc": "2.0", "id": asked.get("id")}
    if asked.get("method") == "ping":
        return said | {"result": {}}
    return said | {"error": {"code": METHOD_NOT_FOUND, "message": "this client cannot do that"}}


def encoded(message: Any) -> bytes:
    """A message as one line, without its end."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decoded(data: bytes) -> Any:
    """What a line says; None where it says nothing that can be read (what it says is never trusted)."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def is_message(value: Any) -> TypeGuard[Message]:
    """Whether a value is a JSON-RPC 2.0 message: a request, a notification or a response."""
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        return False
    return isinstance(value.get("method"), str) or (("result" in value) != ("error" in value))


def key(number: Any) -> tuple[str, Any]:
    """An id as something to look up by: 8 and "8" are two ids, and so are 1 and true."""
    try:
        hash(number)
    except TypeError:
        return (type(number).__name__, repr(number)[:1000])
    return (type(number).__name__, number)
