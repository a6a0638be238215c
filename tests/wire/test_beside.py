"""Health pages beside a server on stdio: for loopback, under its names only, and nothing else is there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.calls import living, server_in, told

from holdfast.errors import ConfigurationError
from holdfast.wire.beside import open_beside


async def fetch(port: int, path: str = "/health", method: str = "GET", host: str | None = None) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    named = "" if host == "" else f"Host: {host or f'localhost:{port}'}\r\n"
    writer.write(f"{method} {path} HTTP/1.{0 if host == '' else 1}\r\n{named}Connection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@asynccontextmanager
async def pages(base: Path, **settings: Any) -> AsyncIterator[int]:
    async with living(server_in(base, **settings)) as live:
        live.plant.health.set_ready(True)
        async with open_beside(live, "127.0.0.1", 0):
            url = (await told(base, "/health"))["url"]
            yield int(url.rpartition(":")[2].removesuffix("/health"))


async def test_every_page_is_there_and_nothing_else(tmp_path: Path) -> None:
    # the process is the tests' own: after thousands of them it may be past what a server's memory is judged by
    async with pages(tmp_path, watchdog__memory=1 << 40) as port:
        status, body = await fetch(port)
        assert (status, json.loads(body)["status"]) == (200, "ok")
        assert await fetch(port, "/livez") == (200, b"ok\n")
        assert await fetch(port, "/readyz") == (200, b"ready\n")
        assert (await fetch(port, "/metrics"))[0] == 200
        assert await fetch(port, "/livez", "HEAD") == (200, b"")
        for path, method in (("/", "GET"), ("/mcp", "GET"), ("/health", "POST"), ("/health/", "GET")):
            assert (await fetch(port, path, method))[0] == 404


async def test_only_its_own_names_are_served(tmp_path: Path) -> None:
    async with pages(tmp_path) as port:
        for host in ("evil.example", "127.0.0.1", f"evil:{port}", ""):
            assert (await fetch(port, host=host))[0] == 403
        for host in (f"127.0.0.1:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
            assert (await fetch(port, host=host))[0] == 200


async def test_other_protocols_are_nobodys(tmp_path: Path) -> None:
    from holdfast.wire.beside import _Pages

    async def nothing(*_: object) -> dict[str, object]:
        raise AssertionError("nothing is sent or received")

    async with living(server_in(tmp_path)) as live:
        await _Pages(live, live.plant.loaded.settings, frozenset())({"type": "websocket"}, nothing, nothing)


async def test_when_the_server_ends_nobody_listens_any_more(tmp_path: Path) -> None:
    async with pages(tmp_path) as port:
        pass
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org"])
async def test_beyond_loopback_it_is_refused(tmp_path: Path, host: str) -> None:
    async with living(server_in(tmp_path)) as live:
        with pytest.raises(ConfigurationError, match="loopback only"):
            async with open_beside(live, host, 0):
                raise AssertionError


async def test_a_name_that_means_another_machine_is_refused_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.wire import beside

    monkeypatch.setattr(
        beside, "is_loopback", lambda _: False
    )  # as where "localhost" is written beside another address
    async with living(server_in(tmp_path)) as live:
        with pytest.raises(ConfigurationError, match="loopback only"):
            async with open_beside(live, "localhost", 0):
                raise AssertionError


async def test_with_a_token_it_is_asked_for(tmp_path: Path) -> None:
    async with pages(tmp_path, health__token="monitoring-token-0001") as port:
        assert (await fetch(port, "/metrics"))[0] == 401
        assert (await fetch(port, "/livez"))[0] == 200


async def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with living(server_in(tmp_path)) as live:
            with pytest.raises(ConfigurationError, match="cannot be bound"):
                async with open_beside(live, "127.0.0.1", taken.getsockname()[1]):
                    raise AssertionError
