"""The client's side of one call, over the SDK's request context; hides which era the client speaks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from holdfast.core.context import InputRequired, Level
from holdfast.errors import ProtocolError, ToolError
from holdfast.wire.directsession import ClientRefused
from holdfast.wire.recognise import LEVELS, MODERN

MAX_ROUNDS = 32
"""Answers that one call may gather over all its rounds (2026-07-28); a tool that never stops asking is at fault."""
_RESULTS: dict[str, type[Any]] = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


class ClientSession:
    """Implements ``core.context.Session``."""

    def __init__(self, ctx: Any, related: Any) -> None:
        self._ctx = ctx
        self._related = related  # ties a question to the call that asks it, so that it travels on the call's own stream
        self.era: Literal["handshake", "modern"] = "modern" if ctx.protocol_version >= MODERN else "handshake"

    def offers(self, capability: str) -> bool:
        """See ``Session.offers``."""
        node: Any = self._ctx.session.client_capabilities
        for part in capability.split("."):
            node = getattr(node, part, None)
        if capability == "elicitation" and node is not None:  # nothing in it means forms (MCP 2025-11-25, elicitation)
            return node.form is not None or node.url is None
        return node is not None

    async def ask(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """See ``Session.ask``."""
        if self.era == "modern":
            return self._answers(requests)
        return {key: await self._send(request) for key, request in requests.items()}

    async def _send(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        typed = types.server_request_adapter.validate_python(dict(request))
        kind = _RESULTS[request["method"]]
        try:
            return _dumped(await self._ctx.session.send_request(typed, kind, metadata=self._related))
        except (MCPError, ValidationError) as error:
            raise _unanswered() from error

    def _answers(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """What the client has sent so far; the question is put again for what is missing."""
        params = self._ctx.params or {}
        known = _state(params.get("requestState")) | _mapping(params.get("inputResponses"))
        if len(known) > MAX_ROUNDS:
            raise ProtocolError(-32602, "too many answers for one call")
        missing = {key: _request(request) for key, request in requests.items() if key not in known}
        if missing:
            raise InputRequired(missing, known)
        return {key: known[key] for key in requests}

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """See ``Session.progress``."""
        await self._ctx.session.report_progress(done, total, message)

    async def log(self, level: Level, data: Any, logger: str | None) -> None:
        """See ``Session.log``."""
        session = self._ctx.session
        least = session._connection.state.get("holdfast.level", "debug")
        if level not in session._allowed_log_levels or LEVELS.index(level) < LEVELS.index(least):
            return
        note = types.LoggingMessageNotification(
            params=types.LoggingMessageNotificationParams(level=level, data=data, logger=logger)
        )
        await session.send_notification(note, related_request_id=self._ctx.request_id)

    async def close_stream(self) -> None:
        """See ``Session.close_stream``."""
        if self._ctx.close_sse_stream is not None:
            await self._ctx.close_sse_stream()


async def asked(
    send: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]], request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Put one question through ``send``, checked on its way there and back as the SDK would."""
    typed = _dumped(types.server_request_adapter.validate_python(dict(request)))
    try:
        return _dumped(_RESULTS[request["method"]].model_validate(await send(typed["method"], typed.get("params", {}))))
    except (ClientRefused, ValidationError) as error:
        raise _unanswered() from error


def _dumped(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_none=True)
    return found


def _unanswered() -> ToolError:
    """The client's fault: it must not open the tool's breaker."""
    return ToolError("the client did not answer the question that this tool asked")


def _request(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": request["method"], "params": dict(request["params"])}


def _mapping(value: Any) -> dict[str, Any]:
    return {key: item for key, item in value.items() if isinstance(item, dict)} if isinstance(value, dict) else {}


def _state(sealed: Any) -> dict[str, Any]:
    """The answers of earlier rounds. The SDK has already checked the seal, so this is what we wrote ourselves."""
    return _mapping(json.loads(sealed)) if isinstance(sealed, str) else {}
