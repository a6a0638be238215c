"""One way to talk to a server whatever the transport and the era: ask, answer what it asks back, and hear its notes."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from support.peers import ENVELOPE, MODERN, PATIENCE, HttpPeer, StdioPeer

CAPABILITIES = {"elicitation": {}, "sampling": {}, "roots": {}}
Message = dict[str, Any]
Answers = Mapping[str, list[Message]]
"""Results for what the server asks, by method, in their order."""


class Answerer:
    """The user, the model and the folders behind a client."""

    def __init__(self, answers: Answers | None) -> None:
        self._answers = {method: list(results) for method, results in (answers or {}).items()}
        self.asked: list[Message] = []

    def __call__(self, request: Mapping[str, Any]) -> Message:
        self.asked.append(dict(request))
        return self._answers[request["method"]].pop(0)


class Talk(Protocol):
    """A client in the middle of a conversation."""

    era: str
    notes: list[Message]
    asked: list[Message]

    def ask(
        self, method: str, params: Mapping[str, Any] | None = None, answers: Answers | None = None, **meta: Any
    ) -> Message:
        """The final message for a request; what came on the way is in ``notes`` and ``asked``."""
        ...


def call(talk: Talk, tool: str, answers: Answers | None = None, /, **arguments: Any) -> Message:
    """Call a tool; the result, or the whole message when it is an error."""
    answer = talk.ask("tools/call", {"name": tool, "arguments": arguments}, answers)
    result: Message = answer.get("result", answer)
    return result


class StdioTalk:
    """Over a pipe, in the era that the peer has begun."""

    def __init__(self, peer: StdioPeer, era: str) -> None:
        self.peer = peer
        self.era = era
        self.asked: list[Message] = []

    @property
    def notes(self) -> list[Message]:
        """What has come so far."""
        return self.peer.notes

    def ask(
        self, method: str, params: Mapping[str, Any] | None = None, answers: Answers | None = None, **meta: Any
    ) -> Message:
        """See ``Talk``."""
        self.peer.notes.clear()
        answerer = Answerer(answers)
        self.asked = answerer.asked
        body = {**(params or {}), **({"_meta": meta} if meta else {})}
        if self.era == MODERN:
            return rounds(lambda more: self.peer.ask(method, {**body, **more}), answerer)
        number = self.peer.request(method, body)
        end = time.monotonic() + PATIENCE
        while number not in self.peer._replies and time.monotonic() < end:
            try:
                request = self.peer.requests.get(timeout=0.02)
            except queue.Empty:
                continue
            self.peer.send({"jsonrpc": "2.0", "id": request["id"], **reply_to(answerer, request)})
        return self.peer.reply(number)


def reply_to(answerer: Answerer, request: Message) -> Message:
    """The result, or the error when the answer is one."""
    answer = answerer(request)
    return answer if set(answer) & {"error", "result"} else {"result": answer}


def rounds(send: Any, answerer: Answerer) -> Message:
    """Ask again with the answers until there is nothing more to answer (2026-07-28)."""
    more: Message = {}
    for _ in range(10):
        message: Message = send(more)
        result = message.get("result", {})
        if result.get("resultType") != "input_required":
            return message
        responses = {key: answerer(request) for key, request in result["inputRequests"].items()}
        more = {"inputResponses": responses, "requestState": result["requestState"]}
    raise AssertionError("the server never stops asking")


class Stream:
    """The answer to one HTTP request while it is read."""

    def __init__(self, port: int, method: str, body: Message | None, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, "/mcp", data, {**usual, **headers})
        self.response = self._connection.getresponse()

    def __iter__(self) -> Iterator[Message]:
        return events_of(self.response)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.response.close()
        self._connection.close()


class ModernHttpTalk:
    """Over HTTP in the modern era: each request stands alone."""

    era = MODERN

    def __init__(self, peer: HttpPeer, **headers: str) -> None:
        self.peer = peer
        self.headers = headers
        self.notes: list[Message] = []
        self.asked: list[Message] = []
        self._number = 0

    def ask(
        self, method: str, params: Mapping[str, Any] | None = None, answers: Answers | None = None, **meta: Any
    ) -> Message:
        """See ``Talk``."""
        answerer = Answerer(answers)
        self.asked, self.notes = answerer.asked, []
        return rounds(lambda more: self.once(method, {**(params or {}), **more}, meta), answerer)

    def once(self, method: str, params: Message, meta: Message) -> Message:
        """One round."""
        with self.open(method, params, **meta) as stream:
            *notes, answer = stream
        self.notes += notes
        return answer

    def open(self, method: str, params: Mapping[str, Any], **meta: Any) -> Stream:
        """Send a request and leave its answer to be read."""
        self._number += 1
        enveloped = {**params, "_meta": {**ENVELOPE, **meta}}
        body = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": enveloped}
        named = {"mcp-name": params.get("name", params.get("uri"))} if {"name", "uri"} & set(params) else {}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method, **named, **self.headers}
        return Stream(self.peer.port, "POST", body, headers)


class HandshakeHttpTalk:
    """Over HTTP in the handshake era: a session, whose requests have event streams."""

    era = "2025-11-25"

    def __init__(self, peer: HttpPeer, capabilities: Mapping[str, Any] = CAPABILITIES, **headers: str) -> None:
        self.peer = peer
        self.headers: dict[str, str] = dict(headers)
        self.notes: list[Message] = []
        self.asked: list[Message] = []
        self.number = 0
        info = {"name": "peer", "version": "1"}
        hello = {"protocolVersion": self.era, "capabilities": dict(capabilities), "clientInfo": info}
        status, got, body = peer.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}, headers)
        assert status == 200, body
        self.headers |= {"mcp-session-id": got["mcp-session-id"], "mcp-protocol-version": self.era}
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message: Message) -> int:
        """POST a message that has no answer."""
        return self.peer.post(message, self.headers)[0]

    def ask(
        self, method: str, params: Mapping[str, Any] | None = None, answers: Answers | None = None, **meta: Any
    ) -> Message:
        """See ``Talk``."""
        answerer = Answerer(answers)
        self.asked, self.notes = answerer.asked, []
        body = {**(params or {}), **({"_meta": meta} if meta else {})}
        with self.open(method, body) as stream:
            for message in stream:
                if "method" in message and "id" in message:
                    self.send({"jsonrpc": "2.0", "id": message["id"], **reply_to(answerer, message)})
                elif "method" in message:
                    self.notes.append(message)
                else:
                    assert message["id"] in (self.number, None)
                    return message
        raise AssertionError("the stream ended without an answer")

    def open(self, method: str, params: Mapping[str, Any] | None = None, number: int | None = None) -> Stream:
        """Send a request and leave its stream to be read; ``number`` is its id."""
        self.number = self.number + 1 if number is None else number
        body = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": dict(params or {})}
        return Stream(self.peer.port, "POST", body, self.headers)

    def listen(self, last: str | None = None) -> Stream:
        """Open the session's stream of news, or resume another one after an event."""
        more = {} if last is None else {"last-event-id": last}
        return Stream(self.peer.port, "GET", None, self.headers | {"accept": "text/event-stream"} | more)


def events_of(response: http.client.HTTPResponse) -> Iterator[Message]:
    """The messages of an answer, as they come: of an event stream, or the one of a JSON body."""
    if not (response.getheader("content-type") or "").startswith("text/event-stream"):
        yield json.loads(response.read())
        return
    for line in lines_of(response):
        if line.startswith("data:") and (text := line.removeprefix("data:").strip()):
            yield json.loads(text)


def lines_of(response: http.client.HTTPResponse) -> Iterator[str]:
    """The lines of a stream, as they come."""
    while True:
        try:
            line = response.readline()
        except (http.client.IncompleteRead, ConnectionError):
            return
        if not line:
            return
        yield line.decode().rstrip("\r\n")


def raw(port: int, data: bytes, patience: float = 5.0) -> bytes:
    """Send bytes to a port and read until the other side closes, or says nothing more for so long."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(patience)
        connection.sendall(data)
        got = b""
        try:
            while piece := connection.recv(65_536):
                got += piece
        except TimeoutError:
            pass
        return got
