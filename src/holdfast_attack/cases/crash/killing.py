"""Processes of a server are killed or stopped; what an unlucky client sees of it, and whether the server serves on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Self

from holdfast_attack.cases.time.slow import Ask
from holdfast_attack.link.messages import key
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Finding, Found, FoundSeveral, NotApplicable
from holdfast_attack.target.launch import CannotStart

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe

ANSWERED = 10.0
"""Seconds in which each request must have its answer, or the client must know that there will be none."""
HONEST = 20.0
"""Seconds for an honest call right after a start: its tool may have much to load."""


def needs_own(probe: Probe) -> None:
    """Raises ``NotApplicable`` for a server that was not started here: it is not ours to kill."""
    if not probe.started:
        raise NotApplicable("only a server that was started here is killed")


def send(pids: Iterable[int], number: int) -> None:
    """A signal to processes that were just seen."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill(pids: Iterable[int]) -> None:
    """``kill -9``."""
    send(pids, signal.SIGKILL)


class Flight:
    """Requests that are under way while something happens to the server: sent on the way in, let go on the way out."""

    def __init__(self, session: Session, asks: Sequence[Ask]) -> None:
        self._session, self._asks = session, asks
        if isinstance(session, StdioSession):
            session.mark()
        self._tasks: list[asyncio.Task[Reply]] = []  # bound: the caller's number

    async def __aenter__(self) -> Self:
        for ask in self._asks:
            self._tasks.append(asyncio.create_task(self._session.ask(ask.method, ask.params, within=ANSWERED)))
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def landed(self) -> tuple[list[Reply], int]:
        """The answers, and how many of the requests the client knows to be lost. Raises ``Found``."""
        came = await asyncio.gather(*self._tasks, return_exceptions=True)
        replies = [one for one in came if isinstance(one, Reply)]
        lost = sum(isinstance(one, Gone | TimeoutError) for one in came)
        for one in came:
            if not isinstance(one, Reply | Gone | TimeoutError) and one is not None:
                raise one
        silent = sum(reply.silent for reply in replies)
        if silent:
            raise Found(
                f"{silent} of {len(self._asks)} requests had neither an answer nor an end within {ANSWERED:g} s"
            )
        self._answered_once()
        return replies, lost

    def _answered_once(self) -> None:
        if not isinstance(self._session, StdioSession):
            return
        messages = [heard.message for heard in self._session.messages if "method" not in heard.message]
        twice = [number for (_, number), times in Counter(key(one.get("id")) for one in messages).items() if times > 1]
        if twice:
            raise Found(f"request {twice[0]!r} was answered more than once")


async def working(probe: Probe, session: Session) -> list[str]:
    """The tools whose honest calls work now."""
    names = []
    for name, honest in probe.honest.items():
        if honest.worked:
            reply = await session.call(name, honest.arguments, within=HONEST)
            names += [] if reply.silent or reply.failed else [name]
    return names


async def started_again(probe: Probe, servers: AsyncExitStack, after: str = "after kill -9") -> Session:
    """A new server in the same place; it lives as long as the stack. Raises ``Found`` when none comes up."""
    try:
        return await servers.enter_async_context(probe.fresh())
    except CannotStart as why:
        raise Found(f"{after} it does not start again: {why}") from None


async def started_once_more(probe: Probe, servers: AsyncExitStack) -> Session:
    """The same for the first of a case: it was started for others, some of which had to be killed."""
    return await started_again(probe, servers, "after its earlier processes were ended or killed")


async def serves_as_before(probe: Probe, session: Session, names: Sequence[str]) -> None:
    """Raises ``FoundSeveral`` for tools that worked before and do not any more."""
    broken = []
    for name in names:
        reply = await session.call(name, probe.honest[name].arguments, within=HONEST)
        if reply.silent or (reply.failed and not reply.limited):
            what = "is not answered" if reply.silent else "fails"
            broken.append(Finding(f"an honest call that worked before the server was killed {what} afterwards", name))
    if not await session.alive(HONEST):
        broken.append(Finding(f"after a new start a list of the tools is not answered within {HONEST:g} s"))
    if broken:
        raise FoundSeveral(tuple(broken))
