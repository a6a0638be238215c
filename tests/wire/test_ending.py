"""How a server ends, as a process of its own: what callers hear, how long it takes, and what forces it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.engines import ENGINES, engine
from support.peers import HttpPeer, StdioPeer, code_of, text_of
from support.talks import HandshakeHttpTalk, ModernHttpTalk, call

from holdfast.core.pipeline import META

SERVER = Path(__file__).parent / "servers" / "ending.py"
EVERY = ENGINES if os.environ.get("SOAK") else ENGINES[:1]
"""Each of these tests waits for seconds; both ways to run are tried by ``make soak``."""
SOAKED = [("plain", False), ("fast", True)] if os.environ.get("SOAK") else []
KILLED = 4.0
"""Seconds after which a client that closed its end kills the server (SDK 2.3)."""


def begun(peer: StdioPeer | HttpPeer, name: str) -> None:
    end = time.monotonic() + 20
    while f"BEGUN {name}" not in peer.stderr():
        assert time.monotonic() < end, peer.stderr()
        time.sleep(0.01)


def asked(peer: StdioPeer, tool: str, **arguments: Any) -> int:
    number: int = peer.request("tools/call", {"name": tool, "arguments": arguments})
    begun(peer, tool if tool != "never" else arguments.get("name", "x"))
    return number


@pytest.mark.parametrize("kind", EVERY)
def test_a_client_that_leaves_has_its_answers_or_is_told_before_it_kills(kind: str, tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state", **engine(kind, tmp_path)) as peer:
        peer.initialize()
        prompt = peer.request("prompts/get", {"name": "hold"})
        begun(peer, "hold")
        ids = {tool: asked(peer, tool) for tool in ("never", "look", "stubborn", "stuck")}
        quick = asked(peer, "brief", seconds=1.5)
        idle = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({KILLED - 0.5})"])
        began = time.monotonic()
        peer.end_input()
        assert text_of(peer.reply(quick)["result"]) == "slept", "within three seconds"
        time.sleep(max(0.0, began + 2 - time.monotonic()))
        peer.process.send_signal(signal.SIGTERM)  # as the official client does
        answers = {tool: peer.reply(number)["result"] for tool, number in ids.items()}
        failed = peer.reply(prompt)["error"]
        assert peer.wait() == 0
        took = time.monotonic() - began
        idle.wait()
        late = max(0.0, time.monotonic() - began - KILLED)  # what the machine makes of less than four seconds' sleep
        said, left = peer.stderr(), peer.garbage
    assert {code_of(answer) for answer in answers.values()} == {"server.draining"}
    assert answers["look"]["_meta"][f"{META}retryable"] is True
    assert answers["never"]["_meta"][f"{META}retryable"] is False, "nobody knows whether it had an effect"
    assert "server.draining" in json.dumps(failed)
    assert 2.7 < took < KILLED + late, "the drain was used, and the end came before the kill"
    assert "TEARDOWN-ENDS" in said
    assert '"server.cut"' in said
    assert left == []


def test_with_nothing_under_way_it_is_over_at_once(tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state") as peer:
        peer.initialize()
        began = time.monotonic()
        peer.end_input()
        assert peer.wait() == 0
        assert time.monotonic() - began < 1.5


def test_what_comes_while_it_leaves_is_refused_with_a_code(tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state", HOLDFAST_STDIO__DRAIN="1") as peer:
        peer.initialize()
        asked(peer, "never")
        peer.send_raw(b"")
        peer.process.send_signal(signal.SIGTERM)
        late = peer.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
        answer = peer.reply(late)["result"]
        assert code_of(answer) == "server.draining" or answer["structuredContent"] == {"result": 3}
        assert peer.wait() == 0


@pytest.mark.parametrize("how", ["hangs", "ignores"] if os.environ.get("SOAK") else ["ignores"])
def test_a_teardown_that_takes_too_long_is_abandoned_and_told(how: str, tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state", TEARDOWN=how, HOLDFAST_STDIO__DRAIN="0.3") as peer:
        peer.initialize()
        began = time.monotonic()
        peer.end_input()
        assert peer.wait() == 0
        assert time.monotonic() - began < 2.5
        assert "lifespan.late" in peer.stderr()
        assert "TEARDOWN-ENDS" not in peer.stderr()


@pytest.mark.parametrize("kind", EVERY)
def test_an_end_that_blocks_the_loop_is_forced_in_time_with_a_last_line(kind: str, tmp_path: Path) -> None:
    given = engine(kind, tmp_path) | {"TEARDOWN": "blocks", "HOLDFAST_STDIO__DRAIN": "0.3"}
    with StdioPeer(SERVER, tmp_path / "state", **given) as peer:
        peer.initialize()
        began = time.monotonic()
        peer.end_input()
        assert peer.wait() == 1
        assert time.monotonic() - began < 2.5
        last = json.loads(peer.logged("server.forced"))
    assert (last["event"], last["level"], last["reason"]) == ("server.forced", "critical", "the end took too long")


@pytest.mark.parametrize("kind, blocked", [("fast", False), ("plain", True), *SOAKED])
def test_a_second_signal_ends_it_at_once_with_a_last_line_and_a_status(
    kind: str, blocked: bool, tmp_path: Path
) -> None:
    given = engine(kind, tmp_path) | {"HOLDFAST_STDIO__DRAIN": "30" if not blocked else "20"}
    with StdioPeer(SERVER, tmp_path / "state", **given, **({"TEARDOWN": "blocks"} if blocked else {})) as peer:
        peer.initialize()
        if not blocked:
            asked(peer, "never")
        peer.process.send_signal(signal.SIGINT)
        peer.logged("TEARDOWN-BEGINS") if blocked else time.sleep(0.3)
        time.sleep(0.15)
        began = time.monotonic()
        peer.process.send_signal(signal.SIGTERM)
        assert peer.wait() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 1
        last = json.loads(peer.logged("server.forced"))
    assert (last["level"], last["reason"], last["status"]) == ("critical", "a second signal, SIGTERM", 143)


def test_over_http_calls_past_the_drain_are_told_and_everything_is_closed(tmp_path: Path) -> None:
    answers: dict[str, Any] = {}
    with HttpPeer(SERVER, tmp_path / "state", HOLDFAST_HTTP__DRAIN="0.5") as peer:
        talks = {"modern": ModernHttpTalk(peer), "handshake": HandshakeHttpTalk(peer)}

        def ask(era: str) -> None:
            answers[era] = call(talks[era], "never", name=era)

        threads = [threading.Thread(target=ask, args=(era,)) for era in talks]
        for thread in threads:
            thread.start()
        for era in talks:
            begun(peer, era)
        began = time.monotonic()
        peer.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(20)
        assert peer.process.wait(20) == 0
        assert time.monotonic() - began < 4
        said = peer.stderr()
    assert {era: code_of(answer) for era, answer in answers.items()} == dict.fromkeys(talks, "server.draining")
    assert "TEARDOWN-ENDS" in said
    assert "Traceback" not in said
