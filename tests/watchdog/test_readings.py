"""Descriptors, threads, tasks and disks are read as they are."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from holdfast.watchdog import readings


def test_descriptors_are_counted_against_the_limit_of_the_moment() -> None:
    before = readings.descriptors().said["open"]
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    try:
        said = readings.descriptors().said
        assert said["open"] >= before + 20
        assert said["allowed"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        for each in opened:
            os.close(each)
    assert readings.descriptors(lambda: 512).value == 512 / readings.descriptor_limit()


def test_without_a_limit_of_descriptors_the_usual_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert readings.descriptor_limit() == readings.FALLBACK_LIMIT


async def test_threads_and_tasks_are_counted() -> None:
    leave = asyncio.Event()
    before = readings.tasks().value
    tasks = [asyncio.create_task(leave.wait()) for _ in range(5)]
    assert readings.tasks().value == before + 5
    leave.set()
    await asyncio.wait(tasks)
    assert readings.threads().value == threading.active_count()


def test_the_fullest_disk_decides_even_when_its_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usages = {tmp_path: SimpleNamespace(total=100, free=40), tmp_path / "log": SimpleNamespace(total=100, free=3)}
    (tmp_path / "log").mkdir()
    monkeypatch.setattr(readings.shutil, "disk_usage", lambda folder: usages[folder])
    reading = readings.disks({"state": tmp_path / "gone" / "too", "log": tmp_path / "log"})()
    assert (reading.value, reading.said) == (0.97, {"disk": "log", "free": 3})
    usages[tmp_path] = SimpleNamespace(total=0, free=0)
    assert readings.disks({"state": tmp_path})().value == 0.0


def test_the_lag_is_the_worst_since_the_last_look() -> None:
    assert readings.lag(lambda: 0.25)().value == 0.25
