"""What each method of the protocol does, in both eras; a message comes in, an answer or a call comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sound.calls import Call, Calls, Peer
from sound.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, UNSUPPORTED_VERSION, Refused
from sound.tools import Tool

MODERN = "2026-07-28"
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
META = "io.modelcontextprotocol/"
INFO = {"name": "sound", "version": "1.0"}
Message = dict[str, Any]


class Protocol(Calls):
    """Knows nothing of pipes or HTTP."""

    def take(self, peer: Peer, message: Message) -> Message | Call | None:
        """Answer a message, or begin the call that it asks for. Raises ``Refused`` with the right id."""
        if "method" not in message:
            return self.answered(peer, message)
        if "id" not in message:
            return self.notified(peer, message)
        self.unused(peer, message["id"])
        try:
            return self.asked(peer, message)
        except Refused as refused:
            refused.id = message["id"]
            raise

    def refusal(self, refused: Refused) -> Message | None:
        """What is sent for a message that is refused."""
        return refused.reply()

    def answered(self, peer: Peer, message: Message) -> None:
        """The server asks nothing of a client: whatever this answers, it was not asked."""

    def notified(self, peer: Peer, message: Message) -> None:
        """Notifications are never answered."""
        if message["method"] == "notifications/cancelled":
            self.cancel(peer, message.get("params", {}).get("requestId"))

    def asked(self, peer: Peer, message: Message) -> Message | Call:
        """A request."""
        number, method, params = message["id"], message["method"], message.get("params", {})
        self.enter(peer, method, params)
        if method == "tools/call":
            return self.call(peer, number, params)
        handler = self.methods(peer).get(method)
        result = self.unknown_method(method) if handler is None else handler(peer, params)
        return self.response(peer, number, result)

    def unknown_method(self, method: str) -> Message:
        """-32601."""
        raise Refused(METHOD_NOT_FOUND, "there is no such method")

    def methods(self, peer: Peer) -> dict[str, Callable[[Peer, Message], Message]]:
        """What the peer's era knows besides calls."""
        if peer.version == MODERN:
            return {"server/discover": self.discover, "tools/list": self.list_tools}
        return {"initialize": self.initialize, "ping": self.ping, "tools/list": self.list_tools}

    def enter(self, peer: Peer, method: str, params: Message) -> None:
        """Whether a request may come now; the first one decides on the era."""
        meta = params.get("_meta", {})
        if not isinstance(meta, dict):
            raise Refused(INVALID_PARAMS, "_meta is an object")
        if peer.version == MODERN or (not peer.version and META + "protocolVersion" in meta):
            self.envelope(meta, method)
            peer.version = MODERN
        elif not peer.version and method not in ("initialize", "ping"):
            raise Refused(INVALID_REQUEST, "begin with initialize, or say in _meta which version you speak")

    def envelope(self, meta: Message, method: str) -> None:
        """What each request of 2026-07-28 says of its sender."""
        version = meta.get(META + "protocolVersion")
        if method == "initialize":
            data = {"supported": [MODERN]}
            raise Refused(UNSUPPORTED_VERSION, "this conversation has no handshake", data=data)
        if not isinstance(version, str) or not isinstance(meta.get(META + "clientCapabilities"), dict):
            raise Refused(INVALID_PARAMS, f"_meta holds {META}protocolVersion and {META}clientCapabilities")
        if version != MODERN:
            data = {"supported": [MODERN], "requested": self.clean(version[:32])}
            raise Refused(UNSUPPORTED_VERSION, "this version is not supported", data=data)

    def initialize(self, peer: Peer, params: Message) -> Message:
        """The handshake; a version that is not known is answered with the newest that has one."""
        wanted = params.get("protocolVersion")
        if peer.version:
            raise Refused(INVALID_REQUEST, "there has been a handshake")
        if not isinstance(wanted, str) or not isinstance(params.get("capabilities", {}), dict):
            raise Refused(INVALID_PARAMS, "initialize has a protocolVersion and capabilities")
        peer.version = wanted if wanted in LEGACY else LEGACY[-1]
        return {"protocolVersion": peer.version, "capabilities": {"tools": {}}, "serverInfo": INFO}

    def ping(self, peer: Peer, params: Message) -> Message:
        """A sign of life."""
        return {}

    def discover(self, peer: Peer, params: Message) -> Message:
        """What there is, in 2026-07-28."""
        hints = {"ttlMs": 0, "cacheScope": "private"}
        return {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, **hints}

    def list_tools(self, peer: Peer, params: Message) -> Message:
        """All of them, on one page."""
        if params.get("cursor") is not None:
            raise Refused(INVALID_PARAMS, "there is no such cursor")
        hints = {"ttlMs": 0, "cacheScope": "private"} if peer.version == MODERN else {}
        return {"tools": [tool.listed() for tool in self.tools()], **hints}

    def call(self, peer: Peer, number: int | str, params: Message) -> Call:
        """Begin a call."""
        name, arguments = params.get("name"), params.get("arguments", {})
        tool = next((tool for tool in self.tools() if tool.name == name), None)
        if tool is None:
            return self.unknown_tool(name)
        return self.begin(peer, number, tool.name, lambda: self.perform(tool, self.shape(tool, arguments)))

    def shape(self, tool: Tool, arguments: Any) -> Message:
        """Arguments are an object."""
        if not isinstance(arguments, dict):
            raise Refused(INVALID_PARAMS, "arguments are an object")
        return arguments

    def unknown_tool(self, name: Any) -> Call:
        """-32602 (MCP 2025-11-25, tools)."""
        raise Refused(INVALID_PARAMS, "there is no such tool")

    def response(self, peer: Peer, number: int | str, result: Message) -> Message:
        """A result as a message of the peer's era."""
        if peer.version == MODERN:
            meta = {META + "serverInfo": INFO}
            result = {"resultType": "complete", **result, "_meta": meta}
        return {"jsonrpc": "2.0", "id": number, "result": result}

    async def run(self, peer: Peer, call: Call) -> Message | None:
        """The answer to a call; None when it was cancelled."""
        result = await self.finished(peer, call)
        return None if result is None else self.response(peer, call.id, result)
