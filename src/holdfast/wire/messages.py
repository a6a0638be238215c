"""One JSON-RPC message from raw bytes: bounded, strict, and with the right error when it is not one."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple

from holdfast.core.config import LimitSettings
from holdfast.errors import HoldfastError
from holdfast.safe.json import Bounds, JsonMalformed, JsonTooLarge, loads

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
MAX_ID = 512
"""Characters of a request id; a 1 MB id would be held and sent back with each answer."""
REPEATED = "holdfast-opening".ljust(MAX_ID + 1, "-")
"""Id under which the request that opened a connection is repeated to an SDK that joins later; no client gets its
answer. It is longer than a client's may be, so no request of a client's is ever taken for it."""

_ID = rb'"id"\s*:\s*(-?[0-9]{1,15}|"[^"\\\\]{0,512}")(?=\s*[,}])'
_FIRST_ID = re.compile(rb'\s*\{(?:\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\\\]{0,64}"\s*,)*\s*' + _ID)
_LAST_ID = re.compile(_ID + rb'(?:\s*,\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\\\]{0,64}")*\s*\}\s*$')

Kind = Literal["request", "notification", "response", "error"]


class Message(NamedTuple):
    """A well-formed message and what it is."""

    kind: Kind
    body: dict[str, Any]


def message_bounds(limits: LimitSettings) -> Bounds:
    """Bounds of a whole message: a tool's own, and room for the envelope around its arguments."""
    size = limits.message
    return Bounds(bytes=size, depth=limits.depth + 8, elements=limits.elements + 1_000, string=size)


class Malformed(HoldfastError):
    """Not a message. ``code`` and ``message`` go back to the sender under ``id`` (``None`` when it cannot be known)."""

    def __init__(self, code: int, message: str, request_id: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = request_id

    def reply(self) -> dict[str, Any]:
        """The error response."""
        return {"jsonrpc": "2.0", "id": self.id, "error": {"code": self.code, "message": self.message}}


def guess_id(head: bytes, tail: bytes) -> int | str | None:
    """The id of a message that will not be parsed, where it stands first or last in it, as clients write it.

    Anywhere else a caller's own text could be mistaken for it, and the answer is then sent without one.
    """
    found = _FIRST_ID.match(head) or _LAST_ID.search(tail)
    if found is None:
        return None
    try:
        value = json.loads(found[1])
    except ValueError:
        return None
    return value if _is_id(value) else None


def parse(raw: bytes, bounds: Bounds) -> Message:
    """Read one message. Raises ``Malformed``, whose text never repeats what was sent."""
    try:
        body = loads(raw, bounds)
    except (JsonMalformed, JsonTooLarge) as error:
        raise Malformed(PARSE_ERROR, error.message, guess_id(raw[:1_024], raw[-1_024:])) from None
    if isinstance(body, list):
        raise Malformed(INVALID_REQUEST, "batches are not part of MCP; send one message a line")
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise Malformed(INVALID_REQUEST, 'a message is a JSON object with "jsonrpc": "2.0"')
    if type(body.get("id")) is int and type(body.get("method")) is str and type(body.get("params")) is dict:
        return Message("request", body)  # the usual one
    return _classified(body)


def _classified(body: dict[str, Any]) -> Message:
    if "id" in body and not _is_id(body["id"]):
        if body["id"] is None and _is_error(body.get("error")):
            return Message("error", body)
        raise Malformed(INVALID_REQUEST, f"an id is an integer or a string of at most {MAX_ID} characters")
    request_id = body.get("id")
    if "method" in body:
        return _called(body, request_id)
    if "id" in body and isinstance(body.get("result"), dict):
        return Message("response", body)
    if "id" in body and _is_error(body.get("error")):
        return Message("error", body)
    raise Malformed(INVALID_REQUEST, "a message has a method, a result or an error", request_id)


def _is_error(error: Any) -> bool:
    """Whether this is an error object (JSON-RPC 2.0, section 5.1); the SDK's session ends over any other."""
    return isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)


def _called(body: dict[str, Any], request_id: int | str | None) -> Message:
    if not isinstance(body["method"], str):
        raise Malformed(INVALID_REQUEST, "a method is a string", request_id)
    params = body.get("params")
    if "params" in body and not isinstance(params, dict):
        raise Malformed(INVALID_REQUEST, "params are an object", request_id)
    return Message("request" if "id" in body else "notification", body)


def same_id(request_id: int | str) -> int | str:
    """One form for all the spellings that the dispatcher takes for one id: ``8``, ``"8"``, ``"+8"`` and ``"0_8"``."""
    try:
        return int(request_id)
    except ValueError:
        return request_id


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID
    return isinstance(value, int) and not isinstance(value, bool)
