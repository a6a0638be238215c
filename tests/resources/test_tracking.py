"""Tracking: what a call leaves behind ends with it, and a neighbour's is never touched."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import Busy
from holdfast.resources import tracker as tracker_module
from holdfast.resources.processes import Child
from holdfast.resources.tracking import Occupancy, Tracker, Usage, detached, install, internal
from holdfast.safe.handle import current_scope, own

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@contextmanager
def installed() -> Iterator[None]:
    undo = install(asyncio.get_running_loop())
    try:
        yield
    finally:
        undo()


async def call(tool: Callable[[], Awaitable[object]], tracker: Tracker | None = None) -> Usage:
    """Run ``tool`` as a guard would: in a context of its own, under a tracker."""
    tracker = tracker or Tracker()
    token = current_scope.set(tracker)
    tracker.start()
    try:
        await tool()
    finally:
        current_scope.reset(token)
        await tracker.close()
    return tracker.finish()


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_handles_are_closed_last_first_and_a_failing_one_stops_none() -> None:
    closed: list[int] = []

    async def tool() -> None:
        own(lambda: closed.append(1))
        own(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
        own(lambda: closed.append(3))

    usage = await call(tool)
    assert closed == [3, 1]
    assert usage.closed_handles == 3


async def test_a_handle_closed_early_is_forgotten_and_closing_twice_is_harmless() -> None:
    closed: list[str] = []

    async def tool() -> None:
        close = own(lambda: closed.append("early"))
        close()
        close()

    usage = await call(tool)
    assert closed == ["early"]
    assert usage.closed_handles == 0


async def test_what_is_owned_after_the_call_is_closed_at_once() -> None:
    tracker = Tracker()
    await tracker.close()
    closed: list[int] = []
    tracker.own(lambda: closed.append(1))()
    assert closed == [1]


async def test_a_tidy_call_is_shut_without_more_ado_and_another_says_that_there_is_work() -> None:
    tidy, untidy, closed = Tracker(), Tracker(), []
    assert not tidy.shut()
    tidy.own(lambda: closed.append("late"))
    assert closed == ["late"]
    untidy.own(lambda: closed.append("left"))
    assert untidy.shut()
    await untidy.close()
    assert closed == ["late", "left"]


async def test_too_many_handles_are_refused_and_the_last_one_is_not_leaked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_module, "MAX_OWNED", 2)
    tracker, closed = Tracker(), []
    tracker.own(lambda: None)
    tracker.own(lambda: None)
    with pytest.raises(Busy):
        tracker.own(lambda: closed.append(1))
    assert closed == [1]


async def test_threads_that_own_and_close_at_the_same_time_close_each_once() -> None:
    tracker, closed = Tracker(), []
    start = threading.Barrier(5)

    def work() -> None:
        start.wait()
        for number in range(500):
            tracker.own(lambda number=number: closed.append(number))  # type: ignore[misc]

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    await tracker.close()
    for thread in threads:
        thread.join()
    await tracker.close()
    assert len(closed) == 2_000


async def test_a_task_left_running_is_cancelled_with_the_call() -> None:
    started: list[asyncio.Task[Any]] = []

    async def tool() -> None:
        started.append(asyncio.create_task(asyncio.sleep(600)))
        started.append(asyncio.create_task(asyncio.sleep(0)))
        await started[1]

    with installed():
        usage = await call(tool)
    assert started[0].cancelled()
    assert (usage.tasks_left, usage.tasks_stuck) == (1, 0)


async def test_a_task_that_ignores_cancelling_is_reported_after_a_bounded_wait() -> None:
    release = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        raise RuntimeError("nobody looks")

    async def tool() -> None:
        tasks.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(0)

    with installed():
        began = time.monotonic()
        usage = await call(tool)
        assert time.monotonic() - began < 1
        assert (usage.tasks_left, usage.tasks_stuck) == (1, 1)
        release.set()
        await asyncio.wait(tasks)


async def test_a_task_that_an_orphan_starts_after_the_call_is_cancelled_at_once() -> None:
    release = asyncio.Event()
    late: list[asyncio.Task[Any]] = []

    async def orphan() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        late.append(asyncio.create_task(asyncio.sleep(600)))
        await asyncio.wait(late)

    async def tool() -> None:
        tasks.append(asyncio.create_task(orphan()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[Any]] = []
    with installed():
        await call(tool)
        release.set()
        await asyncio.wait(tasks)
    assert late[0].cancelled()


async def test_overlapping_calls_end_only_what_is_their_own(tmp_path: Path) -> None:
    neighbour_started, first_over = asyncio.Event(), asyncio.Event()
    kept: dict[str, Any] = {}

    async def first() -> None:
        asyncio.create_task(asyncio.sleep(600))  # noqa: RUF006 - left behind on purpose
        own(lambda: kept.setdefault("first closed", True))
        kept["first child"] = subprocess.Popen(SLEEPER)
        await neighbour_started.wait()

    async def neighbour() -> None:
        kept["task"] = asyncio.create_task(first_over.wait())
        kept["file"] = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
        own(lambda: os.close(kept["file"]))
        kept["child"] = subprocess.Popen(SLEEPER)
        kept["async child"] = await asyncio.create_subprocess_exec(*SLEEPER)
        neighbour_started.set()
        await first_over.wait()
        assert not kept["task"].cancelled()
        await kept["task"]
        os.fstat(kept["file"])
        assert running(kept["child"].pid)
        assert running(kept["async child"].pid)

    with installed():
        second = asyncio.create_task(call(neighbour))
        usage = await asyncio.create_task(call(first))
        assert (usage.closed_handles, usage.tasks_left, usage.processes_left) == (1, 1, 1)
        assert not running(kept["first child"].pid)
        first_over.set()
        usage = await second
    assert (usage.closed_handles, usage.tasks_left, usage.processes_left) == (1, 0, 2)
    assert not running(kept["child"].pid)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(kept["file"])
    await kept["async child"].wait()


async def test_processes_of_all_kinds_are_killed_and_reaped_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    children: list[Any] = []

    async def tool() -> None:
        children.append(subprocess.Popen(SLEEPER, stdout=subprocess.PIPE))
        children.append(await asyncio.create_subprocess_exec(*SLEEPER))
        children.append(await asyncio.create_subprocess_shell("exec sleep 600", stdout=subprocess.PIPE))
        children.append(subprocess.Popen(["sleep", "0"]))
        children[3].wait()
        over = subprocess.Popen(["true"])
        children.append(over)
        os.waitid(os.P_PID, over.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
        subprocess.run(["true"], check=True)

    with installed(), caplog.at_level(logging.DEBUG):
        usage = await call(tool)
        assert await children[1].wait() == -signal.SIGKILL
        assert await children[2].stdout.read() == b""
        assert await children[2].wait() == -signal.SIGKILL
    assert usage.processes_left == 3
    assert [children[index].returncode for index in (0, 3, 4)] == [-signal.SIGKILL, 0, 0]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    children[0].stdout.close()
    children.clear()
    gc.collect()


async def test_the_group_of_a_child_that_leads_one_is_killed_too() -> None:
    pids: list[int] = []

    async def tool() -> None:
        argv = ["sh", "-c", "sleep 600 & echo $!; wait"]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
        assert child.stdout is not None
        with child.stdout:
            pids.append(int(child.stdout.readline()))

    with installed():
        await call(tool)
    for _ in range(500):
        if not running(pids[0]):
            break
        await asyncio.sleep(0.01)
    assert not running(pids[0])


async def test_a_process_started_in_a_worker_thread_belongs_to_the_call_and_its_thread_is_freed() -> None:
    freed = threading.Event()
    spawned = threading.Event()

    def blocking() -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            threading.Timer(0, spawned.set).start()
            subprocess.run(SLEEPER, check=True)
        freed.set()

    async def tool() -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(blocking,)).start()
        scope = current_scope.get()
        assert isinstance(scope, Tracker)
        while not scope._children:
            await asyncio.sleep(0)

    with installed():
        usage = await call(tool)
    assert usage.processes_left == 1
    assert await asyncio.to_thread(freed.wait, 10)


async def test_a_process_after_the_call_and_one_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_module, "MAX_CHILDREN", 2)
    children: list[subprocess.Popen[bytes]] = []

    async def tool() -> None:
        for _ in range(5):
            subprocess.run(["true"], check=True)
        children.extend(subprocess.Popen(SLEEPER) for _ in range(2))
        with pytest.raises(Busy):
            subprocess.Popen(SLEEPER)

    with installed():
        tracker = Tracker()
        usage = await call(tool, tracker)
        current_scope.set(tracker)
        with pytest.raises(Busy):
            subprocess.Popen(["true"])
    assert usage.processes_left == 2


async def test_a_process_that_could_not_start_holds_nothing_up() -> None:
    async def tool() -> None:
        with pytest.raises(FileNotFoundError):
            subprocess.Popen(["no-such-program-anywhere"])

    with installed():
        usage = await call(tool)
    assert usage.processes_left == 0
    assert usage.wall < 2


async def test_a_process_whose_number_another_thread_is_about_to_learn_is_waited_for() -> None:
    tracker = Tracker()
    popen = subprocess.Popen(SLEEPER)
    pid, popen.pid = popen.pid, None  # type: ignore[assignment]
    tracker.process(popen)
    asyncio.get_running_loop().call_later(0.005, setattr, popen, "pid", pid)
    await tracker.close()
    assert not running(pid)
    assert popen.returncode == -signal.SIGKILL


async def test_a_child_that_is_not_ours_is_never_signalled() -> None:
    stranger = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE)
    assert stranger.stdout is not None
    grandchild = int(stranger.stdout.readline())
    gone = subprocess.Popen(["true"])
    gone.wait()
    gone.returncode = None
    number = gone.pid
    gone.pid = grandchild  # as if the number had been given to somebody else
    assert Child(gone).kill() is None
    assert running(grandchild)
    gone.pid = number
    assert Child(gone).kill() is None
    gone.returncode = 0
    os.kill(grandchild, signal.SIGKILL)
    stranger.communicate()


async def test_holdfasts_own_tasks_and_processes_are_left_alone_but_what_they_start_is_the_calls() -> None:
    ours: list[Any] = []
    theirs: list[asyncio.Task[Any]] = []
    proceed = asyncio.Event()

    async def attempt() -> None:
        theirs.append(asyncio.create_task(asyncio.sleep(600)))
        await proceed.wait()

    async def tool() -> None:
        with internal():
            ours.append(asyncio.create_task(attempt()))
            context = contextvars.copy_context()
            ours.append(asyncio.get_running_loop().create_task(proceed.wait(), context=context))
            ours.append(subprocess.Popen(SLEEPER))
        await asyncio.sleep(0)

    with installed():
        usage = await call(tool)
        assert (usage.tasks_left, usage.processes_left) == (1, 0)
        proceed.set()
        await ours[0]
        await ours[1]
    assert theirs[0].cancelled()
    assert running(ours[2].pid)
    ours[2].kill()
    ours[2].wait()


async def test_what_is_detached_outlives_the_call() -> None:
    tasks: list[asyncio.Task[Any]] = []
    proceed = asyncio.Event()

    async def tool() -> None:
        with detached():
            tasks.append(asyncio.create_task(proceed.wait()))

    with installed():
        usage = await call(tool)
        proceed.set()
        await tasks[0]
    assert usage.tasks_left == 0


async def test_a_task_given_a_context_belongs_to_the_call_of_that_context() -> None:
    outside = contextvars.copy_context()
    tasks: list[asyncio.Task[Any]] = []
    proceed = asyncio.Event()

    async def tool() -> None:
        loop = asyncio.get_running_loop()
        tasks.append(loop.create_task(proceed.wait(), context=outside))
        tasks.append(loop.create_task(proceed.wait(), context=contextvars.copy_context(), name="named"))

    with installed():
        usage = await call(tool)
        proceed.set()
        assert await tasks[0] is True
    assert usage.tasks_left == 1
    assert tasks[1].cancelled()
    assert tasks[1].get_name() == "named"


async def test_too_many_tasks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_module, "MAX_OWNED", 3)

    async def tool() -> None:
        for _ in range(3):
            asyncio.create_task(asyncio.sleep(600))  # noqa: RUF006 - left behind on purpose
        with pytest.raises(Busy):
            await asyncio.create_task(asyncio.sleep(600))

    with installed():
        assert (await call(tool)).tasks_left == 3


async def test_a_generator_that_the_loop_closes_is_not_taken_for_the_calls() -> None:
    closed = asyncio.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.set()

    async def tool() -> None:
        generator = numbers()
        await anext(generator)
        del generator
        gc.collect()

    with installed():
        await call(tool)
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_factory_that_is_set_already_still_makes_the_tasks_and_comes_back() -> None:
    loop = asyncio.get_running_loop()
    made: list[Any] = []

    def theirs(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(options)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(theirs)  # type: ignore[arg-type]
    undo = install(loop)

    async def tool() -> None:
        asyncio.create_task(asyncio.sleep(600))  # noqa: RUF006 - left behind on purpose

    assert (await call(tool)).tasks_left == 1
    assert len(made) == 1
    upon: Any = loop.get_task_factory()
    loop.set_task_factory(lambda loop, coro, **options: upon(loop, coro, **options))
    undo()
    undo()
    assert (await call(tool)).tasks_left == 0
    loop.set_task_factory(None)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_undoing_restores_the_factory_and_puts_the_hook_to_sleep() -> None:
    loop = asyncio.get_running_loop()
    install(loop)()
    assert loop.get_task_factory() is None
    tracker = Tracker()
    current_scope.set(tracker)
    subprocess.run(["true"], check=True)
    assert not tracker._children


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_stay_eager() -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    order: list[str] = []

    async def quick() -> None:
        order.append("quick")

    async def tool() -> None:
        asyncio.create_task(quick())  # noqa: RUF006 - ends at once
        order.append("tool")
        asyncio.create_task(asyncio.sleep(600))  # noqa: RUF006 - left behind on purpose

    with installed():
        assert (await call(tool)).tasks_left == 1
    assert order == ["quick", "tool"]


async def test_a_close_that_is_cancelled_still_ends_what_it_can() -> None:
    closed: list[int] = []
    release = asyncio.Event()
    tracker = Tracker()
    popen = subprocess.Popen(SLEEPER)

    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    tracker.task(task)
    tracker.process(popen)
    tracker.own(lambda: closed.append(1))
    closing = asyncio.create_task(tracker.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert closed == [1]
    assert popen.returncode == -signal.SIGKILL
    release.set()
    await task


async def test_time_and_bytes_are_measured() -> None:
    tracker = Tracker()

    async def tool() -> None:
        tracker.bytes_in, tracker.bytes_out = 3, 5
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    usage = await call(tool, tracker)
    assert usage.cpu >= 0.02
    assert usage.wall > 0
    assert (usage.bytes_in, usage.bytes_out, usage.descriptors) == (3, 5, None)


async def test_the_cpu_time_of_calls_that_share_a_reading_is_never_too_low_and_never_more_than_their_wall_time() -> (
    None
):
    occupancy = Occupancy()

    async def brief() -> None:
        pass

    async def busy() -> None:
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass

    for tool, least in ((brief, 0.0), (busy, 0.005), (busy, 0.005), (brief, 0.0), (busy, 0.005)):
        usage = await call(tool, Tracker(occupancy))
        assert least <= usage.cpu <= usage.wall


async def test_a_call_that_only_waits_uses_no_cpu_to_speak_of() -> None:
    usage = await call(lambda: asyncio.sleep(0.05), Tracker(Occupancy()))
    assert usage.wall >= 0.05
    assert usage.cpu < 0.04


async def test_descriptors_are_counted_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    occupancy = Occupancy()

    async def idle() -> None:
        pass

    assert [(await call(idle, Tracker(occupancy))).descriptors for _ in range(3)] == [0, None, None]
    monkeypatch.setattr(tracker_module, "SAMPLE_EVERY", 0.0)
    occupancy.sample_at = 0.0
    assert [(await call(idle, Tracker(occupancy))).descriptors for _ in range(3)] == [0, 0, 0]


async def test_leaked_descriptors_show_when_the_call_was_alone_and_only_then() -> None:
    occupancy = Occupancy()
    leaked: list[int] = []

    async def leak() -> None:
        leaked.append(os.open(os.devnull, os.O_RDONLY))

    usage = await call(leak, Tracker(occupancy))
    assert usage.descriptors == 1
    assert (await call(leak, Tracker(occupancy))).descriptors is None
    occupancy = Occupancy()

    async def with_neighbour() -> None:
        await call(leak, Tracker(occupancy))

    assert (await call(with_neighbour, Tracker(occupancy))).descriptors is None
    assert occupancy.running == 0
    for fd in leaked:
        os.close(fd)


async def test_a_call_that_uses_nothing_costs_next_to_nothing() -> None:
    occupancy = Occupancy()

    async def once() -> None:
        tracker = Tracker(occupancy)
        tracker.start()
        await tracker.close()
        tracker.finish()

    best = min([await timed(once) for _ in range(20)])
    assert best < 200e-6  # measured: 1.5 us; the bound is for busy, traced machines


async def timed(once: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    for _ in range(500):
        await once()
    return (time.perf_counter() - began) / 500
