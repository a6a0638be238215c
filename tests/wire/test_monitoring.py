"""The pages that operators and probes look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, living, server_in

from holdfast.core.config import Settings
from holdfast.errors import ConfigurationError
from holdfast.observe.finding import Finding
from holdfast.wire.httpanswers import Challenge
from holdfast.wire.monitoring import OPEN_PATHS, PATHS, MonitorDoor, is_loopback, respond


async def page(live: Any, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    events: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        events.append(event)

    await respond(live, path, send)
    return events[0]["status"], dict(events[0]["headers"]), events[1]["body"]


async def test_a_server_is_alive_before_it_is_ready_and_not_ready_once_it_drains(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        assert (await page(live, "/livez"))[::2] == (200, b"ok\n")
        assert (await page(live, "/readyz"))[::2] == (503, b"not ready: starting\n")
        live.plant.health.set_ready(True)
        assert (await page(live, "/readyz"))[::2] == (200, b"ready\n")
        live.drain()
        assert (await page(live, "/readyz"))[0] == 503
        assert (await page(live, "/livez"))[0] == 200


@pytest.mark.parametrize("critical, status, word", [(True, 503, "failed"), (False, 200, "degraded")])
async def test_health_tells_every_check_and_fails_with_the_critical_ones(
    tmp_path: Path, critical: bool, status: int, word: str
) -> None:
    async with living(server_in(tmp_path)) as live:
        live.plant.health.add("backend", lambda: Finding("failed", "no answer"), critical=critical)
        code, headers, body = await page(live, "/health")
    detail = json.loads(body)
    assert (code, detail["status"], detail["server"], detail["version"]) == (status, word, "inside", "0.1.0")
    assert detail["checks"]["backend"]["detail"] == "no answer"
    assert detail["metrics"]["calls"] == 0
    assert headers[b"cache-control"] == b"no-store"


async def test_metrics_are_in_prometheus_own_words(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def tool() -> str:
        return ""

    async with living(server) as live:
        await ask(live, "tool")
        code, headers, body = await page(live, "/metrics")
    assert code == 200
    assert headers[b"content-type"].startswith(b"text/plain")
    assert b'holdfast_calls_total{outcome="ok",tool="tool"} 1.0' in body
    assert int(headers[b"content-length"]) == len(body)


def test_only_the_pages_that_say_yes_or_no_are_open_to_everybody() -> None:
    assert {"/livez", "/readyz"} == OPEN_PATHS < PATHS


def test_a_monitoring_token_that_can_be_guessed_is_refused() -> None:
    settings = Settings.model_validate({"health": {"token": "short"}})
    live: Any = None
    with pytest.raises(ConfigurationError, match="HOLDFAST_HEALTH__TOKEN has 16 characters or more") as refused:
        MonitorDoor(settings, live, None, Challenge(None, ()))
    assert "short" not in str(refused.value)


@pytest.mark.parametrize(
    "address, ours",
    [
        ("127.0.0.1", True), ("127.255.0.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("0.0.0.0", False),
        ("::", False), ("10.0.0.1", False), ("128.0.0.1", False), ("::ffff:10.0.0.1", False), ("localhost", False),
        ("", False), ("127.1", False), ("2130706433", False),
    ],
)  # fmt: skip
def test_only_addresses_of_loopback_are_this_machines(address: str, ours: bool) -> None:
    assert is_loopback(address) is ours
