"""What is no call is put on the record too, from any thread, and its failure is counted and changes nothing."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from holdfast.errors import AuditUnavailable
from holdfast.observe.audit import AuditLog
from holdfast.observe.recording import Recorder


class Broken:
    """A log on a disk that refuses."""

    working = False

    async def append(self, record: Any) -> None:
        """Nothing is written."""
        raise AuditUnavailable("no")


async def test_a_record_is_written_and_counted(tmp_path: Path) -> None:
    log, told = AuditLog(tmp_path / "audit.jsonl"), list[str]()
    await Recorder(log, told.append).write({"event": "auth.refused"})
    await log.close()
    assert '"auth.refused"' in (tmp_path / "audit.jsonl").read_text()
    assert told == ["written"]


async def test_one_that_cannot_be_written_is_counted_and_raises_nothing() -> None:
    told: list[str] = []
    await Recorder(Broken(), told.append).write({"event": "x"})
    assert told == ["refused"]


async def test_one_that_is_let_go_is_counted_as_lost(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log, told = AuditLog(tmp_path / "file" / "audit.jsonl", fail_open=True), list[str]()
    await Recorder(log, told.append).write({"event": "x"})
    await log.close()
    assert told == ["lost"]


async def test_without_a_log_nothing_is_recorded() -> None:
    told: list[str] = []
    recorder = Recorder(None, told.append)
    recorder.start()
    await recorder.write({"event": "x"})
    recorder.soon({"event": "x"})
    await recorder.close(1.0)
    assert told == []


async def test_any_thread_may_record_and_closing_waits_for_it(tmp_path: Path) -> None:
    log, told = AuditLog(tmp_path / "audit.jsonl"), list[str]()
    recorder = Recorder(log, told.append)
    recorder.soon({"event": "too early"})
    recorder.start()
    thread = threading.Thread(target=recorder.soon, args=({"event": "aside"},))
    thread.start()
    thread.join()
    recorder.soon({"event": "here"})
    await asyncio.sleep(0)
    await recorder.close(1.0)
    await log.close()
    lines = (tmp_path / "audit.jsonl").read_text()
    assert told == ["written", "written"]
    assert '"aside"' in lines
    assert '"here"' in lines
    assert "too early" not in lines


def test_a_thread_that_comes_after_the_loop_is_no_harm() -> None:
    recorder = Recorder(Broken(), lambda outcome: None)

    async def begin() -> None:
        recorder.start()

    asyncio.run(begin())
    recorder.soon({"event": "late"})
