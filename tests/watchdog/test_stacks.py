"""From another thread: whose call the loop stands in, and what every thread does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.calls import ask, living, server_in, text

from holdfast.core.principal import Principal
from holdfast.watchdog import stacks
from holdfast.watchdog.stacks import all_stacks, stack_of, tool_of


class Looking:
    """Looks at the loop's thread from another one while the loop stands, and lets it go on then."""

    def __init__(self) -> None:
        self.found: list[str | None] = []
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()

    def stand(self) -> None:
        """Block the loop until the other thread has looked."""
        thread = threading.Thread(target=lambda: self.found.append(tool_of(self._loop, self._ident)))
        thread.start()
        thread.join()


async def directly(stand: Callable[[], None]) -> None:
    stand()


async def after_a_turn(stand: Callable[[], None]) -> None:
    await asyncio.sleep(0)
    stand()


async def in_a_task_of_its_own(stand: Callable[[], None]) -> None:
    await asyncio.create_task(after_a_turn(stand))


@pytest.mark.parametrize("how", [directly, after_a_turn, in_a_task_of_its_own])
async def test_the_tool_that_the_loop_stands_in_is_named(
    tmp_path: Path, how: Callable[[Callable[[], None]], Awaitable[None]]
) -> None:
    looking, server = Looking(), server_in(tmp_path)

    @server.tool
    async def culprit() -> str:
        await how(looking.stand)
        return "went on"

    async with living(server) as live:
        assert text(await ask(live, "culprit")) == "went on"
        looking.stand()
    assert looking.found == ["culprit", None], "and outside of a call nobody is"


async def test_without_asyncios_own_handles_the_guards_frames_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "_tool_in", lambda _: None)  # as under uvloop on Python 3.11
    looking, server = Looking(), server_in(tmp_path)

    @server.tool
    async def culprit() -> str:
        looking.stand()
        return "went on"

    async with living(server) as live:
        await ask(live, "culprit", who=Principal("local", frozenset("*")))
    assert looking.found == ["culprit"]


def test_a_thread_that_is_gone_has_no_stack() -> None:
    assert stack_of(-1) == ""


def test_the_stacks_of_all_threads_begin_with_the_one_that_matters_and_have_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave = threading.Event()
    threads = [threading.Thread(target=leave.wait, name=f"waits-{number}") for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        shown = all_stacks(threads[2].ident or 0)
        assert shown.startswith("thread waits-2:")
        assert all(thread.name in shown for thread in threads)
        monkeypatch.setattr(stacks, "THREADS", 2)
        assert "more threads" in all_stacks(0)
    finally:
        leave.set()
        for thread in threads:
            thread.join()


async def test_from_python_312_on_the_running_tasks_context_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, server, contexts = Looking(), server_in(tmp_path), list[Context]()

    @server.tool
    async def culprit() -> str:
        contexts.append(copy_context())
        return "went on"

    async with living(server) as live:
        await ask(live, "culprit")
    task = SimpleNamespace(get_context=lambda: contexts[0])
    monkeypatch.setattr(stacks.asyncio, "current_task", lambda _: task)
    looking.stand()
    task.get_context = Context
    looking.stand()
    assert looking.found == ["culprit", None]
