"""A server to be judged, whatever it takes to reach it: a command over stdio, a command that serves HTTP, or a URL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from holdfast_attack.link.messages import LEGACY, MODERN
from holdfast_attack.link.session import Ear, Gone, Session
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Lane, Transport
from holdfast_attack.target.command import environment, filled
from holdfast_attack.target.launch import MESSAGE, CannotStart, Launch

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.target.premises import Premises


@dataclass(frozen=True, slots=True)
class Ground:
    """Where one lane is played: its folders, and who listens to what the server says."""

    arena: Arena
    ear: Ear


@dataclass(slots=True)
class Spoken:
    """What a server said of itself when it was first met."""

    lanes: tuple[Lane, ...]
    name: str = ""
    version: str = ""
    notes: list[str] = field(default_factory=list)


class Target(Protocol):
    """``started``: it is started here, as often as a case needs; otherwise it is only connected to."""

    started: bool

    async def meet(self, ground: Ground) -> Spoken:
        """Find out which eras it speaks. Raises ``CannotStart``."""
        ...

    async def open(self, lane: Lane, ground: Ground, *, greeted: bool = True) -> Session:
        """A session, with a server of its own where one is started; nothing was said yet unless it is ``greeted``.

        Raises ``CannotStart``.
        """
        ...


@dataclass(slots=True)
class Program:
    """A command line and where it runs. ``cwd`` None: in the arena's workspace."""

    words: tuple[str, ...]
    here: Path
    premises: Premises
    cwd: Path | None = None
    extra: dict[str, str] = field(default_factory=dict)
    patience: float = 30.0
    """Seconds in which it must answer after its start; a package runner may have to fetch it first."""

    def launch(self, arena: Arena, port: int = 0) -> Launch:
        """How it is started in an arena."""
        values = {"workspace": str(arena.workspace), "database": str(arena.database), "port": str(port)}
        own = dict(arena.environment()) | self.premises.mark
        return Launch(filled(self.words, values), self.cwd or arena.workspace, environment(self.here, own, self.extra))


class StdioTarget:
    """A command that speaks over its standard input and output."""

    started = True

    def __init__(self, program: Program) -> None:
        self._program = program

    async def meet(self, ground: Ground) -> Spoken:
        """See ``Target``. A command that does not start in the arena is tried where the user stands."""
        try:
            return await self._meet(ground)
        except CannotStart:
            if self._program.cwd is not None:
                raise
            self._program.cwd = self._program.here
            spoken = await self._meet(ground)
            spoken.notes.append("it does not start in an empty folder, so it runs in the one that you are in")
            return spoken

    async def _meet(self, ground: Ground) -> Spoken:
        modern = asyncio.create_task(self._discovered(ground))
        try:
            legacy = await self._greeted(Lane(Transport.STDIO, LEGACY[0]), ground, self._program.patience)
        except CannotStart:
            if not await modern:
                raise
            legacy = {}
        return spoken(Transport.STDIO, legacy, await modern)

    async def _discovered(self, ground: Ground) -> dict[str, Any]:
        """What it says of itself without a handshake; empty when it cannot."""
        try:
            return await self._greeted(Lane(Transport.STDIO, MODERN), ground, self._program.patience / 2)
        except CannotStart:
            return {}

    async def _greeted(self, lane: Lane, ground: Ground, within: float) -> dict[str, Any]:
        session = await self._start(lane, ground)
        try:
            return await _greet(session, within)
        finally:
            await session.close()

    async def _start(self, lane: Lane, ground: Ground) -> StdioSession:
        running = await self._program.launch(ground.arena).start()
        self._program.premises.started(running.pid)
        return StdioSession(lane, running, ground.ear)

    async def open(self, lane: Lane, ground: Ground, *, greeted: bool = True) -> StdioSession:
        """See ``Target``."""
        session = await self._start(lane, ground)
        try:
            if greeted:
                await _greet(session, self._program.patience)
        except BaseException:  # whatever it is, nobody else would end it
            await session.close()
            raise
        return session


def spoken(transport: Transport, legacy: dict[str, Any], modern: dict[str, Any]) -> Spoken:
    """What both greetings say together; the era with a handshake comes first, as most clients speak it."""
    lanes = []
    version = legacy.get("protocolVersion")
    if isinstance(version, str) and version < MODERN:
        lanes.append(Lane(transport, version))
    if modern:
        lanes.append(Lane(transport, MODERN))
    if not lanes:
        raise CannotStart("it answers, but speaks no version of the protocol that is known here")
    info = legacy.get("serverInfo") or _info(modern)
    info = info if isinstance(info, dict) else {}
    return Spoken(tuple(lanes), str(info.get("name", ""))[:100], str(info.get("version", ""))[:50])


def _info(modern: dict[str, Any]) -> Any:
    meta = modern.get("_meta")
    return modern.get("serverInfo") or (meta or {}).get("io.modelcontextprotocol/serverInfo")


async def _greet(session: StdioSession, within: float) -> dict[str, Any]:
    """What the server says of itself. Raises ``CannotStart`` in words for its user."""
    try:
        reply = await session.greet(within)
    except (Gone, TimeoutError):
        raise CannotStart(await _last_words(session)) from None
    if reply.silent:
        raise CannotStart(f"it has not answered within {within:g} s; does it speak MCP over stdio?")
    if reply.result is None:
        raise CannotStart("it answers its first message with an error")
    return reply.result


async def _last_words(session: StdioSession) -> str:
    status = await session.exited(2.0)
    said = session.stderr.decode("utf-8", "replace").strip().splitlines()
    ended = "it closed its output" if status is None else f"it ended with status {status}"
    return ended + (f": {said[-1][:MESSAGE]}" if said else " and said nothing")
