"""Servers with one fault each, for the cases of the class wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from attack.cases.wire_peer import MODERN, Message, Peer, Refused

from holdfast_attack.model import Lane


class Silent(Peer):
    """Drops what is no request without a word."""

    def refuse(self, refused: Refused) -> Iterator[Message]:
        yield from ()


class Lenient(Peer):
    """Reads whatever a careless parser reads."""

    def parse(self, raw: bytes) -> Any:
        try:
            return json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise Refused(-32700) from None


class Careless(Peer):
    """Takes any object for a request."""

    def check(self, said: Any) -> None:
        if isinstance(said, list):
            raise Refused(-32600)
        if isinstance(said, dict):
            said.setdefault("method", "tools/list")
            said["params"] = {}
            said["method"] = "tools/list"


class Notifies(Peer):
    """Takes an id that is none for the lack of one."""

    def check(self, said: Any) -> None:
        if isinstance(said, dict) and not isinstance(said.get("id"), str) and type(said.get("id")) is not int:
            said.pop("id", None)
        super().check(said)


class AnyCase(Peer):
    """Takes keys whatever their case."""

    def pairs(self, pairs: list[tuple[str, Any]]) -> Message:
        known = {name.lower(): name for name in ("jsonrpc", "id", "method")}
        return {known.get(name.lower(), name): value for name, value in pairs}


class Dies(Peer):
    """Ends with what it cannot parse."""

    def refuse(self, refused: Refused) -> NoReturn:
        raise SystemExit


class Cuts(Peer):
    """Cuts long ids."""

    def result(self, said: Message, result: Message) -> Message:
        number = said["id"]
        return super().result(said | {"id": number[:100] if isinstance(number, str) else number}, result)


class Mute(Peer):
    """Does not answer unknown methods, unknown tools, or a second handshake."""

    def error(self, said: Message, code: int, data: Any = None) -> Any:
        return {"jsonrpc": "2.0", "method": "notifications/sorry"}

    def initialize(self, said: Message) -> Iterator[Message]:
        yield from ()


class Obliging(Peer):
    """Serves what there is not."""

    def error(self, said: Message, code: int, data: Any = None) -> Message:
        return self.result(said, {"tools": [], "protocolVersion": "1999-12-31"})

    def initialize(self, said: Message) -> Iterator[Message]:
        yield self.result(said, {"protocolVersion": said["params"]["protocolVersion"]})


class Broken(Peer):
    """Says of everything that it went wrong inside."""

    def error(self, said: Message, code: int, data: Any = None) -> Message:
        return super().error(said, -32603)


class Replies(Peer):
    """Answers notifications and responses."""

    def notified(self, said: Message) -> Iterator[Message]:
        yield {"jsonrpc": "2.0", "id": None, "error": {"code": -32601, "message": "unknown"}}

    def unasked(self, said: Message) -> Iterator[Message]:
        yield self.error(said, -32600)


class Once(Peer):
    """Forgets a request whose id it has seen."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(lane)
        self.seen: set[Any] = set()

    def asked(self, said: Message) -> Iterator[Any]:
        if said["id"] not in self.seen:
            self.seen.add(said["id"])
            yield from super().asked(said)


class Twice(Peer):
    """Answers everything twice."""

    def asked(self, said: Message) -> Iterator[Any]:
        for answer in super().asked(said):
            yield from (answer, answer)


class Text(Peer):
    """Makes texts of ids."""

    def result(self, said: Message, result: Message) -> Message:
        return super().result(said | {"id": str(said["id"])}, result)


class Coerces(Peer):
    """Makes numbers of ids, and cancels by them."""

    def notified(self, said: Message) -> Iterator[Message]:
        wanted = said.get("params", {}).get("requestId")
        try:
            number: Any = int(wanted)
        except (TypeError, ValueError):
            number = None
        if number in self.slow:
            yield self.error(self.slow.pop(number), -32000)


class Surprised(Peer):
    """Ends when it is told to cancel what it does not know."""

    def notified(self, said: Message) -> NoReturn:
        raise SystemExit


class Full(Peer):
    """Keeps the places of calls that were cancelled."""

    started = 0

    def sleep(self, said: Message) -> Iterator[Message]:
        self.started += 1
        yield from super().sleep(said)

    def tools_call(self, said: Message) -> Iterator[Message]:
        if self.started > 10:
            return
        yield from super().tools_call(said)


class Early(Peer):
    """Leaves what comes before the handshake without an answer."""

    greeted = False

    def asked(self, said: Message) -> Iterator[Any]:
        self.greeted = self.greeted or said["method"] == "initialize"
        if self.greeted:
            yield from super().asked(said)


class Confused(Peer):
    """Answers only requests of its own era."""

    def asked(self, said: Message) -> Iterator[Any]:
        modern = "io.modelcontextprotocol/protocolVersion" in said.get("params", {}).get("_meta", {})
        if modern == (self.lane is MODERN):
            yield from super().asked(said)


class Fragile(Peer):
    """Ends with a text that cannot be encoded, or a name that is no UTF-8."""

    def parse(self, raw: bytes) -> Any:
        if b"\\ud800" in raw or b"odd-bad-name" in raw:
            raise SystemExit
        return super().parse(raw)


class Loses(Peer):
    """Loses every hundredth request."""

    number = 0

    def asked(self, said: Message) -> Iterator[Any]:
        self.number += 1
        if self.number % 100:
            yield from super().asked(said)


class Fussy(Peer):
    """Refuses a carriage return."""

    def parse(self, raw: bytes) -> Any:
        if raw.endswith(b"\r"):
            raise Refused(-32700)
        return super().parse(raw)


class Stays(Peer):
    """Never ends."""

    def exits(self, wire: Any) -> int | None:
        return None


class Hangs(Peer):
    """Answers nothing after a signal, or at all when a request comes in pieces."""

    def asked(self, said: Message) -> Iterator[Any]:
        yield from ()


class Gives(Peer):
    """Ends without a word when a line is longer than a megabyte."""

    def line(self, raw: bytes) -> Iterator[Message | bytes]:
        if len(raw) > 2**20:
            raise SystemExit
        return super().line(raw)


class Ignores(Gives):
    """Drops such a line without a word."""

    def line(self, raw: bytes) -> Iterator[Message | bytes]:
        return iter(()) if len(raw) > 2**20 else Peer.line(self, raw)


class Explains(Gives):
    """Says so before it ends."""

    def line(self, raw: bytes) -> Iterator[Message | bytes]:
        if len(raw) > 2**20:
            yield {"jsonrpc": "2.0", "error": {"code": -32600, "message": "too long"}}
            raise SystemExit
        yield from Peer.line(self, raw)
