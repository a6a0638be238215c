"""Health: the worst check decides, a hanging one harms nobody, a flood costs one round."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.clock import SystemClock
from holdfast.errors import ConfigurationError, DuplicateName
from holdfast.observe.checks import audit, confinement, disk_space, loop_lag, memory, shedding
from holdfast.observe.health import RETRY, Finding, Health
from holdfast.testing import FakeClock


class Clock(SystemClock):
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:  # type: ignore[override]
        return self.time


async def test_a_server_without_checks_is_ok_but_not_ready_until_told() -> None:
    health = Health()
    report = await health.report()
    assert (report.status, report.ready, report.reason) == ("ok", False, "starting")
    health.set_ready(True)
    report = await health.report()
    assert (report.ready, report.reason) == (True, "")
    health.set_ready(False, "draining")
    assert (await health.report()).as_dict() == {"status": "ok", "ready": False, "reason": "draining", "checks": {}}
    await health.close()


async def test_the_worst_check_wins_and_an_uncritical_failure_only_degrades() -> None:
    health = Health()
    health.add("good", lambda: Finding("ok", "fine"))
    assert (await health.report()).status == "ok"
    health = Health()
    health.add("good", lambda: Finding("ok"))
    health.add("bad", lambda: Finding("failed"), critical=False)
    assert (await health.report()).status == "degraded"
    health = Health()
    health.add("middling", lambda: Finding("degraded"))
    health.add("bad", lambda: Finding("failed", "no"))
    report = await health.report()
    assert report.status == "failed"
    assert report.as_dict()["checks"]["bad"]["detail"] == "no"  # type: ignore[index]


async def test_a_check_that_raises_or_hangs_fails_alone_and_tells_no_secret() -> None:
    health = Health()

    async def hang() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    def fail() -> Finding:
        raise ValueError("postgres://user:s3cr3t@host")

    async def deny() -> Finding:
        raise asyncio.CancelledError

    health.add("hangs", hang, timeout=0.02)
    health.add("raises", fail)
    health.add("cancels", deny)
    health.add("lies", lambda: "fine")  # type: ignore[arg-type,return-value]
    health.add("good", lambda: asyncio.sleep(0, Finding("ok")))
    checks = (await health.report()).checks
    assert checks["hangs"].detail == "no answer within 0.02 s"
    assert checks["raises"].detail == "raised ValueError"
    assert checks["cancels"].detail == "cancelled"
    assert checks["lies"].detail == "raised TypeError"
    assert checks["good"].status == "ok"
    await health.close()


async def test_a_check_that_blocks_its_thread_is_not_started_again_while_it_hangs() -> None:
    clock = Clock()
    health = Health(clock=clock)
    release, started = threading.Event(), []

    def block() -> Finding:
        started.append(1)
        release.wait()
        return Finding("ok")

    async def stubborn() -> Finding:
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        return Finding("ok")

    health.add("stubborn", stubborn, timeout=0.02)
    for _ in range(3):
        assert (await health.report()).status == "failed"
        clock.time += 2
    release.set()
    while (await health.report()).status != "ok":
        clock.time += 2
    health = Health(clock=clock)
    release.clear()
    health.add("blocks", block, timeout=0.02)
    assert (await health.report()).status == "failed"
    release.set()
    await health.close()
    assert started == [1]


async def test_a_flood_of_callers_shares_one_round_a_second() -> None:
    clock = Clock()
    health = Health(clock=clock)
    runs = []

    async def check() -> Finding:
        runs.append(1)
        await asyncio.sleep(0)
        return Finding("ok")

    health.add("counted", check)
    leaving = asyncio.ensure_future(health.report())
    await asyncio.sleep(0)
    leaving.cancel()
    reports = await asyncio.gather(*(health.report() for _ in range(1_000)))
    assert len(reports) == 1_000
    assert len(runs) == 1
    clock.time = 0.9
    await health.report()
    assert len(runs) == 1
    clock.time = 1.1
    await health.report()
    assert len(runs) == 2


async def test_names_are_unique_and_checks_bounded() -> None:
    health = Health()
    health.add("disk", lambda: Finding("ok"))
    with pytest.raises(DuplicateName, match="disk"):
        health.add("disk", lambda: Finding("ok"))
    for number in range(63):
        health.add(str(number), lambda: Finding("ok"))
    with pytest.raises(ConfigurationError):
        health.add("one more", lambda: Finding("ok"))


async def test_the_ready_made_checks_judge_by_their_steps(tmp_path: Path) -> None:
    health = Health()
    health.add("disk", disk_space(tmp_path, degraded=0, failed=0))
    health.add("disk full", disk_space(tmp_path, degraded=1.1, failed=1.1))
    health.add("memory", memory(2**50))
    health.add("memory short", memory(100, read=lambda: 91))
    health.add("memory gone", memory(100, read=lambda: 96))
    health.add("lag", loop_lag(lambda: 0.05))
    health.add("lagging", loop_lag(lambda: 0.2))
    health.add("stuck", loop_lag(lambda: 6.0))
    health.add("audit", audit(lambda: True))
    health.add("audit gone", audit(lambda: False))
    health.add("shedding", shedding(lambda: 0))
    health.add("shedding much", shedding(lambda: 2))
    health.add("programs", confinement(lambda: ()))
    health.add("programs loose", confinement(lambda: ("landlock", "prlimit")))
    checks = (await health.report()).checks
    assert {name: each.status for name, each in checks.items()} == {
        "disk": "ok",
        "disk full": "failed",
        "memory": "ok",
        "memory short": "degraded",
        "memory gone": "failed",
        "lag": "ok",
        "lagging": "degraded",
        "stuck": "failed",
        "audit": "ok",
        "audit gone": "failed",
        "shedding": "ok",
        "shedding much": "degraded",
        "programs": "ok",
        "programs loose": "degraded",
    }
    assert checks["programs loose"].detail == "programs run without landlock, prlimit"
    assert str(tmp_path) not in str(checks)


async def test_readiness_waits_for_each_critical_check_to_pass_once_and_says_for_which() -> None:
    clock, told = FakeClock(), []
    health = Health(clock=clock)
    found = {"cache": ["failed"], "database": ["failed"], "extra": ["failed"], "good": ["ok"]}
    for name, results in found.items():

        async def probe(results: list[Any] = results) -> Finding:
            return Finding(results[-1], "no answer")

        health.add(name, probe, critical=name != "extra")
    starting = asyncio.ensure_future(health.pass_once(lambda failed: told.append(dict(failed))))
    await clock.settle()
    assert (health.ready, health.reason) == (False, "starting; waits for cache, database")
    found["cache"].append("ok")
    await clock.advance(RETRY)
    found["cache"].append("failed")  # it has passed once
    await clock.advance(RETRY)
    assert (health.ready, health.reason) == (False, "starting; waits for database")
    found["database"].append("degraded")
    await clock.advance(RETRY)
    assert (health.ready, health.reason) == (True, "")
    await starting
    assert told == [{"cache": "no answer", "database": "no answer"}, {"database": "no answer"}, {}]


async def test_a_server_that_leaves_before_it_was_ready_never_is() -> None:
    clock, results = FakeClock(), ["failed"]
    health = Health(clock=clock)

    async def probe() -> Finding:
        return Finding(results[-1])  # type: ignore[arg-type]

    health.add("slow", probe)
    starting = asyncio.ensure_future(health.pass_once(lambda _: None))
    await clock.settle()
    health.set_ready(False, "draining")
    results.append("ok")
    await clock.advance(RETRY)
    await starting
    assert (health.ready, health.reason) == (False, "draining")


async def test_one_that_leaves_during_a_check_is_not_made_ready_by_its_answer() -> None:
    health = Health()

    async def probe() -> Finding:
        health.set_ready(False, "draining")
        return Finding("ok")

    health.add("late", probe)
    await health.pass_once(lambda _: None)
    assert (health.ready, health.reason) == (False, "draining")
