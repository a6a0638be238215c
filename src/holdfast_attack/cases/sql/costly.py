"""Statements that take for ever, and statements whose answer is larger than anyone can take."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdfast_attack.cases import greedy
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import shots
from holdfast_attack.model import Eras, Inconclusive, Severity
from holdfast_attack.model.case import advisory, alone, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast_attack.play.probe import Probe

HEAVY = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "SELECT count(*) FROM visit a, visit b, visit c, visit d, visit e",
)
"""The first has no end; the second counts 31 million million rows of a table with 500."""
ROWS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000000)"
    " SELECT x, 'a row of two hundred letters ' || x, replace(hex(zeroblob(100)), '00', 'ab') FROM n",
    "SELECT replace(hex(zeroblob(200000000)), '00', 'ab')",
)
"""Some 700 MB of rows, and one value of 400 MB."""


async def heavy(probe: Probe) -> int:
    """Statements without an end."""
    return await _fired(probe, HEAVY)


async def rows(probe: Probe) -> int:
    """Answers without a bound."""
    return await _fired(probe, ROWS)


async def _fired(probe: Probe, statements: Sequence[str]) -> int:
    targets = _working(probe)[:1]
    chosen = statements if probe.full else statements[:1]
    within = min(probe.call_deadline, probe.left - 5.0)
    return await greedy.fire(probe, shots(probe, targets, lambda _aim: chosen), within)


def _working(probe: Probe) -> list[Aim]:
    found = [aim for aim in aims(probe, Role.SQL) if aim.worked]
    if not found:
        raise Inconclusive("no honest statement works, so that a refusal says nothing")
    return found


_once = partial(alone, eras=Eras.ONCE, seconds=50.0)

CASES = (
    _once(
        id="sql.heavy",
        title="A statement without an end is stopped",
        severity=Severity.MEDIUM,
        sends="a recursive SELECT without an end",
        sound="answers within the deadline of a call (--call-deadline)",
        reference=advisory("CWE-400, CWE-770"),
        remedy="a progress handler (SQLite) or statement_timeout (PostgreSQL), and interrupt on cancellation",
        play=heavy,
    ),
    _once(
        id="sql.rows",
        title="An answer of millions of rows is not held in memory",
        severity=Severity.HIGH,
        sends="a SELECT that gives three million rows",
        sound="answers in time with a part, or refuses; its memory grows by no more than 512 MiB",
        reference=measured("fetchall() of three million rows takes a gigabyte, and several as JSON; CWE-770"),
        remedy="fetch row by row up to a number and a size, and say that there is more",
        play=rows,
    ),
)
