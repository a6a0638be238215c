"""Texts that a tool's own patterns and loops take for ever over: short ones for the former, long for the latter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.fresh import one_by_one
from holdfast_attack.cases.time.slow import Slow, first_held, needs_own
from holdfast_attack.model import Finding, NotApplicable, Severity
from holdfast_attack.model.case import advisory, alone
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

LONG: Final = 600_000
"""Characters: what is linear takes milliseconds for them, and what is quadratic minutes."""
SHORT: Final = ("a" * 64 + "!", "1" * 64 + "x", "a." * 32 + "!", "a@" * 32 + "!", " " * 64 + "!", "a, " * 20 + "!")
"""For patterns with one repetition in another: 2^64 steps for an engine that tries them all."""
WITHIN: Final = 5.0
MOST: Final = {False: 12, True: 60}
ENOUGH: Final = 20.0
"""Seconds that are needed for one more parameter, should it be slow."""


async def _texts(probe: Probe) -> int:
    needs_own(probe)
    targets = [aim for aim in aims(probe, Role.TEXT, Role.OTHER, Role.ARGUMENT) if aim.takes_text]
    if not targets:
        raise NotApplicable("no tool that may be called takes a text")
    return await one_by_one(probe, targets[: MOST[probe.full]], _held, ENOUGH)


async def _held(probe: Probe, session: Session, aim: Aim) -> Finding | None:
    slow = [Slow(aim.tool.name, aim.holding(text), WITHIN) for text in _evil(aim)]
    return await first_held(probe, session, slow, "a text")


def _evil(aim: Aim) -> list[str]:
    most = aim.parameter.schema.get("maxLength")
    most = most if isinstance(most, int) and 0 < most < LONG else LONG
    short = [text if len(text) <= most else text[: most - 1] + text[-1] for text in SHORT]
    return [*dict.fromkeys(short), *(each * most for each in ("a", " ", "(")), (" " * most)[:-1] + "x"]


CASES = (
    alone(
        id="time.text",
        title="A text cannot keep the server busy",
        severity=Severity.HIGH,
        sends=f"texts such as 64 a's and an exclamation mark, and texts as long as the schema allows, up to {LONG:,}",
        sound="answers within 5 s, or at least answers others meanwhile and ends what nobody waits for any more",
        reference=advisory("CWE-1333 (a pattern of the server's own), CWE-407 (work that grows faster than the text)"),
        remedy="no repetition within a repetition in patterns (or an engine in linear time); bound what a text may be "
        "(maxLength), and the time that a call may take",
        play=_texts,
        seconds=90.0,
    ),
)
