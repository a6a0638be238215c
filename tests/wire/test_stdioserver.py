"""A server on its own pipes from beginning to end: what is answered last, what is closed, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.calls import server_in, told
from support.peers import StdioPeer, code_of, environment, text_of
from support.waiting import until

from holdfast import Server
from holdfast.testing import settings_for
from holdfast.wire.claim import Claim
from holdfast.wire.stdioserver import serve

SCRIPT = Path(__file__).parent / "servers" / "talking.py"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}


class Pipes(Claim):
    """Descriptors that were never the process' own."""

    def release(self) -> None:
        """Close ours."""
        if not self.released:
            self.released = True
            os.close(self.input)
            os.close(self.output)


class Client:
    """The far ends of the pipes, line by line."""

    def __init__(self) -> None:
        ours_in, self.write = os.pipe()
        self.read, ours_out = os.pipe()
        self.claimed = Pipes(ours_in, ours_out)
        self._got = b""

    def send(self, *messages: dict[str, Any]) -> None:
        """Send each as a line."""
        lines = [json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n" for message in messages]
        os.write(self.write, b"".join(lines))

    async def reply(self) -> dict[str, Any]:
        """The next line."""
        while b"\n" not in self._got:
            piece = await asyncio.to_thread(os.read, self.read, 65_536)
            if not piece:
                return {}
            self._got += piece
        line, _, self._got = self._got.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    async def greet(self) -> None:
        """Shake hands."""
        self.send({"id": 0, "method": "initialize", "params": HELLO}, {"method": "notifications/initialized"})
        assert (await self.reply())["id"] == 0

    def leave(self) -> None:
        """Close both ends."""
        for fd in (self.write, self.read):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def client() -> Iterator[Client]:
    """A client, and pipes for a server."""
    made = Client()
    yield made
    made.leave()


def call(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def lively(base: Path, life: list[str], **settings: Any) -> Server:
    """A server whose lifespan and tools leave marks."""

    @asynccontextmanager
    async def lifespan(_: Server) -> AsyncIterator[str]:
        life.append("begins")
        try:
            yield "state"
        finally:
            await asyncio.sleep(0.05)
            life.append("ends")

    server = Server("lively", settings=settings_for(base, log__file=base / "log", **settings), lifespan=lifespan)

    @server.tool
    async def slow(seconds: float) -> str:
        life.append("slow")
        await asyncio.sleep(seconds)
        return "slept"

    return server


async def test_at_the_end_of_input_calls_under_way_are_answered_and_everything_is_closed(
    tmp_path: Path, client: Client
) -> None:
    life: list[str] = []
    server = lively(tmp_path, life)
    serving = asyncio.ensure_future(serve(server, server.load_settings(), client.claimed))
    await client.greet()
    client.send(call(1, "slow", seconds=0.2))
    await until(lambda: "slow" in life)
    os.close(client.write)
    assert text_of((await client.reply())["result"]) == "slept"
    assert await asyncio.wait_for(serving, 5) == 0
    assert life == ["begins", "slow", "ends"]
    assert await client.reply() == {}
    assert client.claimed.released
    assert server._serving == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_a_second_one_does_not_cut_the_teardown_short(
    tmp_path: Path, client: Client, number: int
) -> None:
    life: list[str] = []
    server = lively(tmp_path, life)
    serving = asyncio.ensure_future(serve(server, server.load_settings(), client.claimed))
    await client.greet()
    client.send(call(1, "slow", seconds=0.1))
    await until(lambda: "slow" in life)
    signal.raise_signal(number)
    assert text_of((await client.reply())["result"]) == "slept"
    signal.raise_signal(signal.SIGTERM)
    assert await asyncio.wait_for(serving, 5) == 0
    assert life == ["begins", "slow", "ends"]


async def test_a_client_that_goes_on_talking_cannot_keep_a_leaving_server(tmp_path: Path, client: Client) -> None:
    life: list[str] = []
    server = lively(tmp_path, life)
    serving = asyncio.ensure_future(serve(server, server.load_settings(), client.claimed))
    await client.greet()
    signal.raise_signal(signal.SIGTERM)
    os.set_blocking(client.write, False)
    sent = 0
    while not serving.done():
        with suppress(OSError):
            client.send({"id": sent, "method": "ping"})
        sent += 1
        await asyncio.sleep(0.001)
    assert (await serving, life) == (0, ["begins", "ends"])


async def test_the_pages_for_operators_are_served_beside_it(tmp_path: Path, client: Client) -> None:
    server = lively(tmp_path, [], health__port=0)
    serving = asyncio.ensure_future(serve(server, server.load_settings(), client.claimed))
    await client.greet()
    url = (await told(tmp_path, "/health"))["url"]
    host, port = url.removeprefix("http://").removesuffix("/health").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    assert b"ready" in await reader.read()
    writer.close()
    client.leave()
    assert await asyncio.wait_for(serving, 5) == 0


async def test_health_pages_that_would_be_open_to_others_are_refused(tmp_path: Path, client: Client) -> None:
    from holdfast.errors import ConfigurationError

    life: list[str] = []
    server = lively(tmp_path, life, health__port=0, health__host="0.0.0.0")
    with pytest.raises(ConfigurationError, match="loopback only"):
        await serve(server, server.load_settings(), client.claimed)
    assert (life, client.claimed.released) == (["begins", "ends"], True)


async def test_without_descriptors_given_it_takes_the_process_own(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import holdfast.wire.stdioserver as module

    monkeypatch.setattr(module, "claim", lambda: client.claimed)
    server = server_in(tmp_path)
    serving = asyncio.ensure_future(serve(server, server.load_settings()))
    await client.greet()
    client.leave()
    assert await asyncio.wait_for(serving, 5) == 0


# -- as a process of its own -------------------------------------------------------------------------------------------


def start(folder: Path, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT)], stderr=subprocess.PIPE, env=environment(folder / "state", {}), **streams
    )


def test_a_client_that_stops_listening_ends_the_server_although_it_still_talks(tmp_path: Path) -> None:
    process = start(tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    process.stdin.write(json.dumps(hello).encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    begun = time.monotonic()
    assert process.wait(10) == 0
    assert time.monotonic() - begun < 4
    assert b"LIFESPAN-ENDS" in process.stderr.read()
    process.stdin.close()
    process.stderr.close()


def test_requests_in_a_file_are_answered_into_a_file_and_no_print_gets_there(tmp_path: Path) -> None:
    lines = [{"id": 0, "method": "initialize", "params": HELLO}, {"method": "notifications/initialized"}]
    lines += [call(number, "add", parts=[number]) for number in range(1, 50)]
    (tmp_path / "in").write_text("\n".join(json.dumps({"jsonrpc": "2.0", **line}) for line in lines))
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        process = start(tmp_path, stdin=source, stdout=sink)
        _, told = process.communicate(timeout=20)
    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert process.returncode == 0
    assert sorted(answer["id"] for answer in answers) == list(range(50))
    assert b"printed in the lifespan" in told, "on standard error"


def test_with_nothing_to_read_it_ends_at_once(tmp_path: Path) -> None:
    process = start(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"LIFESPAN-ENDS" in told


def test_a_call_that_needs_longer_than_the_client_waits_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with StdioPeer(SCRIPT, tmp_path / "state") as peer:
        peer.initialize()
        assert code_of(peer.call("shown")) == "tool.error"
        peer.request("tools/call", {"name": "slow", "arguments": {"seconds": 30.0}})
        peer.logged("SLOW")
        peer.end_input()
        begun = time.monotonic()
        peer.process.send_signal(signal.SIGTERM)
        assert peer.wait() == 0
        assert time.monotonic() - begun < 4
        assert "LIFESPAN-ENDS" in peer.stderr()
        assert peer.garbage == []
