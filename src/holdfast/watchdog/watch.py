"""One thing that is watched: how it is read, how often, when it is alarming, and what is done then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from holdfast.watchdog.levels import Levels


class Reading(NamedTuple):
    """A number to be judged, and what else is worth saying of it; no paths and no values of calls."""

    value: float
    said: Mapping[str, Any] = MappingProxyType({})


class Aside(Protocol):
    """Where a report of faulthandler's goes that has to outlive the process. Implemented by ``supervisor.aside``."""

    @property
    def fd(self) -> int:
        """Where it is written."""
        ...

    def take(self) -> bytes:
        """What has been written since the last time."""
        ...


Act = Callable[[int, Reading], Awaitable[None]]
"""Called with the level, after each look that leaves it above 0; bounds by itself how often it really acts."""


@dataclass(slots=True)
class Watch:
    """``read`` may raise: then this look is missed. ``sheds`` has the level of shedding for each level from 0 on.

    ``threaded``: it may block, so it runs on a thread, and is not begun again before it has ended.
    """

    name: str
    read: Callable[[], Reading | None]
    levels: Levels
    every: float = 1.0
    sheds: tuple[int, ...] = ()
    act: Act | None = None
    threaded: bool = False

    def shed(self) -> int:
        """The shedding that it asks for now: 0 none, 1 calls of low priority, 2 of normal priority too."""
        return self.sheds[self.levels.level] if self.levels.level < len(self.sheds) else 0


@dataclass(slots=True)
class Hooks:
    """What the watchdog asks of others; whoever can do it sets it.

    ``shed(level)``: refuse calls of low priority (1), of normal priority too (2), or none (0). ``shrink()``: make
    caches smaller, returning the bytes that were given up. ``retire(reason)``: have the process replaced while calls
    go on, or return why that cannot be; called at most once in ``collect`` seconds. ``restart(reason)``: called from
    the monitor's thread when the loop stands past the ladder; does not return when it succeeds, else says why not.
    ``standing(tool)``: told from that thread in whose call the loop stands, again when it has stood for long, and on
    the loop, with ``None``, once it turns; whoever is called when the process is lost knows whom to blame. ``aside``:
    for the same end, where the stacks are written while C code holds the interpreter; shown here if that ends well.
    """

    shed: Callable[[int], None] | None = None
    shrink: Callable[[], int] | None = None
    retire: Callable[[str], str | None] | None = None
    restart: Callable[[str], str] | None = None
    standing: Callable[[str | None], None] | None = None
    aside: Aside | None = None
