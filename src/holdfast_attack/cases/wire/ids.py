"""Ids that no request may have, that are used twice, or that only look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import MOMENT, PATIENCE, Answers, count, is_answer, send, tell
from holdfast_attack.cases.wire.idle import wait_out
from holdfast_attack.cases.wire.sends import Sends, plays
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.model import Case, Eras, Found, Severity
from holdfast_attack.model.case import STDIO, measured, spec, taste

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

IDS = "MCP 2025-11-25 and 2026-07-28, Base protocol, Requests: MUST include a string or integer ID, MUST NOT be null"
UNIQUE = "MCP 2025-11-25, Base protocol, Requests: an ID MUST NOT have been used before; 2026-07-28: in flight"
LONG = 2**20
ODD: tuple[int | str, ...] = (0, "", -7, "0")
_REST = b',"method":"tools/list","params":{"_meta":{%envelope%"com.example/attack":1}}}'


def _with(what: str, written: bytes) -> Sends:
    return Sends(what, b'{"jsonrpc":"2.0","id":' + written + _REST)


def _refuses(name: str, title: str, *forms: Sends) -> Case:
    return Case(
        id=f"wire.{name}",
        title=title,
        severity=Severity.MEDIUM,
        sends="honest requests, but for " + " and ".join(form.what for form in forms),
        sound="answers with an error (-32600)",
        reference=spec(IDS),
        remedy="tell a request by the presence of an id, then look at its type: one that is no id is no notification",
        play=plays(*forms),
        transports=STDIO,
        seconds=45.0,
    )


async def huge(probe: Probe) -> int:
    """An id of a megabyte is refused, or given back whole."""
    session = await probe.stdio()
    message = session.message("tools/list", id="x" * LONG)
    heard = await tell(session, encoded(message))
    if heard is None:
        raise Found("a request whose id is a megabyte of text: no answer; who waits for one waits for ever")
    given = heard.message.get("id")
    if "error" not in heard.message and given != message["id"]:
        raise Found("a request whose id is a megabyte of text is answered with another id", got=heard.raw[:1000])
    return 1


async def unbounded(probe: Probe) -> int:
    """An id of a megabyte is taken."""
    session = await probe.stdio()
    heard = await tell(session, encoded(session.message("tools/list", id="x" * LONG)))
    if heard is not None and "result" in heard.message:
        raise Found("an id of a megabyte is taken, kept while the request lasts, and sent back")
    return 1


async def reused(probe: Probe) -> int:
    """Two requests with one id, in one write: two answers, one of which may be a refusal."""
    session = await probe.stdio()
    request = session.message("tools/list")
    mine = {key(request["id"]), key(None)}  # a refusal may leave the id out

    def heard() -> int:
        return sum(is_answer(one.message) and key(one.message.get("id")) in mine for one in session.messages)

    session.mark()
    await send(session, (encoded(request) + b"\n") * 2)
    await session.wait(lambda _: heard() >= 2, PATIENCE)
    await wait_out(session, lambda _: heard() > 2, MOMENT)
    if heard() < 2:
        raise Found(f"two requests with one id in flight: {heard()} of them answered; the other waits for ever")
    if heard() > 2:
        raise Found(f"two requests with one id in flight were answered {heard()} times")
    return 1


async def types(probe: Probe) -> int:
    """8 and "8" at the same time: each is answered, with its own type and its own answer."""
    session = await probe.stdio()
    number = session.message("tools/list")["id"] + 800_000
    listing = session.message("tools/list", id=number)
    unknown = session.message("holdfast-attack/no-such-method", id=str(number))
    session.mark()
    await send(session, encoded(listing) + b"\n" + encoded(unknown) + b"\n")
    answers = await count(session, Answers.to([listing, unknown]), PATIENCE)
    if answers.missing or answers.twice:
        raise Found(f'the ids {number} and "{number}" at once: {answers.missing} without an answer of its own')
    wrong = await session.wait(lambda message: message.get("id") == str(number) and "result" in message, 0.0)
    if wrong is not None:
        raise Found(f'the id "{number}" was given the answer that belongs to {number}', got=wrong.raw)
    return 1


async def odd(probe: Probe) -> int:
    """Ids that a program takes for none when it looks at their truth; each is as good as any other."""
    session = await probe.stdio()
    for given in ODD:
        message = session.message("tools/list", id=given)
        heard = await tell(session, encoded(message))
        if heard is None:
            raise Found(f"a request with the id {given!r}: no answer; who waits for one waits for ever")
        if key(heard.message.get("id")) != key(given):
            raise Found(f"a request with the id {given!r} is answered with another id", got=heard.raw)
    return len(ODD)


CASES = (
    Case(
        id="wire.id-odd",
        title="Requests whose id is nought, negative or empty",
        severity=Severity.MEDIUM,
        sends="honest requests with the ids " + ", ".join(map(repr, ODD)),
        sound="answers each, with the same id",
        reference=spec(IDS),
        remedy="tell a request by the presence of an id ('id' in message), not by its truth",
        play=odd,
        transports=STDIO,
        seconds=45.0,
    ),
    _refuses("id-null", "A request whose id is null", _with("the id null", b"null")),
    _refuses(
        "id-fraction", "A request whose id is a fraction", _with("the id 1.5", b"1.5"), _with("the id -0.25", b"-0.25")
    ),
    _refuses(
        "id-bool", "A request whose id is true or false", _with("the id true", b"true"), _with("the id false", b"false")
    ),
    _refuses(
        "id-object", "A request whose id is an object or a list", _with("the id {}", b"{}"), _with("the id [1]", b"[1]")
    ),
    Case(
        id="wire.id-huge",
        title="A request whose id is a megabyte of text",
        severity=Severity.MEDIUM,
        sends="an honest request, but for an id of 1 MiB",
        sound="refuses it with an error, or gives the id back as it came",
        reference=spec("JSON-RPC 2.0, section 5: id MUST be the same as the value of the id in the request"),
        remedy="bound the length of ids and answer longer ones with -32600 and the id null",
        play=huge,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.id-unbounded",
        title="Ids of any length are taken",
        severity=Severity.ADVICE,
        sends="an honest request with an id of 1 MiB",
        sound="refuses it: an id is kept for each request under way, sent back, and often logged",
        reference=taste("the protocol names no longest id; a server that bounds lines, depth and digits may bound ids"),
        remedy="refuse ids that are longer than a few hundred characters",
        play=unbounded,
        transports=STDIO,
        seconds=45.0,
        eras=Eras.ONCE,
    ),
    Case(
        id="wire.id-reused",
        title="Two requests with one id in flight",
        severity=Severity.MEDIUM,
        sends="two honest requests with the same id in one write",
        sound="answers each once, or one of them with an error that says so",
        reference=spec(f"{UNIQUE}; JSON-RPC 2.0, section 5: the server MUST reply with a response"),
        remedy="refuse an id that is still in flight with -32600",
        play=reused,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.id-types",
        title='The ids 8 and "8" at the same time',
        severity=Severity.MEDIUM,
        sends="two requests in one write whose ids are a number and the same number as a text",
        sound="answers each with its own id, of its own type",
        reference=measured('over HTTP the MCP Python SDK 2.3.0 takes 8 and "8" for one and the same'),
        remedy="never make texts of ids, not even as keys of a table",
        play=types,
        transports=STDIO,
        seconds=45.0,
    ),
)
