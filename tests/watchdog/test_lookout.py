"""Everything that watches a server, put together: alarms reach log, events, metrics, health and the operator's URL."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, code, logged, server_in, text
from support.operators import Operator
from support.soaking import note

from holdfast.core.events import Event
from holdfast.errors import ConfigurationError
from holdfast.live import Live
from holdfast.watchdog import lookout as module

SCALED: dict[str, Any] = {
    "watchdog__heartbeat": 0.005, "watchdog__lag": 0.02, "watchdog__dump": 0.05, "watchdog__interrupt": 60,
    "watchdog__restart": 61, "watchdog__sample": 0.01, "watchdog__samples": 1,
}  # fmt: skip
BLOCKS = 5_000 if os.environ.get("SOAK") else 40


async def test_an_alarm_reaches_events_metrics_health_and_the_operator_and_so_does_its_end(tmp_path: Path) -> None:
    operator, heard = Operator(), list[Event]()
    server = server_in(
        tmp_path, watchdog__webhook=operator.url, **SCALED | {"watchdog__tasks": 60, "limits__rate": "9999/s"}
    )
    server.on("watchdog.*", heard.append)
    leave = asyncio.Event()
    async with server.serving() as live:
        tasks = [asyncio.create_task(leave.wait()) for _ in range(100)]
        while "tasks" not in live.plant.lookout.alerts.active:
            await asyncio.sleep(0.01)
        report = await live.plant.health.report()
        page = live.plant.metrics.render()[0].decode()
        leave.set()
        await asyncio.wait(tasks)
        while "tasks" in live.plant.lookout.alerts.active:
            await asyncio.sleep(0.01)
    operator.server.shutdown()
    operator.server.server_close()
    assert "tasks" in report.checks["watchdog"].detail
    assert report.status == "degraded"
    assert 'holdfast_events_total{kind="watchdog.alert"}' in page
    assert "holdfast_alarming" in page
    told = [(event.name, event.fields["probe"]) for event in heard if event.fields.get("probe") == "tasks"]
    assert told == [("watchdog.alert", "tasks"), ("watchdog.recovered", "tasks")]
    posted = [body for _, body in operator.got if body["probe"] == "tasks"]
    assert [body["event"] for body in posted] == ["watchdog.alert", "watchdog.recovered"]
    assert posted[0]["server"] == "inside"
    assert "s3cr3t" not in (tmp_path / "log").read_text()


async def test_a_standing_loop_is_named_alarmed_about_and_over(tmp_path: Path) -> None:
    server = server_in(tmp_path, **SCALED)
    heard: list[Event] = []
    server.on("watchdog.*", heard.append)

    @server.tool
    async def slow() -> str:
        time.sleep(0.2)
        return "slept"

    named: list[str | None] = []
    async with server.serving() as live:
        live.plant.hooks.standing = named.append
        await asyncio.sleep(0.02)
        assert text(await ask(live, "slow")) == "slept"
        while "loop" in live.plant.lookout.alerts.active or live.plant.lookout.watchdog.shedding:
            await asyncio.sleep(0.01)
    (alert,) = [event.fields for event in heard if event.name == "watchdog.alert" and event.fields["probe"] == "loop"]
    assert (alert["tool"], alert["limit"]) == ("slow", 0.05)
    assert "stacks" not in alert
    assert any(event.name == "watchdog.blocked" and event.fields["tool"] == "slow" for event in heard)
    blocks = [line for line in logged(tmp_path) if line["event"] == "loop.blocked"]
    assert any(line["tool"] == "slow" and "time.sleep(0.2)" in line["stack"] for line in blocks)
    recovered = [line for line in logged(tmp_path) if line["event"] == "watchdog.recovered"]
    assert any(line["probe"] == "loop" and line["seconds"] >= 0.15 for line in recovered)
    while named[0] is None:  # the machine itself may stand still before
        del named[0]
    assert named[:3] == ["slow", "slow", None], "found, still there when all stacks are shown, and gone"


@pytest.mark.parametrize("possible", [True, False])
async def test_past_the_ladder_the_server_begins_anew_where_it_can_and_says_so(
    tmp_path: Path, possible: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAREWELL", 0.01)
    server = server_in(tmp_path, **SCALED | {"watchdog__interrupt": 0.06, "watchdog__restart": 0.08})
    asked: list[str] = []

    def restart(reason: str) -> str:
        asked.append(reason)
        return "not in a test"

    async with server.serving() as live:
        live.plant.hooks.restart = restart if possible else None
        await asyncio.sleep(0.02)
        time.sleep(0.3)  # in no call's code, so nothing interrupts it
        await asyncio.sleep(0.05)
    actions = [line for line in logged(tmp_path) if line["event"] == "watchdog.action"]
    actions = [line for line in actions if line["action"] in ("restart", "none")]  # a busy machine brings others
    assert bool(asked) == possible
    if possible:
        assert asked[0].startswith("the event loop has stood still for 0.")
        assert [line["action"] for line in actions[:2]] == ["restart", "none"]
        assert actions[1]["why"] == "not in a test"
    else:
        assert "holdfast run would replace it" in actions[0]["why"]


async def test_caches_in_use_are_made_smaller_on_demand(tmp_path: Path) -> None:
    server = server_in(tmp_path, **SCALED)

    @server.tool(read_only=True, cacheable=60)
    async def echo(text: str) -> str:
        return text

    async with server.serving() as live:
        for letter in "abcdefgh":
            await ask(live, "echo", {"text": letter * 1_000})
        assert live.plant.hooks.shrink is not None
        assert live.plant.hooks.shrink() > 4_000


async def test_an_url_for_alerts_that_is_none_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_WATCHDOG__WEBHOOK"):
        async with server_in(tmp_path, watchdog__webhook="nonsense").serving():
            raise AssertionError("it serves")


async def test_blocked_calls_in_a_row_never_end_the_loop(tmp_path: Path) -> None:
    """5,000 with ``SOAK=1``."""
    ladder = {"watchdog__interrupt": 0.1, "watchdog__restart": 0.13, "limits__timeout": 0.03}
    server = server_in(tmp_path, **SCALED | ladder | {"log__level": "error"})
    ways: list[Any] = [time.sleep, spin]

    @server.tool
    async def block(way: int) -> str:
        await asyncio.sleep(0)
        if way < len(ways):
            ways[way](30)
        return "ended"

    async with server.serving() as live:
        beside = asyncio.create_task(beats())
        for number in range(BLOCKS):
            assert await blocked(live, number % 2) == "deadline.exceeded"
            for _ in range(2):  # else the breaker would leave the tool alone
                assert code(await ask(live, "block", {"way": 9})) in ("", "deadline.exceeded", "busy"), (
                    "30 ms may be too few"
                )
        assert not beside.done(), "the neighbour lives"
        beside.cancel()
        assert live.plant.heartbeat is not None
        assert live.plant.heartbeat.interrupts >= BLOCKS * 0.9
        note(blocks=BLOCKS, interrupts=live.plant.heartbeat.interrupts, loop_deaths=0)


async def blocked(live: Live, way: int) -> str:
    """How the call ended; once the breaker has closed, when good calls too have taken more than 30 ms before."""
    for _ in range(60):
        if (found := code(await ask(live, "block", {"way": way}))) != "busy":
            return found
        await asyncio.sleep(1)  # real time, and only on a machine that is much too busy
    return "busy"


async def beats() -> None:
    while True:
        await asyncio.sleep(0.001)


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
