"""Messages of the wire as the SDK's dispatcher takes them, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.shared.message import ServerMessageMetadata, SessionMessage

if TYPE_CHECKING:
    from holdfast.wire.messages import Message


class SdkCodec:
    """Messages of the wire as the SDK's dispatcher takes them."""

    def inbound(self, message: Message, unanswered: Callable[[], Any]) -> SessionMessage:
        """See ``stdio.Codec``."""
        body = message.body
        if message.kind == "request":
            request = types.JSONRPCRequest.model_construct(
                jsonrpc="2.0", id=body["id"], method=body["method"], params=body.get("params")
            )
            return SessionMessage(request, ServerMessageMetadata(on_request_unanswered=unanswered))
        if message.kind == "notification":
            return SessionMessage(
                types.JSONRPCNotification.model_construct(
                    jsonrpc="2.0", method=body["method"], params=body.get("params")
                )
            )
        return SessionMessage(types.jsonrpc_message_adapter.validate_python(body))

    def outbound(self, item: SessionMessage) -> dict[str, Any]:
        """See ``stdio.Codec``."""
        message = item.message
        if isinstance(message, types.JSONRPCResponse):
            return {"jsonrpc": "2.0", "id": message.id, "result": message.result}
        dumped: dict[str, Any] = message.model_dump(by_alias=True, exclude_unset=True)
        return dumped
