"""Starting, refusing to start, and ending: exit statuses, one clear line, signals, and what cannot be waited for."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from support.peers import environment

from holdfast.errors import AuditUnavailable, ConfigurationError
from holdfast.wire import serve
from holdfast.wire.serve import Signals, finish, refuse_unsafe_binding, run_loop

SOURCE = Path(__file__).parents[2] / "src"
NEEDY = """\
from holdfast import ReadPath, Server
server = Server("needy")
@server.tool(read_only=True)
async def read(path: ReadPath) -> str:
    return await path.read_text()
server.main()
"""


def start(folder: Path, words: str, closed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a server's script to its end; the client closes its end at once."""
    script = folder / "server.py"
    script.write_text(NEEDY)
    given = environment(folder / "state", settings) | {"PYTHONPATH": str(SOURCE)}
    command = ["sh", "-c", f'exec "$0" "$1" {words} {closed}', sys.executable, str(script)]
    return subprocess.run(command, input="", capture_output=True, text=True, env=given, timeout=30, check=False)


@pytest.mark.parametrize(
    "words, closed, settings, said",
    [
        ("stdio", "", {}, "tool read needs a workspace folder: set HOLDFAST_WORKSPACE"),
        ("http 0", "", {}, "tool read needs a workspace folder: set HOLDFAST_WORKSPACE"),
        ("stdio", ">&-", {}, "a stdio server needs open standard input and output"),
    ],
)
def test_a_refusal_to_start_is_status_2_and_one_clear_line(
    tmp_path: Path, words: str, closed: str, settings: dict[str, str], said: str
) -> None:
    ran = start(tmp_path, words, closed, **settings)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"holdfast: needy does not start: {said}\n"


class Standing:
    """A server that only loads its settings."""

    name = "standing"

    def __init__(self, work: Callable[[], Any] | None = None, **settings: Any) -> None:
        self.settings = settings
        self.work = work

    def load_settings(self, **overrides: Any) -> Any:
        from holdfast.core.layers import load

        given = {key.replace("__", "."): value for key, value in {**self.settings, **overrides}.items()}
        return load({key: value for key, value in given.items() if value is not None}, environ={})

    @asynccontextmanager
    async def serving(self, loaded: Any = None) -> AsyncIterator[Any]:
        assert self.work is not None
        self.work()
        yield None


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"http__host": "0.0.0.0"}, "HTTP beyond loopback needs authentication: set HOLDFAST_AUTH__TOKENS"),
        ({"http__host": "::"}, "needs authentication"),
        ({"http__host": "10.0.0.1", "auth__tokens": "a-long-token", "auth__required": False}, "needs authentication"),
        ({"http__host": "0.0.0.0", "auth__tokens": "a-long-token"}, "set HOLDFAST_HTTP__ALLOWED_HOSTS"),
        ({"auth__required": True}, "no tokens are set: set HOLDFAST_AUTH__TOKENS"),
        ({"http__prot": 1}, "unknown setting http.prot (override); the nearest known key is http.port"),
        ({"limits__timeout": -1}, "HOLDFAST_LIMITS__TIMEOUT"),
    ],
)
def test_what_would_be_unsafe_over_http_or_is_unknown_is_refused(
    settings: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        serve.run(Standing(**settings), "http", {})
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("holdfast: standing does not start: ")
    assert said in told
    assert told.count("\n") == 1


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as left:
            serve.run(Standing(), "http", {"http__port": port})
    assert left.value.code == 2
    assert f"port {port} cannot be bound" in capsys.readouterr().err


@pytest.mark.parametrize("status", [0, 130])
def test_the_exit_status_is_that_of_the_serving(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def served(server: Any, loaded: Any, backstop: Any) -> int:
        return status

    monkeypatch.setattr(serve, "_http", served)
    if status:
        with pytest.raises(SystemExit) as left:
            serve.run(Standing(), "http", {})
        assert left.value.code == status
    else:
        serve.run(Standing(), "http", {})


@pytest.mark.parametrize("error", [ConfigurationError("no"), AuditUnavailable("no")])
def test_a_refusal_of_any_part_is_told_even_to_nobody(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise error

    with pytest.raises(SystemExit):
        serve.run(Standing(refuse), "http", {"http__port": 0})
    assert "standing does not start: no\n" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit):
        serve.run(Standing(refuse), "http", {"http__port": 0})


@pytest.mark.parametrize(
    "host, tokens, allowed",
    [
        ("127.0.0.1", None, ()),
        ("::1", None, ()),
        ("localhost", None, ()),
        ("0.0.0.0", "a-long-token", ("mcp.example",)),
    ],
)
def test_loopback_is_open_and_the_world_is_with_tokens_and_names(
    host: str, tokens: str | None, allowed: tuple[str, ...]
) -> None:
    settings = {"http__host": host, "auth__tokens": tokens, "http__allowed_hosts": allowed}
    refuse_unsafe_binding(Standing(**settings).load_settings())


def test_the_loop_gives_the_status_and_ends_what_is_left() -> None:
    ended: list[str] = []

    async def leftover() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("leftover")

    async def main() -> int:
        leftovers.append(asyncio.get_running_loop().create_task(leftover()))
        await asyncio.sleep(0)
        return 7

    leftovers: list[Any] = []
    assert run_loop(main()) == 7
    assert ended == ["leftover"]


def test_a_task_that_will_not_end_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LAST_TASKS", 0.05)
    kept: list[Any] = []

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def main() -> int:
        kept.append(asyncio.get_running_loop().create_task(stubborn()))
        await asyncio.sleep(0)
        return 0

    assert run_loop(main()) == 0
    kept[0]._log_destroy_pending = False  # asyncio would complain that it was destroyed


@pytest.mark.parametrize("attempt", [SystemExit(3), KeyboardInterrupt()])
def test_a_task_that_exits_ends_neither_the_loop_nor_the_server(
    attempt: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def bye() -> None:
        raise attempt

    async def main() -> int:
        with Signals(lambda: None):
            task = asyncio.get_running_loop().create_task(bye())
            asyncio.get_running_loop().call_soon(sys.exit, 4)
            await asyncio.wait({task})
            assert isinstance(task.exception(), type(attempt))
            await asyncio.sleep(0.01)
        return 0

    assert run_loop(main()) == 0
    assert [record.getMessage() for record in caplog.records].count(
        "a task tried to end the process with SystemExit; the server goes on"
    ) in (1, 2)


def test_before_signals_are_taken_over_an_interrupt_is_the_operators_own() -> None:
    async def main() -> int:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(5)
        return 0

    with pytest.raises(KeyboardInterrupt):
        run_loop(main())


def test_the_servers_own_exit_is_an_exit() -> None:
    async def main() -> int:
        sys.exit(5)

    with pytest.raises(SystemExit) as left:
        run_loop(main())
    assert left.value.code == 5


class Told:
    """A backstop that ends nothing."""

    def __init__(self) -> None:
        self.forced: list[tuple[int, str]] = []

    def force(self, status: int, event: str, **fields: Any) -> None:
        """Note it."""
        self.forced.append((status, fields["reason"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_stops_and_what_was_there_before_is_put_back(number: int) -> None:
    stopped = asyncio.Event()
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with Signals() as signals:
        signals.listen(stopped.set)
        signal.raise_signal(number)
        await asyncio.wait_for(stopped.wait(), 2)
        stopped.clear()
        signal.raise_signal(number)  # whoever serves inside a process of somebody else's ends nothing but its serving
        await asyncio.sleep(0)
        assert not stopped.is_set()
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


async def test_a_second_signal_forces_the_end_and_an_echo_of_the_first_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, told, stops = [100.0], Told(), []
    monkeypatch.setattr(serve.time, "monotonic", lambda: now[0])
    with Signals(lambda: stops.append(1), told):  # type: ignore[arg-type]  # as much of one as is used
        signal.raise_signal(signal.SIGINT)
        now[0] += serve.ECHO
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert (told.forced, stops) == ([], [1])
        now[0] += 0.01
        signal.raise_signal(signal.SIGTERM)
    assert told.forced == [(143, "a second signal, SIGTERM")]


async def test_what_a_signal_asks_for_is_not_done_in_the_name_of_the_tool_that_it_interrupts() -> None:
    whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody's")
    seen: list[str] = []

    async def tool() -> None:
        whose.set("a tool's")
        signal.raise_signal(signal.SIGTERM)

    with Signals(lambda: seen.append(whose.get())) as signals:
        signals.listen(lambda: seen.append(whose.get()), lambda: seen.append(f"{whose.get()} reload"))
        await asyncio.create_task(tool())
        whose.set("a tool's")
        signal.raise_signal(signal.SIGHUP)
        await asyncio.sleep(0)
        assert signals.number == signal.SIGTERM
    assert seen == ["nobody's", "nobody's reload"]


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    outcome: list[Any] = []

    async def main() -> None:
        with Signals(lambda: None) as signals:
            outcome.append((signals, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    thread.join()
    assert [handler for _, handler in outcome] == [before]


def test_finishing_is_silent_with_status_0_and_an_exit_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    finish(0)
    with pytest.raises(SystemExit) as left:
        finish(130)
    assert left.value.code == 130
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(flush=lambda: os.write(-1, b"")))
    finish(0)


def test_threads_that_end_soon_are_waited_for_and_those_that_do_not_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(serve, "LAST_THREADS", 0.3)
    monkeypatch.setattr(os, "_exit", left.append)
    go = threading.Event()
    soon = threading.Thread(target=lambda: go.wait(0.05))
    soon.start()
    finish(0)
    assert left == []
    stuck = threading.Thread(target=lambda: go.wait(20))
    stuck.start()
    finish(0)
    assert left == [0]
    go.set()
    stuck.join()


def test_a_server_with_a_stuck_thread_ends_all_the_same(tmp_path: Path) -> None:
    script = tmp_path / "stuck.py"
    script.write_text(
        dedent(
            """\
            import asyncio, threading, time
            from holdfast.wire.serve import finish, run_loop
            async def main():
                asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
                return 3
            finish(run_loop(main()))
            """
        )
    )
    given = {**os.environ, "PYTHONPATH": str(SOURCE)}
    ran = subprocess.run([sys.executable, str(script)], env=given, timeout=20, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (3, b"")
