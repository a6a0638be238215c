"""Methods, tools and notifications that are not known, and a response that nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import MOMENT, PATIENCE, Id, Message, is_answer, send
from holdfast_attack.cases.wire.idle import wait_out
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Found, Severity
from holdfast_attack.model.case import STDIO, spec

if TYPE_CHECKING:
    from holdfast_attack.link.stdio import Heard, StdioSession
    from holdfast_attack.play.probe import Probe

METHOD_NOT_FOUND = -32601
UNCAUGHT = frozenset({0, -32603})
"""Codes that say that something went wrong in the server: 0 is what the Python SDK makes of an exception."""
UNKNOWN = "holdfast-attack-no-such-tool"
PROMPTLY = 15.0
"""Seconds: what is rarely used may have to be loaded first."""
_NOTIFIED: tuple[Message, ...] = (
    {"method": "notifications/holdfast-attack", "params": {"a": 1}},
    {"method": "notifications/progress", "params": {"progressToken": "none", "progress": 1}},
    {"method": "notifications/cancelled"},
    {"method": "tools/list"},
)
_RESPONSES: tuple[Message, ...] = ({"result": {}}, {"error": {"code": -32603, "message": "no"}})


async def method(probe: Probe) -> int:
    """An unknown method is -32601."""
    session = await probe.session()
    for name in ("holdfast-attack/no-such-method", ""):
        reply = await session.ask(name, {"a": 1}, within=PROMPTLY)
        _answered(reply, f"the unknown method {name!r}")
        if reply.code != METHOD_NOT_FOUND and not (name == "" and reply.error is not None):
            raise Found(f"the unknown method {name!r}: {_said(reply)} where -32601 says what is wrong")
    return 2


async def tool(probe: Probe) -> int:
    """An unknown tool is -32602, or an error that the model reads."""
    session = await probe.session()
    for name in (UNKNOWN, ""):
        reply = await session.call(name, {}, within=PROMPTLY)
        _answered(reply, f"the unknown tool {name!r}")
        if not reply.failed:
            raise Found(f"the unknown tool {name!r} was called, and gave a result")
        if reply.code in UNCAUGHT:
            raise Found(f"the unknown tool {name!r} ended in an exception of the server: {_said(reply)}")
    return 2


def _answered(reply: Reply, what: str) -> None:
    if reply.silent:
        raise Found(f"{what}: no answer within {PROMPTLY:g} s; who waits for one waits for ever")


def _said(reply: Reply) -> str:
    return "a result" if reply.error is None else f"the code {reply.code}"


async def notification(probe: Probe) -> int:
    """No notification is answered, whatever it says."""
    session = await probe.stdio()
    said: list[Message] = [{"jsonrpc": "2.0", **body} for body in _NOTIFIED]
    heard = await _behind(session, said, lambda _: True)
    if heard is not None:
        raise Found("a notification was answered", got=heard.raw)
    return len(said)


async def response(probe: Probe) -> int:
    """A response to nothing is answered with no response of its own; a complaint without an id is no harm."""
    session = await probe.stdio()
    number = session.message("tools/list")["id"] + 900_000
    said: list[Message] = [{"jsonrpc": "2.0", "id": number + n} | body for n, body in enumerate(_RESPONSES)]
    mine = {key(message["id"]) for message in said}
    heard = await _behind(session, said, lambda place: place in mine)
    if heard is not None:
        raise Found("a response that nobody asked for was answered as if it were a request", got=heard.raw)
    return len(said)


async def _behind(session: StdioSession, said: list[Message], wrong: Callable[[Id], bool]) -> Heard | None:
    """Send messages that have no answer and an honest request behind them: an answer that there must not be."""
    behind = session.message("tools/list")
    honest = key(behind["id"])

    def answered(message: Message) -> bool:
        place = key(message.get("id"))
        return is_answer(message) and place != honest and wrong(place)

    session.mark()
    await send(session, b"".join(encoded(message) + b"\n" for message in (*said, behind)))
    if await session.wait(lambda message: is_answer(message) and key(message.get("id")) == honest, PATIENCE) is None:
        raise Found(f"an honest request sent behind it is not answered within {PATIENCE:g} s")
    return await wait_out(session, answered, MOMENT)


CASES = (
    Case(
        id="wire.unknown-method",
        title="A method that does not exist",
        severity=Severity.LOW,
        sends="requests for an unknown method and for one whose name is empty",
        sound="answers with -32601",
        reference=spec("JSON-RPC 2.0, section 5.1: -32601 Method not found"),
        remedy="answer what no handler is registered for with -32601",
        play=method,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.unknown-tool",
        title="A tool that does not exist",
        severity=Severity.LOW,
        sends="calls of an unknown tool and of one whose name is empty",
        sound="answers with -32602, or with a result that says isError",
        reference=spec("MCP 2025-11-25 and 2026-07-28, Tools, Error Handling: unknown tools (-32602)"),
        remedy="look the name up before anything else, and refuse what is not there",
        play=tool,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.unknown-notification",
        title="Notifications that mean nothing",
        severity=Severity.MEDIUM,
        sends="an unknown notification, one about nothing, one without parameters, and a request without an id",
        sound="answers none of them, and the honest request behind each",
        reference=spec("JSON-RPC 2.0, section 4.1: the server MUST NOT reply to a notification"),
        remedy="answer nothing that has no id: a client takes such an answer for another one's, or fails on it",
        play=notification,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.response-unasked",
        title="A response that nobody asked for",
        severity=Severity.MEDIUM,
        sends="a result and an error with an id that the server never used",
        sound="sends nothing back that bears this id, and answers the honest request behind it",
        reference=spec("JSON-RPC 2.0, sections 4 and 5: only a request has a response"),
        remedy="drop responses whose id is not one of your own requests under way",
        play=response,
        transports=STDIO,
        seconds=45.0,
    ),
)
