"""Crashes, endless loops and memory hogs stay in their process; the process goes, its siblings stay."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.waiting import until

import holdfast
from holdfast.errors import Busy, ConfigurationError, DeadlineExceeded, Draining, OutputTooLarge, ToolError
from holdfast.isolation import member
from holdfast.isolation.parcel import Brief, unpack_answer
from holdfast.isolation.processes import ProcessDied, ProcessPool
from holdfast.isolation.worker import OUT_OF_MEMORY, perform

SOURCES = str(Path(holdfast.__file__).parent.parent)
ENDLESS = "sum(range(10 ** 12))"
"""Holds the GIL in C code and looks at no signal."""


@contextlib.asynccontextmanager
async def pool_of(workers: int = 1, **settings: int) -> AsyncIterator[ProcessPool]:
    pool = ProcessPool(workers, **settings)
    try:
        yield pool
    finally:
        pool.close()


def gone(pid: int, within: float = 5.0) -> bool:
    """Whether the process ends within the time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)


async def test_a_call_returns_its_result_and_workers_stay_warm() -> None:
    async with pool_of(1) as pool:
        assert await pool.run(divmod, 17, 5, timeout=10) == (3, 2)
        pids = {await pool.run(os.getpid, timeout=10) for _ in range(5)}
        assert len(pids) == 1
        assert os.getpid() not in pids
        assert (pool.busy, pool.queued) == (0, 0)


async def test_failures_come_through_with_the_remote_traceback_as_a_note() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(json.JSONDecodeError) as raised:
            await pool.run(json.loads, "{", timeout=10)
        assert "In the worker process" in raised.value.__notes__[0]
        assert "raw_decode" in raised.value.__notes__[0]
        with pytest.raises(RuntimeError, match="SystemExit"):
            await pool.run(sys.exit, 3, timeout=10)
        with pytest.raises(TypeError, match="pickle"):
            await pool.run(threading.Lock, timeout=10)


async def test_a_call_that_cannot_be_pickled_is_refused_before_it_costs_anything() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(TypeError, match="importable"):
            await pool.run(lambda: None, timeout=10)
        assert pool.busy == 0


@pytest.mark.parametrize("work", ["__import__('time').sleep(60)", ENDLESS])
async def test_an_endless_call_is_killed_on_time_and_its_place_comes_back(work: str) -> None:
    async with pool_of(1) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await pool.run(eval, work, timeout=0.3)
        assert 0.3 <= time.monotonic() - started < 1.0
        assert pool.busy == 1  # the worker still dies
        assert gone(pid, within=1)
        await until(lambda: pool.busy == 0)
        assert await pool.run(os.getpid, timeout=10) != pid


async def test_a_blocked_loop_does_not_keep_a_late_worker_alive() -> None:
    async with pool_of(1) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        call = asyncio.create_task(pool.run(eval, ENDLESS, timeout=0.2))
        await asyncio.sleep(0)
        assert gone(pid)  # waits without giving the loop a turn: the kernel's alarm ends it
        with pytest.raises(DeadlineExceeded):
            await call


async def test_cancelling_the_caller_kills_the_worker() -> None:
    async with pool_of(1) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        task = asyncio.create_task(pool.run(eval, ENDLESS, timeout=60))
        await asyncio.sleep(0.2)  # long enough for the worker to begin; either way the call must end
        started = time.monotonic()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert time.monotonic() - started < 0.2
        assert gone(pid)
        await until(lambda: pool.busy == 0)


async def test_siblings_do_not_notice_a_kill_or_a_crash() -> None:
    async with pool_of(3) as pool:
        await asyncio.gather(*[pool.run(os.getpid, timeout=10) for _ in range(3)])
        results = await asyncio.gather(
            pool.run(eval, ENDLESS, timeout=0.3),
            pool.run(os.abort, timeout=10),
            pool.run(eval, "__import__('time').sleep(1) or 'unharmed'", timeout=10),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [DeadlineExceeded, ProcessDied, str]


@pytest.mark.parametrize(
    "function, argument, status",
    [
        (ctypes.string_at, 0, -signal.SIGSEGV),
        (eval, "__import__('os')._exit(3)", 3),
        (signal.raise_signal, signal.SIGKILL, -signal.SIGKILL),
    ],
)
async def test_a_crash_is_told_as_such_and_the_next_call_finds_a_fresh_worker(
    function: Callable[..., object], argument: object, status: int
) -> None:
    async with pool_of(1) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        with pytest.raises(ProcessDied, match="crashed") as raised:
            await pool.run(function, argument, timeout=10)
        assert (raised.value.code, raised.value.exit_status) == ("isolation.crashed", status)
        assert await pool.run(os.getpid, timeout=10) != pid


async def test_memory_is_limited_per_worker() -> None:
    async with pool_of(1, memory=256 * 1024 * 1024) as pool:
        assert await pool.run(eval, "len(bytearray(10 ** 7))", timeout=10) == 10**7
        with pytest.raises(ProcessDied, match="more memory") as raised:
            await pool.run(bytearray, 10**9, timeout=10)
        assert (raised.value.code, raised.value.exit_status) == ("isolation.memory", OUT_OF_MEMORY)
        with pytest.raises(ProcessDied, match="more memory"):
            await pool.run(exec, "hog = []\nwhile True: hog.append(bytearray(100_000))", {}, timeout=20)
        assert await pool.run(eval, "'fine'", timeout=10) == "fine"


async def test_an_answer_that_is_too_large_stays_in_the_worker() -> None:
    async with pool_of(1, max_result=1_000) as pool:
        with pytest.raises(OutputTooLarge):
            await pool.run(eval, "'x' * 1_000_000", timeout=10)
        assert await pool.run(eval, "'x' * 500", timeout=10) == "x" * 500


async def test_waiting_counts_against_the_timeout_and_the_line_is_bounded() -> None:
    async with pool_of(1, queue=1) as pool:
        await pool.run(os.getpid, timeout=10)
        running = asyncio.create_task(pool.run(eval, "__import__('time').sleep(1) or 'ran'", timeout=10))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(pool.run(os.getpid, timeout=0.2))
        await asyncio.sleep(0)
        assert (pool.busy, pool.queued) == (1, 1)
        with pytest.raises(Busy):
            await pool.run(os.getpid, timeout=10)
        with pytest.raises(DeadlineExceeded):
            await waiting
        assert pool.queued == 0
        assert await running == "ran"


async def test_a_timeout_that_has_passed_starts_nothing() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(DeadlineExceeded):
            await pool.run(os.getpid, timeout=0)
        assert pool.busy == 0


async def test_workers_are_replaced_after_their_calls() -> None:
    async with pool_of(1, max_calls=3) as pool:
        pids = [await pool.run(os.getpid, timeout=10) for _ in range(6)]
        assert len(set(pids)) == 2


async def test_killing_an_idle_worker_breaks_nothing_for_long() -> None:
    async with pool_of(2) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        assert await pool.run(eval, "'healed'", timeout=10) == "healed"


def stop(pid: int) -> None:
    """Stop a process, and return when it is."""
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)


def doomed(lives: int) -> Callable[..., Any]:
    """A worker's ``call`` that is given to so many dead ones before it is made."""
    whole, left = member.Member.call, [lives]

    async def call(self: member.Member, *given: Any) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            return await whole(self, *given)
        stop(self._pid)
        answer = asyncio.ensure_future(whole(self, *given))
        await asyncio.sleep(0)
        os.kill(self._pid, signal.SIGKILL)
        return await answer

    return call


@pytest.mark.parametrize("size", [0, 3_000_000], ids=["small", "more than a socket holds"])
async def test_a_worker_that_is_killed_before_it_has_read_its_call_costs_nobody_anything(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member.Member, "call", doomed(2))
    begun: list[int] = []
    async with pool_of() as pool:
        assert await pool.run(len, "x" * size, timeout=20, begun=lambda: begun.append(1)) == size
    assert begun == [1]


async def test_a_call_whose_workers_are_all_killed_first_has_not_begun_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(member.Member, "call", doomed(3))
    begun: list[int] = []
    async with pool_of() as pool:
        with pytest.raises(ProcessDied, match="try again later") as died:
            await pool.run(len, "", timeout=20, begun=lambda: begun.append(1))
        assert died.value.code == "isolation.unavailable"
        assert begun == []
        assert await pool.run(len, "abc", timeout=20, begun=lambda: begun.append(1)) == 3
    assert begun == [1]


async def test_a_call_that_has_begun_is_given_to_no_other_worker() -> None:
    begun: list[int] = []
    async with pool_of() as pool:
        with pytest.raises(ProcessDied) as died:
            await pool.run(eval, "__import__('os')._exit(3)", timeout=20, begun=lambda: begun.append(1))
    assert died.value.code == "isolation.crashed"
    assert begun == [1]


async def test_killing_the_fork_server_kills_its_workers_and_the_pool_heals() -> None:
    async with pool_of(1) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        os.kill(await pool.run(os.getppid, timeout=10), signal.SIGKILL)
        assert gone(pid)
        assert await pool.run(eval, "'healed'", timeout=10) == "healed"


async def test_a_stopped_worker_costs_its_call_and_nothing_more() -> None:
    async with pool_of(1) as pool:
        pid = await pool.run(os.getpid, timeout=10)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(DeadlineExceeded):
            await pool.run(os.getpid, timeout=0.2)
        assert await pool.run(os.getpid, timeout=10) != pid
        assert gone(pid)


async def test_when_no_process_can_be_started_the_place_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool_of(1) as pool:

        def fail(self: member.Member) -> None:
            raise OSError("out of processes")

        with monkeypatch.context() as patched:
            patched.setattr(member.Member, "_start", fail)
            calls = [pool.run(os.getpid, timeout=10) for _ in range(2)]
            failures = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(failure, "code", None) for failure in failures] == ["isolation.unavailable"] * 2
        assert (pool.busy, pool.queued) == (0, 0)
        assert await pool.run(eval, "'fine'", timeout=10) == "fine"


async def test_workers_read_nothing_and_write_to_standard_error() -> None:
    async with pool_of(1) as pool:
        assert await pool.run(os.readlink, "/proc/self/fd/0", timeout=10) == os.devnull
        assert await pool.run(os.path.sameopenfile, 1, 2, timeout=10)
        assert await pool.run(resource.getrlimit, resource.RLIMIT_CORE, timeout=10) == (0, 0)


async def test_after_close_no_process_is_left_and_calls_are_refused() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    pool = ProcessPool(3)
    pids = await asyncio.gather(*[pool.run(os.getpid, timeout=10) for _ in range(9)])
    pool.close()
    assert all(gone(pid) for pid in pids)
    after = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert len(after) <= 2  # the fork server and the resource tracker of multiprocessing, shared by all pools
    assert all(child.status() != psutil.STATUS_ZOMBIE for child in after)
    with pytest.raises(Draining):
        await pool.run(os.getpid, timeout=10)
    pool.close()


async def test_closing_ends_the_calls_that_run_and_the_calls_that_wait() -> None:
    pool = ProcessPool(1)
    await pool.run(os.getpid, timeout=10)
    running = asyncio.create_task(pool.run(time.sleep, 60, timeout=60))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(pool.run(os.getpid, timeout=10))
    await asyncio.sleep(0)
    pool.close()
    with pytest.raises(Draining):
        await running
    with pytest.raises(Draining):
        await waiting
    assert pool.busy == 0


async def test_thirty_hangs_and_crashes_leak_neither_processes_nor_descriptors() -> None:
    async with pool_of(2) as pool:
        await asyncio.gather(*[pool.run(os.getpid, timeout=10) for _ in range(2)])
        descriptors = psutil.Process().num_fds()
        threads = threading.active_count()
        for _ in range(10):
            await asyncio.gather(
                pool.run(eval, "__import__('os')._exit(1)", timeout=10),
                pool.run(time.sleep, 60, timeout=0.05),
                pool.run(os.abort, timeout=10),
                return_exceptions=True,
            )
        await until(lambda: pool.busy == 0)
        assert await pool.run(eval, "'fine'", timeout=10) == "fine"
        await until(lambda: psutil.Process().num_fds() <= descriptors + 4)
        await until(lambda: threading.active_count() <= threads)


def script(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "server.py"
    path.write_text(f"import asyncio, os, sys, time\nfrom holdfast.isolation.processes import ProcessPool\n{body}")
    return [sys.executable, str(path)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCES}


def test_nothing_a_worker_prints_reaches_the_servers_standard_output(tmp_path: Path) -> None:
    """On stdio that would be a broken protocol message; the author's module is imported again in each worker."""
    argv = script(
        tmp_path,
        """
print("printed at import by", __name__)
def talk():
    print("printed in the call")
    os.write(1, b"written in the call\\n")
    os.system("echo said by a child")
    return __name__
async def main():
    pool = ProcessPool(1)
    print("result", await pool.run(talk, timeout=20))
    pool.close()
if __name__ == "__main__":
    asyncio.run(main())
""",
    )
    ended = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=60, stdin=subprocess.PIPE)
    assert ended.stdout.splitlines() == ["printed at import by __main__", "result __mp_main__"]
    for text in ("printed at import by __mp_main__", "printed in the call", "written in the call", "said by a child"):
        assert text in ended.stderr
    assert ended.returncode == 0


def test_workers_never_outlive_a_killed_server_however_busy_they_are(tmp_path: Path) -> None:
    argv = script(
        tmp_path,
        f"""
def busy():
    os.write(2, b"pid %d\\n" % os.getpid())
    {ENDLESS}
async def main():
    pool = ProcessPool(2)
    await asyncio.gather(pool.run(busy, timeout=600), pool.run(time.sleep, 600, timeout=600))
if __name__ == "__main__":
    asyncio.run(main())
""",
    )
    with subprocess.Popen(argv, env=environment(), stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        pid = int(server.stderr.readline().split()[1])
        family = [child.pid for child in psutil.Process(server.pid).children(recursive=True)]
        assert pid in family
        server.kill()
    assert all(gone(member) for member in family)


def test_workers_never_outlive_a_killed_fork_server_even_when_the_server_cannot_react(tmp_path: Path) -> None:
    argv = script(
        tmp_path,
        f"""
def busy():
    os.write(2, b"pids %d %d\\n" % (os.getpid(), os.getppid()))
    {ENDLESS}
if __name__ == "__main__":
    asyncio.run(ProcessPool(1).run(busy, timeout=600))
""",
    )
    with subprocess.Popen(argv, env=environment(), stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        worker, fork_server = (int(word) for word in server.stderr.readline().split()[1:])
        server.send_signal(signal.SIGSTOP)
        try:
            os.kill(fork_server, signal.SIGKILL)
            assert gone(worker)
        finally:
            server.kill()


def test_a_fork_server_that_somebody_else_started_makes_no_difference_to_what_a_call_prints(tmp_path: Path) -> None:
    argv = script(
        tmp_path,
        """
import multiprocessing
def talk():
    print("printed in the call")
    os.write(1, b"written in the call\\n")
async def main():
    pool = ProcessPool(1)
    await pool.run(talk, timeout=20)
    pool.close()
if __name__ == "__main__":
    other = multiprocessing.get_context("forkserver").Process(target=int)
    other.start()
    other.join()
    asyncio.run(main())
""",
    )
    ended = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=60, stdin=subprocess.PIPE)
    assert ended.stdout == ""
    assert "printed in the call\n" in ended.stderr
    assert "written in the call\n" in ended.stderr


def test_where_there_is_no_fork_server_the_author_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match="Linux or macOS"):
        ProcessPool(1)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"workers": 1, "queue": -1}, {"workers": 1, "memory": 1_000}])
def test_a_pool_that_could_not_work_cannot_be_built(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="worker"):
        ProcessPool(**wrong)


@pytest.fixture
def processor_time() -> Iterator[None]:
    """``perform`` limits its process, which here is the one that runs the tests."""
    before = resource.getrlimit(resource.RLIMIT_CPU)
    yield
    resource.setrlimit(resource.RLIMIT_CPU, before)


def performed(function: Callable[..., object], *args: object, left: float = 100, max_result: int = 10_000) -> object:
    brief = Brief("", time.monotonic() + left, None, max_result)
    answer = perform(brief, pickle.dumps((function, args)))
    return pickle.loads(answer)  # noqa: S301 - made one line above


class Untransportable(Exception):
    """Pickles, and cannot be built again, as many libraries' exceptions do."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def raise_untransportable() -> None:
    raise Untransportable("this", "that")


def raise_tool_error() -> None:
    raise ToolError("show this", retryable=True, retry_after=3.0)


@pytest.mark.usefixtures("processor_time")
def test_whatever_happens_in_a_worker_becomes_bytes() -> None:
    assert performed(divmod, 7, 2) == ("value", (3, 1))
    assert performed(divmod, 7, 2, left=-1) == ("late", None)
    with pytest.raises(DeadlineExceeded):
        unpack_answer(perform(Brief("", time.monotonic(), None, 10_000), b""))
    assert performed(str.upper, "x" * 20_000) == ("large", None)
    kind, (error, note) = performed(raise_untransportable)  # type: ignore[misc]
    assert "raise_untransportable" in note
    assert (kind, type(error)) == ("error", RuntimeError)
    assert "this and that" in str(error)
    kind, (error, _) = performed(sys.exit, 3)  # type: ignore[misc]
    assert (kind, type(error)) == ("error", RuntimeError)
    kind, (error, _) = performed(raise_tool_error)  # type: ignore[misc]
    assert (kind, type(error), error.retryable, error.retry_after) == ("error", ToolError, True, 3.0)
    answer = perform(Brief("", time.monotonic() + 1, None, 10_000), b"not a pickle")
    kind, (error, _) = pickle.loads(answer)  # noqa: S301 - made one line above
    assert (kind, type(error)) == ("error", pickle.UnpicklingError)


@pytest.mark.usefixtures("processor_time")
def test_a_worker_that_nobody_kills_runs_out_of_processor_time() -> None:
    performed(int, left=10)
    soft, _ = resource.getrlimit(resource.RLIMIT_CPU)
    used = time.process_time()
    assert used + 10 < soft <= used + 10 * (os.cpu_count() or 1) + 4
