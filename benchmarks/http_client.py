"""A lean client over HTTP: one thread, a number of kept-open connections, and just as much HTTP as answers need."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from answers import LEGACY, MODERN, Failed, call, check
from processes import PATIENCE, Started
from stdio_client import Load
from subjects import Subject
from work import Work

CHUNK = 262_144
RETRY = 0.005
"""Seconds between two attempts to reach a server that is just starting."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(slots=True)
class Connection:
    """One connection, and what has arrived of the answer it waits for."""

    socket: socket.socket
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    needed: int = 0
    """Bytes without which a look at the response is in vain."""


class HttpServer(Started):
    """One server over HTTP, spoken to in the stateless era, or (``legacy``) without sessions in the handshake era."""

    def __init__(self, subject: Subject, folder: Path, *, legacy: bool = False) -> None:
        self._port = free_port()
        self._legacy = legacy
        self._next = 1
        super().__init__(subject, folder, "http", str(self._port), stateless=legacy)

    def reach(self) -> None:
        """Wait until the server takes connections; many can be started before the first is waited for."""
        until = perf_counter() + PATIENCE
        while self.process.poll() is None and perf_counter() < until:
            try:
                self._connect().socket.close()
                return
            except ConnectionRefusedError:
                time.sleep(RETRY)
        raise self.silent()

    def _connect(self) -> Connection:
        opened = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(opened)

    def _request(self, number: int, work: Work) -> bytes:
        body = call(number, work, modern=not self._legacy)
        era = (
            f"MCP-Protocol-Version: {LEGACY}\r\n"
            if self._legacy
            else f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {work.tool(number)}\r\n"
        )
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\n{era}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def load(self, calls: int, connections: int, work: Work) -> Load:
        """Make ``calls`` calls, one at a time on each connection; all are checked when the clock stands.

        The connections are new, since servers close those that rest while others are measured; the clock starts when
        each has been answered once.
        """
        opened: list[Connection] = []
        try:
            with self.watched(), selectors.DefaultSelector() as selector:
                for _ in range(connections):
                    opened.append(self._connect())
                    selector.register(opened[-1].socket, selectors.EVENT_READ, opened[-1])
                self._made(selector, connections, work)
                return self._made(selector, calls, work)
        finally:
            for connection in opened:
                connection.socket.close()

    def _made(self, selector: selectors.BaseSelector, calls: int, work: Work) -> Load:
        numbers = range(self._next, self._next + calls)
        self._next += calls
        requests = [self._request(number, work) for number in numbers]
        used, begun = self.cpu, perf_counter()
        answers, stamps = self._exchange(selector, requests)
        seconds, used = perf_counter() - begun, self.cpu - used
        check(answers, numbers, work)
        each = tuple(later - earlier for earlier, later in pairwise([begun, *stamps]))
        return Load(calls, seconds, used, each if len(selector.get_map()) == 1 else ())

    def _exchange(self, selector: selectors.BaseSelector, requests: list[bytes]) -> tuple[list[bytes], list[float]]:
        waiting = iter(requests)
        for key in list(selector.get_map().values()):
            if (request := next(waiting, None)) is not None:
                self._send(key.data, request)
        answers: list[bytes] = []
        stamps: list[float] = []
        while len(answers) < len(requests):
            ready = selector.select(PATIENCE)
            if not ready:
                raise self.silent()
            for key, _ in ready:
                answer = self._receive(key.data)
                if answer is None:
                    continue
                stamps.append(perf_counter())
                answers.append(answer)
                if (request := next(waiting, None)) is not None:
                    self._send(key.data, request)
        return answers, stamps

    def _send(self, connection: Connection, request: bytes) -> None:
        try:
            connection.socket.sendall(request)
        except ConnectionError:
            raise self.silent() from None

    def _receive(self, connection: Connection) -> bytes | None:
        """Take what has arrived; the message, once the whole response is here."""
        try:
            data = connection.socket.recv(CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            raise self.silent()
        connection.parts.append(data)
        connection.size += len(data)
        if connection.size < connection.needed:
            return None
        buffer = b"".join(connection.parts)
        found = response(buffer)
        if found is None:
            connection.parts, connection.needed = [buffer], expected(buffer)
            return None
        body, rest = found
        connection.parts, connection.size, connection.needed = [rest], len(rest), 0
        return body


def expected(buffer: bytes) -> int:
    """Bytes of the whole first response, where its head is here and tells; else just what is here already."""
    head, found, _ = buffer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0].strip()
    return len(head) + len(found) + int(length) if found and length else len(buffer)


def response(buffer: bytes) -> tuple[bytes, bytes] | None:
    """The message in the first response of ``buffer`` and what follows it; nothing while it is incomplete."""
    head, found, rest = buffer.partition(b"\r\n\r\n")
    if not found:
        return None
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failed(f"the server refused: {buffer[:300]!r}")
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        whole = _chunks(rest)
    else:
        size = int(lowered.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        whole = (rest[:size], rest[size:]) if len(rest) >= size else None
    if whole is None:
        return None
    body, rest = whole
    return (_event(body) if b"text/event-stream" in lowered else body), rest


def _chunks(rest: bytes) -> tuple[bytes, bytes] | None:
    """RFC 9112, section 7.1, without trailers."""
    parts: list[bytes] = []
    while True:
        line, found, after = rest.partition(b"\r\n")
        if not found:
            return None
        size = int(line.split(b";", 1)[0], 16)
        if len(after) < size + 2:
            return None
        if not size:
            return b"".join(parts), after[2:]
        parts.append(after[:size])
        rest = after[size + 2 :]


def _event(stream: bytes) -> bytes:
    """The last event of a stream that carries a message which answers."""
    events = [line[5:].strip() for line in stream.splitlines() if line.startswith(b"data:")]
    answers = [event for event in events if event and b'"method":' not in event]
    if not answers:
        raise Failed("an event stream without an answer")
    return answers[-1]
