"""Values that a tool puts into a statement of its own: seen by another table's rows, by a parser's complaint, or by
what a condition changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import WITHIN, Judge, Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import advisory
from holdfast_attack.tools import Role
from holdfast_attack.tools.vocabulary import DATABASE
from holdfast_attack.tools.words import singular, words_of

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

ROLES = (Role.TEXT, Role.PATTERN, Role.OTHER, Role.ARGUMENT)
WORDS = DATABASE - {"select"} | {"query", "record", "row", "pet", "visit"}
QUICK = (2, 1)
MOST_COLUMNS = 5
MOST = {False: 12, True: 60}
"""Parameters of which answers are compared, in the quick profile and the full one; those of databases first."""
KEPT = 65_536
COMPLAINT: Final = re.compile(
    r"unrecognized token|near \"[^\"]{0,80}\": syntax error|incomplete input"  # SQLite
    r"|syntax error at or near|unterminated quoted (?:string|identifier) at or near"  # PostgreSQL
    r"|error in your SQL syntax|You have an error in your SQL"  # MySQL, MariaDB
    r"|Unclosed quotation mark|Incorrect syntax near"  # SQL Server
    r"|ORA-0(?:0933|1756)|quoted string not properly terminated"  # Oracle
    r"|Parser Error: (?:syntax|unterminated)",  # DuckDB
    re.IGNORECASE,
)
"""What the parsers of databases say of a statement that a quote has broken."""
HELD: Final = "zq"


@dataclass(frozen=True, slots=True)
class Condition:
    """Three values: one that nothing has, and the same with a condition behind it that holds or does not.

    Where values are parameters none of the three is found, and all answers are alike. A search that splits its query
    into words finds with ``fails`` all that it finds with ``holds``, and is not mistaken for a database.
    """

    holds: str
    fails: str
    plain: str = HELD
    quoted: bool = True
    """It leaves a text between quotes."""


CONDITIONS: Final = (
    Condition(f"{HELD}' OR 'k'='k' -- ", f"{HELD}' OR 'k'='j' -- "),
    Condition("0 OR 7=7", "0 OR 7=8", "0", quoted=False),
    Condition(f"{HELD}') OR ('k'='k') -- ", f"{HELD}') OR ('k'='j') -- "),
    Condition(f"{HELD}%' OR 'k'='k' -- ", f"{HELD}%' OR 'k'='j' -- "),
    Condition(f'{HELD}" OR "k"="k" -- ', f'{HELD}" OR "k"="j" -- '),
)
QUICK_CONDITIONS: Final = 3
LANGUAGES: Final = frozenset({"filter", "where", "expression", "condition", "predicate", "query", "formula", "rule"})
"""Names of parameters that take conditions, as they should."""


async def play(probe: Probe) -> int:
    """A union with the table of secrets where a tool speaks of a database; quotes and conditions for all texts."""
    targets = _targets(probe)
    number = await _unite(probe, [aim for aim in targets if _of_database(aim)])
    found = []
    for aim in targets:
        if probe.left < 2 * WITHIN:
            break  # some tools take seconds for each answer; those of databases were first
        trial = _Trial(probe, aim)
        finding = await trial.broken() or await trial.conditional()
        number += trial.calls
        if finding is not None:
            found.append(finding)
    if found:
        raise FoundSeveral(tuple(found))
    return number


def _targets(probe: Probe) -> list[Aim]:
    """Texts of tools that may be called; of those that speak of a database first."""
    found = sorted((aim for aim in aims(probe, *ROLES) if aim.takes_text), key=_of_database, reverse=True)
    if not found:
        raise NotApplicable("no tool that may be called takes a text that is no statement")
    return found[: MOST[probe.full]]


def _of_database(aim: Aim) -> bool:
    words = words_of(f"{aim.tool.name} {aim.tool.title} {aim.tool.description}")
    return bool(WORDS & set(map(singular, words)))


async def _unite(probe: Probe, targets: list[Aim]) -> int:
    columns = range(1, MOST_COLUMNS + 1) if probe.full else QUICK
    values = [form for count in columns for form in _unions(count)]
    wanted = shots(probe, targets, lambda _aim: values)
    return await fire(probe, wanted, _told(probe.arena.canaries.row), must_work=False)


def _unions(columns: int) -> tuple[str, str]:
    """For a value between quotes, and for one without."""
    values = ", ".join(["value"] * columns)
    selected = f"SELECT {values} FROM secrets -- "  # noqa: S608 - hostile on purpose  # nosec B608 - as before
    return f"x' UNION {selected}", f"0 UNION {selected}"


def _told(secret: str) -> Judge:
    """A judge: the secret of another table came back."""

    def judge(shot: Shot, reply: Reply) -> str | None:
        if secret.encode() in reply.raw:
            return f"the value of {shot.aim.label} became part of a statement: a row of another table came back"
        return None

    return judge


class _Trial:
    """One parameter, by what its answers have in common."""

    def __init__(self, probe: Probe, aim: Aim) -> None:
        self._probe, self._aim = probe, aim
        self.calls = 0

    async def broken(self) -> Finding | None:
        """One quote makes a parser complain, and two, which stand for one, do not. Changes nothing."""
        for quote in "'", '"':
            said = await self._say(f"{HELD}{quote}")
            if said is None or not COMPLAINT.search(said.text[:KEPT]):
                continue
            doubled = await self._say(f"{HELD}{quote}{quote}")
            if doubled is not None and not COMPLAINT.search(doubled.text[:KEPT]):
                return self._finding("a quote in it broke the statement", f"{HELD}{quote}", said)
        return None

    async def conditional(self) -> Finding | None:
        """A condition decides what comes back. For tools that read only: ``OR`` in a statement that deletes is no
        test."""
        if not self._aim.tool.read_only:
            return None
        for each in self._conditions():
            first = await self._differs(each)
            if first is not None and await self._differs(each) is not None:
                return self._finding("a condition in it decided what came back", each.holds, first)
        return None

    def _conditions(self) -> Iterator[Condition]:
        own = LANGUAGES & set(map(singular, words_of(self._aim.parameter.name)))
        for each in CONDITIONS if self._probe.full else CONDITIONS[:QUICK_CONDITIONS]:
            if each.quoted or not own:
                yield each

    async def _differs(self, each: Condition) -> Reply | None:
        """What came where the condition holds, when that differs and the other two answers are alike."""
        plain, fails, holds = [await self._say(value) for value in (each.plain, each.fails, each.holds)]
        if plain is None or fails is None or holds is None or holds.failed:
            return None
        nothing = _without(plain, each.plain)
        return holds if nothing == _without(fails, each.fails) != _without(holds, each.holds) else None

    async def _say(self, value: str) -> Reply | None:
        try:
            reply = await self._probe.call(self._aim.tool.name, self._aim.holding(value), within=WITHIN)
        except Gone:
            return None
        self.calls += 1
        return None if reply.silent else reply

    def _finding(self, how: str, value: str, reply: Reply) -> Finding:
        what = f"the value of {self._aim.label} became part of a statement: {how}"
        return Finding(what, self._aim.tool.name, Shot(self._aim, self._aim.holding(value)).words, reply.raw[:KEPT])


def _without(reply: Reply, value: str) -> tuple[bool, str]:
    """An answer as a reader sees it, without what was sent."""
    return reply.failed, reply.text.replace(value, "").strip()


CASES = (
    Case(
        id="sql.injection",
        title="A value does not become part of a statement",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="values with a quote, with UNION SELECT from another table, and with conditions that hold or do not",
        sound="takes the value for a value: no other row comes back, and no parser complains",
        reference=advisory("CWE-89"),
        remedy="give values to the database as parameters, never within the text of a statement",
        play=play,
    ),
)
