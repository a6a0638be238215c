"""The mark of a run is inherited, is found again, and only what carries it is killed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from holdfast.safe.descendants import ENVIRONMENT, Mark, adopt_orphans, clear, sweep

WAIT = "input()"


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", WAIT], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_marks_differ_and_stay_below_our_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({Mark.new() for _ in range(100)}) == 100
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1000, 1000))
    assert all(500 <= Mark.new().number < 1000 for _ in range(50))


def test_this_process_adopts_orphans() -> None:
    assert adopt_orphans()


def test_a_marked_process_is_found_by_its_limit_and_a_stranger_is_not(stranger: subprocess.Popen[bytes]) -> None:
    mark = Mark.new()
    assert not mark.on(stranger.pid)
    resource.prlimit(stranger.pid, resource.RLIMIT_RSS, (mark.number, mark.number))
    assert mark.on(stranger.pid)
    assert not mark.on(2**22 - 1)


def test_where_limits_may_not_be_read_the_variable_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Mark.new()
    process = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={ENVIRONMENT: mark.variable},
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()

        def denied(pid: int, which: int) -> tuple[int, int]:
            raise PermissionError

        monkeypatch.setattr(resource, "prlimit", denied)
        assert mark.on(process.pid)
        assert not Mark.new().on(process.pid)
        assert not mark.on(2**22 - 1)
    finally:
        process.kill()
        process.communicate()


async def test_sweeping_kills_and_reaps_the_marked_except_the_leader(stranger: subprocess.Popen[bytes]) -> None:
    mark = Mark.new()
    resource.prlimit(stranger.pid, resource.RLIMIT_RSS, (mark.number, mark.number))
    assert sweep(mark, leader=stranger.pid) == 0
    assert await clear(mark, leader=0)
    assert not os.path.exists(f"/proc/{stranger.pid}")
    assert sweep(mark, leader=0) == 0
