"""Frames from a worker are cut out of what comes in whatever pieces; one that has no place ends the worker."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.errors import DeadlineExceeded, OutputTooLarge
from holdfast.isolation.channel import Channel
from holdfast.isolation.parcel import ANSWER, HEADER, MAX_MESSAGE, MAX_MESSAGES, MESSAGE, READY, VERDICT, Brief, frame

VERDICT_OF_10 = VERDICT.pack(False, 10)


class Noted(Channel):
    """A channel whose worker is a list of what became of it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        super().__init__(lambda _: self.done.append("freed"))
        self.connection_made(SimpleNamespace(write=lambda _: None, abort=lambda: self.done.append("cut")))

    def stop(self) -> None:
        """Note it."""
        self.done.append("stopped")
        self.leaving = True

    def kill(self) -> None:
        """Note it."""
        self.done.append("killed")
        self.leaving = True


def brief(left: float = 5, answer: int = 2_000) -> Brief:
    return Brief("tool", time.monotonic() + left, None, answer)


async def begun(left: float = 5, heard: Any = None) -> tuple[Noted, asyncio.Task[bytes]]:
    """A ready channel, and a call that waits for its answer."""
    channel = Noted()
    channel.data_received(frame(READY, VERDICT.pack(False, 4)))
    call = asyncio.create_task(channel.call(brief(left), b"payload", heard))
    await asyncio.sleep(0)
    return channel, call


async def test_an_answer_comes_in_whatever_pieces_and_frees_the_worker() -> None:
    heard: list[Any] = []
    channel, call = await begun(heard=lambda *said: heard.append(said))
    for piece in frame(MESSAGE, b'["progress", {}]') + frame(ANSWER, VERDICT_OF_10, b"answer"):
        channel.data_received(bytes([piece]))
    assert await call == b"answer"
    assert heard == [("progress", {})]
    assert channel.done == ["freed", "freed"]
    assert (channel.calls, channel.grown) == (1, 6)


async def test_the_next_call_may_begin_before_the_last_caller_has_taken_its_answer() -> None:
    channel, first = await begun()
    second = asyncio.create_task(channel.call(brief(), b"payload", None))  # its turn comes before that of the first
    channel.data_received(frame(ANSWER, VERDICT_OF_10, b"one"))
    assert await first == b"one"
    channel.data_received(frame(ANSWER, VERDICT_OF_10, b"two"))
    assert await asyncio.wait_for(second, 1) == b"two"
    third = asyncio.create_task(channel.call(brief(left=0.01), b"payload", None))
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(third, 1)


async def test_a_worker_that_leaves_after_its_answer_is_not_free() -> None:
    channel, call = await begun()
    channel.data_received(frame(ANSWER, VERDICT.pack(True, 0), b"answer"))
    assert await call == b"answer"
    assert (channel.done, channel.leaving) == (["freed"], True)


async def test_a_call_without_an_answer_in_time_ends_the_worker_and_what_comes_later_changes_nothing() -> None:
    channel, call = await begun(left=0.01)
    with pytest.raises(DeadlineExceeded):
        await call
    channel.data_received(frame(MESSAGE, b'["progress", {}]'))
    channel.data_received(frame(ANSWER, VERDICT_OF_10, b"late"))
    assert channel.done == ["freed", "stopped"]


@pytest.mark.parametrize(
    "wrong",
    [
        HEADER.pack(ANSWER, 2_001 + VERDICT.size),
        HEADER.pack(MESSAGE, MAX_MESSAGE + 1),
        HEADER.pack(READY, VERDICT.size),
        HEADER.pack(b"?", 0),
        frame(MESSAGE, b"{}") * (MAX_MESSAGES + 1),
    ],
    ids=["answer", "message", "ready again", "unknown", "too many"],
)
async def test_a_frame_that_has_no_place_is_not_read(wrong: bytes) -> None:
    channel, call = await begun()
    channel.data_received(wrong)
    with pytest.raises(OutputTooLarge):
        await call
    assert channel.done == ["freed", "cut", "killed", "stopped"]


async def test_an_answer_that_nobody_asked_for_has_no_place() -> None:
    channel = Noted()
    channel.data_received(frame(READY, VERDICT.pack(False, 4)))
    channel.data_received(frame(ANSWER, VERDICT_OF_10, b"answer"))
    assert channel.done == ["freed", "cut", "killed"]


async def test_a_deaf_worker_is_of_no_use() -> None:
    channel = Noted()
    channel.connection_lost(None)
    assert channel.done == ["killed"]
