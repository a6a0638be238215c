"""Statements that change what they should only read, or reach what lies outside of the database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from holdfast_attack.arena import database
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.paths.reading import escaped
from holdfast_attack.cases.sql.statements import ATTEMPTS, Attempt
from holdfast_attack.cases.trying import Judge, Shot, fire, fired, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, Kind, NotApplicable, Severity
from holdfast_attack.model.case import Play, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

_LOADER = re.compile(
    r"cannot open shared object|invalid ELF header|file too short|dlopen|not a mach-o|%1 is not a valid",
    re.IGNORECASE,
)
"""What the loader of the system says when it was asked to load a file that is no library."""


def attempted(attempt: Attempt) -> Play:
    """Tries every statement on every parameter for them."""

    async def play(probe: Probe) -> int:
        targets = _targets(probe, attempt)
        statements = attempt.statements if probe.full else attempt.statements[: attempt.quick]
        with _kept(probe.arena) as changed:
            judge = changed if attempt.changes else _reached(probe.arena)
            return await fire(probe, shots(probe, targets, lambda _aim: statements), judge)

    return play


def _targets(probe: Probe, attempt: Attempt) -> list[Aim]:
    found = aims(probe, Role.SQL)
    if not attempt.changes:
        return found
    found = [aim for aim in found if aim.tool.promises]
    if not found:
        raise NotApplicable("no tool that takes statements is marked read-only: they may be there to write")
    found = [aim for aim in found if _of_arena(probe.honest[aim.tool.name].reply)]
    if not found:
        raise NotApplicable("the server's database is not the arena's, which {database} in the command stands for")
    return found


def _of_arena(reply: Reply) -> bool:
    """Whether an honest statement gave the arena's rows: the database of somebody else must not be changed."""
    return all(name in reply.text for name, _ in database.PETS)


@contextmanager
def _kept(arena: Arena) -> Iterator[Judge]:
    """A judge: the database holds something else; it is given back what it held."""
    before = database.digest(arena.database)

    def judge(shot: Shot, _reply: Reply) -> str | None:
        if database.digest(arena.database) == before:
            return None
        with suppress(sqlite3.Error):
            arena.restore_database()
        return f"a statement in {shot.aim.label} changed the database, by a tool that is marked read-only"

    try:
        yield judge
    finally:
        with suppress(sqlite3.Error):
            arena.restore_database() if database.digest(arena.database) != before else None


def _reached(arena: Arena) -> Judge:
    """A judge: a file was read or made outside of the database."""
    left = escaped(arena)

    def judge(shot: Shot, reply: Reply) -> str | None:
        if fired(shot, reply) is not None:
            return f"a statement in {shot.aim.label} made a file"
        if left(shot, reply) is not None:
            return f"a statement in {shot.aim.label} reached a file outside: its content came back"
        return None

    return judge


async def load_extension(probe: Probe) -> int:
    """A library that would run code in the server."""
    targets = aims(probe, Role.SQL)
    library = probe.arena.outside / "secret.txt"
    statements = [f"SELECT load_extension('{library}')", f"LOAD '{library}'", f"INSTALL '{library}'"]
    count = 3 if probe.full else 2
    return await fire(probe, shots(probe, targets, lambda _aim: statements[:count]), _loaded)


def _loaded(shot: Shot, reply: Reply) -> str | None:
    if _LOADER.search(reply.text[:20_000]):
        return f"a statement in {shot.aim.label} made the server load a file as a library: its loader complained of it"
    return None


SOUND = "refuses; the database holds what it held, and no other file is read or made"

CASES = (
    *(each.case(Kind.SQL, SOUND, attempted(each)) for each in ATTEMPTS),
    Case(
        id="sql.load-extension",
        title="No library is loaded into the server",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="load_extension and LOAD with the name of a file that is no library",
        sound="refuses before any loader looks at the file",
        reference=measured("SQLite: load_extension() runs the library's code in the server's process; CWE-114"),
        remedy="leave extension loading off (its default), and refuse the function",
        play=load_extension,
    ),
)
