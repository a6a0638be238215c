"""A server in the test's own process, and the probe and the session that cases of time, load and crash play it with."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from holdfast_attack.cases import case_of
from holdfast_attack.link.messages import MODERN, request
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import Heard, StdioSession
from holdfast_attack.link.transcript import Transcript
from holdfast_attack.model import Lane, Transport
from holdfast_attack.play.probe import Honest
from holdfast_attack.target.tree import Watch
from holdfast_attack.tools import Toolbox, World, honest

LEGACY = Lane(Transport.STDIO, "2025-11-25")
NEW = Lane(Transport.STDIO, MODERN)
Message = dict[str, Any]


def tool(name: str, writes: bool = False, /, **properties: Message) -> Message:
    """As a list of tools has it."""
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": not writes}}


TEXT, SECONDS = {"type": "string"}, {"type": "number"}
TOOLS = (tool("echo", text=TEXT), tool("wait", seconds=SECONDS), tool("read_file", path=TEXT))


class Server:
    """Sound; a fault is a subclass. Time is real, and short."""

    tools: tuple[Message, ...] = TOOLS

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.cancelled: set[Any] = set()
        self.died = False

    async def answer(self, message: Message) -> Message | None:
        """The result; None: it says nothing."""
        method, params = message["method"], message.get("params", {})
        if method == "tools/list":
            return {"tools": list(self.tools)}
        if method == "tools/call":
            return await self.call(params["name"], params["arguments"])
        return {} if method == "ping" else await self.other(method, params)

    async def other(self, method: str, params: Message) -> Message | None:
        """Lists other than that of the tools."""
        return {}

    async def call(self, name: str, given: Message) -> Message | None:
        """A call of a tool."""
        if name == "wait":
            await asyncio.sleep(given["seconds"])
            return text("done")
        if name == "echo":
            return text(given["text"])
        if name == "read_file":
            return text("hello") if "no-such" not in given["path"] else text("there is no such file", failed=True)
        return text("unknown tool", failed=True)


def text(value: str, *, failed: bool = False) -> Message:
    return {"content": [{"type": "text", "text": value}], "isError": failed}


@dataclass
class Wood:
    """A tree whose figures a test sets: each is what it says now, or a list of what it says look by look."""

    memory: Any = 2**20
    open: Any = 10
    running: Any = 1
    busyness: Any = 0.0
    used: Any = 1.0
    pid: int = 4_194_305
    others: tuple[int, ...] = ()

    def rss(self) -> int | None:
        return self._next("memory")

    def descriptors(self) -> int | None:
        return self._next("open")

    def threads(self) -> int | None:
        return self._next("running")

    def look(self) -> tuple[int, ...]:
        return (self.pid, *self.others)

    def pids(self) -> tuple[int, ...]:
        return (self.pid, *self.others)

    def children(self) -> tuple[int, ...]:
        return self.others

    def cpu(self) -> dict[int, float]:
        used = self._next("used")
        return used if isinstance(used, dict) else {self.pid: used}

    async def busy(self, seconds: float) -> float:
        await asyncio.sleep(0)
        return float(self._next("busyness"))

    @asynccontextmanager
    async def watch(self, every: float = 0.05) -> AsyncIterator[Watch]:
        watched = Watch()
        watched.saw(self.rss())
        yield watched
        watched.saw(self.rss())

    def _next(self, name: str) -> Any:
        held = getattr(self, name)
        if isinstance(held, list):
            return held.pop(0) if len(held) > 1 else held[0]
        return held() if callable(held) else held


class Talk(StdioSession):
    """A session without pipes."""

    def __init__(self, server: Server, lane: Lane, tree: Wood | None) -> None:
        self.server, self.lane, self.tree = server, lane, tree
        self.transcript = Transcript()
        self.messages: deque[Heard] = deque(maxlen=20_000)
        self.written: list[Any] = []
        self.paused = self.closed = False
        self.status: int | None = 0
        self.blocks_after: int | None = None
        self._number = 0

    async def ask(self, method: str, params: Any = None, *, within: float = 5.0, id: Any = None) -> Reply:
        message = self.message(method, params, id=id)
        self.server.asked.append(message)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if self.server.died:
            raise Gone("it was killed")
        try:
            result = await asyncio.wait_for(self.server.answer(message), within)
        except TimeoutError:
            return Reply(None, seconds=loop.time() - begun)
        if result is None:
            return Reply(None, seconds=within)
        answer = result if "error" in result else {"result": result}
        said = {"jsonrpc": "2.0", "id": message["id"], **answer}
        self.messages.append(Heard(said, b""))
        return Reply(said, json.dumps(said).encode(), loop.time() - begun)

    def message(self, method: str, params: Any = None, *, id: Any = None) -> Message:
        self._number += 1
        return request(self.lane.version, method, params, self._number if id is None else id)

    async def alive(self, within: float = 5.0) -> bool:
        try:
            return not (await self.ask("tools/list", within=within)).silent
        except Gone:
            return False

    async def write(self, data: bytes, within: float = 5.0) -> None:
        message = json.loads(data)
        self.written.append(message)
        if message.get("method") == "notifications/cancelled":
            self.server.cancelled.add(message["params"]["requestId"])
        if self.blocks_after is not None and len(self.written) > self.blocks_after:
            await asyncio.sleep(within)
            raise TimeoutError

    def mark(self) -> None:
        self.messages.clear()

    def pause(self) -> None:
        self.paused = True

    def close_stdin(self) -> None:
        self.closed = True

    async def exited(self, within: float) -> int | None:
        return self.status

    async def close(self) -> None:
        self.closed = True


@dataclass
class Field:
    """What a case sees of a run."""

    server: Server
    lane: Lane = LEGACY
    full: bool = False
    allow_writes: bool = False
    started: bool = True
    token: str | None = None
    call_deadline: float = 35.0
    left: float = 60.0
    tree: Wood | None = field(default_factory=Wood)
    workspace: Path = Path()
    random: random.Random = field(default_factory=lambda: random.Random(1))
    slowness: float = 0.001
    """Seconds that honest calls took when the lane began."""
    worked: bool = True
    fresh_ones: list[Talk] = field(default_factory=list)
    starts: Any = None
    """Called before each start."""

    def __post_init__(self) -> None:
        self.tools = Toolbox.parse(list(self.server.tools))
        self.arena = SimpleNamespace(world=World(), workspace=self.workspace)
        self.shared = Talk(self.server, self.lane, self.tree)
        result = {"id": 1, "result": text("fine", failed=not self.worked)}
        reply = Reply(result, b"{}", self.slowness)
        self.honest = {one.name: Honest(honest(one, World()), reply) for one in self.tools.callable(self.allow_writes)}

    async def session(self) -> Talk:
        return self.shared

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Talk]:
        if self.starts is not None:
            self.starts()
        self.server.died = False
        session = Talk(self.server, self.lane, self.tree)
        self.fresh_ones.append(session)
        yield session
        await session.close()

    fresh_stdio = fresh


async def play(name: str, server: Server, **more: Any) -> int:
    """The number of tries; raises what the case raises."""
    return await case_of(name).play(Field(server, **more))  # type: ignore[arg-type]  # as much of a probe as it needs
