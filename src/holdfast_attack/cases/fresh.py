"""Tries one thing after the other on servers of the case's own: a new one after each that was too much."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from holdfast_attack.model import Finding, FoundSeveral, Inconclusive

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

T = TypeVar("T")


async def one_by_one(
    probe: Probe, wanted: Sequence[T], one: Callable[[Probe, Session, T], Awaitable[Finding | None]], enough: float
) -> int:
    """How many were tried while ``enough`` seconds were left. One server serves until something is found.

    Raises ``FoundSeveral``, and ``Inconclusive`` where nothing could be tried.
    """
    findings: list[Finding] = []
    waiting = list(wanted)
    while waiting and probe.left > enough:
        async with probe.fresh() as session:
            found = None
            while found is None and waiting and probe.left > enough:
                found = await one(probe, session, waiting.pop(0))
        findings += [found] if found is not None else []
    if findings:
        raise FoundSeveral(tuple(findings))
    if len(waiting) == len(wanted):
        raise Inconclusive("no time was left for any of them")
    return len(wanted) - len(waiting)
