"""A server that takes memory without an end is killed in time, and one that does not is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast_attack.cases import greedy
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Found, Inconclusive, NotApplicable

ANSWER = Reply({"result": {}})
SHOT: Any = SimpleNamespace(aim=SimpleNamespace(tool=SimpleNamespace(name="read")), arguments={}, words=b"sent")


class Tree:
    """Its memory grows by a step at each look."""

    def __init__(self, step: int) -> None:
        self.step, self.memory = step, 0

    def rss(self) -> int:
        self.memory += self.step
        return self.memory

    def pids(self) -> tuple[int, ...]:
        return (4242, 4243)


class Session:
    """Answers after some looks, or never."""

    def __init__(self, tree: Tree | None, answer: Reply | Exception | None = ANSWER) -> None:
        self.tree, self.answer, self.calls = tree, answer, 0

    async def call(self, _tool: str, _arguments: Any, *, within: float) -> Reply:
        self.calls += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        await asyncio.sleep(0)
        return self.answer or Reply(None)


@pytest.fixture(autouse=True)
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: seen.append((pid, number)))
    monkeypatch.setattr(greedy, "EVERY", 0.001)
    return seen


def probe(session: Session, started: bool = True) -> Any:
    @asynccontextmanager
    async def fresh() -> Any:
        yield session

    return SimpleNamespace(started=started, fresh=fresh)


async def test_all_of_a_greedy_tree_is_killed_before_it_answers(killed: list[tuple[int, int]]) -> None:
    session = Session(Tree(step=200 * 2**20), answer=None)
    with pytest.raises(Found, match="its memory grew by 600 MiB") as caught:
        await greedy.fire(probe(session), [SHOT], 1.0)
    assert killed == [(4242, signal.SIGKILL), (4243, signal.SIGKILL)]
    assert caught.value.findings[0].sent == b"sent"


async def test_a_modest_one_is_left_alone_and_all_calls_are_counted(killed: list[tuple[int, int]]) -> None:
    session = Session(Tree(step=0))
    assert await greedy.fire(probe(session), [SHOT, SHOT], 1.0) == 2
    assert (session.calls, killed) == (2, [])


async def test_silence_and_going_away_are_findings() -> None:
    with pytest.raises(Found, match="no answer within 1 s"):
        await greedy.fire(probe(Session(Tree(0), Reply(None))), [SHOT], 1.0)
    with pytest.raises(Found, match="went away"):
        await greedy.fire(probe(Session(Tree(0), Gone("x"))), [SHOT], 1.0)


async def test_a_server_that_cannot_be_ended_is_not_tried() -> None:
    with pytest.raises(NotApplicable):
        await greedy.fire(probe(Session(Tree(0)), started=False), [SHOT], 1.0)


async def test_a_server_whose_memory_is_not_seen_is_not_judged() -> None:
    with pytest.raises(Inconclusive):
        await greedy.fire(probe(Session(None)), [SHOT], 1.0)
