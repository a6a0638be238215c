"""The raw client over pipes, against small real programs that behave badly."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from holdfast_attack.link import Gone, StdioSession
from holdfast_attack.link.messages import LEGACY, MODERN
from holdfast_attack.model import Lane, Transport
from holdfast_attack.target.launch import CannotStart, Launch

ANSWERS = """
import json, sys
for line in sys.stdin:
    said = json.loads(line)
    if "id" in said:
        print(json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": {"method": said["method"]}}), flush=True)
"""


@asynccontextmanager
async def talking_to(code: str, tmp_path: Path, version: str = LEGACY[0]) -> AsyncIterator[StdioSession]:
    heard: list[tuple[str, bytes]] = []
    launch = Launch((sys.executable, "-c", code), tmp_path, dict(os.environ))
    session = StdioSession(Lane(Transport.STDIO, version), await launch.start(), lambda *what: heard.append(what))
    try:
        yield session
    finally:
        await session.close()


async def test_requests_are_answered_by_their_ids(tmp_path: Path) -> None:
    async with talking_to(ANSWERS, tmp_path) as session:
        replies = await asyncio.gather(*(session.ask(f"method/{number}") for number in range(20)))
        assert [reply.result for reply in replies] == [{"method": f"method/{number}"} for number in range(20)]
        assert b"method/19" in session.transcript.sent
        assert b"method/19" in session.transcript.got


async def test_each_era_is_greeted_in_its_own_way(tmp_path: Path) -> None:
    for version, method in ((LEGACY[0], "initialize"), (MODERN, "server/discover")):
        async with talking_to(ANSWERS, tmp_path, version) as session:
            reply = await session.greet(10)
            assert reply.result == {"method": method}


async def test_silence_is_an_answer(tmp_path: Path) -> None:
    async with talking_to("import time; time.sleep(60)", tmp_path) as session:
        reply = await session.ask("tools/list", within=0.05)
        assert reply.silent
        assert not await session.alive(0.05)


async def test_a_server_that_goes_away_ends_every_wait_at_once(tmp_path: Path) -> None:
    async with talking_to("import sys; sys.stdin.readline()", tmp_path) as session:
        with pytest.raises(Gone):
            await session.ask("tools/list", within=30)
        assert not await session.alive()
        assert await session.exited(10) == 0


async def test_a_server_that_does_not_read_cannot_hold_the_client(tmp_path: Path) -> None:
    async with talking_to("import time; time.sleep(60)", tmp_path) as session:
        with pytest.raises(TimeoutError):
            await session.write(b"x" * 2**20, within=0.2)


async def test_what_is_no_message_is_junk_and_what_is_printed_to_stderr_is_kept(tmp_path: Path) -> None:
    code = "import sys; print('hello'); print('{}'); print('[' * 99999); sys.stderr.write('oops'); sys.stderr.flush()"
    async with talking_to(f"{code}\nprint('half', end='', flush=True); sys.stdin.read()", tmp_path) as session:
        assert await session.wait(lambda _message: True, 0.5) is None
        assert session.junk[:2] == [b"hello", b"{}"]
        assert len(session.junk) == 3
        assert session.unfinished == b"half"
        assert session.stderr == b"oops"


async def test_what_the_server_asks_is_answered(tmp_path: Path) -> None:
    code = """
import json, sys
print(json.dumps({"jsonrpc": "2.0", "id": "s1", "method": "ping"}), flush=True)
answer = json.loads(sys.stdin.readline())
print(json.dumps({"jsonrpc": "2.0", "method": "notifications/got", "params": answer}), flush=True)
"""
    async with talking_to(code, tmp_path) as session:
        heard = await session.wait(lambda message: message.get("method") == "notifications/got", 10)
        assert heard is not None
        assert heard.message["params"] == {"jsonrpc": "2.0", "id": "s1", "result": {}}


async def test_a_flood_is_left_in_the_pipe_while_nobody_reads(tmp_path: Path) -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 1000 + '\\n')"
    async with talking_to(code, tmp_path) as session:
        assert await session.wait(lambda _message: True, 0.2) is None
        session.pause()
        before = session.stdout_bytes
        assert before > 0
        assert await session.wait(lambda _message: True, 0.1) is None
        assert session.stdout_bytes == before
        session.resume()
        assert await session.wait(lambda _message: True, 0.2) is None
        assert session.stdout_bytes > before
        assert len(session.junk) <= 100


async def test_whoever_writes_after_nobody_reads_is_told_by_the_kernel(tmp_path: Path) -> None:
    code = "import sys\nfor line in sys.stdin: print('x' * 100, flush=True)"
    async with talking_to(code, tmp_path) as session:
        session.close_stdout()
        await session.write(b"one\n" * 10)
        assert await session.exited(10) == 1


async def test_closing_ends_what_a_server_started_and_left(tmp_path: Path) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); sys.stdin.read()"
    async with talking_to(code, tmp_path) as session:
        while not session.junk:
            await asyncio.sleep(0)
        child = int(session.junk[0])
        session.tree.pids()
    assert _is_gone(child)


def _is_gone(pid: int) -> bool:
    """Whether a process that was killed is no more; it may be ours to reap."""
    while True:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True


async def test_signals_reach_the_process_and_its_end_is_told_below_zero(tmp_path: Path) -> None:
    async with talking_to("import time; print(1, flush=True); time.sleep(600)", tmp_path) as session:
        while not session.junk:
            await asyncio.sleep(0)
        session.signal(signal.SIGTERM)
        assert await session.exited(10) == -signal.SIGTERM


@pytest.mark.parametrize("program", ["no-such-program-anywhere", "./nowhere/at/all"])
async def test_a_program_that_there_is_not_is_said_in_one_line(program: str, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CannotStart, match="there is no such program"):
        await Launch((program,), tmp_path, dict(os.environ)).start()
    assert len(os.listdir("/proc/self/fd")) == before
