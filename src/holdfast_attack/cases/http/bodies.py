"""Bodies that are no message: broken, cut off, in other encodings, in batches, very deep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.http.knocking import (
    PATIENT,
    Knock,
    all_answered,
    control,
    knock,
    next_answer,
    none_served,
    told,
)
from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Finding, Found, NotApplicable, Severity
from holdfast_attack.model.case import HTTP, advisory, spec

if TYPE_CHECKING:
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.probe import Probe

DEEP = 100_000
"""Levels: ten times what parsers in use allow, in 200 kB."""
BATCHES_ENDED = "2025-06-18"
"""The first version without batches (its changelog)."""
GARBAGE = (
    b"",
    b"{",
    b"nul",
    b'"text"',
    b"42",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\x00\x01\x02\xff",
    b'{"jsonrpc":"2.0"}',
)


def _post(session: HttpSession, body: bytes) -> bytes:
    return session.request_bytes("POST", body)


async def _garbage(probe: Probe) -> int:
    session = await probe.http()
    return await all_answered(session, [Knock(f"the body {body!r}", _post(session, body)) for body in GARBAGE])


async def _utf8(probe: Probe) -> int:
    session = await probe.http()
    body = encoded(session.message("tools/list", {"note": "HERE"}))
    odd = {
        "a lone continuation": b"\x80",
        "a cut sequence": b"\xe2\x82",
        "an overlong slash": b"\xc0\xaf",
        "a surrogate": b"\xed\xa0\x80",
    }
    return await none_served(
        session,
        [Knock(f"{what} within a text", _post(session, body.replace(b"HERE", bad))) for what, bad in odd.items()],
    )


async def _batch(probe: Probe) -> int:
    session = await probe.http()
    if session.version < BATCHES_ENDED:
        raise NotApplicable(f"{session.version} has batches")
    await control(session)
    messages = [session.message("tools/list") for _ in range(3)]
    sent = _post(session, encoded(messages))
    came = await knock(session, sent)
    if came.hangs or came.broke:
        raise Found(f"a batch is not refused but breaks it (status {came.reply.status})", sent=sent, got=came.reply.raw)
    answered = [
        one
        for one in messages
        if f'"id":{one["id"]}' in _squeezed(came.reply.raw) and '"tools"' in _squeezed(came.reply.raw)
    ]
    if answered:
        raise Found(f"a batch of {len(messages)} is carried out", sent=sent, got=came.reply.raw)
    return 1


def _squeezed(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace(" ", "")


async def _deep(probe: Probe) -> int:
    session = await probe.http()
    knocks = []
    for what, left, right in (("lists", b"[", b"]"), ("objects", b'{"a":', b"}")):
        inner = left * DEEP + b"1" + right * DEEP
        body = encoded(session.message("tools/list", {"note": "HERE"})).replace(b'"HERE"', inner)
        knocks.append(Knock(f"{DEEP:,} {what} within each other", _post(session, body)))
    return await all_answered(session, knocks, results=True)


async def _short(probe: Probe) -> int:
    session = await probe.http()
    await control(session)
    body = encoded(session.message("tools/list"))
    findings = []
    for what, length, ends in (
        ("50 bytes more are announced than come", len(body) + 50, True),
        ("10 bytes less are announced", len(body) - 10, False),
    ):
        sent = session.request_bytes("POST", body, headers={"content-length": str(length)})
        connection = await session.open()
        try:
            await connection.send(sent)
            if ends:
                connection.finish()
            came = await next_answer(connection)
        finally:
            connection.close()
        if came.served:
            findings.append(Finding(f"{what}, and it was carried out", sent=sent, got=came.reply.raw))
        elif came.hangs:
            findings.append(Finding(f"{what}, and nothing comes back, not even the end", sent=sent))
    told(findings)
    return 2


SINGLE = "MCP 2025-11-25 and 2026-07-28, transports: the body MUST be a single message"
CASES = (
    Case(
        id="http.body-garbage",
        title="Bodies that are no message",
        severity=Severity.LOW,
        sends="Nothing, half an object, other JSON values, bytes, and an object without a method.",
        sound="Answers each with a client error (400).",
        reference=spec(
            f"{SINGLE}; RFC 9110, section 15.6 (5xx is for the server's own faults); JSON-RPC 2.0, section 5.1"
        ),
        remedy="Catch what parsing and validating raise, and answer 400 with -32700 or -32600.",
        play=_garbage,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.body-utf8",
        title="Bytes that are no UTF-8",
        severity=Severity.LOW,
        sends="Messages with a text that holds a lone continuation byte, a cut or overlong sequence, or a surrogate.",
        sound="Refuses them: a server that repairs them works on something else than what was sent.",
        reference=spec("MCP, transports: messages MUST be UTF-8; RFC 3629, section 10; RFC 8259, section 8.1"),
        remedy="Decode strictly before parsing.",
        play=_utf8,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.batch",
        title="A batch",
        severity=Severity.LOW,
        sends="Three requests in a list.",
        sound="Refuses it: limits and logs that count requests count it as one.",
        reference=spec(f"{SINGLE} (batches were removed in 2025-06-18)"),
        remedy="Answer 400 with -32600 to a list.",
        play=_batch,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.deep",
        title="A very deep body",
        severity=Severity.MEDIUM,
        sends=f"Requests with {DEEP:,} lists or objects within each other.",
        sound="Answers or refuses them, and lives.",
        reference=advisory("CWE-674: uncontrolled recursion"),
        remedy="Bound the depth before parsing, or use a parser that does.",
        play=_deep,
        transports=HTTP,
        seconds=PATIENT,
    ),
    Case(
        id="http.body-short",
        title="A length that is not the body's",
        severity=Severity.LOW,
        sends="A message of which more bytes, or fewer, are announced than come.",
        sound="Carries out neither; answers 400 or closes.",
        reference=spec("RFC 9112, section 8: a message that ends early is incomplete; section 6.3"),
        remedy="Leave framing to a server that is maintained, and do not parse what has come before its end.",
        play=_short,
        transports=HTTP,
        seconds=PATIENT,
    ),
)
