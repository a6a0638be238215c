"""Answers of the web that are larger, longer or slower than anyone can take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast_attack.arena import WebCanary
from holdfast_attack.cases import greedy
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import Shot
from holdfast_attack.cases.urls.redirects import UNREACHED, WITHIN
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import Play, advisory, alone
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe


def hostile(path: str) -> Play:
    """One answer of the canary, fetched by the first tool that reaches it."""

    async def play(probe: Probe) -> int:
        greedy.needs_own(probe)
        async with WebCanary() as web:
            aim = await _reaching(probe, web)
            within = min(probe.call_deadline, probe.left - 5.0)
            return await greedy.fire(probe, [Shot(aim, aim.holding(web.url(path)))], within)

    return play


async def _reaching(probe: Probe, web: WebCanary) -> Aim:
    """The first parameter whose URL is followed to the canary."""
    for aim in aims(probe, Role.URL):
        await probe.call(aim.tool.name, aim.holding(web.url()), within=WITHIN)
        await asyncio.sleep(0)
        if web.reached:
            return aim
    raise NotApplicable(UNREACHED)


def _case(name: str, title: str, sends: str, remedy: str) -> Case:
    return alone(
        id=f"urls.{name}",
        title=title,
        severity=Severity.MEDIUM,
        eras=Eras.ONCE,
        seconds=50.0,
        sends=sends,
        sound="answers within the deadline of a call; its memory grows by no more than 512 MiB",
        reference=advisory("CWE-770, CWE-409"),
        remedy=remedy,
        play=hostile(f"/{name}"),
    )


CASES = (
    _case(
        "bomb",
        "A small answer that unpacks to 1 GiB is not unpacked whole",
        "the URL of an answer in gzip, 1 MiB that becomes 1 GiB",
        "count the bytes while unpacking, and stop at a limit",
    ),
    _case(
        "big",
        "A large answer is not read to its end",
        "the URL of an answer of 512 MiB without a length",
        "count the bytes while reading, and stop at a limit",
    ),
    _case(
        "slow",
        "A slow answer does not keep a call for ever",
        "the URL of an answer that brings three bytes five times a second, for two minutes",
        "one deadline for the whole fetch, beside those for connecting and for each read",
    ),
)
