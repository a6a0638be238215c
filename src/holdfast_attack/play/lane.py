"""One transport and era: the shared session, what is known of the tools, and the arena that both stand in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from holdfast_attack.arena import Arena
from holdfast_attack.arena.files import HELLO
from holdfast_attack.link.session import Gone, Session
from holdfast_attack.model import Inconclusive, Lane, Profile
from holdfast_attack.play.overheard import Overheard
from holdfast_attack.play.plan import Plan
from holdfast_attack.play.probe import Honest
from holdfast_attack.target.launch import CannotStart
from holdfast_attack.target.targets import Ground, Target
from holdfast_attack.tools import Role, Tool, Toolbox, honest

PAGES = 50
"""Pages of a list of tools that are asked for; a server that lies has one more each time."""
TOOLS = 1_000
RESTARTS = 100
"""Times that a server is started anew on one lane; a whole run needs some twenty."""
PATIENCE = 20.0
"""Seconds that an honest call gets at the beginning: the first one of a tool may have much to load."""


class LanePlay:
    """See ``Probe``, which shows cases what they may use of it."""

    def __init__(self, plan: Plan, target: Target, lane: Lane, folder: Path, ends: float) -> None:
        self.plan, self.target, self.lane = plan, target, lane
        self.full = plan.profile is Profile.FULL
        self.arena = Arena.make(folder, plan.seed)
        self.heard = Overheard(self.arena.canaries)
        self.ground = Ground(self.arena, self.heard.hear)
        self.listed: list[Any] = []
        self.tools = Toolbox.parse([])
        self.honest: dict[str, Honest] = {}
        self._ends = ends
        self._session: Session | None = None
        self._starting = asyncio.Lock()
        self._starts = 0
        self._own_root = self._in_workspace = False

    @property
    def left(self) -> float:
        """Seconds of the whole run."""
        return self._ends - time.monotonic()

    async def begin(self) -> None:
        """List the tools, and make an honest call of each that may be called. Raises ``CannotStart``."""
        session = await self.shared()
        try:
            self.listed = await _list(session)
        except (Gone, TimeoutError):
            raise CannotStart("it went away while its tools were listed") from None
        self.tools = Toolbox.parse(self.listed)
        await self._introduce_all(self.tools.callable(self.plan.allow_writes))
        lost = [tool for tool in self.tools.callable(self.plan.allow_writes) if self._finds_no_file(tool)]
        self._in_workspace = not any(HELLO.strip() in honest.reply.text for honest in self.honest.values())
        if lost and self.arena.furnish_own(in_workspace=self._in_workspace):
            self._own_root = True
            await self._introduce_all(lost)

    def _finds_no_file(self, tool: Tool) -> bool:
        """Whether its honest call, for a file that is in the workspace, did not work."""
        honest = self.honest.get(tool.name)
        return honest is not None and not honest.worked and bool(tool.with_role(Role.PATH))

    async def _introduce_all(self, tools: Iterable[Tool]) -> None:
        for tool in tools:
            if self.left < 1:
                return
            await self._introduce(tool)

    async def _introduce(self, tool: Tool) -> None:
        arguments = honest(tool, self.arena.world)
        try:
            session = await self.shared()
            reply = await session.call(tool.name, arguments, within=min(PATIENCE, self.left))
        except (Gone, TimeoutError):
            await self.restart()
            return
        self.honest[tool.name] = Honest(arguments, reply)

    async def shared(self) -> Session:
        """The session that cases share, started anew when it was lost. Raises ``CannotStart``."""
        async with self._starting:
            if self._session is None:
                self._session = await self.another()
            return self._session

    async def another(self, *, greeted: bool = True) -> Session:
        """One more server, or one more connection. Raises ``CannotStart``, and ``Inconclusive`` after very many."""
        self._starts += 1
        if self._starts > RESTARTS:
            raise Inconclusive(f"the server was started {RESTARTS} times already")
        session = await self.target.open(self.lane, self.ground, greeted=greeted)
        if self._own_root:
            self.arena.furnish_own(in_workspace=self._in_workspace)  # a new server may have made new ones
        return session

    async def restart(self) -> None:
        """Give the shared session up; the next who needs it has a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def still_there(self) -> bool:
        """Whether the shared session answers; one that does not is given up."""
        if self._session is None or await self._session.alive():
            return True
        await self.restart()
        return False

    async def close(self) -> None:
        """End the server."""
        await self.restart()


async def _list(session: Session) -> list[Any]:
    """All pages; a server without tools has none."""
    listed: list[Any] = []
    cursor = None
    for _ in range(PAGES):
        reply = await session.ask("tools/list", {"cursor": cursor} if cursor else None, within=PATIENCE)
        page = (reply.result or {}).get("tools")
        listed += page if isinstance(page, list) else []
        cursor = (reply.result or {}).get("nextCursor")
        if not isinstance(cursor, str) or len(listed) > TOOLS:
            break
    return listed
