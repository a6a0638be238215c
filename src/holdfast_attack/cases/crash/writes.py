"""A server that is killed while it writes leaves the old file or the new one, and no part of either."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast_attack.arena.planting import planted_folder
from holdfast_attack.cases.crash.killing import kill, needs_own
from holdfast_attack.cases.load.volley import tree_of
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Eras, Found, Inconclusive, NotApplicable, Profile, Severity
from holdfast_attack.model.case import alone, measured
from holdfast_attack.tools import Parameter, Role, Tool, conforms

if TYPE_CHECKING:
    from holdfast_attack.link.session import Session
    from holdfast_attack.play.probe import Probe
    from holdfast_attack.target.tree import Tree

SIZES = (1_000_000, 200_000, 60_000)
FOLDER, FILE = "odd-whole", "whole.txt"
KILLS = 8
WRITES = 16
"""Writes in one life of the server; a part of a file was seen in nearly each of one that writes in place."""
WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Writes:
    """A tool that writes a text to a file, and how large a text it takes."""

    tool: Tool
    path: Parameter
    text: Parameter
    arguments: dict[str, Any]
    size: int

    def call(self, letter: str) -> tuple[str, dict[str, Any]]:
        """The call that fills the file with one letter. The files differ in size, so that a look at it tells much."""
        return self.tool.name, self.text.put(self.arguments, self.whole(letter))

    def whole(self, letter: str) -> str:
        """The file when it is whole."""
        return letter * (self.size if letter == "A" else self.size // 2)


async def _write_whole(probe: Probe) -> int:
    needs_own(probe)
    if not probe.allow_writes:
        raise NotApplicable("only with --allow-writes anything is written")
    with planted_folder(probe.arena.workspace, FOLDER) as folder:
        file = folder / FILE
        async with probe.fresh() as session:
            writes = await _found(probe, session, file)
        number = 0
        for turn in range(KILLS):
            async with probe.fresh() as session:
                number += await _killed(session, writes, file, probe.random.randrange(1, WRITES) if turn % 2 else None)
            _whole(writes, file)
    return number


def _candidates(probe: Probe) -> Iterator[Writes]:
    for tool in probe.tools.callable(allow_writes=True):
        honest = probe.honest.get(tool.name)
        paths, texts = tool.with_role(Role.PATH), tool.with_role(Role.TEXT)
        if tool.read_only or honest is None or not paths or not texts:
            continue
        world = probe.arena.world
        place = f"{world.new.rpartition('/')[0]}/{FOLDER}/{FILE}".lstrip("/" if "/" not in world.new else "")
        arguments = paths[0].put(honest.arguments, place)
        for text in texts:
            yield from (Writes(tool, paths[0], text, arguments, size) for size in SIZES)


async def _found(probe: Probe, session: Session, file: Path) -> Writes:
    """The first that does write the file. Raises ``NotApplicable``."""
    for writes in _candidates(probe):
        name, arguments = writes.call("A")
        if conforms(writes.tool.schema, arguments) is False:
            continue
        _write(file, "old\n")
        await session.call(name, arguments, within=WITHIN)
        if _content(file) == writes.whole("A"):
            return writes
    raise NotApplicable("no tool writes a text to a file that it is told")


def _write(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")


def _content(file: Path) -> str | None:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return None


async def _killed(session: Session, writes: Writes, file: Path, after: int | None) -> int:
    """Write until the file is seen in part, or ``after`` so many writes in the middle of one, and kill it then."""
    tree = tree_of(session)
    stop = threading.Event()
    sizes = {len(writes.whole("A")), len(writes.whole("B"))}
    looking = asyncio.create_task(asyncio.to_thread(_look, file, sizes, tree, stop))
    done = 0
    try:
        for done in range(1, WRITES + 1):
            name, arguments = writes.call("AB"[done % 2])
            writing = asyncio.create_task(session.call(name, arguments, within=WITHIN))
            if done == after:
                await asyncio.wait({writing}, timeout=0.002)
                kill(tree.pids())
            reply = await writing
            if reply.limited and done <= 2:
                raise Inconclusive(f"{name} refuses by a limit")
    except Gone:
        pass  # it was killed
    finally:
        stop.set()
        await looking
    return done


def _look(file: Path, sizes: set[int], tree: Tree, stop: threading.Event) -> None:
    """In a thread: kill the server at the moment when the file is neither of what it may be."""
    pids = tree.pids()
    while not stop.is_set():
        try:
            size = os.stat(file).st_size
        except OSError:
            size = -1
        if size not in sizes:
            kill(pids)
            return


def _whole(writes: Writes, file: Path) -> None:
    content = _content(file)
    if content is None:
        raise Found("after kill -9 in the middle of a write the file is gone", tool=writes.tool.name)
    if content not in (writes.whole("A"), writes.whole("B")):
        what = f"after kill -9 in the middle of a write the file holds {len(content):,} characters of neither text"
        raise Found(what, tool=writes.tool.name, got=content[:200].encode())


CASES = (
    alone(
        id="crash.write-whole",
        title="A file is never left half-written",
        severity=Severity.HIGH,
        sends=f"writes of a large file, one after the other, and kill -9 in the middle of one; {KILLS} times",
        sound="leaves the file as it was before the write or as it is after it, whole",
        reference=measured(
            "of 100 kills while a file was written in place 94 tore it; by temporary file and rename none"
        ),
        remedy="write to a temporary file in the same folder, fsync, rename, and fsync the folder",
        play=_write_whole,
        eras=Eras.ONCE,
        profile=Profile.FULL,
        seconds=120.0,
    ),
)
