"""Audit lines that the loop writes itself: same file, same order, and never a loop that waits for a disk."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

from holdfast.errors import AuditUnavailable
from holdfast.observe import audit as audit_module
from holdfast.observe import gate as gate_module
from holdfast.observe import ledger as ledger_module
from holdfast.observe.audit import AuditLog, verify
from holdfast.observe.chain import archives

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no line is written inline there")


@pytest.fixture(autouse=True)
def _local_and_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests' folder is, it counts as local, and however busy the machine, its disk as prompt."""
    monkeypatch.setattr(ledger_module, "is_local", lambda folder: True)
    monkeypatch.setattr(gate_module, "PROMPT", 60.0)
    monkeypatch.setattr(audit_module, "SLOW_WRITE", 60.0)


async def opened(path: Path, **options: Any) -> AuditLog:
    log = AuditLog(path, **options)
    await until(lambda: log._gate.prompt)
    return log


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def numbers(path: Path) -> list[Any]:
    return [line["number"] for line in lines(path)]


async def synced(log: AuditLog) -> None:
    await until(lambda: not log.unsynced and log._gate.prompt)


async def test_a_small_record_is_on_the_file_at_once_and_on_the_disk_soon(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=0.01)
    assert log.append_now({"number": 1, "text": "\u00e9\ud800", "none": None, "yes": True, "part": 0.1})
    assert numbers(log.path) == [1]
    assert log.unsynced
    await synced(log)
    await log.close()
    assert (verify(log.path).lines, verify(log.path).head) == (1, log.head)


@pytest.mark.parametrize(
    "record",
    [
        {"list": [1]},
        {"seq": 1},
        {"not an identifier": 1},
        {"text": "x" * 2_000},
        {"number": float("nan")},
        {"number": 2**70},
        {f"name{number}": 1 for number in range(40)},
        {f"name{number}": "\U0001f600" * 1_000 for number in range(10)},
    ],
)
async def test_what_is_not_small_and_plain_goes_through_the_thread(tmp_path: Path, record: dict[str, Any]) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    assert not log.append_now(record)
    assert log.path.stat().st_size == 0
    await log.append(record)
    await log.close()
    assert verify(log.path).lines == 1


async def test_the_usual_record_of_a_call_is_written_as_any_other_record_would_be(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    assert log.call_now('"add"', "r-1", "\u00e9", "ok", 0.000_012_34)
    (line,) = lines(log.path)
    told = {"tool": "add", "request_id": "r-1", "principal": "\u00e9", "outcome": "ok", "seconds": 0.000_012}
    assert told.items() <= line.items()
    await log.close()
    assert (verify(log.path).lines, verify(log.path).head) == (1, log.head)


async def test_the_usual_record_too_is_left_to_the_thread_when_the_loop_might_wait(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=3_600)
    for principal in ("x" * 5_000, "\U0001f600" * 1_000):
        assert not log.call_now('"add"', "r-1", principal, "ok", 0.1)
    log._gate.prompt = False
    assert not log.call_now('"add"', "r-1", "ada", "ok", 0.1)
    log._gate.prompt = True
    log._max_bytes = 0
    assert not log.call_now('"add"', "r-1", "ada", "ok", 0.1)
    log._max_bytes = 1_000
    deleted(log.path)
    assert not log.call_now('"add"', "r-1", "ada", "ok", 0.1)
    assert log._gate.lock.acquire(blocking=False)
    log._gate.lock.release()
    await log.close()
    assert not log.call_now('"add"', "r-1", "ada", "ok", 0.1)


async def test_syncing_before_each_acknowledgement_is_the_threads_work(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", fsync_interval=0)
    await log.append({"number": 1})
    assert not log.append_now({"number": 2})
    await log.close()


async def test_a_file_that_is_not_local_is_never_written_by_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "is_local", lambda folder: False)
    log = await opened(tmp_path / "audit.jsonl")
    assert not log.append_now({"number": 1})
    await log.append({"number": 1})
    await log.close()
    assert numbers(log.path) == [1]


async def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    await log.close()
    assert not log.append_now({"number": 1})


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("moved"))


def replaced(path: Path) -> None:
    path.with_name("other").write_bytes(b"")
    path.with_name("other").rename(path)


def moved_and_made_anew(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    moved(path)
    path.with_name("copy").rename(path)


@pytest.mark.parametrize("change", [deleted, moved, replaced])
async def test_no_line_goes_to_a_file_that_is_not_in_its_place(tmp_path: Path, change: Callable[[Path], None]) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=3_600)
    assert log.append_now({"number": 1})
    kept = log.head
    change(log.path)
    assert not log.append_now({"number": 2})
    await log.append({"number": 2})
    assert log.append_now({"number": 3})
    await log.close()
    assert numbers(log.path) == [2, 3]
    assert verify(log.path, since=kept).lines == 2


async def test_a_copy_in_the_files_place_is_not_taken_for_it(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=3_600)
    assert log.append_now({"number": 1})
    moved_and_made_anew(log.path)
    assert not log.append_now({"number": 2})
    await log.append({"number": 2})
    await log.close()
    assert verify(log.path).lines == 2


async def test_a_file_that_somebody_else_wrote_to_is_the_threads_business(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=3_600)
    with log.path.open("ab") as file:
        file.write(b"foreign\n")
    assert not log.append_now({"number": 1})
    await log.append({"number": 1})
    assert log.append_now({"number": 2})
    await log.close()
    assert [json.loads(line)["number"] for line in log.path.read_bytes().splitlines()[1:]] == [1, 2]


async def test_a_disk_that_takes_a_part_of_a_line_refuses_the_call_and_keeps_the_file_whole(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=3_600)
    assert log.append_now({"number": 0})
    size = log.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
    try:
        assert not log.append_now({"number": 1})
        assert log.path.stat().st_size == size + 40
        assert not log.append_now({"number": 1}), "nothing may follow half a line"
        with pytest.raises(AuditUnavailable):
            await log.append({"number": 1})
        assert log.path.stat().st_size == size
        assert not log.working
        assert not log.append_now({"number": 1}), "until the thread has found the disk mended"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    await log.append({"number": 2})
    assert log.append_now({"number": 3})
    await log.close()
    assert numbers(log.path) == [0, 2, 3]
    assert verify(log.path).ok


async def test_a_disk_that_takes_nothing_refuses_the_call(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=3_600)
    assert log.append_now({"number": 0})
    size = log.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        assert not log.append_now({"number": 1})
        with pytest.raises(AuditUnavailable):
            await log.append({"number": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    await log.append({"number": 2})
    await log.close()
    assert numbers(log.path) == [0, 2]


class Hanging:
    """A disk whose syncs hang until it is let go."""

    def __init__(self, log: AuditLog) -> None:
        assert log._ledger is not None
        self.began, self.go = threading.Event(), threading.Event()
        self._sync = log._ledger.sync
        log._ledger.sync = self  # type: ignore[method-assign]

    def __call__(self) -> None:
        self.began.set()
        assert self.go.wait(30)
        self._sync()


async def test_a_disk_that_hangs_does_not_hang_the_loop_and_its_calls_are_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "MAX_WAIT", 0.05)
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=0.01)
    disk = Hanging(log)
    assert log.append_now({"number": 1})
    await until(disk.began.is_set)
    assert log.unsynced
    size = log.path.stat().st_size
    began = time.monotonic()
    assert not log.append_now({"number": 2})
    with pytest.raises(AuditUnavailable):
        await log.append({"number": 2})
    assert time.monotonic() - began < 5
    assert log.path.stat().st_size == size, "nothing touched the file meanwhile"
    disk.go.set()
    await until(lambda: log._gate.given == log._gate.taken)
    monkeypatch.setattr(audit_module, "MAX_WAIT", 5.0)
    await log.append({"number": 3})
    await log.close()
    assert numbers(log.path) == [1, 2, 3], "what was refused for want of time may have been written after all"
    assert verify(log.path).ok


async def test_after_a_slow_sync_the_thread_writes_until_one_is_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=0.01)
    disk = Hanging(log)
    assert log.append_now({"number": 1})
    await until(disk.began.is_set)
    with monkeypatch.context() as patched:
        patched.setattr(gate_module, "PROMPT", 0.0)  # by which any sync is slow
        disk.go.set()
        await until(lambda: not log._gate.syncing)
    assert not log.append_now({"number": 2})
    await log.append({"number": 2})
    await synced(log)
    assert log.append_now({"number": 3})
    await log.close()
    assert numbers(log.path) == [1, 2, 3]


async def test_a_slow_write_sends_what_follows_through_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=0.01)
    log._interval = 3_600  # no sync meanwhile
    with monkeypatch.context() as patched:
        patched.setattr(audit_module, "SLOW_WRITE", 0.0)
        assert log.append_now({"number": 1})
    assert not log._gate.prompt
    assert not log.append_now({"number": 2})
    log._interval = 0.01
    await log.append({"number": 2})
    await synced(log)
    assert log.append_now({"number": 3})
    await log.close()


async def test_a_sync_that_fails_is_told_and_the_thread_writes_on(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=0.01)
    ledger = log._ledger
    assert ledger is not None
    sync = ledger.sync

    def fail() -> None:
        raise OSError("input/output error")

    ledger.sync = fail  # type: ignore[method-assign]
    assert log.append_now({"number": 1})
    await until(lambda: not log.working)
    assert not log.append_now({"number": 2})
    ledger.sync = sync  # type: ignore[method-assign]
    await log.append({"number": 2})
    await synced(log)
    assert log.append_now({"number": 3})
    await log.close()
    assert numbers(log.path) == [1, 2, 3]


async def test_many_tasks_inline_and_through_the_thread_make_one_chain_in_order(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl", fsync_interval=0.001, max_bytes=50_000)
    ways = {True: 0, False: 0}
    order: list[int] = []

    async def caller(name: int) -> None:
        for number in range(60):
            record: dict[str, Any] = {"who": name, "number": number}
            if (number + name) % 7 == 0:
                record["list"] = [1]  # never inline
            order.append(name * 1_000 + number)
            ways[now := log.append_now(record)] += 1
            if not now:
                await log.append(record)
            if number % 5 == 0:
                await asyncio.sleep(0)

    await asyncio.gather(*(caller(name) for name in range(20)))
    await log.close()
    found = [line for each in [*archives(log.path), log.path] for line in lines(each)]
    assert [line["who"] * 1_000 + line["number"] for line in found] == order
    assert min(ways.values()) > 0
    verdict = verify(log.path)
    assert (verdict.ok, verdict.lines, verdict.head) == (True, 1_200, log.head)


async def test_a_line_does_not_overtake_one_that_waits(tmp_path: Path) -> None:
    log = await opened(tmp_path / "audit.jsonl")
    with log._gate.lock:  # the thread has the entries and waits to write them
        waiting = [asyncio.ensure_future(log.append({"number": number})) for number in range(3)]
        await asyncio.sleep(0)
        assert not log.append_now({"number": 3})
    await asyncio.gather(*waiting)
    await log.append({"number": 3})
    await log.close()
    assert numbers(log.path) == [0, 1, 2, 3]


PROCESS = """
    import asyncio, sys
    from pathlib import Path
    from holdfast.observe import gate, ledger
    from holdfast.observe.audit import AuditLog
    gate.PROMPT = 60.0
    ledger.is_local = lambda folder: True

    async def main():
        log = AuditLog(Path(sys.argv[1]))
        while not log._gate.prompt:
            await asyncio.sleep(0.001)
        print("open", flush=True)
        sys.stdin.readline()
        now = 0
        for number in range(500):
            if log.append_now({"number": number}):
                now += 1
            else:
                await log.append({"number": number})
        await log.close()
        print(now, log.path, flush=True)

    asyncio.run(main())
"""


def test_two_processes_write_two_files_that_both_verify(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(PROCESS), str(tmp_path / "audit.jsonl")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    children = [subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=environment, text=True) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
    told = [child.communicate("go\n", timeout=60)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert len({path for _, path in told}) == 2
    for now, path in told:
        assert int(now) > 0
        assert verify(Path(path)).lines == 500
