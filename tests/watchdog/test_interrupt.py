"""The interruption hits a tool's own code that is overdue, and nothing else; the signal is given back as it was."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from support.marked import marked

from holdfast.isolation.inline import LoopBlocked
from holdfast.watchdog import interrupt
from holdfast.watchdog.interrupt import Interrupter, interruptible, waiting

SIGNAL = signal.SIGUSR2


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Whatever a test does, the process has its signal back."""
    before = signal.getsignal(SIGNAL)
    yield
    assert signal.getsignal(SIGNAL) is before, "the handler from before is back"


def overdue(deadline: float) -> bool:
    return time.monotonic() >= deadline


class Shots:
    """Fires again and again from a thread, as the monitor does, until it is left."""

    def __init__(self, interrupter: Interrupter) -> None:
        self._interrupter = interrupter
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._shoot)

    def _shoot(self) -> None:
        while not self._over.wait(0.01):
            self._interrupter.fire()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    """Installed in the main thread."""
    made = Interrupter(overdue)
    assert made.install()
    yield made
    made.remove()


async def blocked(seconds: float, how: Callable[[float], None] = time.sleep, allowed: float = 0.0) -> str:
    """A tool's code that blocks the loop, run as a tool is."""

    async def tool(_args: Any, _ctx: Any) -> str:
        how(seconds)
        return "slept"

    return str(await marked(time.monotonic() + allowed, tool))


def waits_for_an_event(seconds: float) -> None:
    threading.Event().wait(seconds)


def waits_for_a_queue(seconds: float) -> None:
    queue.Queue().get(timeout=seconds)


def waits_for_a_future(seconds: float) -> None:
    """What becomes of ``run_coroutine_threadsafe(...).result()`` on the loop itself: nobody can ever answer."""
    Future().result(seconds)


def waits_for_a_lock(seconds: float) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=seconds)


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize(
    "how",
    [
        time.sleep, spin, waits_for_an_event, waits_for_a_queue, waits_for_a_future, waits_for_a_lock,
    ],
)  # fmt: skip
async def test_an_overdue_tool_that_blocks_the_loop_is_interrupted(
    interrupter: Interrupter, how: Callable[[float], None]
) -> None:
    begun = time.monotonic()
    with Shots(interrupter), pytest.raises(LoopBlocked):
        await blocked(5, how)
    assert time.monotonic() - begun < 2
    assert interrupter.fired == 1


async def test_a_tool_that_waits_for_a_childs_output_is_interrupted(interrupter: Interrupter) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"], stdout=-1, stderr=-1) as child:
        begun = time.monotonic()
        with Shots(interrupter), pytest.raises(LoopBlocked):
            await blocked(0, lambda _: child.communicate() and None)
        assert time.monotonic() - begun < 5
        child.kill()
    assert interrupter.fired == 1


async def test_a_tool_within_its_time_is_left_alone(interrupter: Interrupter) -> None:
    with Shots(interrupter):
        assert await blocked(0.1, allowed=60) == "slept"
    assert interrupter.fired == 0


async def test_code_that_belongs_to_no_call_is_left_alone(interrupter: Interrupter) -> None:
    with Shots(interrupter):
        spin(0.1)
        await asyncio.sleep(0.05)
    assert interrupter.fired == 0


async def test_without_a_deadline_only_the_longest_block_counts(interrupter: Interrupter) -> None:
    async def tool(_args: Any, _ctx: Any) -> str:
        spin(0.1)
        return "done"

    with Shots(interrupter):
        assert await marked(None, tool) == "done"


async def test_waiting_tools_never_see_it(interrupter: Interrupter) -> None:
    async def tool(_args: Any, _ctx: Any) -> str:
        await asyncio.sleep(0.1)
        return "waited"

    with Shots(interrupter):
        assert await marked(0.0, tool) == "waited"


@pytest.mark.parametrize(
    "module, hit",
    [
        ("author", True), ("__main__", True), ("holdfasting", True), ("", True), ("asyncio.base_events", False),
        ("holdfast.safe.paths", False), ("selectors", False), ("threading", False), ("mcp.server.runner", False),
        ("contextlib", False),
    ],
)  # fmt: skip
def test_only_code_outside_the_loop_and_the_library_may_be_interrupted(module: str, hit: bool) -> None:
    frame: Any = SimpleNamespace(f_globals={"__name__": module})
    assert interruptible(frame) is hit
    assert not interruptible(None)


def test_a_frame_without_a_name_is_somebodys_code() -> None:
    frame: Any = SimpleNamespace(f_globals={})
    assert interruptible(frame)


async def test_a_signal_from_elsewhere_reaches_the_handler_that_was_there_before() -> None:
    heard: list[int] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(SIGNAL, handler)
    try:
        interrupter = Interrupter(overdue)
        interrupter.install()
        os.kill(os.getpid(), SIGNAL)
        with pytest.raises(LoopBlocked), Shots(interrupter):
            await blocked(5)
        interrupter.remove()
        assert signal.getsignal(SIGNAL) is handler
    finally:
        signal.signal(SIGNAL, before)
    assert heard == [SIGNAL]


def test_a_signal_from_elsewhere_is_no_interruption_even_of_an_overdue_tool(interrupter: Interrupter) -> None:
    from holdfast.isolation.inline import running

    token = running.set(0.0)
    try:
        os.kill(os.getpid(), SIGNAL)
        spin(0.01)
    finally:
        running.reset(token)
    assert interrupter.fired == 0


async def test_two_servers_in_one_process_may_end_in_either_order() -> None:
    first, second = Interrupter(overdue), Interrupter(overdue)
    first.install()
    second.install()
    first.remove()
    with pytest.raises(LoopBlocked), Shots(second):
        await blocked(5)
    assert second.fired == 1
    second.remove()
    assert signal.getsignal(SIGNAL) == first._handle, "harmless: it is armed by nobody"
    os.kill(os.getpid(), SIGNAL)
    signal.signal(SIGNAL, signal.SIG_DFL)


async def test_the_inner_one_of_two_servers_passes_on_what_is_meant_for_the_outer(interrupter: Interrupter) -> None:
    inner = Interrupter(lambda deadline: False)
    inner.install()
    try:
        with pytest.raises(LoopBlocked), Shots(interrupter):
            await blocked(5)
    finally:
        inner.remove()
    assert (interrupter.fired, inner.fired) == (1, 0)


@pytest.mark.parametrize("stuck", [True, False])
async def test_a_supervisors_signal_counts_when_the_loop_does_stand_still(stuck: bool) -> None:
    interrupter = Interrupter(overdue, lambda: stuck)
    interrupter.install()
    threading.Timer(0.1, os.kill, (os.getpid(), SIGNAL)).start()
    try:
        if stuck:
            with pytest.raises(LoopBlocked):
                await blocked(5)
        else:
            assert await blocked(0.3) == "slept"
    finally:
        interrupter.remove()
    assert interrupter.fired == int(stuck)


def test_a_librarys_wait_is_left_alone_where_a_library_waits_and_on_its_way_through() -> None:
    def frame(*modules: str) -> Any:
        made = None
        for module in reversed(modules):
            made = SimpleNamespace(f_globals={"__name__": module}, f_back=made, f_lasti=8)
        return made

    assert waiting(frame("threading", "threading", "queue", "author"))
    assert waiting(frame("selectors", "author"))
    assert not waiting(frame("selectors", "asyncio.base_events", "author"))
    assert not waiting(frame("threading", "holdfast.observe.pipe", "author"))
    assert not waiting(frame("threading"))
    assert not waiting(frame("author"))
    assert not waiting(None)
    interrupter, first, second = Interrupter(overdue), frame("threading", "author"), frame("threading", "author")
    assert [interrupter._waits(each) for each in (first, second, second, None, second)] == [
        False, False, True, False, False,
    ]  # fmt: skip
    second.f_lasti = 10
    assert not interrupter._waits(second)


def test_once_removed_it_fires_no_more_and_never_into_the_void(interrupter: Interrupter) -> None:
    before = signal.getsignal(SIGNAL)
    signal.signal(SIGNAL, signal.SIG_DFL)  # somebody took the handler away: the signal would end the process
    interrupter.fire()
    signal.signal(SIGNAL, before)
    interrupter.remove()
    interrupter.fire()
    interrupter.remove()


def test_outside_the_main_thread_it_cannot_be_installed_and_does_nothing() -> None:
    interrupter, installed = Interrupter(overdue), []

    def elsewhere() -> None:
        installed.append(interrupter.install())
        interrupter.fire()
        interrupter.remove()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert installed == [False]


def test_where_there_is_no_such_signal_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "SIGNAL", None)
    interrupter = Interrupter(overdue)
    assert not interrupter.install()
    interrupter.fire()
    interrupter.remove()


def test_a_handler_that_python_did_not_set_is_replaced_by_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupter = Interrupter(overdue)
    before = signal.getsignal(SIGNAL)
    interrupter.install()
    interrupter._previous = None  # what signal.signal() gives for one that was set in C
    interrupter.remove()
    assert signal.getsignal(SIGNAL) is signal.SIG_DFL
    signal.signal(SIGNAL, before)
