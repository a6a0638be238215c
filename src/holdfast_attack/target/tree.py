"""What the processes of a server use: its root and all that came of it, also those that it lost sight of.

A process belongs to the tree when it is the root, when its parent belongs to it, when it is of the root's session (a
server that we start leads one: so orphans are found that nobody saw with their parent), or when it was seen to belong
once. A pid alone says nothing, as pids are used again: it counts together with the time when its process began.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from holdfast_attack.target import processes
from holdfast_attack.target.processes import Sight, Table

_LARGE = 512 * 1024 * 1024
"""A tree that is larger than this at the first look is measured by RSS: its PSS would take 10 ms a look and more."""
_SHARE = 10
"""A background watch waits at least this many times as long as its last look took: at most a tenth of one core."""


@dataclass(slots=True)
class Watch:
    """The highest sum of memory while it was watched, in bytes; None as long as nothing could be read."""

    peak: int | None = None
    looks: int = 0

    def saw(self, memory: int | None) -> None:
        """One look."""
        self.looks += 1
        if memory is not None:
            self.peak = memory if self.peak is None else max(self.peak, memory)


@dataclass(slots=True)
class Tree:
    """The processes of the server whose first one is ``pid``. Nothing here raises because a process went away."""

    pid: int
    table: Callable[[], Table] = field(default_factory=lambda: processes.table)
    _seen: dict[int, float] = field(default_factory=dict, init=False)  # bound: those alive at the last look
    _leads: bool = field(default=False, init=False)
    _shared: bool | None = field(default=None, init=False)
    _whole: Watch = field(default_factory=Watch, init=False)

    def __post_init__(self) -> None:
        root = self.table().get(self.pid)
        if root is not None:
            self._seen[root.pid] = root.began
            self._leads = root.session == root.pid

    def look(self) -> tuple[Sight, ...]:
        """All that belong to the tree, zombies too; the root first as long as it is there."""
        known = self.table()
        members = {pid for pid, began in self._seen.items() if pid in known and known[pid].began == began}
        if self._leads:
            members |= {pid for pid, one in known.items() if one.session == self.pid}
        members = _offspring(members, known)
        self._seen = {pid: known[pid].began for pid in members}
        return tuple(known[pid] for pid in sorted(members, key=lambda pid: (pid != self.pid, pid)))

    def pids(self) -> tuple[int, ...]:
        """Those that run, the root first."""
        return tuple(one.pid for one in self.look() if not one.zombie)

    def children(self) -> tuple[int, ...]:
        """Those that run beside the root, also orphans."""
        return tuple(pid for pid in self.pids() if pid != self.pid)

    def zombies(self) -> tuple[int, ...]:
        """Those that ended and of which their parent, one of the tree, has not taken notice."""
        sights = self.look()
        running = {one.pid for one in sights if not one.zombie}
        return tuple(one.pid for one in sights if one.zombie and one.parent in running)

    def threads(self) -> int | None:
        """All threads of all processes; None when nothing runs."""
        running = [one.threads for one in self.look() if not one.zombie]
        return sum(running) if running else None

    def descriptors(self) -> int | None:
        """All open descriptors (handles on Windows); None when nothing runs or one will not tell."""
        counts = [processes.descriptors(pid) for pid in self.pids()]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None

    def rss(self) -> int | None:
        """Memory of all in bytes; None when nothing runs.

        Pages of their own, each counted once (PSS of what is no file): forked workers share most pages with the one
        that forked them, and their RSS would count them anew; pages of files come and go with other programs. RSS
        where there is no PSS, and for a tree that was large at the first look; never now one and then the other.
        """
        running = [one for one in self.look() if not one.zombie]
        if not running:
            return None
        if self._shared is None:
            self._shared = sum(one.rss for one in running) <= _LARGE
        memory = sum(processes.own_memory(one) if self._shared else one.rss for one in running)
        self._whole.saw(memory)
        return memory

    def peak(self) -> int | None:
        """The highest ``rss`` that was ever seen."""
        return self._whole.peak

    def cpu(self) -> dict[int, float]:
        """Seconds of processor that each one has used since it began."""
        return {one.pid: one.cpu for one in self.look() if not one.zombie}

    async def busy(self, seconds: float) -> float:
        """How many processors they keep busy on average over so many seconds."""
        before, begun = self.cpu(), time.monotonic()
        await asyncio.sleep(seconds)
        spent = sum(used - before.get(pid, 0.0) for pid, used in self.cpu().items())
        return spent / (time.monotonic() - begun)

    @contextlib.asynccontextmanager
    async def watch(self, every: float = 0.05) -> AsyncIterator[Watch]:
        """Look every so many seconds as long as the block lasts, once at its start and once at its end."""
        watched = Watch()
        watched.saw(self.rss())
        looking = asyncio.create_task(self._look_on(watched, every))
        try:
            yield watched
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            watched.saw(self.rss())

    async def _look_on(self, watched: Watch, every: float) -> None:
        took = 0.0
        while True:
            await asyncio.sleep(max(every, _SHARE * took))
            began = time.perf_counter()
            watched.saw(self.rss())
            took = time.perf_counter() - began


def _offspring(members: set[int], known: Table) -> set[int]:
    """``members``, and whatever descends from them."""
    children: dict[int, list[int]] = {}
    for one in known.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: set[int] = set()
    waiting = list(members)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, ())
    return found
