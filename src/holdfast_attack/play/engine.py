"""The whole run: meets the server, plays the cases on each lane, and tells what came of it."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from holdfast.errors import ConfigurationError
from holdfast_attack.arena import Arena
from holdfast_attack.model import Case, Eras, Kind, Lane, Outcome, Report, Subject, Verdict
from holdfast_attack.play.aftermath import is_aftermath, untried
from holdfast_attack.play.deadman import bounded
from holdfast_attack.play.judge import judged
from holdfast_attack.play.lane import LanePlay
from holdfast_attack.play.notes import notes
from holdfast_attack.play.plan import Plan
from holdfast_attack.target.premises import Premises
from holdfast_attack.target.targets import Ground, Program, Spoken, StdioTarget, Target
from holdfast_attack.tools import Toolbox

BESIDE = 3
"""Cases that mostly wait, played at the same time on one lane: each has a server of its own to start."""


class Watcher(Protocol):
    """Sees a run while it goes on (a progress display)."""

    def began(self, total: int, limit: float) -> None: ...
    def playing(self, case: Case, lane: Lane) -> None: ...
    def played(self, outcome: Outcome) -> None: ...
    def ended(self) -> None: ...


class Nobody:
    """Watches nothing."""

    def began(self, total: int, limit: float) -> None:
        """See ``Watcher``."""

    def playing(self, case: Case, lane: Lane) -> None:
        """See ``Watcher``."""

    def played(self, outcome: Outcome) -> None:
        """See ``Watcher``."""

    def ended(self) -> None:
        """See ``Watcher``."""


@dataclass(slots=True)
class Run:
    """One run while it goes on."""

    plan: Plan
    premises: Premises
    watcher: Watcher
    began: float = field(default_factory=time.monotonic)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    outcomes: dict[Lane, list[Outcome]] = field(default_factory=dict)
    tools: Toolbox = field(default_factory=Toolbox)
    """The longest list that the server gave on any lane."""

    @property
    def ends(self) -> float:
        """When everything must be over."""
        return self.began + self.plan.limit

    async def whole(self, target: Target, cases: Sequence[Case]) -> Spoken:
        """Meet the server and play ``cases`` on every lane: side by side when each lane has servers of its own."""
        spoken = await self._meet(target)
        lanes = [lane for lane in spoken.lanes if not self.plan.versions or lane.version in self.plan.versions]
        if not lanes:
            raise ConfigurationError(f"the server speaks {', '.join(lane.version for lane in spoken.lanes)} alone")
        work = [(lane, _for_lane(cases, lane, first=lane is lanes[0])) for lane in lanes]
        self.watcher.began(sum(len(each) for _, each in work), self.plan.limit)
        try:
            await self._all_lanes(target, work)
        finally:
            self.watcher.ended()
        return spoken

    async def _all_lanes(self, target: Target, work: Sequence[tuple[Lane, Sequence[Case]]]) -> None:
        if not target.started:
            for lane, each in work:
                await self._lane(target, lane, each)
            return
        async with asyncio.TaskGroup() as group:
            for lane, each in work:
                group.create_task(self._lane(target, lane, each))

    async def _meet(self, target: Target) -> Spoken:
        arena = Arena.make(self.premises.ground("first"), self.plan.seed)
        return await target.meet(Ground(arena, _unheard))

    async def _lane(self, target: Target, lane: Lane, cases: Sequence[Case]) -> None:
        folder = self.premises.ground(str(lane).replace("/", "-"))
        play = LanePlay(self.plan, target, lane, folder, self.ends)
        outcomes = self.outcomes.setdefault(lane, [])
        try:
            await play.begin()
            self.tools = max(self.tools, play.tools, key=lambda each: len(each.tools))
            for case in await self._early(cases, play, outcomes):
                if not case.beside and not case.last:
                    idle = is_aftermath(case) and not _tried(case.kind, outcomes)
                    outcomes.append(untried(case, lane) if idle else await self._one(case, play))
            outcomes += await self._beside([case for case in cases if case.beside], play)
            for case in cases:
                if case.last:
                    outcomes.append(await self._one(case, play))
        finally:
            await play.close()

    async def _early(self, cases: Sequence[Case], play: LanePlay, outcomes: list[Outcome]) -> Sequence[Case]:
        """Play the early ones, where what they leave behind ends with a server of ours; the others."""
        if not play.target.started or not any(case.early for case in cases):
            return cases
        outcomes += [await self._one(case, play) for case in cases if case.early]
        await play.restart()  # limits that a flood has used up
        return [case for case in cases if not case.early]

    async def _beside(self, cases: Iterable[Case], play: LanePlay) -> list[Outcome]:
        places = asyncio.Semaphore(BESIDE)

        async def one(case: Case) -> Outcome:
            async with places:
                return await self._one(case, play)

        return await asyncio.gather(*(one(case) for case in cases))

    async def _one(self, case: Case, play: LanePlay) -> Outcome:
        self.watcher.playing(case, play.lane)
        outcome = await judged(case, play)
        self.watcher.played(outcome)
        return outcome

    def report(self, spoken: Spoken, cases: Sequence[Case]) -> Report:
        """What came of it; the outcomes in the order of ``cases``, whatever was played first."""
        order = {case.id: number for number, case in enumerate(cases)}
        outcomes = [outcome for each in self.outcomes.values() for outcome in each]
        outcomes.sort(key=lambda outcome: (order[outcome.case.id], outcome.lane.transport, outcome.lane.version))
        plan = self.plan
        subject = Subject(
            label=plan.label,
            command=plan.words,
            url=str(plan.address or ""),
            name=spoken.name,
            version=spoken.version,
            versions=tuple(lane.version for lane in spoken.lanes),
            tools=len(self.tools.tools),
        )
        return Report(
            subject=subject,
            profile=plan.profile,
            seed=plan.seed,
            began=self.at,
            seconds=time.monotonic() - self.began,
            limit=plan.limit,
            outcomes=tuple(outcomes),
            notes=tuple(spoken.notes) + notes(plan, self.tools),
            tool_version=_version(),
            environment={"python": platform.python_version(), "platform": platform.platform(terse=True)},
            reproduce=plan.command_line(),
        )


async def attack(plan: Plan, watcher: Watcher | None = None, cases: Sequence[Case] | None = None) -> Report:
    """Judge a server, with ``cases`` or all that there are.

    Raises ``CannotStart``, and ``ConfigurationError`` for a plan that names what there is not.
    """
    if cases is None:
        from holdfast_attack.cases import all_cases  # cases stand above: they know what plays them

        cases = all_cases()
    chosen = plan.chosen(cases)
    premises = Premises.take()
    try:
        run = Run(plan, premises, watcher or Nobody())
        with bounded(plan.limit, premises):
            try:
                spoken = await run.whole(_target(plan, premises), chosen)
            except* Exception as several:  # lanes fail together: whatever it was is told by its first
                raise _first(several) from None
        return run.report(spoken, chosen)
    finally:
        premises.leave()


def _tried(kind: Kind, outcomes: Iterable[Outcome]) -> bool:
    """Whether anything of a class was there to be tried."""
    return any(one.case.kind is kind and one.verdict is not Verdict.NOT_APPLICABLE for one in outcomes)


def _first(error: BaseException) -> BaseException:
    """Of lanes that failed together, one is told of."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _target(plan: Plan, premises: Premises) -> Target:
    extra = dict(plan.extra)
    program = Program(plan.words, plan.here, premises, plan.cwd, extra, plan.patience) if plan.words else None
    if plan.address is not None:
        from holdfast_attack.target.httptarget import HttpTarget

        return HttpTarget(plan.address, plan.token, program)
    if program is None:
        raise ConfigurationError("name a server: a command, or a URL")
    return StdioTarget(program)


def _for_lane(cases: Iterable[Case], lane: Lane, *, first: bool) -> tuple[Case, ...]:
    """Those that belong to its transport and era; no aftermath of a class that has nothing else there."""
    from holdfast_attack.link.messages import is_modern

    wanted = {Eras.EACH, Eras.MODERN if is_modern(lane.version) else Eras.LEGACY} | ({Eras.ONCE} if first else set())
    fitting = [case for case in cases if lane.transport in case.transports and case.eras in wanted]
    tried = Counter(case.kind for case in fitting)
    return tuple(case for case in fitting if not is_aftermath(case) or tried[case.kind] > 1)


def _unheard(_source: str, _data: bytes) -> None:
    """What is said before the first lane begins."""


def _version() -> str:
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return ""
