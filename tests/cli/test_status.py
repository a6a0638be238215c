"""``holdfast status``: finds the servers of one user, says how they are, and leaves with a status for scripts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.supervised import SERVER, supervised, until

from holdfast.cli import asking
from holdfast.cli.asking import _SHAPE
from holdfast.cli.status import told
from holdfast.state.running import Folder, Process

HEALTHY: dict[str, Any] = {
    **_SHAPE, "name": "kept", "version": "1.0", "transport": "stdio", "state": "serving", "healthy": True, "worker": 8,
    "uptime": 4.0, "serving": 4.0, "restarts": 0, "ready": True, "status": "ok",
    "calls": {"in_flight": 0, "queued": 0, "orphans": 0, "zombies": 0},
    "memory": {"resident": 42 * 2**20, "budget": 512 * 2**20},
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_supervised_server_is_found_and_described_whatever_it_is_named_by(
    tmp_path: Path, holdfast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.5)
    port = free_port()
    assert holdfast("status").status == 3
    with supervised(tmp_path, HOLDFAST_HEALTH__PORT=str(port)) as kept:
        supervisor, worker, spare = kept.process.pid, kept.worker(), kept.spared()
        url = f"http://127.0.0.1:{port}"
        for where in ([], [tmp_path / "kept.py"], [tmp_path / "state"], [supervisor], [worker], [url]):
            ran = holdfast("status", "--json", *where)
            (found,) = json.loads(ran.out)["servers"]
            assert (ran.status, found["healthy"], found["name"]) == (0, True, "kept")
            assert (found["supervisor"], found["worker"], found["restarts"]) == (supervisor, worker, 0)
            assert list(found) == list(_SHAPE), "the shape that is described"
        assert f"kept 0.1.0 (stdio): healthy\n  supervisor {supervisor}, worker {worker}, up " in holdfast("status").out
        assert holdfast("status", sys.executable.replace("python", "py") + ".py").status == 2
        assert holdfast("status", 1).status == 3
        assert holdfast("status", f"{tmp_path / 'kept.py'}:server").status == 0

        os.kill(worker, signal.SIGSTOP)
        ran = holdfast("status", "--json")
        (found,) = json.loads(ran.out)["servers"]
        assert (ran.status, found["state"], found["worker"]) == (1, "silent", worker), "the kernel says who listens"
        assert "does not answer" in holdfast("status").out

        os.kill(spare, signal.SIGSTOP)
        os.kill(worker, signal.SIGKILL)
        until(lambda: kept.told("worker_lost"))
        ran = holdfast("status")
        assert (ran.status, "the supervisor is starting one" in ran.out) == (1, True)

        os.kill(spare, signal.SIGCONT)
        assert kept.worker() == spare
        ran = holdfast("status")
        assert (ran.status, "restarts 1 (the last: SIGKILL, from outside)" in ran.out) == (0, True)

        kept.process.kill()
        kept.process.wait()
    ran = holdfast("status", "--json")
    assert (ran.status, json.loads(ran.out)) == (3, {"format": 1, "servers": []})
    assert list((tmp_path / "state").rglob("*.sock")) == [], "what was left behind is removed"


def test_a_server_over_http_is_found_too_and_leaves_nothing_behind(holdfast: Any, python_file: Any) -> None:
    file = python_file("kept.py", SERVER)
    running = holdfast.start("run", file, "--http", "--port", 0)
    try:
        assert any("supervisor.ready" in line for line in running.stderr)
        (found,) = json.loads(holdfast("status", file, "--json").out)["servers"]
        assert (found["transport"], found["supervisor"], found["state"]) == ("http", running.pid, "serving")
        assert found["worker"] not in (None, running.pid)
        running.terminate()
        running.communicate(timeout=20)
        assert running.returncode == 0
    finally:
        running.kill()
        running.communicate()
    assert list((file.parent / "state" / "kept" / "running").iterdir()) == []
    assert holdfast("status", file).status == 3
    assert holdfast("status").out == "no server is running here\n"


@contextmanager
def page(status: int, body: str) -> Iterator[tuple[str, list[str]]]:
    """Something that answers over HTTP, and the tokens it was shown."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("authorization", "") + self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", shown
        finally:
            server.shutdown()


def test_a_url_is_asked_with_the_monitoring_token_and_a_failed_check_is_unhealthy(holdfast: Any) -> None:
    health = {"ready": True, "status": "failed", "server": "far", "version": "2", "process": {"worker": 5}}
    with page(503, json.dumps(health)) as (url, shown):
        ran = holdfast("status", "--json", url, HOLDFAST_HEALTH__TOKEN="sixteen-or-longer")
        assert "far 2 (http): unhealthy" in holdfast("status", url).out
    (found,) = json.loads(ran.out)["servers"]
    assert (ran.status, found["name"], found["worker"], found["healthy"]) == (1, "far", 5, False)
    assert shown == ["Bearer sixteen-or-longer/health", "/health"]


@pytest.mark.parametrize("status, body", [(200, "<html>"), (200, "[]"), (200, '{"ready": true}'), (401, "no")])
def test_what_is_no_health_page_or_is_kept_from_us_is_said(holdfast: Any, status: int, body: str) -> None:
    with page(status, body) as (url, _):
        ran = holdfast("status", f"{url}/health")
    assert ran.status == 2
    assert ("HOLDFAST_HEALTH__TOKEN" if status == 401 else "no holdfast server") in ran.err


def test_nobody_at_a_url_is_nobody_running_and_silence_is_unhealthy(
    holdfast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.1)
    assert holdfast("status", f"http://127.0.0.1:{free_port()}").status == 3
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert holdfast("status", f"http://127.0.0.1:{silent.getsockname()[1]}").status == 1


@pytest.mark.parametrize(
    "where, said",
    [
        ("nowhere", "nowhere is not a file"),
        ("absent.py", "is not a file"),
        ("http://127.0.0.1:port", "port is not a number"),
    ],
)
def test_what_names_nothing_is_refused_with_status_2(where: str, said: str, holdfast: Any) -> None:
    ran = holdfast("status", where)
    assert (ran.status, said in ran.err) == (2, True)


def test_settings_that_are_wrong_are_named(holdfast: Any, tmp_path: Path) -> None:
    assert "HOLDFAST_LIMITS__TIMEOUT" in holdfast("status", HOLDFAST_LIMITS__TIMEOUT="soon").err
    assert holdfast("status", "--env-file", tmp_path / "absent").status == 2


@pytest.fixture
def gone() -> Process:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        process = Process.of(running.pid)
        running.kill()
    return process


def test_records_of_the_dead_are_removed_and_those_of_elsewhere_left(tmp_path: Path, gone: Process) -> None:
    away = gone._replace(boot="another")
    (tmp_path / "one").mkdir()
    with Folder.made(tmp_path / "one") as folder:
        for process in (gone, away):
            folder.write(process.key, {"process": list(process)})
    assert asking.beneath(tmp_path) == []
    assert [each.stem for each in (tmp_path / "one" / "running").iterdir()] == [away.key]


def test_a_folder_that_others_may_write_to_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with Folder.made(tmp_path / "one") as folder:
        here = Process.of(os.getpid())
        folder.write(here.key, {"process": list(here)})
        assert [each["state"] for each in asking.beneath(tmp_path)] == ["silent"], "it lives, and nobody listens"
        folder.path.chmod(0o770)
    assert asking.beneath(tmp_path) == []


@pytest.mark.parametrize("said", [b"", b"{}", b"[1]", b"\xff", b" " * (asking.LONGEST + 10)], ids=len)
def test_an_answer_that_is_none_counts_as_silence(said: bytes, tmp_path: Path) -> None:
    with Folder.made(tmp_path) as folder:
        here = Process.of(os.getpid())
        folder.write(here.key, {"process": list(here)})
        with folder.listen(here.key) as listening:
            listening.setblocking(True)

            def speak() -> None:
                connected, _ = listening.accept()
                with connected, suppress(OSError):
                    connected.sendall(said)

            speaking = threading.Thread(target=speak)
            speaking.start()
            (found,) = asking.beneath(tmp_path)
            speaking.join()
    assert (found["state"], found["healthy"], found["worker"]) == ("silent", False, os.getpid())


def test_an_answer_that_drips_does_not_hold_up_the_asker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.05)
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.005):
            theirs.sendall(b" ")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(TimeoutError):
            asking._read(ours)
    finally:
        stop.set()
        dripping.join()
        ours.close()
        theirs.close()


@pytest.mark.parametrize(
    "changes, said",
    [
        ({}, "kept 1.0 (stdio): healthy\n  worker 8, up 4.0 s\n  0 calls in flight, 0 queued, memory 42 of 512 MiB, "),
        ({"status": "degraded"}, "(stdio): healthy, but degraded\n"),
        ({"status": "failed"}, "(stdio): unhealthy\n"),
        ({"state": "not ready", "reason": "draining"}, "(stdio): not ready: draining\n"),
        ({"supervisor": 7, "uptime": 90_061.0}, "supervisor 7, worker 8, up 1 d 1 h\n"),
        ({"restarts": 2, "uptime": 3_700.0, "serving": 61.0}, "up 1 h 1 min, serving 1 min 1 s, restarts 2\n"),
        ({"quarantined": {"tool": 41.0}}, "\n  quarantined: tool for 41.0 s more"),
        ({"alerts": {"lag": 1, "memory": 2}}, "\n  alerts: lag (stage 1); memory (stage 2)"),
        ({"checks": {"log": {"status": "failed", "detail": "lost"}, "loop": {"status": "ok", "detail": ""}}},
         "\n  checks: log: lost"),
        ({"calls": {"in_flight": 3, "queued": 2, "orphans": 1, "zombies": 4}, "shed": 1, "lag": 0.25},
         "3 calls in flight, 2 queued, 1 abandoned, 4 stuck in threads, shedding 1, memory 42 of 512 MiB, lag 250.0"),
        ({"memory": {"resident": None, "budget": 1}}, "0 queued, lag 0.0 ms"),
        ({"name": "a\x1b[31mb\nc"}, "ab c 1.0 (stdio)"),
    ],
    ids=str,
)  # fmt: skip
def test_everything_that_is_out_of_order_is_said_in_words(changes: dict[str, Any], said: str) -> None:
    assert said in told({**HEALTHY, **changes})
