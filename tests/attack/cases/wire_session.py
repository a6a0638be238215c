"""The session and the probe with which cases are played against a server in the test's own process."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attack.cases.wire_peer import TOOLS, Message, Peer

from holdfast_attack.cases import case_of
from holdfast_attack.link.messages import encoded, is_message, key, request
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import Heard
from holdfast_attack.link.transcript import Transcript
from holdfast_attack.play.probe import Honest
from holdfast_attack.target.tree import Watch
from holdfast_attack.tools import Toolbox, World


@dataclass
class Weight:
    """Stands for the tree of the server's processes: it grows by so much while it is watched."""

    grows: int = 0

    def rss(self) -> int:
        return 50 * 2**20

    def pids(self) -> tuple[int, ...]:
        return ()

    @asynccontextmanager
    async def watch(self, every: float) -> AsyncIterator[Watch]:
        yield Watch(peak=self.rss() + self.grows)


class Wire:
    """A session with a ``Peer``: what is written is answered before ``write`` returns, so that nothing waits."""

    def __init__(self, peer: Peer, weight: Weight | None = None) -> None:
        self.peer, self.lane, self.tree = peer, peer.lane, weight
        self.transcript = Transcript()
        self.messages: deque[Heard] = deque()
        self.junk: list[bytes] = []
        self.ended = self.paused = False
        self.kept: list[bytes] = []
        self.rest = b""
        self.number = 0
        self.input_closed = False
        self.signals: list[int] = []

    async def write(self, data: bytes, within: float = 5.0) -> None:
        if self.ended:
            raise Gone("its output ended")
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if not self.ended:
                self._say(lambda line=line: self.peer.line(line))  # type: ignore[misc]

    def _say(self, says: Callable[[], Iterator[Message | bytes]]) -> None:
        try:
            for one in says():
                self._hear(one if isinstance(one, bytes) else encoded(one))
        except SystemExit:
            self.ended = True

    def _hear(self, line: bytes) -> None:
        if self.paused:
            self.kept.append(line)
            return
        message = json.loads(line)
        if is_message(message):
            self.messages.append(Heard(message, line))
        else:
            self.junk.append(line)

    async def wait(self, wanted: Any, within: float) -> Heard | None:
        looked = 0
        for _ in range(2):
            heard = list(self.messages)
            found = next((one for one in heard[looked:] if wanted(one.message)), None)
            if found is not None or not within or self.ended:
                return found
            looked = len(heard)
            self._say(self.peer.wake)
        return None

    def mark(self) -> None:
        self.messages.clear()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        for line in self.kept:
            self._hear(line)

    def message(self, method: str, params: Any = None, *, id: Any = None) -> Message:
        self.number += 1
        return request(self.lane.version, method, params, self.number if id is None else id)

    async def ask(self, method: str, params: Any = None, *, within: float = 5.0, id: Any = None) -> Reply:
        message = self.message(method, params, id=id)
        await self.write(encoded(message) + b"\n")
        wanted = key(message["id"])
        heard = await self.wait(lambda said: "method" not in said and key(said.get("id")) == wanted, within)
        if heard is None and self.ended:
            raise Gone("its output ended")
        return Reply(None) if heard is None else Reply(heard.message, heard.raw)

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        return await self.ask("tools/call", {"name": tool, "arguments": arguments}, within=within)

    async def alive(self, within: float = 5.0) -> bool:
        return not self.ended and not (await self.ask("tools/list")).silent

    def close_stdin(self) -> None:
        self.input_closed = True

    def close_stdout(self) -> None:
        self.ended = True

    def signal(self, number: int) -> None:
        self.signals.append(number)

    async def exited(self, within: float) -> int | None:
        return self.peer.exits(self) if hasattr(self.peer, "exits") else 0


@dataclass
class Played:
    """Stands for a probe."""

    wire: Wire
    workspace: Path
    allow_writes: bool = False
    full: bool = False
    tools: Toolbox = field(default_factory=lambda: Toolbox.parse(TOOLS))
    honest: dict[str, Honest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lane = self.wire.lane
        self.arena = SimpleNamespace(world=World(), workspace=self.workspace)
        said = {"jsonrpc": "2.0", "id": 0, "result": {"content": []}}
        self.honest |= {"list_folder": Honest({"folder": "."}, Reply(said, encoded(said)))}

    async def stdio(self) -> Wire:
        return self.wire

    session = stdio

    @asynccontextmanager
    async def fresh_stdio(self, greeted: bool = True) -> AsyncIterator[Wire]:
        yield self.wire

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        return await self.wire.call(tool, arguments)


async def play(name: str, peer: Peer, folder: Path, weight: Weight | None = None) -> int:
    """Play the case ``name`` against ``peer``."""
    return await case_of(name).play(Played(Wire(peer, weight), folder))  # type: ignore[arg-type]
