"""The ways to say no: to a message, to an HTTP request, and to one call of a tool."""

from __future__ import annotations

from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
BUSY = -32000
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022


class Refused(Exception):
    """A message that is answered with a JSON-RPC error. Its text never repeats what was sent."""

    def __init__(self, code: int, message: str, request_id: int | str | None = None, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.id, self.data = code, message, request_id, data

    def reply(self) -> dict[str, Any]:
        """The error as a message."""
        error = {"code": self.code, "message": self.message}
        return {"jsonrpc": "2.0", "id": self.id, "error": error | ({} if self.data is None else {"data": self.data})}


class HttpRefused(Exception):
    """An HTTP request that is no use to the protocol; the connection ends with the answer."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class ToolFailed(Exception):
    """A call that fails for a reason that its caller may know; the text holds nothing of what was sent."""
