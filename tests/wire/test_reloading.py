"""SIGHUP: what a running server takes of its settings, what it says of the rest, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from support.calls import Client, ask, code, living, logged, server_in, text
from support.peers import StdioPeer, code_of, text_of

from holdfast import Context, Server
from holdfast.core.layers import Loaded
from holdfast.errors import ConfigurationError
from holdfast.wire.reloading import Reloading

SERVER = Path(__file__).parent / "servers" / "ending.py"


def hung_up(peer: StdioPeer, file: Path, settings: str, event: str) -> dict[str, Any]:
    """Write the file anew, send SIGHUP, and wait for what the log says of it."""
    file.write_text(settings)
    before = peer.stderr().count(f'"event": "{event}"')
    peer.process.send_signal(signal.SIGHUP)
    while peer.stderr().count(f'"event": "{event}"') == before:
        assert peer.process.poll() is None, peer.stderr()
    return json.loads([line for line in peer.stderr().splitlines() if f'"event": "{event}"' in line][-1])  # type: ignore[no-any-return]


def test_a_server_takes_new_settings_on_its_open_connection_and_keeps_the_old_when_they_are_bad(
    tmp_path: Path,
) -> None:
    script, file = tmp_path / "server.py", tmp_path / "holdfast.toml"
    shutil.copy(SERVER, script)
    file.write_text('[limits]\nrate = "1/hour"\n')
    with StdioPeer(script, tmp_path / "state") as peer:
        peer.initialize()
        waiting = peer.request("tools/call", {"name": "brief", "arguments": {"seconds": 1.0}})
        peer.logged("BEGUN brief")
        assert code_of(peer.call("brief", seconds=0)) == "rate.limited"
        told = hung_up(peer, file, '[limits]\nrate = "1/hour"\nthreads = 3\nconcurrency = 5\n', "settings.reloaded")
        assert told["changed"] == "limits.concurrency"
        assert "limits.threads" in peer.logged("reload.needs_restart")
        told = hung_up(peer, file, '[limits]\nrate = "nonsense"\n', "reload.refused")
        assert "HOLDFAST_LIMITS__RATE (limits.rate)" in told["reason"]
        assert hung_up(peer, file, "[", "reload.refused")["reason"].startswith("holdfast.toml cannot be read")
        told = hung_up(peer, file, '[limits]\nrate = "900/second"\n[log]\nlevel = "debug"\n', "settings.reloaded")
        assert told["changed"] == "limits.rate, limits.concurrency, log.level"
        assert {text_of(peer.call("brief", seconds=0)) for _ in range(5)} == {"slept"}
        assert text_of(peer.reply(waiting)["result"]) == "slept", "it ends as it began"
        peer.end_input()
        assert peer.wait() == 0
    assert "settings.reloaded" in next((tmp_path / "state").rglob("audit.jsonl")).read_text()


def talking(base: Path) -> Server:
    server = server_in(base)

    @server.tool
    async def hello(ctx: Context) -> str:
        ctx.log.debug("in detail")
        return "hello"

    return server


async def test_the_level_of_the_log_decides_for_calls_too_in_both_directions(tmp_path: Path) -> None:
    async with living(talking(tmp_path)) as live:
        for level in ("warning", "debug"):
            now = live.plant.loaded.settings
            log = now.log.model_copy(update={"level": level})
            live.reload(Loaded(now.model_copy(update={"log": log}), {}))
            assert text(await ask(live, "hello", client=Client())) == "hello"
    assert [line["event"] for line in logged(tmp_path)].count("call") == 1


async def test_settings_that_nobody_can_read_again_stay(tmp_path: Path) -> None:
    async with living(talking(tmp_path)) as live:
        live.plant.loaded = Loaded(live.plant.loaded.settings, {})
        reloading = Reloading(live)
        reloading()
        await asyncio.sleep(0)
        reloading.close()
        Reloading(live).close()
    assert "nobody knows" in next(line for line in logged(tmp_path) if line["event"] == "reload.refused")["reason"]


async def test_what_cannot_be_linked_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import holdfast.live as module

    def refuse(*_: object, **__: object) -> None:
        raise ConfigurationError("no")

    async with living(talking(tmp_path)) as live:
        before = live.plant.loaded
        with monkeypatch.context() as patch:
            patch.setattr(module, "take_snapshot", refuse)
            fresh = before.settings.model_copy(
                update={"limits": before.settings.limits.model_copy(update={"rate": "1/hour"})}
            )
            with pytest.raises(ConfigurationError):
                live.reload(Loaded(fresh, {}))
            assert live.plant.loaded == before
        assert live.plant.parts.settings is before.settings
        assert code(await ask(live, "hello", {"x": 1})) == "arguments.invalid"
