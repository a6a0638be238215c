"""Raw clients for tests over real pipes and sockets: they send bytes, no library mends what they say."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers in lower case, body."""
PATIENCE = 20.0
"""Seconds a test waits for an answer that must come; only a fault makes it wait as long."""
UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Settings of a server that coverage does not trace: one whose speed a test is about, or whose code others cover."""
MODERN = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "sampling": {}, "roots": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "peer", "version": "1"},
}


def environment(state: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without holdfast's settings, and with those that are given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return clean | {"HOLDFAST_STATE": str(state)} | dict(settings)


class StdioPeer:
    """A server in a child process, spoken to line by line."""

    def __init__(self, script: Path, state: Path, *words: str, **settings: str) -> None:
        self._replies: dict[Any, dict[str, Any]] = {}
        self._arrived = threading.Condition()
        self.notes: list[dict[str, Any]] = []
        self.garbage: list[bytes] = []
        self._number = 0
        self._sending = threading.RLock()
        self._modern = False
        self.requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.stderr_path = state.parent / f"stderr-{id(self)}"
        with self.stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(script), *(words or ("stdio",))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(state, settings),
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                self.garbage.append(line)
                continue
            with self._arrived:
                if "method" in message and "id" in message:
                    self.requests.put(message)
                elif "method" in message:
                    self.notes.append(message)
                else:
                    self._replies[message.get("id")] = message
                self._arrived.notify_all()

    def send_raw(self, line: bytes) -> None:
        """Send bytes as they are."""
        assert self.process.stdin is not None
        with self._sending:
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message as a line."""
        self.send_raw(json.dumps(message).encode() + b"\n")

    def request(self, method: str, params: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """Send a request; returns its id at once."""
        body = dict(params or {})
        if self._modern:
            body["_meta"] = {**ENVELOPE, **body.get("_meta", {})}
        with self._sending:
            self._number += 1
            number = self._number
            self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": body, **more})
        return number

    def reply(self, request_id: Any, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait for the answer to a request."""
        end = time.monotonic() + patience
        with self._arrived:
            while request_id not in self._replies:
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"no answer to {request_id!r}; stderr: {self.stderr()[-2000:]}")
                self._arrived.wait(min(left, 0.5))
            return self._replies.pop(request_id)

    def ask(self, method: str, params: Mapping[str, Any] | None = None, patience: float = PATIENCE) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self.reply(self.request(method, params), patience)

    def initialize(self, version: str = "2025-11-25") -> dict[str, Any]:
        """Shake hands, or for 2026-07-28 just speak that way from now on."""
        if version == MODERN:
            self._modern = True
            return self.ask("server/discover")
        capabilities = {"elicitation": {}, "sampling": {}, "roots": {}}
        info = {"name": "peer", "version": "1"}
        params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
        answer = self.ask("initialize", params)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, tool: str, patience: float = PATIENCE, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool; returns the result, or the whole message when it is an error."""
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments}, patience)
        result: dict[str, Any] = answer.get("result", answer)
        return result

    def note(self, method: str, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait for a notification."""
        end = time.monotonic() + patience
        with self._arrived:
            while True:
                for note in self.notes:
                    if note["method"] == method:
                        self.notes.remove(note)
                        return note
                if time.monotonic() > end:
                    raise AssertionError(f"no {method}")
                self._arrived.wait(0.2)

    def stderr(self) -> str:
        """What the server has said on stderr so far."""
        return self.stderr_path.read_text("utf-8", "replace")

    def logged(self, text: str, patience: float = PATIENCE) -> str:
        """Wait for a line of stderr that holds ``text``; the log is written off the event loop, a moment later."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for line in self.stderr().splitlines():
                if text in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"the log does not say {text!r}")

    def end_input(self) -> None:
        """Close the server's standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for the server's end; returns its exit status."""
        return self.process.wait(patience)

    def close(self) -> None:
        """End the server as clients do: close its input, wait, insist."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.end_input()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.process.stdin is not None and not self.process.stdin.closed:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


class HttpPeer:
    """A server on a port of its own, spoken to with plain HTTP requests."""

    def __init__(self, script: Path, state: Path, *words: str, **settings: str) -> None:
        self.port = free_port()
        self.stderr_path = state.parent / f"stderr-{id(self)}"
        with self.stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(script), "http", str(self.port), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment(state, settings),
            )
        self._number = 0
        self._until_listening()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _until_listening(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.stderr()}")
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the server does not listen: {self.stderr()}")

    def stderr(self) -> str:
        """What the server has said on stderr so far."""
        return self.stderr_path.read_text("utf-8", "replace")

    def raw(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """One request; returns status, headers (lower case) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """A GET."""
        return self.raw("GET", path, None, headers)

    def post(self, message: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """POST one message (or raw bytes) to /mcp."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        return self.raw("POST", "/mcp", body, usual | dict(headers or {}))

    def modern(
        self, method: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A request of 2026-07-28; returns the message of the answer."""
        self._number += 1
        body = {**(params or {}), "_meta": {**ENVELOPE, **(params or {}).get("_meta", {})}}
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": body}
        named = {"mcp-name": body["name"]} if "name" in body else {"mcp-name": body["uri"]} if "uri" in body else {}
        usual = {"mcp-protocol-version": MODERN, "mcp-method": method, **named}
        _, kind, answer = self.post(message, usual | dict(headers or {}))
        return message_of(kind, answer)

    def call(self, tool: str, headers: Mapping[str, str] | None = None, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool in the modern era; returns the result, or the whole message when it is an error."""
        answer = self.modern("tools/call", {"name": tool, "arguments": arguments}, headers)
        result: dict[str, Any] = answer.get("result", answer)
        return result

    def close(self) -> None:
        """SIGTERM, then insist."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def message_of(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The last JSON-RPC message of a JSON or event-stream answer."""
    text = body.decode()
    if headers.get("content-type", "").startswith("text/event-stream"):
        lines = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
        text = [line for line in lines if line][-1]
    found: dict[str, Any] = json.loads(text)
    return found


def free_port() -> int:
    """A port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def text_of(result: Mapping[str, Any]) -> str:
    """The text of a tool's result."""
    return "\n".join(block.get("text", "") for block in result.get("content", ()))


def code_of(result: Mapping[str, Any]) -> str:
    """The code of a refusal or failure; empty for a good answer."""
    return str(result.get("_meta", {}).get("io.holdfast/code", ""))
