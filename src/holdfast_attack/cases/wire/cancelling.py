"""Cancelling what is not there, what looks alike, in the moment of the answer, and a great many."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import PATIENCE, Answers, Message, count, is_answer, send
from holdfast_attack.cases.wire.idle import wait_out
from holdfast_attack.cases.wire.slow import slow_call
from holdfast_attack.link.messages import encoded, key
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Found, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, alone, measured, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

CANCELLATION = "MCP 2025-11-25, Cancellation, Behavior Requirements; 2026-07-28, Patterns, Cancellation"
RACES = 200
SLOTS = 40
"""Slow calls at once: more than a pool of threads has by default (anyio 40, asyncio 32 at most)."""
SLEEP = 30.0
WITHIN = 20.0
BEGUN = 0.2
"""Seconds after which a call is under way."""
ENDED = 3.0
"""Seconds after which a call of one second has ended, if nobody could end it before."""
SERVED = 10.0
"""Seconds in which an honest call must be served again after all slow ones were cancelled."""


def cancelled(number: object) -> Message:
    """The notification."""
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}


def _lines(*messages: Message) -> bytes:
    return b"".join(encoded(message) + b"\n" for message in messages)


async def unknown(probe: Probe) -> int:
    """Cancelling what was never asked, or nothing that could be asked, changes nothing and is not answered."""
    session = await probe.stdio()
    numbers: tuple[object, ...] = (987_654, "987654", "", None, 1.5, True, {}, ["a"])
    broken: Message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}
    behind = session.message("tools/list")
    session.mark()
    await send(session, _lines(*(cancelled(number) for number in numbers), broken, behind))
    answers = await count(session, Answers.to([behind]), PATIENCE)
    if answers.missing:
        raise Found(f"an honest request behind them is not answered within {PATIENCE:g} s")
    if answers.others:
        raise Found("a notification was answered")
    return len(numbers) + 1


async def lookalike(probe: Probe) -> int:
    """Cancelling "10", "1_0", " 10 " or 10 in wide digits leaves the request 10 alone."""
    session = await probe.stdio()
    slow = slow_call(probe, 1.0)
    number = session.message("tools/list")["id"] + 700_010
    request = session.message("tools/call", {"name": slow.tool, "arguments": slow.arguments}, id=number)
    text = str(number)
    alike = (text, f"{text[0]}_{text[1:]}", f" {text}", f"+{text}", f"{text}.0", f"0{text}", _wide(text), number + 0.5)
    session.mark()
    begun = time.monotonic()
    await send(session, _lines(request))
    await asyncio.sleep(BEGUN)  # what is not under way yet cannot be cancelled
    await send(session, _lines(*(cancelled(other) for other in alike)))
    heard = await session.wait(lambda message: is_answer(message) and key(message.get("id")) == key(number), WITHIN)
    if heard is None:
        raise Found(f"the request {number} was never answered after others that look alike had been cancelled")
    if "error" not in heard.message and time.monotonic() - begun < 2 * BEGUN:
        raise NotApplicable("the slowest tool answers at once")
    if "error" in heard.message and not await _slow_works(session, slow.tool, slow.arguments):
        raise Inconclusive(f"{slow.tool} refuses the call without any cancellation too")
    if "error" in heard.message:
        raise Found(f"the request {number} was cancelled by one that only looks alike", got=heard.raw)
    return len(alike)


async def _slow_works(session: StdioSession, tool: str, arguments: Message) -> bool:
    return (await session.call(tool, arguments, within=WITHIN)).error is None


def _wide(text: str) -> str:
    """The same in full-width digits, which some languages read as digits."""
    return text.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})


async def race(probe: Probe) -> int:
    """A request and its cancellation at once, many times: one answer each at the most."""
    session = await probe.stdio()
    worked = next((name for name, honest in probe.honest.items() if honest.worked), None)
    made: list[Message] = []
    for _ in range(RACES):
        call = {"name": worked, "arguments": probe.honest[worked].arguments} if worked else None
        made.append(session.message("tools/call", call) if call else session.message("tools/list"))
    behind = session.message("tools/list")
    session.mark()
    pairs = [line for one in made for line in (one, cancelled(one["id"]))]
    await send(session, _lines(*pairs, behind), within=WITHIN)
    answered = await count(session, Answers.to([behind]), WITHIN)
    if answered.missing:
        raise Found(f"an honest request behind {RACES} cancelled ones is not answered within {WITHIN:g} s")
    answers = await count(session, Answers.to(made), 0.0)
    if answers.twice:
        raise Found(f"{answers.twice} of {RACES} requests that were cancelled at once were answered more than once")
    return RACES


async def answered(probe: Probe) -> int:
    """A slow call that is cancelled in its middle: one answer at the most, when it would have ended too."""
    slow = slow_call(probe, 1.0)
    async with probe.fresh_stdio() as session:
        made = session.message("tools/call", {"name": slow.tool, "arguments": slow.arguments})
        session.mark()
        await send(session, _lines(made))
        await asyncio.sleep(BEGUN)
        await send(session, _lines(cancelled(made["id"])))

        def heard() -> int:
            return sum(
                is_answer(one.message) and key(one.message.get("id")) == key(made["id"]) for one in session.messages
            )

        await wait_out(session, lambda _: heard() > 1, ENDED)
        if heard() > 1:
            raise Found(f"a call that was cancelled in its middle was answered {heard()} times", tool=slow.tool)
    return 1


async def frees(probe: Probe) -> int:
    """Slow calls that were cancelled make room for others."""
    slow = slow_call(probe, SLEEP)
    async with probe.fresh_stdio() as session:
        for _ in range(2):
            call = {"name": slow.tool, "arguments": slow.arguments}
            made = [session.message("tools/call", call) for _ in range(SLOTS)]
            await send(session, _lines(*made))
            await asyncio.sleep(BEGUN)
            await send(session, _lines(*(cancelled(one["id"]) for one in made)))
        await _served(probe, session, slow.tool)
    return 2 * SLOTS


async def _served(probe: Probe, session: StdioSession, slow: str) -> None:
    """Raises ``Found`` unless an honest call of another tool is served, or of this one where there is no other."""
    name, arguments = next(
        ((name, each.arguments) for name, each in probe.honest.items() if each.worked and name != slow), (slow, None)
    )
    if arguments is None:
        arguments = slow_call(probe, 0.01).arguments
    end = time.monotonic() + SERVED
    while True:
        try:
            reply = await session.call(name, arguments, within=max(0.5, end - time.monotonic()))
        except TimeoutError:
            raise Found("it does not read its input any more") from None
        if not reply.silent and not reply.limited:
            return
        if time.monotonic() >= end:
            what = "gets no answer" if reply.silent else "is refused as one too many"
            raise Found(f"after {2 * SLOTS} slow calls were cancelled an honest call {what}", tool=name)
        await asyncio.sleep(min(0.5, max(0.05, reply.retry_after or 0.0)))


CASES = (
    Case(
        id="wire.cancel-unknown",
        title="Cancelling what is not under way",
        severity=Severity.MEDIUM,
        sends="cancellations of ids that were never used, and of things that are no ids",
        sound="ignores them, and answers the honest request behind them",
        reference=spec(f"{CANCELLATION}; Error Handling: invalid cancellation notifications SHOULD be ignored"),
        remedy="look the id up and do nothing where there is none, whatever type it has",
        play=unknown,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.cancel-lookalike",
        title="Cancelling an id that only looks like another",
        severity=Severity.MEDIUM,
        sends='a slow call, and cancellations of its id as a text, "1_0" for 10, with a blank, a sign or wide digits',
        sound="lets the slow call finish",
        reference=measured('the MCP Python SDK 2.3.0 cancels the request 10 for the id "1_0"'),
        remedy="never turn ids into numbers; compare value and type",
        play=lookalike,
        transports=STDIO,
        seconds=60.0,
    ),
    alone(
        id="wire.cancel-answered",
        title="A call that is cancelled in its middle is answered once at the most",
        severity=Severity.MEDIUM,
        sends="a call of a second, and its cancellation while it is under way",
        sound="answers it once or not at all",
        reference=spec(f"JSON-RPC 2.0, section 5 (one response for a request); {CANCELLATION}"),
        remedy="take the id out of what is under way once, and answer only if it was there",
        play=answered,
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.cancel-race",
        title="Requests that are cancelled in the moment they arrive",
        severity=Severity.MEDIUM,
        sends=f"{RACES} requests, each with its cancellation right behind it",
        sound="answers each once at the most, and the honest request behind them",
        reference=spec(f"{CANCELLATION}; Timing: both parties MUST handle these race conditions gracefully"),
        remedy="take the request out of the table and answer it in one step",
        play=race,
        transports=STDIO,
        seconds=60.0,
    ),
    alone(
        id="wire.cancel-frees",
        title="Cancelled calls make room for others",
        severity=Severity.HIGH,
        sends=f"{SLOTS} slow calls that are cancelled at once, twice, then an honest call",
        sound=f"serves the honest call within {SERVED:g} s",
        reference=spec(f"{CANCELLATION}: receivers SHOULD stop processing and free associated resources"),
        remedy="let a cancellation end the work and give back its slot, also where it runs in a thread or a process",
        play=frees,
        transports=STDIO,
        seconds=60.0,
    ),
)
