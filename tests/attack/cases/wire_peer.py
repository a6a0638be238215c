"""A sound server in the test's own process, told line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from holdfast_attack.link.messages import is_message, key
from holdfast_attack.model import Lane, Transport

LEGACY = Lane(Transport.STDIO, "2025-11-25")
MODERN = Lane(Transport.STDIO, "2026-07-28")
TOOLS = [
    {
        "name": "sleep",
        "description": "Wait for some seconds.",
        "annotations": {"readOnlyHint": True},
        "inputSchema": {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]},
    },
    {
        "name": "list_folder",
        "description": "List a folder.",
        "annotations": {"readOnlyHint": True},
        "inputSchema": {"type": "object", "properties": {"folder": {"type": "string"}}, "required": ["folder"]},
    },
]
Message = dict[str, Any]


class Refused(Exception):
    """What the client sent is no message."""

    def __init__(self, code: int, number: Any = None) -> None:
        super().__init__()
        self.code, self.number = code, number


class Peer:
    """A sound server; a fault is a subclass. ``line`` yields what it says."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.slow: dict[Any, Message] = {}

    def line(self, raw: bytes) -> Iterator[Message | bytes]:
        """Everything that is said in answer to one line."""
        if not raw.strip():
            return
        try:
            said = self.parse(raw)
            self.check(said)
        except Refused as refused:
            yield from self.refuse(refused)
            return
        if "method" not in said:
            yield from self.unasked(said)
        elif "id" not in said:
            yield from self.notified(said)
        else:
            yield from self.asked(said)

    def refuse(self, refused: Refused) -> Iterator[Message | bytes]:
        """An error in answer to what is no request."""
        yield {"jsonrpc": "2.0", "id": refused.number, "error": {"code": refused.code, "message": "refused"}}

    def parse(self, raw: bytes) -> Any:
        """JSON, strictly."""
        try:
            said = json.loads(raw.decode(), object_pairs_hook=self.pairs, parse_constant=self.constant)
            said_again = json.dumps(said, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise Refused(-32700) from None
        return said if said_again else None

    def pairs(self, pairs: list[tuple[str, Any]]) -> Message:
        """An object; no key may be there twice."""
        if len(dict(pairs)) < len(pairs):
            raise Refused(-32700)
        return dict(pairs)

    def constant(self, word: str) -> float:
        """A word that is no JSON number."""
        raise Refused(-32700)

    def check(self, said: Any) -> None:
        """Whether it is a message."""
        if not isinstance(said, dict) or said.get("jsonrpc") != "2.0":
            raise Refused(-32600)
        number = said.get("id", 0)
        if isinstance(number, bool) or not isinstance(number, int | str):
            raise Refused(-32600)
        if "method" in said and not isinstance(said["method"], str):
            raise Refused(-32600, number)
        if not is_message(said) or not isinstance(said.get("params", {}), dict):
            raise Refused(-32600, number)

    def unasked(self, said: Message) -> Iterator[Message]:
        """A response to nothing."""
        yield from ()

    def notified(self, said: Message) -> Iterator[Message]:
        """A notification; a cancellation ends a slow call without an answer."""
        wanted = key(said.get("params", {}).get("requestId"))
        for number in [number for number in self.slow if key(number) == wanted]:
            del self.slow[number]
        yield from ()

    def asked(self, said: Message) -> Iterator[Message | bytes]:
        """A request."""
        method, params = said["method"], said.get("params", {})
        version = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")
        if version is not None and version != MODERN.version:
            data = {"supported": [MODERN.version], "requested": version}
            yield self.error(said, -32022, data)
        elif method == "tools/call" and params.get("name") == "sleep":
            yield from self.sleep(said)
        elif method in ("tools/list", "ping", "server/discover", "initialize", "tools/call"):
            yield from getattr(self, method.replace("/", "_"))(said)
        else:
            yield self.error(said, -32601)

    def error(self, said: Message, code: int, data: Any = None) -> Message:
        """A refusal of a request."""
        return {"jsonrpc": "2.0", "id": said["id"], "error": {"code": code, "message": "refused", "data": data}}

    def result(self, said: Message, result: Message) -> Message:
        """An answer."""
        return {"jsonrpc": "2.0", "id": said["id"], "result": result}

    def tools_list(self, said: Message) -> Iterator[Message]:
        yield self.result(said, {"tools": TOOLS})

    def ping(self, said: Message) -> Iterator[Message]:
        yield self.result(said, {})

    def server_discover(self, said: Message) -> Iterator[Message]:
        yield self.result(said, {"supportedVersions": [MODERN.version]})

    def initialize(self, said: Message) -> Iterator[Message]:
        yield self.result(said, {"protocolVersion": LEGACY.version})

    def tools_call(self, said: Message) -> Iterator[Message]:
        known = said["params"].get("name") in [tool["name"] for tool in TOOLS]
        yield self.result(said, {"content": []}) if known else self.error(said, -32602)

    def sleep(self, said: Message) -> Iterator[Message]:
        """Waits until ``wake``, which the session calls when somebody waits for the answer."""
        self.slow[said["id"]] = said
        yield from ()

    def wake(self) -> Iterator[Message]:
        """What slow calls answer when their time has come."""
        for number in list(self.slow):
            yield self.result(self.slow.pop(number), {"content": []})
