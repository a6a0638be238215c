"""An answer of the chain as the bytes of a JSON-RPC message, encoded once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, to_json

from holdfast.safe.json import dumps
from holdfast.wire.pages import SERVER_INFO

if TYPE_CHECKING:
    from holdfast.core.pipeline import Answer

_BODY: Final = frozenset({"content", "structuredContent"})
_TEXT: Final = {"type", "text"}
_BINARY: Final = {"type", "data", "mimeType"}
_NONE: Final[Mapping[str, Any]] = {}


def plain(answer: Answer) -> bool:
    """Whether an answer is in a form that the SDK's check of results would let pass as it is."""
    body = answer.body
    blocks = body.get("content")
    if answer.input_required or not body.keys() <= _BODY or not isinstance(blocks, list):
        return False
    if not isinstance(body.get("structuredContent", _NONE), dict) or not isinstance(answer.meta, dict):
        return False
    for block in blocks:  # noqa: SIM110 - a generator costs more than the look itself
        if not isinstance(block, dict) or not _plain(block):
            return False
    return True


def _plain(block: Mapping[str, Any]) -> bool:
    keys = block.keys()
    if keys == _TEXT:
        return bool(block["type"] == "text") and type(block["text"]) is str
    return (
        keys == _BINARY
        and block["type"] in ("image", "audio")
        and isinstance(block["data"], str)
        and isinstance(block["mimeType"], str)
    )


def result(answer: Answer, stamp: bytes | None) -> bytes:
    """The result of a plain answer; ``stamp`` is what 2026-07-28 wants in its ``_meta``, ``None`` for earlier ones."""
    body = answer.encoded if answer.encoded is not None else encode(answer.body)
    parts = [body[:-1]]
    if answer.is_error:
        parts.append(b',"isError":true')
    if stamp is not None:
        parts.append(b',"resultType":"complete"')
    meta = answer.meta
    if meta and (stamp is None or SERVER_INFO in meta):
        parts.append(b',"_meta":' + encode(meta))
    elif meta:
        parts.append(b',"_meta":' + encode(meta)[:-1] + b"," + stamp + b"}")  # type: ignore[operator]  # there is one
    elif stamp is not None:
        parts.append(b',"_meta":{' + stamp + b"}")
    parts.append(b"}")
    return b"".join(parts)


def encode(value: Any) -> bytes:
    """JSON; what is not finite becomes null, a lone surrogate U+FFFD."""
    try:
        return to_json(value, inf_nan_mode="null")
    except (PydanticSerializationError, UnicodeEncodeError):
        return dumps(value)


def response(request_id: int | str, body: bytes) -> bytes:
    """A JSON-RPC response around the bytes of its result."""
    return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (_id(request_id), body)


class Failure(bytes):
    """A JSON-RPC error that knows its code."""

    code: int


def failure(request_id: int | str | None, code: int, message: str, data: Any = None) -> Failure:
    """A JSON-RPC error."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    made = Failure(b'{"jsonrpc":"2.0","id":%s,"error":%s}' % (_id(request_id), encode(error)))
    made.code = code
    return made


def notification(method: str, params: Mapping[str, Any] | None) -> bytes:
    """A JSON-RPC notification."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    return encode(body if params is None else body | {"params": params})


def _id(request_id: int | str | None) -> bytes:
    return str(request_id).encode() if type(request_id) is int else json.dumps(request_id).encode()
