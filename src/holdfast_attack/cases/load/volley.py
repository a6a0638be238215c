"""Honest requests in great number: what is sent, how many at a time, and what the server holds afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.time.slow import Ask
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Inconclusive, Transport
from holdfast_attack.tools import Role, Tool, conforms
from holdfast_attack.tools import honest as made

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

AT_ONCE = 16
WITHIN = 20.0
QUICK = 0.5
"""Seconds that a call took at most which is made so often."""
KINDS, MOST = {False: 10, True: 40}, 100
"""Ways to call, by whether the run may take long; tools that are looked at for them."""
FAILING = "calls that name what is not there"
OFTEN, RARELY = 0.005, 16
"""A tool that takes twice these seconds is called in every third turn of a mixture, but in every 16th at least."""
LONG = 4_000
"""Characters of a text that is another one in each call: what is kept by its arguments grows."""
UNKNOWN = Ask("a tool that there is not", "tools/call", {"name": "holdfast_attack_no_such_tool", "arguments": {}})
LIST = Ask("tools/list", "tools/list")
CALMING, BUSY_FOR = 25, 0.2
BUSY = 0.1
"""Of a processor: one that waits uses a hundredth."""
SETTLING = 0.05
LOOKS = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to call; ``arguments`` makes those of the n-th call. ``turn``: made in each n-th turn of a mixture."""

    tool: str
    name: str
    arguments: Callable[[int], dict[str, Any]]
    turn: int = 1

    def ask(self, number: int) -> Ask:
        """The n-th."""
        return Ask(self.name, "tools/call", {"name": self.tool, "arguments": self.arguments(number)})


async def kinds(probe: Probe, session: Session) -> tuple[Kind, ...]:
    """Honest calls of the tools that answer quickly, and calls of the same that fail as quickly. Raises ``Gone``."""
    found: list[Kind] = []
    for tool in probe.tools.callable(probe.allow_writes)[:MOST]:
        honest = probe.honest.get(tool.name)
        if honest is None or not honest.worked or honest.reply.seconds > QUICK:
            continue
        turn = min(RARELY, 1 + int(honest.reply.seconds / OFTEN))
        found.append(Kind(tool.name, "honest calls", _unique(tool, honest.arguments), turn))
        failing = failing_call(probe, tool)
        if failing is not None and (await session.call(tool.name, failing)).seconds < QUICK:
            found.append(Kind(tool.name, FAILING, _same(failing), turn))
        if len(found) >= KINDS[probe.full]:
            break
    return tuple(found)


def failing_call(probe: Probe, tool: Tool) -> dict[str, Any] | None:
    """Arguments that are valid, and name what is not there; None for a tool where that is no other call."""
    failing = made(tool, probe.arena.world.harmless())
    return None if failing == probe.honest[tool.name].arguments else failing


def _unique(tool: Tool, arguments: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """The same each time but for a text that is another one, where the tool takes any."""
    for parameter in tool.parameters:
        if parameter.role is Role.TEXT and isinstance(arguments.get(parameter.name), str):
            for length in (LONG, 0):
                text = f"{arguments[parameter.name]} {'x' * length}"
                if conforms(tool.schema, parameter.put(arguments, text + "9999999")):
                    return lambda number: parameter.put(arguments, f"{text}{number}")
    return _same(arguments)


def _same(arguments: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    return lambda _number: arguments


async def mixture(probe: Probe, session: Session) -> Iterator[Ask]:
    """Without an end: mostly calls of tools, and now and then a list or a tool that there is not. Raises ``Gone``."""
    return _mixed(await kinds(probe, session))


def _mixed(those: Sequence[Kind]) -> Iterator[Ask]:
    for number in count():
        yield from (kind.ask(number) for kind in those if number % kind.turn == 0)
        yield LIST
        yield UNKNOWN


async def fire(session: Session, asks: Sequence[Ask], at_once: int = AT_ONCE) -> list[Reply]:
    """Send them all, so many at a time; the answers in the same order. Raises ``Gone``."""
    places = asyncio.Semaphore(at_once)

    async def one(ask: Ask) -> Reply:
        async with places:
            return await session.ask(ask.method, ask.params, within=WITHIN)

    tasks = [asyncio.create_task(one(ask)) for ask in asks]  # bound: the caller's number
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def take(asks: Iterator[Ask], number: int) -> list[Ask]:
    """The next so many."""
    return list(islice(asks, number))


def tree_of(session: Session) -> Tree:
    """The processes of a server. Raises ``Inconclusive`` where nobody knows which they are."""
    if session.tree is None or session.tree.rss() is None:
        raise Inconclusive("the processes of the server cannot be seen")
    return session.tree


async def calm(tree: Tree) -> None:
    """Return when its processes do nothing, or have done something for so long that they will not stop: a spare worker
    that is still being started would count as growth."""
    for _ in range(CALMING):
        if await tree.busy(BUSY_FOR) < BUSY:
            return


async def settled(tree: Tree) -> int:
    """Its memory in bytes when nothing is asked of it: the least of a few looks. Raises ``Inconclusive``."""
    seen: list[int] = []
    for _ in range(LOOKS):
        await asyncio.sleep(SETTLING)
        memory = tree.rss()
        seen += [] if memory is None else [memory]
    if not seen:
        raise Inconclusive("the processes of the server cannot be seen any more")
    return min(seen)


def is_http(probe: Probe) -> bool:
    """Whether each request costs a connection."""
    return probe.lane.transport is Transport.HTTP
