"""Two servers that are told the same: clients that play steps to one of them, over its pipes or over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from support.compare import Answer, Step, kind_of, text_of
from support.peers import PATIENCE, UNMEASURED, HttpPeer, environment

from holdfast.wire.messages import INVALID_REQUEST

QUIET = {
    "HOLDFAST_LIMITS__RATE": "1000000/second",  # else which call is one too many depends on the time
    "HOLDFAST_LOG__LEVEL": "error",
    **UNMEASURED,  # thousands of messages to two servers: what they run is covered by the tests of each part
}
HEADERS = ("content-type", "allow", "cache-control", "mcp-session-id", "x-accel-buffering", "retry-after")
"""Headers of an answer that both must send alike."""
USUAL = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
REPLIES: dict[str, dict[str, Any]] = {
    "elicitation/create": {"action": "accept", "content": {"name": "Rex", "age": 3}},
    "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": "a dream"}, "model": "m"},
    "roots/list": {"roots": [{"uri": "file:///tmp/project"}]},
}
"""What the user, the model and the folders behind our clients say."""
Play = Callable[[Sequence[Step]], list[Answer]]


def both(first: Play, second: Play, steps: Sequence[Step]) -> tuple[list[Answer], list[Answer]]:
    """Play the same steps to two servers at the same time."""
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(first, steps), pool.submit(second, steps)
        return one.result(), other.result()


class PipeClient:
    """One connection over a pair of descriptors."""

    def __init__(self, write: int, read: int) -> None:
        self._write = write
        self._read = read
        self._rest = b""
        self._sealed = "v1.none"
        self._barriers = 0
        self._begun = False
        self._ended = False

    def play(self, steps: Sequence[Step]) -> list[Answer]:
        """Everything that came for each step: an answer for each request, notes and questions before it."""
        return [self._settled(step) if step.reuses else self._exchange(step) for step in steps]

    def _settled(self, step: Step) -> Answer:
        end = time.monotonic() + PATIENCE
        while True:
            got = self._exchange(step)
            if got[-1].get("error", {}).get("code") != INVALID_REQUEST or time.monotonic() > end:
                return got
            time.sleep(0.02)  # a server complains a hundred times a second, then it is silent

    def _exchange(self, step: Step) -> Answer:
        got: list[Any] = []
        bodies = [_filled(body, {"{state}": self._sealed}) for body in step.bodies]
        kinds = [kind_of(body) for body in bodies]
        self._send(*bodies)
        self._begun = self._begun or "request" in kinds
        wanted = 0 if step.unanswered else sum(kind in ("request", "malformed") for kind in kinds)
        self._gather(got, wanted)
        if wanted < len(bodies):
            for _ in range(2):  # after the second one whatever the first one found half done has been done
                self._barrier(got)
        if len(bodies) > 1:
            got.sort(key=lambda line: ("method" not in line, json.dumps(line.get("id")), json.dumps(line)))
        return got

    def _gather(self, got: list[Any], wanted: int) -> None:
        while wanted:
            line = self._line()
            got.append(_asked(line))
            if "ended" in line:
                return
            if "method" in line:
                self._reply(line)
            else:
                wanted -= 1

    def _barrier(self, got: list[Any]) -> None:
        """Wait until the server has read everything; before the first request by a line that decides no era."""
        self._barriers += 1
        name = f"barrier-{self._barriers}"
        line = {"jsonrpc": "2.0", "id": name} | ({"method": "barrier/none"} if self._begun else {})
        self._send(line)
        while True:
            found = self._line()
            if found.get("id") == name and "method" not in found:
                return
            got.append(_asked(found))
            if "ended" in found:
                return
            if "method" in found:
                self._reply(found)

    def _reply(self, request: Mapping[str, Any]) -> None:
        if "id" in request:
            result = REPLIES.get(request["method"])
            word = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no"}}
            self._send({"jsonrpc": "2.0", "id": request["id"], **word})

    def _send(self, *bodies: Any) -> None:
        lines = b"".join((body if isinstance(body, bytes) else json.dumps(body).encode()) + b"\n" for body in bodies)
        while lines and not self._ended:
            try:
                lines = lines[os.write(self._write, lines) :]
            except BrokenPipeError:
                self._ended = True

    def _line(self) -> dict[str, Any]:
        """The next line, or ``{"ended": why}`` when none comes."""
        end = time.monotonic() + PATIENCE
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return {"ended": "no answer"}
            piece = os.read(self._read, 1 << 16)
            if not piece:
                return {"ended": "the server left"}
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        self._sealed = _state_in(found) or self._sealed
        return found


class StdioServer(PipeClient):
    """A server in a process of its own, with its one client."""

    def __init__(self, script: Path, state: Path, **settings: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(script), "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(state, QUIET | settings),
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        super().__init__(self.process.stdin.fileno(), self.process.stdout.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class HttpServer:
    """A server behind a port, and a client that remembers its session."""

    def __init__(self, script: Path, state: Path, **settings: str) -> None:
        self.peer = HttpPeer(script, state, **(QUIET | settings))
        self._connection = self._connect()
        self._words = {"{state}": "v1.none", "{session}": "0" * 32, "{host}": f"127.0.0.1:{self.peer.port}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()
        self.peer.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.peer.port, timeout=PATIENCE)

    def play(self, steps: Sequence[Step]) -> list[Answer]:
        """Status, headers and body of the answer to each step."""
        return [self._exchange(step) for step in steps]

    def _exchange(self, step: Step) -> Answer:
        (body,) = step.bodies
        filled = _filled(body, self._words)
        raw = None if body is None else filled if isinstance(body, bytes) else text_of(filled).encode()
        headers = {
            name: value
            for name, value in (USUAL | _filled(dict(step.headers), self._words)).items()
            if value is not None
        }
        try:
            answer = self._again(step.verb, raw, headers)
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            return {"ended": type(error).__name__}
        status, sent, content = answer
        if "mcp-session-id" in sent and status < 400:
            self._words["{session}"] = sent["mcp-session-id"]
        self._words["{state}"] = _state_in(content) or self._words["{state}"]
        return {"status": status, "headers": {name: sent[name] for name in HEADERS if name in sent}, "body": content}

    def _again(self, verb: str, raw: bytes | None, headers: Mapping[str, str]) -> tuple[int, dict[str, str], Any]:
        """Ask, and once more where the server had let go of the idle connection."""
        try:
            return self._ask(self._connection, verb, raw, headers)
        except http.client.RemoteDisconnected:
            self._connection.close()
            return self._ask(self._connection, verb, raw, headers)

    def _ask(
        self, connection: http.client.HTTPConnection, verb: str, raw: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], Any]:
        connection.request(verb, "/mcp", raw, dict(headers))
        answer = connection.getresponse()
        sent = {name.lower(): value for name, value in answer.getheaders()}
        if sent.get("content-type", "").startswith("text/event-stream"):
            return answer.status, sent, self._events(answer, headers)
        return answer.status, sent, _value(answer.read())

    def _events(self, answer: http.client.HTTPResponse, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """The stream's events; questions among them are answered as they come."""
        events: list[dict[str, Any]] = []
        event: dict[str, Any] = {}
        for line in answer:
            name, _, value = line.decode().rstrip("\r\n").partition(":")
            if name:
                event[name] = _value(value.strip().encode())
            elif event:
                events.append(event | {"data": _asked(event.get("data"))})
                self._answer(event.get("data"), headers)
                event = {}
        return events

    def _answer(self, message: Any, headers: Mapping[str, str]) -> None:
        if isinstance(message, dict) and "method" in message and "id" in message:
            reply = {"jsonrpc": "2.0", "id": message["id"], "result": REPLIES[message["method"]]}
            other = self._connect()
            self._ask(other, "POST", json.dumps(reply).encode(), headers)
            other.close()


def _value(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "backslashreplace")


def _filled(body: Any, words: Mapping[str, str]) -> Any:
    """The body with the server's own words in place of their names."""
    if isinstance(body, dict):
        return {key: _filled(value, words) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, words) for value in body]
    if isinstance(body, str) and "{" in body:
        for name, word in words.items():
            body = body.replace(name, word)
    return body


def _asked(message: Any) -> Any:
    """The message without the id that the server chose for a question of its own."""
    if isinstance(message, dict) and "method" in message and "id" in message:
        return message | {"id": "<asked>"}
    return message


def _state_in(message: Any) -> str | None:
    result = message.get("result") if isinstance(message, dict) else None
    state = result.get("requestState") if isinstance(result, dict) else None
    return state if isinstance(state, str) else None
