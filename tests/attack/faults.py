"""The deliberately faulty servers of ``faulty/``: which there are, and how one is judged by the case meant for it."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast_attack.cases import case_of
from holdfast_attack.model import Eras, Lane, Outcome, Transport
from holdfast_attack.play import Plan
from holdfast_attack.play.judge import judged
from holdfast_attack.play.lane import LanePlay
from holdfast_attack.target.httptarget import HttpTarget
from holdfast_attack.target.premises import Premises
from holdfast_attack.target.targets import Program, StdioTarget, Target

FAULTY = Path(__file__).parent / "faulty"
ITSELF = "sound_itself"
TOKEN = "token-of-the-matrix-0001"
DEADLINE = 35.0
"""Seconds that any call may take, where a server's operator says nothing else."""
LIMIT = 1_800.0
"""Seconds for a lane at most."""
ON_ONE_LANE = 12
"""Servers that are judged one after the other in one arena; a lane is for a hundred starts."""
UNTIDY = frozenset({"hygiene", "leaks", "crash"})
"""Classes whose faulty servers leave something behind, so that each has an arena of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty server: the case that is meant for it, over which transport, and what is wrong with it."""

    name: str
    case: str
    transport: str
    says: str
    version_given: str = ""
    token: bool = False
    """It asks for a token."""
    call_deadline: float = DEADLINE
    """Seconds that its operator says any call may take."""
    slow: bool = False
    """Too long, or too much work, for each run of the suite."""
    twin: bool = True
    """Whether the case can be tried on its twin; else the twin is without the tool or feature."""
    own_twin: bool = False
    """Its twin is another one than the sound server itself."""

    def plan(self, *, mended: bool, only: tuple[str, ...], versions: tuple[str, ...] = ()) -> Plan:
        """A run against it, or its twin. Only the meant case, or a twin of its own, hears of another deadline."""
        by_deadline = only == (self.case,) or self.own_twin
        words = [sys.executable, str(FAULTY / f"{self.name}.py"), *(["--mended"] if mended else [])]
        over_http = self.transport == "http"
        return Plan.of(
            [*words, "http", "{port}"] if over_http else [*words, "stdio"],
            url="http://127.0.0.1:{port}/mcp" if over_http else None,
            token=TOKEN if self.token else None,
            extra={"ATTACK_TOKEN": TOKEN} if self.token else {},
            only=only,
            versions=versions,
            call_deadline=self.call_deadline if by_deadline else DEADLINE,
            allow_writes=True,
        )

    @property
    def version(self) -> str:
        """The version of the protocol in which the meant case is looked for."""
        eras = case_of(self.case).eras
        return self.version_given or ("2026-07-28" if eras is Eras.MODERN else "2025-11-25")

    @property
    def lane(self) -> Lane:
        """Where it is judged."""
        return Lane(Transport(self.transport), self.version)

    @property
    def ground(self) -> tuple[str, str, bool]:
        """Servers with the same are reached in the same way, so that one lane will do for them."""
        return self.transport, self.version, self.token

    @property
    def kind(self) -> str:
        """The class of its case."""
        return self.case.partition(".")[0]


def faults() -> tuple[Fault, ...]:
    """All of them, read without being run."""
    return tuple(_read(path) for path in sorted(FAULTY.glob("*_*.py")) if not path.stem.startswith(ITSELF))


def _read(path: Path) -> Fault:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    return Fault(
        name=path.stem,
        case=said["CASE"],
        transport=said["TRANSPORT"],
        says=ast.get_docstring(tree) or "",
        version_given=said.get("VERSION", ""),
        token=said.get("TOKEN", False),
        call_deadline=float(said.get("CALL_DEADLINE", DEADLINE)),
        slow=said.get("SLOW", False),
        twin=said.get("TWIN", True),
        own_twin=any(isinstance(node, ast.ClassDef) and node.name == "Mended" for node in tree.body),
    )


def twins(wanted: Iterable[Fault]) -> tuple[Fault, ...]:
    """One of each kind of twin: the sound server itself is the twin of most."""
    first: dict[object, Fault] = {}
    for fault in wanted:
        first.setdefault(fault.name if fault.own_twin else fault.ground, fault)
    return tuple(first.values())


async def judge_each(wanted: Sequence[Fault], premises: Premises, *, mended: bool) -> dict[str, Outcome]:
    """By the meant case alone, one after the other."""
    outcomes: dict[str, Outcome] = {}
    for group in _groups(wanted, mended=mended):
        folder = premises.folder / f"{group[0].name}-{mended}"
        plan = group[0].plan(mended=mended, only=(group[0].case,))
        play = LanePlay(plan, target_of(plan, premises), group[0].lane, folder, time.monotonic() + LIMIT)
        try:
            server = ""
            for fault in group:
                play.plan = fault.plan(mended=mended, only=(fault.case,))
                if server != (server := "" if not mended or fault.own_twin else ITSELF) or not server:
                    await _moved(play, premises)
                outcomes[fault.name] = await judged(case_of(fault.case), play)
        finally:
            await play.close()
    return outcomes


def _groups(wanted: Sequence[Fault], *, mended: bool) -> Iterator[list[Fault]]:
    """Those that may be judged in one arena, twins that are the sound server itself one behind the other."""
    together: dict[object, list[Fault]] = {}
    for fault in sorted(wanted, key=lambda fault: fault.own_twin):
        alone = fault.name if fault.kind in UNTIDY and (fault.own_twin or not mended) else ""
        group = together.setdefault((fault.ground, alone), [])
        group.append(fault)
        if len(group) == ON_ONE_LANE:
            yield together.pop((fault.ground, alone))
    yield from together.values()


async def _moved(play: LanePlay, premises: Premises) -> None:
    """Let the lane be about the server of its plan."""
    await play.restart()
    play.target = target_of(play.plan, premises)
    play.honest = {}
    await play.begin()


def target_of(plan: Plan, premises: Premises) -> Target:
    """The server of a plan."""
    program = Program(plan.words, plan.here, premises, None, dict(plan.extra), plan.patience)
    return StdioTarget(program) if plan.address is None else HttpTarget(plan.address, plan.token, program)
