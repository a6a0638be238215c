"""Calls that may make a server take all the memory there is: it is killed before it does."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Found, Inconclusive, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast_attack.cases.trying import Shot
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

MOST = 512 * 2**20
"""Bytes by which the memory of a server may grow over one call; an answer of 1 MiB takes some ten."""
EVERY = 0.05
"""Seconds between two looks: a program that reads without an end takes some 100 MiB in that time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``grown``: the growth in bytes at which the server was killed; None when it was not."""

    reply: Reply
    grown: int | None


def needs_own(probe: Probe) -> None:
    """Raises ``NotApplicable`` for a server that was not started here: nobody could end it in time."""
    if not probe.started:
        raise NotApplicable("it may fill the memory, so it is only tried on a server that was started here")


async def call(session: Session, tool: str, arguments: Any, within: float) -> Outcome:
    """Call a tool and watch the memory of the server meanwhile. Raises ``Gone`` when it ends by itself."""
    tree = session.tree
    if tree is None:
        raise Inconclusive("the memory of the server cannot be seen")
    before = tree.rss() or 0
    asking = asyncio.create_task(session.call(tool, arguments, within=within))
    try:
        while not asking.done():
            await asyncio.wait({asking}, timeout=EVERY)
            grown = (tree.rss() or 0) - before
            if grown > MOST:
                _kill(tree)
                return Outcome(Reply(None), grown)
        return Outcome(asking.result(), None)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def fire(probe: Probe, wanted: Iterable[Shot], within: float) -> int:
    """Each call must be answered in time and with bounded memory, on a server of its own; the number of calls.

    The first that is not ends it: what is left of the server says nothing about the next.
    """
    needs_own(probe)
    number = 0
    async with probe.fresh() as session:
        for shot in wanted:
            number += 1
            await _one(session, shot, within)
    return number


async def _one(session: Session, shot: Shot, within: float) -> None:
    name = shot.aim.tool.name
    try:
        outcome = await call(session, name, shot.arguments, within)
    except Gone:
        raise Found("the server went away", tool=name, sent=shot.words) from None
    if outcome.grown is not None:
        raise Found(f"its memory grew by {outcome.grown >> 20} MiB, and it was stopped", tool=name, sent=shot.words)
    if outcome.reply.silent:
        raise Found(f"no answer within {within:g} s", tool=name, sent=shot.words)


def _kill(tree: Tree) -> None:
    for pid in tree.pids():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
