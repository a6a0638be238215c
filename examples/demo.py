"""Shows a holdfast server at work: real files, a real database, a real git repository, and attacks that are refused.

Starts ``workspace.py`` over stdio and over HTTP and drives it with the official SDK's client. Exits 0 when every honest
call was answered and every attack was refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

SERVER = Path(__file__).with_name("workspace.py")
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
WIDTH = max(80, min(shutil.get_terminal_size((110, 24)).columns, 140))
LIMIT = 100
"""Calls a minute that a tool takes from one principal by default."""


@dataclass(frozen=True)
class Step:
    """One call, and what must come of it: a text in the answer, or the code of a refusal."""

    what: str
    tool: str
    arguments: dict[str, Any]
    shows: str = ""
    refused: str = ""


def make_world(base: Path) -> dict[str, str]:
    """The folder, the database and the repository; returns the server's environment."""
    root = base / "workspace"
    (root / "notes").mkdir(parents=True)
    (root / "notes" / "today.md").write_text("# Today\nBuy milk, call Ada, ship holdfast.\n", encoding="utf-8")
    (base / "outside.txt").write_text("the world outside", encoding="utf-8")
    (root / "escape").symlink_to(base / "outside.txt")
    token = secrets.token_urlsafe(24)
    (root / "notes" / "leak.txt").write_text(f"our token is {token}, keep it safe\n", encoding="utf-8")
    connection = sqlite3.connect(base / "shop.sqlite")
    connection.executescript(
        "CREATE TABLE pet (name TEXT, age INTEGER); INSERT INTO pet VALUES ('Rex', 3), ('Tom', 5), ('Ida', 1);"
    )
    connection.close()
    git = ["git", "-c", "user.name=Demo", "-c", "user.email=demo@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "notes/today.md"], ["commit", "-q", "-m", "Write down what today brings"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    return {
        "HOLDFAST_WORKSPACE": str(root),
        "HOLDFAST_DATABASE": str(base / "shop.sqlite"),
        "HOLDFAST_STATE": str(base / "state"),
        "HOLDFAST_AUTH__TOKENS": token,
        "HOLDFAST_LOG__FILE": str(base / "server.log"),
    }


def honest_steps(page: str) -> list[Step]:
    """What an agent does all day."""
    return [
        Step("list a folder", "list_dir", {"path": "notes"}, shows="today.md"),
        Step("read a file", "read_file", {"path": "notes/today.md"}, shows="Buy milk"),
        Step("write a file", "write_file", {"path": "notes/new.md", "text": "written by the demo\n"}, shows="20"),
        Step("search", "search_text", {"pattern": "call [A-Z]\\w+"}, shows="notes/today.md"),
        Step("git log", "git_log", {"count": 1}, shows="Write down what today brings"),
        Step("query", "query", {"sql": "SELECT name FROM pet WHERE age > 2"}, shows="Rex"),
        Step("fetch a page", "fetch_url", {"url": page}, shows="demo page"),
    ]


ATTACKS = [
    Step("path: climb out", "read_file", {"path": "../outside.txt"}, refused="path.outside"),
    Step("path: symlink", "read_file", {"path": "escape"}, refused="path.symlink"),
    Step("path: hidden", "read_file", {"path": ".git/config"}, refused="path.hidden"),
    Step("path: overwrite", "write_file", {"path": "/etc/cron.d/x", "text": "x"}, refused="path."),
    Step("command: flag", "git_log", {"ref": "--output=pwned"}, refused="command.operand"),
    Step("command: shell", "git_log", {"ref": "HEAD; touch pwned"}, refused="command.operand"),
    Step("URL: metadata", "fetch_url", {"url": "http://169.254.169.254/latest/"}, refused="url."),
    Step("URL: disguise", "fetch_url", {"url": "http://2130706433/"}, refused="url."),
    Step("SQL: write", "query", {"sql": "DROP TABLE pet"}, refused="query."),
    Step("SQL: attach", "query", {"sql": "SELECT 1; ATTACH '/tmp/x' AS x"}, refused="query."),
    Step("schema: text", "git_log", {"count": "41"}, refused="arguments.invalid"),
    Step("schema: extra", "read_file", {"path": "notes/today.md", "as": "root"}, refused="arguments.invalid"),
    Step("size: 2 MB", "write_file", {"path": "big", "text": "x" * 2_000_000}, refused="input.too_large"),
]


def paint(text: str, colour: int) -> str:
    """``text`` in an ANSI colour, in a terminal."""
    return f"\x1b[{colour}m{text}\x1b[0m" if COLOUR else text


class Screen:
    """Prints one line a step and counts what did not go as it should."""

    def __init__(self) -> None:
        self.steps = 0
        self.wrong = 0

    def heading(self, text: str) -> None:
        """A line between groups."""
        print(paint(f"\n{text}", 1))

    def line(self, good: bool, mark: str, what: str, shown: str, seconds: float) -> None:
        """One step."""
        self.steps += 1
        self.wrong += not good
        text = " ".join(shown.split())[: WIDTH - 42]
        told = paint(f"{mark if good else 'WRONG':7}", 32 if good and mark == "ok" else 36 if good else 31)
        print(f"  {told} {what:17} {seconds * 1000:7.1f} ms  {text}", flush=True)


async def take(client: Client, step: Step, screen: Screen) -> None:
    """Make one call and look at what came back."""
    begun = time.perf_counter()
    result = await client.call_tool(step.tool, step.arguments)
    seconds = time.perf_counter() - begun
    text = "\n".join(getattr(block, "text", "") for block in result.content)
    code = str((result.meta or {}).get("io.holdfast/code", ""))
    if step.refused:
        refused = bool(result.is_error) and f"[{step.refused}" in text
        screen.line(refused, "refused", step.what, f"{code}: {text.rpartition(' [')[0]}", seconds)
    else:
        screen.line(not result.is_error and step.shows in text, "ok", step.what, text, seconds)


async def try_leak(client: Client, token: str, screen: Screen) -> None:
    """A file holds the server's own token: it must not come back."""
    begun = time.perf_counter()
    result = await client.call_tool("read_file", {"path": "notes/leak.txt"})
    text = getattr(result.content[0], "text", "")
    screen.line(token not in text and "redacted" in text, "held", "secret in a file", text, time.perf_counter() - begun)


async def try_rate(client: Client, screen: Screen) -> None:
    """More calls than a minute allows: the rest is refused at once, with the time to come back."""
    begun = time.perf_counter()
    refused = None
    for _ in range(LIMIT + 10):
        result = await client.call_tool("list_dir", {})
        if result.is_error:
            refused = result
            break
    meta = (refused.meta or {}) if refused is not None else {}
    shown = f"{meta.get('io.holdfast/code')}, again in {meta.get('io.holdfast/retryAfter')} s" if meta else "never"
    good = meta.get("io.holdfast/code") == "rate.limited"
    screen.line(good, "refused", f"rate: {LIMIT}+ calls", shown, time.perf_counter() - begun)


async def drive(client: Client, page: str, token: str, screen: Screen) -> None:
    """The honest calls, then the attacks, then one more honest call: nothing was lost."""
    for step in honest_steps(page):
        await take(client, step, screen)
    for step in ATTACKS:
        await take(client, step, screen)
    await try_leak(client, token, screen)
    await try_rate(client, screen)
    await take(client, Step("and still there", "read_file", {"path": "notes/today.md"}, shows="Buy milk"), screen)


@asynccontextmanager
async def web_page() -> AsyncIterator[str]:
    """A page on this machine; the server is told that it may fetch from it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<h1>a demo page</h1>"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"


def free_port() -> int:
    """A port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def http_server(environment: dict[str, str]) -> Iterator[str]:
    """``workspace.py`` over HTTP, with authentication; yields its base address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(SERVER), "http", str(port), "--auth"], env=environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def until_ready(address: str) -> None:
    """Wait for the server's own word."""
    async with httpx2.AsyncClient() as web:
        for _ in range(300):
            with contextlib.suppress(httpx2.HTTPError):
                if (await web.get(f"{address}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise SystemExit("the HTTP server did not become ready")


async def over_stdio(environment: dict[str, str], page: str, screen: Screen) -> None:
    """The same server as a child process."""
    screen.heading("over stdio")
    parameters = StdioServerParameters(command=sys.executable, args=[str(SERVER), "stdio"], env=environment)
    async with Client(parameters, mode="legacy") as client:
        await drive(client, page, environment["HOLDFAST_AUTH__TOKENS"], screen)


async def over_http(environment: dict[str, str], page: str, screen: Screen) -> None:
    """The same server over HTTP, and what its operator sees."""
    screen.heading("over HTTP, with a bearer token")
    token = environment["HOLDFAST_AUTH__TOKENS"]
    with http_server(environment) as address:
        await until_ready(address)
        bearer = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient() as web:
            begun = time.perf_counter()
            answer = await web.post(f"{address}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
            screen.line(answer.status_code == 401, "refused", "no token", "HTTP 401", time.perf_counter() - begun)
            async with httpx2.AsyncClient(headers=bearer) as known:
                async with Client(streamable_http_client(f"{address}/mcp", http_client=known)) as client:
                    await drive(client, page, token, screen)
                begun = time.perf_counter()
                health = json.loads((await known.get(f"{address}/health")).text)
                metrics = (await known.get(f"{address}/metrics")).text
            lines = [line for line in metrics.splitlines() if line.startswith("holdfast_refusals_total{")]
            refusals = sum(float(line.split()[-1]) for line in lines)
            shown = f"health {health['status']}, {refusals:.0f} refusals in /metrics"
            screen.line(health["status"] == "ok" and refusals > 0, "ok", "operator", shown, time.perf_counter() - begun)


async def main() -> int:
    """Run the demo; returns the exit status."""
    begun = time.perf_counter()
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        settings = make_world(Path(folder))
        async with web_page() as host:
            environment = {**os.environ, **settings, "HOLDFAST_URLS__ALLOW": json.dumps([host])}
            environment["HOLDFAST_URLS__PORTS"] = json.dumps([80, 443, int(host.rpartition(":")[2])])
            await over_stdio(environment, f"http://{host}/", screen)
            await over_http(environment, f"http://{host}/", screen)
    verdict = "all as it should be" if not screen.wrong else f"{screen.wrong} WRONG"
    seconds = time.perf_counter() - begun
    print(paint(f"\n{screen.steps} steps in {seconds:.1f} s: {verdict}", 31 if screen.wrong else 32))
    return 1 if screen.wrong else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
