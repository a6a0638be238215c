"""Regular expressions and lists: work that a few bytes make endless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from holdfast_attack.arena.planting import planted_folder
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.time.slow import Slow, first_held, needs_own
from holdfast_attack.model import Case, Finding, Found, FoundSeveral, Inconclusive, Severity
from holdfast_attack.model.case import advisory, alone, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

EVIL = ("(a+)+$", "(a|aa)+$", "(a|a)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){20}$", "*a" * 16 + "*b")
"""Each takes a backtracking engine more than 2^30 steps on ``TEXT`` (the last one, a glob, on the name ``FILE``); a
linear one takes microseconds."""
TEXT = "a" * 64 + "!"
FOLDER, FILE = "odd-redos", "a" * 64 + ".txt"
WITHIN = 5.0
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
PAGES, STALE = 500, 50
LONGEST = 10.0
"""Seconds for one page; a sound server needs milliseconds."""


async def _regex(probe: Probe) -> int:
    needs_own(probe)
    targets = aims(probe, Role.PATTERN)
    findings: list[Finding] = []
    tried = 0
    with _planted(probe) as file:
        for aim in targets:
            slow = _calls(aim, file)
            async with probe.fresh() as session:
                found = await first_held(probe, session, slow, "a pattern")
            tried += len(slow)
            findings += [found] if found is not None else []
    if findings:
        raise FoundSeveral(tuple(findings))
    return tried


@contextmanager
def _planted(probe: Probe) -> Iterator[str]:
    """A file to search in; its path from the workspace."""
    with planted_folder(probe.arena.workspace, FOLDER) as folder:
        (folder / FILE).write_text(TEXT + "\n")
        yield f"{FOLDER}/{FILE}"


def _calls(aim: Aim, file: str) -> list[Slow]:
    """Honest calls of a tool but for the pattern and what it is searched in."""
    searched = {Role.PATH: file, Role.FOLDER: FOLDER, Role.TEXT: TEXT}
    others = {
        parameter.name: searched[parameter.role]
        for parameter in aim.tool.parameters
        if parameter.role in searched and isinstance(aim.arguments.get(parameter.name), str)
    }
    return [Slow(aim.tool.name, {**aim.holding(evil), **others}, WITHIN) for evil in EVIL]


async def _lists(probe: Probe) -> int:
    number = 0
    session = await probe.session()
    for method in LISTS:
        number += await _pages(session, method)
    return number


async def _pages(session: Session, method: str) -> int:
    """How many pages there are, to the last. Raises ``Found``, and ``Inconclusive`` for a list that is too long."""
    cursors: set[str] = set()
    entries: set[str] = set()
    stale = 0
    params = None
    for number in range(1, PAGES + 1):
        result = await _page(session, method, number, params)
        named = _entries(result)
        stale = 0 if named - entries else stale + 1
        entries |= named
        following = result.get("nextCursor")
        if not isinstance(following, str):
            return number
        if following in cursors:
            raise Found(f"{method}: its pages go round in a circle, page {number} names one that was there before")
        if stale == STALE:
            raise Found(f"{method}: {STALE} pages in a row have nothing new on them, and there is always a next")
        cursors.add(following)
        params = {"cursor": following}
    raise Inconclusive(f"{method} has more than {PAGES} pages")


async def _page(session: Session, method: str, number: int, params: Mapping[str, str] | None) -> dict[str, Any]:
    """The result, empty when there is none; asked for twice, as once may be the machine's fault. Raises ``Found``."""
    for _ in range(2):
        reply = await session.ask(method, params, within=LONGEST)
        if not reply.silent:
            return reply.result or {}
    raise Found(f"{method}, page {number}: no answer within {LONGEST:g} s, twice")


def _entries(result: Mapping[str, Any]) -> set[str]:
    """What a page lists, by name or address."""
    listed = [item for value in result.values() if isinstance(value, list) for item in value if isinstance(item, dict)]
    names = (item.get(field) for item in listed for field in ("name", "uri", "uriTemplate"))
    return {name for name in names if isinstance(name, str)}


CASES = (
    alone(
        id="time.regex",
        title="A pattern cannot keep the server busy",
        severity=Severity.HIGH,
        sends=f"patterns such as {EVIL[0]} for a file of one line of 64 a's and an exclamation mark",
        sound="answers within 5 s (a linear engine needs microseconds, others bound what a pattern may take), or at "
        "least answers others meanwhile and ends what nobody waits for any more",
        reference=advisory("CVE-2026-0621; CWE-1333, inefficient regular expression complexity"),
        remedy="use an engine in linear time (RE2, Rust's regex) for patterns from a caller, or a process that is "
        "killed after its deadline",
        play=_regex,
        seconds=90.0,
        advisories=("CVE-2026-0621",),
    ),
    Case(
        id="time.hung-list",
        title="The lists of what a server offers come, and have an end",
        severity=Severity.HIGH,
        sends="requests for the lists of tools, resources, templates and prompts, page by page",
        sound=f"answers each page within {LONGEST:g} s; pages bring something new, and the last one names no next",
        reference=measured(
            "a client asks for these before anything else, and for every page: one that never comes, or "
            "that leads back to an earlier one, hangs it"
        ),
        remedy="answer lists from memory; make the cursor of a page lead forward only, and leave it out on the last",
        play=_lists,
        seconds=90.0,
    ),
)
