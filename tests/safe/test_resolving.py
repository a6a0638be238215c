"""A name server that hangs holds up nobody but who asked it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.errors import ToolError
from holdfast.safe import resolving
from holdfast.safe.resolving import system_resolve
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.urls import PublicUrl, UrlPolicy


class Hanging:
    """In place of the system's resolver: answers nobody until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = threading.Semaphore(0)

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        self.asked.release()
        assert self.go.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))] * 2


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """The system itself cannot be made to hang; everything on this side of it is real."""
    resolver = Hanging()
    monkeypatch.setattr(resolving.socket, "getaddrinfo", resolver)
    resolving._places.cache_clear()
    yield resolver
    resolver.go.set()
    for thread in threading.enumerate():
        if thread.name == "holdfast-resolve":
            thread.join(20)
    resolving._places.cache_clear()


async def test_a_name_is_looked_up_and_each_address_comes_once() -> None:
    assert set(await system_resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
    assert await system_resolve("127.0.0.1", 80) == ["127.0.0.1"]
    for host, error in (("x.invalid", OSError), ("a" * 64 + ".example", UnicodeError)):
        with pytest.raises(error):
            await system_resolve(host, 80)


async def test_the_same_address_twice_is_one(hanging: Hanging) -> None:
    hanging.go.set()
    assert await system_resolve("twice.example", 80) == ["127.0.0.1"]


def test_a_fetch_on_a_thread_ends_in_time_although_its_lookup_hangs(hanging: Hanging) -> None:
    url = PublicUrl.from_text("http://slow.example/", Sandbox(urls=UrlPolicy(timeout=0.2)))
    begun = time.perf_counter()
    with pytest.raises(ToolError, match="in time"):
        url.fetch_sync()
    assert time.perf_counter() - begun < 5
    assert hanging.asked.acquire(timeout=5)


async def test_lookups_that_hang_leave_the_threads_of_files_alone_and_are_bounded(hanging: Hanging) -> None:
    tasks = [asyncio.create_task(system_resolve(f"x{number}.example", 80)) for number in range(resolving._AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(ToolError) as caught:
        await system_resolve("more.example", 80)
    assert caught.value.retryable
    assert await asyncio.wait_for(asyncio.to_thread(int, "5"), 5) == 5
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    tasks[0].cancel()
    hanging.go.set()
    for task in tasks[1:]:
        assert await task == ["127.0.0.1"]
    assert tasks[0].cancelled()
    async with asyncio.timeout(5):
        while resolving._places()._value < resolving._AT_ONCE:  # the places are given back
            await asyncio.sleep(0)
    assert await system_resolve("again.example", 80) == ["127.0.0.1"]
    assert complaints == [], "an answer that nobody waits for any more is dropped"


async def test_a_system_without_threads_gives_the_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolving._places.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        for _ in range(resolving._AT_ONCE + 1):
            with pytest.raises(ToolError, match="now"):
                await system_resolve("localhost", 80)
    assert await system_resolve("127.0.0.1", 80) == ["127.0.0.1"]
