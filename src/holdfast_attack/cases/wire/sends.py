"""A wire case as data: the bytes, and the kinds of answer that a sound server may give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import GRACE, MOMENT, Message, tell
from holdfast_attack.link.messages import envelope, is_modern, key
from holdfast_attack.link.stdio import Heard, StdioSession
from holdfast_attack.model import Found
from holdfast_attack.model.case import Play

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe


class Answer(StrEnum):
    """What kind of answer came."""

    REFUSED = "an error"
    """A JSON-RPC error, or a result that says ``isError``."""
    TAKEN = "a result"
    SILENCE = "no answer"


SHOWN = 8_192
"""Bytes of evidence, each way."""
REFUSED = frozenset({Answer.REFUSED})
ANSWERED = frozenset({Answer.REFUSED, Answer.TAKEN})
TAKEN = frozenset({Answer.TAKEN})
SILENCE = frozenset({Answer.SILENCE})
UNTAKEN = frozenset({Answer.REFUSED, Answer.SILENCE})

LISTS = b'{"jsonrpc":"2.0","id":%id%,"method":"tools/list","params":{"_meta":{%envelope%"com.example/attack":%value%}}}'
"""An honest request, with a place for a value that a server has to read although it does not know what it is for."""


@dataclass(frozen=True, slots=True)
class Sends:
    """``raw``: %id% stands for an id that was not used before, %envelope% for what the era wants in ``_meta``."""

    what: str
    """For the reader of a finding: what was sent."""
    raw: bytes
    sound: frozenset[Answer] = REFUSED
    codes: frozenset[int] = frozenset()
    """Of the error; empty for any."""
    own: bool = False
    """The request can be read, so its answer must bear its id."""


def lists(
    what: str, value: bytes, sound: frozenset[Answer] = REFUSED, around: tuple[bytes, bytes] = (b"", b"")
) -> Sends:
    """An honest request with ``value`` in it, as it is; ``around`` stands before and behind it."""
    return Sends(what, around[0] + LISTS.replace(b"%value%", value) + around[1], sound)


def filled(raw: bytes, version: str, number: int) -> bytes:
    """``raw`` with its placeholders filled."""
    meta = json.dumps(envelope(version))[1:-1] + "," if is_modern(version) else ""
    return raw.replace(b"%id%", b"%d" % number).replace(b"%envelope%", meta.encode())


def kind_of(message: Message) -> Answer:
    """What kind of answer a message is."""
    result = message.get("result")
    if "error" in message or (isinstance(result, dict) and result.get("isError")):
        return Answer.REFUSED
    return Answer.TAKEN


def plays(*forms: Sends) -> Play:
    """A case that sends each form on the shared session."""

    async def play(probe: Probe) -> int:
        session = await probe.stdio()
        for form in forms:
            await one(session, form)
        return len(forms)

    return play


async def one(session: StdioSession, form: Sends) -> None:
    """Send one form. Raises ``Found`` unless the answer is one that a sound server may give."""
    number = session.message("tools/list")["id"]
    raw = filled(form.raw, session.lane.version, number)
    junk = len(session.junk)
    heard = await tell(session, raw, MOMENT if Answer.SILENCE in form.sound else GRACE)
    if heard is None and len(session.junk) > junk:
        heard = Heard({"result": None}, session.junk[-1])  # an answer of another form, such as a list of answers
    problem = _problem(form, heard, number)
    if problem:
        raise Found(f"{form.what}: {problem}", sent=raw[:SHOWN], got=b"" if heard is None else heard.raw[:SHOWN])


def _problem(form: Sends, heard: Heard | None, number: int) -> str:
    answer = Answer.SILENCE if heard is None else kind_of(heard.message)
    if answer not in form.sound:
        return _wrong(answer, heard)
    if heard is None:
        return ""
    if form.own and key(heard.message.get("id")) != key(number):
        return "the answer bears another id than the request, so that no client can match them"
    code = _code(heard.message)
    if answer is Answer.REFUSED and form.codes and code is not None and code not in form.codes:
        return f"refused with the code {code} where {_or(sorted(form.codes))} says what is wrong"
    return ""


def _wrong(answer: Answer, heard: Heard | None) -> str:
    if answer is Answer.SILENCE:
        return "no answer; who waits for one waits for ever"
    if answer is Answer.TAKEN:
        return "answered with a result, as though it were right"
    return f"refused with the code {_code(heard.message) if heard else None}, though there is nothing wrong with it"


def _code(message: Message) -> int | None:
    error = message.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else None


def _or(codes: Sequence[int]) -> str:
    return " or ".join(str(code) for code in codes)
