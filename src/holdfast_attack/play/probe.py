"""What plays a case is handed this: the server, its tools, the arena, and how much time is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Session
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Inconclusive, Lane, NotApplicable

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.link.http import HttpSession
    from holdfast_attack.play.lane import LanePlay
    from holdfast_attack.play.overheard import Overheard
    from holdfast_attack.tools import Toolbox

SHORT = 2.0
"""Seconds that are waited for a limit; where it takes longer, a server of ours is started anew instead."""
TRIES = 8
"""Times that a refused call is tried again."""


@dataclass(frozen=True, slots=True)
class Honest:
    """A call as an honest client makes it, and what came. ``worked``: a result that is no error."""

    arguments: dict[str, Any]
    reply: Reply

    @property
    def worked(self) -> bool:
        """Whether the tool did what it is for."""
        return not self.reply.silent and not self.reply.failed


class Probe:
    """One case on one lane."""

    def __init__(self, case: Case, lane: LanePlay, timeout: asyncio.Timeout) -> None:
        self.case = case
        self.random = random.Random(f"{lane.plan.seed} {case.id} {lane.lane}")  # nosec B311 - reproducible
        self._lane, self._timeout = lane, timeout
        self.sessions: list[Session] = []
        """Those that this case has used, the last one last: their transcripts are the evidence."""

    @property
    def lane(self) -> Lane:
        """The transport and the version."""
        return self._lane.lane

    @property
    def full(self) -> bool:
        """Whether the run may take long."""
        return self._lane.full

    @property
    def allow_writes(self) -> bool:
        """Whether tools that are not read-only may be called with valid arguments."""
        return self._lane.plan.allow_writes

    @property
    def started(self) -> bool:
        """Whether the server is one that was started here, so that it may be killed and started anew."""
        return self._lane.target.started

    @property
    def token(self) -> str | None:
        """The user's token."""
        return self._lane.plan.token

    @property
    def call_deadline(self) -> float:
        """Seconds that any call may take at most."""
        return self._lane.plan.call_deadline

    @property
    def arena(self) -> Arena:
        """The folders, the database and the canaries."""
        return self._lane.arena

    @property
    def tools(self) -> Toolbox:
        """The tools as they were listed when the lane began."""
        return self._lane.tools

    @property
    def listed(self) -> list[Any]:
        """The same as the server sent them."""
        return self._lane.listed

    @property
    def honest(self) -> Mapping[str, Honest]:
        """An honest call of each tool that may be called, made when the lane began."""
        return self._lane.honest

    @property
    def heard(self) -> Overheard:
        """Everything that the server has said on this lane."""
        return self._lane.heard

    @property
    def left(self) -> float:
        """Seconds until the case is cut off."""
        return (self._timeout.when() or 0.0) - asyncio.get_running_loop().time()

    async def session(self) -> Session:
        """The lane's shared session, started anew when it was lost."""
        session = await self._lane.shared()
        self._use(session)
        return session

    async def stdio(self) -> StdioSession:
        """The same, for cases over stdio."""
        session = await self.session()
        if not isinstance(session, StdioSession):
            raise NotApplicable("only over stdio")
        return session

    async def http(self) -> HttpSession:
        """The same, for cases over HTTP."""
        return _as_http(await self.session())

    @asynccontextmanager
    async def fresh(self, *, greeted: bool = True) -> AsyncIterator[Session]:
        """A server of its own, or a connection of its own where only a URL is known; ended on the way out.

        Unless it is ``greeted``, nothing was said to it yet.
        """
        begun = asyncio.get_running_loop().time()
        session = await self._lane.another(greeted=greeted)
        self._use(session)
        self._extend(asyncio.get_running_loop().time() - begun)
        try:
            yield session
        finally:
            await session.close()

    @asynccontextmanager
    async def fresh_stdio(self, *, greeted: bool = True) -> AsyncIterator[StdioSession]:
        """The same, for cases over stdio."""
        async with self.fresh(greeted=greeted) as session:
            if not isinstance(session, StdioSession):
                raise NotApplicable("only over stdio")
            yield session

    @asynccontextmanager
    async def fresh_http(self, *, greeted: bool = True) -> AsyncIterator[HttpSession]:
        """The same, for cases over HTTP."""
        async with self.fresh(greeted=greeted) as session:
            yield _as_http(session)

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        """Call a tool on the shared session; what a limit refused is tried again. Raises ``Inconclusive``."""
        for _ in range(TRIES):
            session = await self.session()
            reply = await session.call(tool, arguments, within=within)
            if not reply.limited:
                return reply
            await self._wait_out(tool, reply.retry_after)
        raise Inconclusive(f"{tool} refuses every call by a limit")

    async def _wait_out(self, tool: str, seconds: float | None) -> None:
        seconds = 1.0 if seconds is None else seconds
        begun = asyncio.get_running_loop().time()
        if seconds > SHORT and self.started:
            await self._lane.restart()
        elif seconds < self._lane.left:
            self._extend(seconds)
            await asyncio.sleep(seconds)
            return
        else:
            raise Inconclusive(
                f"a limit of {tool} is spent for {seconds:.0f} s; its rate limit can be raised for the run"
            )
        self._extend(asyncio.get_running_loop().time() - begun)

    def _extend(self, seconds: float) -> None:
        """What was spent on waiting is not the case's."""
        when = self._timeout.when()
        if when is not None:
            self._timeout.reschedule(when + seconds)

    def _use(self, session: Session) -> None:
        if session not in self.sessions:
            session.transcript.restart()
            self.sessions.append(session)


def _as_http(session: Session) -> HttpSession:
    from holdfast_attack.link.http import HttpSession

    if not isinstance(session, HttpSession):
        raise NotApplicable("only over HTTP")
    return session
