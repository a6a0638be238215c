"""Real servers in processes of their own: each way to block the loop, a leak, and descriptors; thresholds by 1/100."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.peers import HttpPeer, StdioPeer, code_of, text_of

SCRIPT = """
import asyncio, hashlib, json, os, re, resource, sqlite3, threading, time
from holdfast import Limits, Server

server = Server("watched")
kept, files, begun = [], [], str(time.time())
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def sleep():
    time.sleep(30)


def lock():
    held = threading.Lock()
    held.acquire()
    held.acquire(timeout=30)


def event():
    threading.Event().wait(30)


def python():
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass


def regex():
    re.compile("(a+)+$").match("a" * 40 + "b")


def bigint():
    return 3 ** 200_000_000


def ints():
    return json.dumps([3 ** 2_000_000 % 10 ** 4_000] * 100_000)


def summed(count):
    return sum(range(count))


def pbkdf2(count):
    hashlib.pbkdf2_hmac("sha256", b"", b"", count)


def sqlite(count):
    sqlite3.connect(":memory:").execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT max(i) FROM n", (count,)
    ).fetchall()


@server.tool
async def block(how: str, count: int = 0) -> str:
    "Block the loop."
    globals()[how](*([count] if count else []))
    return "ended"


@server.tool(limits=Limits(priority="high"))
async def leak(mib: int) -> int:
    "Keep memory."
    kept.append(os.urandom(1) * (mib << 20))
    return len(kept)


@server.tool(limits=Limits(priority="high"))
async def hold(count: int) -> int:
    "Keep descriptors."
    files.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(count))
    return len(files)


@server.tool(limits=Limits(priority="high"))
async def release() -> str:
    "Give everything back."
    kept.clear()
    while files:
        os.close(files.pop())
    return "released"


@server.tool
async def which() -> str:
    "When this process began."
    return begun


if __name__ == "__main__":
    server.main()
"""
LADDER = {
    "HOLDFAST_WATCHDOG__HEARTBEAT": "0.005",
    "HOLDFAST_WATCHDOG__LAG": "0.02",
    "HOLDFAST_WATCHDOG__DUMP": "0.05",
    "HOLDFAST_WATCHDOG__INTERRUPT": "0.1",
    "HOLDFAST_WATCHDOG__RESTART": "0.13",
    "HOLDFAST_LIMITS__RATE": "100000/second",
}
SLOWER = {
    "HOLDFAST_WATCHDOG__DUMP": "0.5",
    "HOLDFAST_WATCHDOG__INTERRUPT": "1",
    "HOLDFAST_WATCHDOG__RESTART": "1.3",
}
"""A tenth of the real ladder: on a busy machine an innocent loop stands for longer than the last step of the other one,
and a server begins anew once in a minute only."""
QUICK = {
    "HOLDFAST_WATCHDOG__SAMPLE": "0.02",
    "HOLDFAST_WATCHDOG__SAMPLES": "2",
    "HOLDFAST_WATCHDOG__COLLECT": "0.5",
    "HOLDFAST_WATCHDOG__MEMORY": str(200 << 20),
    "HOLDFAST_LIMITS__RATE": "100000/second",
}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "watched.py"
    file.write_text(SCRIPT)
    return file


@pytest.fixture
def peer(script: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StdioPeer]:
    with StdioPeer(script, tmp_path / "state", **request.param) as made:
        made.initialize()
        yield made


def lines(peer: StdioPeer | HttpPeer, event: str) -> list[dict[str, Any]]:
    whole = peer.stderr().rpartition("\n")[0]  # the last line may still be written
    found = (json.loads(line) for line in whole.splitlines() if line.startswith("{"))
    return [line for line in found if line["event"] == event]


def told(peer: StdioPeer | HttpPeer, event: str, **said: Any) -> dict[str, Any]:
    """Wait for a line of the log with these fields."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in lines(peer, event):
            if said.items() <= line.items():
                return line
        time.sleep(0.02)
    raise AssertionError(f"the log has no {event} with {said}: {peer.stderr()[-3000:]}")


@pytest.mark.parametrize("peer", [LADDER], indirect=True, ids=["ladder"])
def test_each_way_to_block_the_loop_ends_as_the_table_says_and_the_tool_is_named(peer: StdioPeer) -> None:
    for how in ("sleep", "lock", "event", "python"):
        begun = time.monotonic()
        assert code_of(peer.call("block", how=how)) == "deadline.exceeded", how
        assert time.monotonic() - begun < 5, how
        peer.ask("ping")
    told(peer, "watchdog.action", action="interrupt", tool="block")
    for how in ("regex", "bigint", "ints"):  # the interpreter is held: only another process can say so
        number = peer.request("tools/call", {"name": "block", "arguments": {"how": how}})
        time.sleep(0.2)
        os.kill(peer.process.pid, signal.SIGUSR2)
        begun = time.monotonic()
        assert code_of(peer.reply(number)["result"]) == "deadline.exceeded", how
        assert time.monotonic() - begun < 5, how
    for how, count in (("pbkdf2", 400_000), ("sqlite", 1_000_000)):  # these cannot be interrupted before their end
        assert code_of(peer.call("block", how=how, count=count)) in ("deadline.exceeded", ""), how
    peer.ask("ping")
    assert told(peer, "loop.blocked", tool="block")["stack"]
    stuck = told(peer, "watchdog.alert", probe="loop", stage=2)
    assert stuck["tool"] == "block"
    assert "holdfast-heartbeat" in stuck["stacks"]
    assert "holdfast run" in told(peer, "watchdog.action", action="none")["why"]
    told(peer, "watchdog.recovered", probe="loop")
    peer.request("tools/call", {"name": "block", "arguments": {"how": "summed", "count": 10**11}})
    time.sleep(0.3)
    os.kill(peer.process.pid, signal.SIGUSR2)  # not heard: the interpreter is held and asks for no signals
    os.kill(peer.process.pid, signal.SIGABRT)
    assert peer.wait() == -signal.SIGABRT
    assert "in summed" in peer.stderr(), "faulthandler has told where it stood"
    assert "Timeout (0:00:00" in peer.stderr(), "and before that, by itself, at the ladder's second step"


@pytest.mark.parametrize("peer", [QUICK], indirect=True, ids=["quick"])
def test_a_leaking_tool_and_descriptors_are_seen_named_and_recovered_from(peer: StdioPeer) -> None:
    assert text_of(peer.call("hold", count=175)) == "175"
    alert = told(peer, "watchdog.alert", probe="descriptors")
    assert alert["open"] >= 175
    peer.call("release")
    told(peer, "watchdog.recovered", probe="descriptors", stage=0)
    for _ in range(80):
        peer.call("leak", mib=3)
        time.sleep(0.01)
        if any(line["probe"] == "memory" and line["stage"] == 3 for line in lines(peer, "watchdog.alert")):
            break
    alert = told(peer, "watchdog.alert", probe="memory", stage=3)
    assert alert["tool"] == "leak"
    assert alert["bytes"] > 150 << 20
    reason = told(peer, "watchdog.action", action="none")
    assert "holdfast run" in reason["why"]
    assert reason["reason"].endswith("it grows with calls of leak")
    peer.call("release")
    told(peer, "watchdog.recovered", probe="memory", stage=0)
    collected = told(peer, "watchdog.action", action="collect")
    assert {"freed", "seconds", "lag"} <= collected.keys()
    assert text_of(peer.call("release")) == "released"


def test_over_http_a_server_that_stands_past_the_ladder_begins_anew_by_itself(script: Path, tmp_path: Path) -> None:
    with HttpPeer(script, tmp_path / "state", **SLOWER) as peer:
        before = text_of(peer.call("which"))
        with pytest.raises(OSError, match=r"."):
            peer.call("block", how="pbkdf2", count=10**9)
        assert answers(peer) != before
        told(peer, "watchdog.action", action="restart")
        assert peer.process.poll() is None, "with the same number"


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="two starts over HTTP more; make soak runs it")
def test_over_http_a_server_out_of_memory_drains_and_begins_anew_by_itself(script: Path, tmp_path: Path) -> None:
    with HttpPeer(script, tmp_path / "state", **QUICK) as peer:
        before = text_of(peer.call("which"))
        assert text_of(peer.call("leak", mib=250)) == "1"
        told(peer, "watchdog.action", action="retire")
        assert answers(peer, besides=before) != before
        assert peer.process.poll() is None


def answers(peer: HttpPeer, besides: str = "") -> str:
    """Which process answers, once one does, ``besides`` the one of before."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, KeyError):  # it drains, or is not there yet
            found = peer.call("which")
            if not code_of(found) and text_of(found) != besides:
                return text_of(found)
        time.sleep(0.05)
    told = [line.get("event") for line in (json.loads(line) for line in peer.stderr().splitlines() if line[:1] == "{")]
    raise AssertionError(f"nobody answers, status {peer.process.poll()}: {told[-12:]}: {peer.stderr()[-2000:]}")
