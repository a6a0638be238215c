"""A server that lives in this process, with a clock to move: calls go in as a wire would put them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from holdfast.core.clock import Clock
from holdfast.core.context import InputRequired
from holdfast.core.endpoint import Kind, Request
from holdfast.core.pipeline import META, Answer
from holdfast.core.principal import Principal
from holdfast.live import Live
from holdfast.observe.audit import AuditLog
from holdfast.observe.gate import Gate
from holdfast.plant import Plant
from holdfast.server import Server
from holdfast.testing import principal, settings_for


class Open(Gate):
    """A gate that no slow disk shuts, so that no record goes through the audit log's thread."""

    prompt = property(lambda _: True, lambda *_: None)  # type: ignore[assignment]


async def keep_on_the_loop(log: AuditLog) -> None:
    """No more syncs until the end, and no writes by the thread, once the disk has been found to be prompt."""
    log._interval = 3_600.0
    ends = time.monotonic() + 1.0
    while not log._gate.prompt:
        if not log.working or time.monotonic() > ends:
            return  # a test of a disk that is not
        await asyncio.sleep(0.001)
    log._gate.__class__ = Open


class Client:
    """The client's side of a call: what it can do, what its user answers, and what it has been told."""

    def __init__(self, *offers: str, era: Literal["handshake", "modern"] = "modern", **answers: Any) -> None:
        self.era: Literal["handshake", "modern"] = era
        self.told: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = answers
        self._offers = offers

    def offers(self, capability: str) -> bool:
        """Whether the client declared it."""
        return capability in self._offers

    async def ask(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Answer what is known; the rest ends the call for now."""
        missing = {key: request for key, request in requests.items() if key not in self.answers}
        if missing:
            raise InputRequired(missing, self.answers)
        return {key: self.answers[key] for key in requests}

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Note it."""
        self.told.append(("progress", done, total, message))

    async def log(self, level: str, data: Any, logger: str | None) -> None:
        """Note it."""
        self.told.append(("log", level, data, logger))

    async def close_stream(self) -> None:
        """Note it."""
        self.told.append(("close",))


def server_in(base: Path, name: str = "inside", **settings: Any) -> Server:
    """A server that keeps its state and its log beneath ``base``; ``limits__rate="5/second"`` sets ``limits.rate``."""
    given = settings_for(base, **{"log__file": base / "log", "limits__rate": "100000/second", **settings})
    return Server(name, settings=given)


@asynccontextmanager
async def living(server: Server, clock: Clock | None = None) -> AsyncIterator[Live]:
    """The server's chains and parts, live, by ``clock``; without lifespans, transport and heartbeat.

    Its audit log is written by the loop alone, so that turns of the loop tell how far a call has got.
    """
    async with AsyncExitStack() as stack:
        plant = Plant(server.name, server.load_settings(), clock)
        await plant.start(stack)
        if plant.parts.audit is not None:
            await keep_on_the_loop(plant.parts.audit)
        yield Live(server.name, server.version, server.identity, plant, server.whole())


async def ask(
    live: Live,
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    who: Principal | None = None,
    client: Client | None = None,
    kind: Kind = "tool",
    key: object = None,
) -> Answer:
    """One call, all the way through."""
    return await live.handle(Request(kind, name, arguments or {}, who or principal(), client or Client(), key))


def text(answer: Answer) -> str:
    """The text of an answer."""
    return "\n".join(block.get("text", "") for block in answer.body.get("content", ()))


def code(answer: Answer) -> str:
    """The code of a refusal or failure; empty for a good answer."""
    return str(answer.meta.get(f"{META}code", ""))


def logged(base: Path) -> list[dict[str, Any]]:
    """The log's lines, once the server has ended."""
    return [json.loads(line) for line in (base / "log").read_text().splitlines()]


def audited(base: Path, name: str = "inside") -> list[dict[str, Any]]:
    """The audit log's records."""
    return [json.loads(line) for line in (base / "state" / name / "audit.jsonl").read_text().splitlines()]


async def told(base: Path, word: str) -> dict[str, Any]:
    """Wait for the log line that holds ``word``; the log is written by a thread, a moment later."""
    for _ in range(1_000):
        if (base / "log").exists():
            for line in (base / "log").read_text().splitlines():
                if word in line:
                    found: dict[str, Any] = json.loads(line)
                    return found
        await asyncio.sleep(0.005)
    raise AssertionError(f"the log does not say {word!r}")
