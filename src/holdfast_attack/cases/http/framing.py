"""Where a request ends: chunks, lengths and lines that two readers read differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import PATIENT, WITHIN, Knock, control, doubled, next_answer, none_served
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Found, Severity
from holdfast_attack.model.case import HTTP, Eras, spec

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

CHUNKED: dict[str, str | None] = {"content-length": None, "transfer-encoding": "chunked"}
SMUGGLED = "smuggled"
"""The id of a request that hides behind another."""
WAIT = 3.0
"""Seconds in which what is ambiguous must not be carried out; a server may as well wait for more."""


async def _chunk_size(probe: Probe) -> int:
    session = await probe.http()
    body = encoded(session.message("tools/list"))
    size = f"{len(body):x}"
    sizes = {
        "0x before the size": f"0x{size}",
        "a plus before the size": f"+{size}",
        "a minus before the size": f"-{size}",
        "an underscore in the size": f"{size[0]}_{size[1:]}",
        "a size of 2^64 and more": f"1{size:0>16}",
        "a letter behind the size": f"{size}g",
    }
    knocks = [
        Knock(what, _chunked(session, text.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n"))
        for what, text in sizes.items()
    ]
    without = size.encode() + b"\r\n" + body + b"XX0\r\n\r\n"
    knocks.append(Knock("other bytes instead of the end of a chunk", _chunked(session, without)))
    return await none_served(session, knocks, WAIT)


def _chunked(session: HttpSession, body: bytes) -> bytes:
    return session.request_bytes("POST", body, headers=CHUNKED)


async def _smuggling(probe: Probe) -> int:
    session = await probe.http()
    body = encoded(session.message("tools/list"))
    size = len(body)
    plain = session.request_bytes("POST", body)
    knocks = [
        Knock("the length counts although chunks are announced", doubled(plain, "transfer-encoding", "chunked")),
        Knock("a space before the colon of Transfer-Encoding", doubled(plain, "transfer-encoding ", "chunked")),
        Knock("an encoding that there is not", doubled(plain, "transfer-encoding", "xchunked")),
        Knock("chunked is not the last encoding", doubled(plain, "transfer-encoding", "chunked, identity")),
        Knock("two lengths", doubled(plain, "content-length", str(size + 5))),
        Knock("two lengths, the wrong one first", doubled(plain, "content-length", str(size + 5), first=True)),
    ]
    for length in (f"+{size}", f"{str(size)[0]}_{str(size)[1:]}", hex(size), f"{size}.0", f"{size}, {size + 5}"):
        sent = session.request_bytes("POST", body, headers={"content-length": length})
        knocks.append(Knock(f"Content-Length: {length}", sent))
    number = await none_served(session, knocks, WAIT)
    return number + await _hidden(session) + await _unread(session)


async def _hidden(session: HttpSession) -> int:
    """A request behind one that has both a length and chunks: the connection must end after the first answer."""
    hidden = session.request_bytes("POST", encoded(session.message("tools/list", id=SMUGGLED)))
    first = encoded(session.message("tools/list"))
    chunks = f"{len(first):x}\r\n".encode() + first + b"\r\n0\r\n\r\n"
    for what, body in (("an empty body", b"0\r\n\r\n"), ("a whole request", chunks)):
        both = {"transfer-encoding": "chunked", "content-length": str(len(body) + len(hidden))}
        sent = session.request_bytes("POST", body + hidden, headers=both)
        connection = await session.open()
        try:
            await connection.send(sent)
            came = await next_answer(connection, WAIT)
            came = came if came.hangs else await next_answer(connection, WAIT, SMUGGLED)
        except Gone:
            continue  # it closed while this was sent
        finally:
            connection.close()
        if (came.reply.message or {}).get("id") == SMUGGLED:
            raise Found(f"a request that hides behind {what} was answered", sent=sent, got=came.reply.raw)
    return 2


async def _unread(session: HttpSession) -> int:
    """A request that is refused by its head, with another as its body: it must be read to its end, or closed upon."""
    hidden = session.request_bytes("POST", encoded(session.message("tools/list", id=SMUGGLED)))
    for header, value in (("content-type", "text/plain"), ("accept", "image/png"), ("origin", "http://evil.example")):
        sent = session.request_bytes("POST", hidden, headers={header: value})
        connection = await session.open()
        try:
            await connection.send(sent)
            first = await next_answer(connection, WAIT)
            if first.hangs or first.hung_up or (first.reply.message or {}).get("id") == SMUGGLED:
                continue
            came = await next_answer(connection, WAIT, SMUGGLED)
        except Gone:
            continue
        finally:
            connection.close()
        if (came.reply.message or {}).get("id") == SMUGGLED:
            raise Found(
                "the body of a request that was refused was answered as a request", sent=sent, got=came.reply.raw
            )
    return 3


async def _http10(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    sent = session.request_bytes("POST", encoded(session.message("tools/list"))).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    connection = await session.open()
    try:
        answer = await connection.exchange(sent, WITHIN)
        head = answer.head
        if head is None and not answer.cut:
            raise Found("a request of HTTP/1.0 is not answered", sent=sent)
        if head is not None and "transfer-encoding" in head.headers:
            raise Found("a client of HTTP/1.0 is answered in chunks, which it cannot read", sent=sent, got=head.raw)
        if head is not None and "content-length" not in head.headers and not await connection.closed(WITHIN):
            raise Found(
                "the answer to HTTP/1.0 has no length, and the connection does not end", sent=sent, got=head.raw
            )
    finally:
        connection.close()
    return 1


async def _pipelining(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    names = [f"pipelined-{number}" for number in range(4)]
    sent = b"".join(session.request_bytes("POST", encoded(session.message("tools/list", id=name))) for name in names)
    connection = await session.open()
    try:
        await connection.send(sent)
        for name in names:
            came = await next_answer(connection, WITHIN, name)
            if came.hung_up:
                break  # a server need not take more than one: the client sends the rest again
            if came.hangs:
                raise Found(f"of {len(names)} requests in a row {name} gets no answer, and no end", sent=sent)
            if (came.reply.message or {}).get("id", name) != name:
                raise Found("requests in a row are not answered in their order", sent=sent, got=came.reply.raw)
    finally:
        connection.close()
    return len(names)


CASES = (
    Case(
        id="http.chunk-size",
        title="Sizes of chunks that are no sizes",
        severity=Severity.MEDIUM,
        sends="Chunked requests whose size has a prefix, a sign, an underscore, a stray letter or 17 digits, or whose "
        "chunk does not end as it should.",
        sound="Refuses each with 400 (or closes): a proxy in front reads another request.",
        reference=spec("RFC 9112, section 7.1: chunk-size = 1*HEXDIG; CVE-2025-43859 (h11)"),
        remedy="Leave framing to a server that is maintained; never parse a size with int(text, 16) or strtol.",
        play=_chunk_size,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.ONCE,
    ),
    Case(
        id="http.smuggling",
        title="A request within a request",
        severity=Severity.HIGH,
        sends="Requests with a length and chunks, with two lengths, with lengths that are no numbers, and encodings "
        "that hide; behind some a second request.",
        sound="Refuses each with 400; one that has both a length and chunks may be read by its chunks if the "
        "connection ends after it.",
        reference=spec("RFC 9112, sections 5.1, 6.1 and 6.3; CWE-444"),
        remedy="Leave framing to a server that is maintained, and refuse what is ambiguous.",
        play=_smuggling,
        transports=HTTP,
        seconds=PATIENT,
        eras=Eras.ONCE,
    ),
    Case(
        id="http.http10",
        title="A client of HTTP/1.0",
        severity=Severity.LOW,
        sends="A request of HTTP/1.0.",
        sound="Answers without chunks, with a length or an end, or refuses it.",
        reference=spec("RFC 9112, section 6.1: MUST NOT send Transfer-Encoding unless the request indicates HTTP/1.1"),
        remedy="Answer HTTP/1.0 in one piece and close, or refuse it with 505.",
        play=_http10,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.pipelining",
        title="Requests in a row",
        severity=Severity.LOW,
        sends="Four requests in one packet.",
        sound="Answers them in their order, or closes after some.",
        reference=spec("RFC 9112, section 9.3.2: responses MUST be sent in the order of the requests"),
        remedy="Leave framing to a server that is maintained.",
        play=_pipelining,
        transports=HTTP,
        seconds=PATIENT,
    ),
)
