"""Puts hostile values into the parameters of tools, one call after the other, and collects what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdfast_attack.cases.aiming import Aim
from holdfast_attack.link.messages import encoded
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Finding, FoundSeveral, Inconclusive, NotApplicable

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

WITHIN = 15.0
"""Seconds for one call: a sound server refuses in milliseconds; some take a second to log an exception, and a loaded
machine takes its time."""
SILENT = 2
"""Calls without an answer after which nothing more is tried: what hangs is for other cases to say."""
KEPT = 65_536
"""Bytes of an answer that are kept as evidence."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One call that is made. ``marker``: a file that is there afterwards when it hit."""

    aim: Aim
    arguments: dict[str, Any]
    marker: Path | None = None

    @property
    def words(self) -> bytes:
        """What is sent, for a reader."""
        return encoded({"method": "tools/call", "params": {"name": self.aim.tool.name, "arguments": self.arguments}})


_STEPS: Final = 12
"""To ``/`` from any folder that a server may have for its root: temporary ones lie some ten deep."""
UP: Final = {
    "climb": "/".join([".."] * _STEPS),
    "climb_double": "/".join(["...."] * _STEPS).replace("/", "//"),
    "climb_back": "\\".join([".."] * _STEPS),
    "climb_encoded": "/".join(["%2e%2e"] * _STEPS),
    "climb_all_encoded": "%2f".join(["%2e%2e"] * _STEPS),
    "climb_slashes": "%2f".join([".."] * _STEPS),
    "climb_twice": "%252f".join([".."] * _STEPS),
    "climb_wide": "/".join(["\uff0e\uff0e"] * _STEPS),
}
"""Ways up to ``/``, to be followed by an absolute path: they leave a root of which nothing is known."""

Judge: TypeAlias = Callable[[Shot, Reply], str | None]
"""What is wrong with an answer, in words; None when nothing is."""


def filled(text: str, values: Mapping[str, object]) -> str:
    """``{name}`` replaced for the names that are known; other braces stay, as shells and SQL have them too."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def shots(probe: Probe, targets: Iterable[Aim], payloads: Callable[[Aim], Sequence[str]]) -> Iterator[Shot]:
    """Every payload for every aim, with the arena's places filled in."""
    for aim in targets:
        for payload in payloads(aim):
            yield _shot(probe, aim, payload)


def _shot(probe: Probe, aim: Aim, payload: str) -> Shot:
    values = places(probe)
    marker = probe.arena.marker() if "{marker}" in payload or "{trap}" in payload else None
    if marker is None:
        return Shot(aim, aim.holding(filled(payload, values)))
    values |= {"marker": marker, "trap": probe.arena.trap(marker) if "{trap}" in payload else ""}
    text = filled(payload, values)
    if not fits(aim, text):  # from the workspace, where most programs are run
        text = filled(payload, values | {"marker": f"../{marker.parent.name}/{marker.name}"})
    return Shot(aim, aim.holding(text), marker)


def fits(aim: Aim, text: str) -> bool:
    """Whether the schema takes a text of this length."""
    longest = aim.parameter.schema.get("maxLength")
    return not isinstance(longest, int) or len(text) <= longest


def places(probe: Probe) -> dict[str, object]:
    """What payloads may name."""
    arena = probe.arena
    return {
        **UP,
        "outside": arena.outside,
        "outside_encoded": str(arena.outside).replace("/", "%2f"),
        "outside_twice": str(arena.outside).replace("/", "%252f"),
        "outside_back": str(arena.outside).replace("/", "\\"),
        "workspace": arena.workspace,
        "sibling": arena.sibling,
        "base": arena.base,
        "traps": arena.places.traps,
    }


async def fire(
    probe: Probe, wanted: Iterable[Shot], judge: Judge, *, settle: float = 0.0, must_work: bool = True
) -> int:
    """Make the calls; the number of them. Once a parameter failed, no more is tried on it.

    Raises ``FoundSeveral``, or ``Inconclusive`` where nothing was found and nothing could have been. ``settle``:
    seconds after which markers are looked at once more. ``must_work``: a refusal says something only where an honest
    call is not refused.
    """
    volley = _Volley(probe, judge, must_work)
    for shot in wanted:
        await volley.fire(shot)
    if settle and volley.marked:
        await asyncio.sleep(settle)
        volley.look_again()
    return volley.verdict()


class _Volley:
    """All calls of one case."""

    def __init__(self, probe: Probe, judge: Judge, must_work: bool) -> None:
        self._probe, self._judge = probe, judge
        self._hit: dict[tuple[str, str], Finding] = {}
        self.marked: list[Shot] = []
        self._number = self._guesses = self._silent = 0
        self._worked = not must_work

    async def fire(self, shot: Shot) -> None:
        if _key(shot) in self._hit or self._silent >= SILENT:
            return
        if shot.aim.guessed and self._probe.left < WITHIN:
            return  # a slow server's time is for what it is known to take
        try:
            reply = await self._probe.call(shot.aim.tool.name, shot.arguments, within=WITHIN)
        except Gone as gone:
            self._note(shot, f"the server went away: {gone}", b"")
            self.verdict()
            return
        for _ in range(3):  # a connection that was made before the reply came is in the loop's hands by now
            await asyncio.sleep(0)
        self._count(shot.aim, reply)
        what = self._judge(shot, reply)
        if what is not None:
            self._note(shot, what, reply.raw)
        elif shot.marker is not None:
            self.marked.append(shot)

    def _count(self, aim: Aim, reply: Reply) -> None:
        """What a guess did not do says nothing of a class of values that the tool may have nothing to do with."""
        if aim.guessed:
            self._guesses += 1
            return
        self._number += 1
        self._worked = self._worked or aim.worked
        self._silent += reply.silent

    def look_again(self) -> None:
        for shot in self.marked:
            what = self._judge(shot, Reply(None)) if _key(shot) not in self._hit else None
            if what is not None:
                self._note(shot, what, b"")

    def verdict(self) -> int:
        if self._hit:
            raise FoundSeveral(tuple(self._hit.values()))
        if self._silent:
            raise Inconclusive(f"{self._silent} of {self._number} calls got no answer within {WITHIN:g} s")
        if self._number and not self._worked:
            raise Inconclusive("the honest calls of these tools do not work either, so that a refusal says nothing")
        if self._guesses and not self._number:
            raise NotApplicable(f"no parameter looks like one for this; {self._guesses} calls with others did nothing")
        return self._number

    def _note(self, shot: Shot, what: str, got: bytes) -> None:
        self._hit[_key(shot)] = Finding(what, shot.aim.tool.name, shot.words, got[:KEPT])


def _key(shot: Shot) -> tuple[str, str]:
    return shot.aim.tool.name, shot.aim.parameter.label


def fired(shot: Shot, _reply: Reply) -> str | None:
    """A judge: what was sent was run, or taken for a flag, as the file that it makes is there."""
    if shot.marker is not None and shot.marker.exists():
        return f"the value of {shot.aim.label} was no plain text: the file that it makes came to be"
    return None
