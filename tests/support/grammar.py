"""Messages by the thousand: good ones of every method, each of them with every part replaced, removed or doubled."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from support.compare import Step, kind_of, step
from support.peers import ENVELOPE, MODERN

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.0, 1.5, 10**30, "", "x", "1", "zwei \u0000 💧", [], [1], {}, {"x": 1}, {"a": None},
)  # fmt: skip
"""What a part of a message is replaced by: every kind of JSON value, the borderline ones first."""
REMOVED = object()
CAPABILITIES = {"elicitation": {}, "sampling": {}, "roots": {}}
INITIALIZE = {"capabilities": CAPABILITIES, "clientInfo": {"name": "duet", "version": "1"}}
OUTER = {"inner": {"name": "n", "weight": 2.5, "tags": ["t"]}, "others": [{"name": "o"}], "table": {"k": 1}}
LOG_LEVEL = "io.modelcontextprotocol/logLevel"

# Good arguments of each tool of servers/differential.py. What fails for lack of time or by a fault is left out: the
# breaker would open after twenty such calls, a moment earlier on one side than on the other.
CALLS: dict[str, tuple[dict[str, Any], ...]] = {
    "nothing": ({},),
    "add": ({"a": 1}, {"a": 1, "b": -7}, {"a": 2**60}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"a": 1, "c": 1}),
    "scalars": ({"text": "t", "number": 1}, {"text": "\u202eé", "number": 1e-7, "flag": True, "maybe": "m"}),
    "nested": (
        {"outer": OUTER},
        {"outer": OUTER, "scale": 0.1},
        {"outer": {"inner": {}}},
        {"outer": OUTER, "scale": 11},
    ),
    "listed": ({"count": 3}, {"count": 0}, {"count": 51}),
    "texts": ({},),
    "content": ({},),
    "odd": ({},),
    "long": ({"size": 0}, {"size": 70_000}),
    "fails": ({},),
    "refuses": ({},),
    "scoped": ({},),
    "regional": ({"region": "eu"}, {"region": "zwei 💧", "n": 2}),
    "progresses": ({}, {"steps": 3}),
    "logs": ({},),
    "asks": ({}, {"question": "Who?"}),
    "asks_twice": ({},),
    "samples": ({},),
    "knows": ({},),
    "threaded": ({"a": 1},),
    "no such tool": ({},),
}
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ping", {}),
    ("tools/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("prompts/list", {}),
    ("server/discover", {}),
    ("tools/call", {"name": "add", "arguments": {"a": 1}}),
    ("tools/call", {"name": "nested", "arguments": {"outer": {"inner": {"name": "n"}}}}),
    ("tools/call", {"name": "asks"}),
    ("resources/read", {"uri": "note://static"}),
    ("resources/read", {"uri": "note://ada"}),
    ("resources/read", {"uri": "none://x"}),
    ("prompts/get", {"name": "greeting", "arguments": {"name": "Ada"}}),
    ("prompts/get", {"name": "misread"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "greeting"}, "argument": {"name": "name", "value": "A"}},
    ),
    ("logging/setLevel", {"level": "debug"}),
    ("resources/subscribe", {"uri": "note://static"}),
    ("resources/unsubscribe", {"uri": "note://static"}),
    ("tasks/list", {}),
    ("roots/list", {}),
    ("elicitation/create", {"message": "m"}),
    ("no/such", {"a": 1}),
    ("", {}),
)
NOTES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("notifications/initialized", {}),
    ("notifications/cancelled", {"requestId": 987_654}),
    ("notifications/cancelled", {"requestId": "nobody", "reason": "why"}),
    ("notifications/progress", {"progressToken": 1, "progress": 1}),
    ("notifications/roots/list_changed", {}),
    ("no/such", {"a": 1}),
)
EXTRAS: dict[str, Any] = {
    "cursor": "x",
    "task": {"ttl": 5},
    "inputResponses": {"q1": {"action": "decline"}},
    "requestState": "v1.x",
    "extra": 1,
}
"""Parameters that some method knows and another does not."""
STRAY: tuple[Any, ...] = (
    {"jsonrpc": "2.0", "id": 987, "result": {}},
    {"jsonrpc": "2.0", "id": "987", "result": {"action": "accept"}},
    {"jsonrpc": "2.0", "id": 987, "error": {"code": -1, "message": "no"}},
    {"jsonrpc": "2.0", "id": None, "error": {"code": -1, "message": "no"}},
)
"""Answers to what nobody asked. An ``error`` without a code and a message is left out: it ended the process, and over
HTTP it was echoed, before there was a second way to compare with."""
MALFORMED: tuple[bytes, ...] = (
    b"{",
    b"[]",
    b"5",
    b"null",
    b"\xff\xfe",
    b'{"jsonrpc":"2.0"}',
    b'{"id":1,"method":"ping"}',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":5}',
    b'{"jsonrpc":"2.0","id":7,"result":5}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
    b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"\\ud800"}}',
)
_HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", **INITIALIZE}}
_READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_LIST = {"jsonrpc": "2.0", "id": 2, "method": "prompts/list"}
_MODERN_LIST = _LIST | {"params": {"_meta": ENVELOPE}}
_STRANGER = {"jsonrpc": "2.0", "method": "no/such"}
OPENINGS: dict[str, list[Any]] = {
    "as it should in the handshake era": [_HELLO, _READY],
    "without being ready": [_HELLO],
    "ready at once": [_READY],
    "ready after seven strangers": [*[_STRANGER] * 7, _READY],
    "ready after eight strangers": [*[_STRANGER] * 8, _READY],
    "ready, but oddly": [{**_READY, "params": {"_meta": 5}}],
    "ready with something to say": [{**_READY, "params": {"_meta": {"a": 1}, "x": 5}}],
    "with a list": [_LIST],
    "with a ping": [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
    "with a call": [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 1}}}
    ],
    "with a stranger's request": [{"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": {"_meta": 5}}],
    "with discovery but no envelope": [{"jsonrpc": "2.0", "id": 1, "method": "server/discover"}],
    "with an answer": [{"jsonrpc": "2.0", "id": 1, "result": {}}],
    "with a cancellation": [
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        _HELLO,
    ],
    "with garbage": [b"{", b"", b"  ", _HELLO],
    "with an envelope around the handshake": [{**_HELLO, "params": _HELLO["params"] | {"_meta": ENVELOPE}}],
    "with a version of the future": [{**_HELLO, "params": _HELLO["params"] | {"protocolVersion": MODERN}}],
    "with a version of nobody": [{**_HELLO, "params": _HELLO["params"] | {"protocolVersion": ""}}],
    "with half a handshake": [{**_HELLO, "params": {"protocolVersion": "2025-06-18"}}, _READY],
    "with half a handshake and then a whole one": [{**_HELLO, "params": {}}, _HELLO],
    "with a client that can do nothing": [{**_HELLO, "params": _HELLO["params"] | {"capabilities": {}}}, _READY],
    "as it should in the modern era": [_MODERN_LIST],
    "with half an envelope": [{**_LIST, "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": None}}}],
    "with the other half": [{**_LIST, "params": {"_meta": {"io.modelcontextprotocol/clientCapabilities": {}}}}],
    "with an envelope of the past": [
        {**_LIST, "params": {"_meta": ENVELOPE | {"io.modelcontextprotocol/protocolVersion": "2025-06-18"}}}
    ],
    "with a stranger's request in an envelope": [{**_MODERN_LIST, "method": "no/such"}],
    "ready, then modern": [_READY, _MODERN_LIST],
}
"""First words of a connection, by what they are."""
FOLLOWING: list[Any] = [
    {"jsonrpc": "2.0", "id": 20, "method": "ping"},
    _LIST | {"id": 21},
    {"jsonrpc": "2.0", "id": 22, "method": "tools/call", "params": {"name": "knows"}},
    {"jsonrpc": "2.0", "id": 23, "method": "tools/call", "params": {"name": "knows", "requestState": "v1.x"}},
    {"jsonrpc": "2.0", "id": 24, "method": "tools/call", "params": {"name": 5}},
    {"jsonrpc": "2.0", "id": 25, "method": "no/such", "params": {}},
    {"jsonrpc": "2.0", "id": 26, "method": "server/discover", "params": {"_meta": ENVELOPE}},
    {"jsonrpc": "2.0", "id": 27, "method": "tools/call", "params": {"name": "knows", "_meta": ENVELOPE}},
    {"jsonrpc": "2.0", "id": 28, "method": "ping", "params": {"_meta": ENVELOPE}},
    {"jsonrpc": "2.0", "id": 29, "method": "logging/setLevel", "params": {"level": "error"}},
    _HELLO | {"id": 30},
    {"jsonrpc": "2.0", "id": 31, "method": "initialize", "params": {"protocolVersion": 5}},
    {"jsonrpc": "2.0", "id": 32, "method": "tools/call", "params": {"name": "knows"}},
    {"jsonrpc": "2.0", "id": 33, "method": "tools/call", "params": {"name": "logs"}},
    _READY,
    {"jsonrpc": "2.0", "id": 34, "method": "tools/call", "params": {"name": "knows", "_meta": ENVELOPE}},
    {"jsonrpc": "2.0", "id": 35, "method": "tools/call", "params": {"name": "asks"}},
]
"""What is said after each of them, in both eras."""


def ids() -> Iterator[int | str]:
    """Ids in every spelling, none twice: ``8`` and ``"8"`` are one id to a server."""
    number = 10
    while True:
        yield from (number, f"{number + 1}", f"id-{number}", -number, f"-{number + 1}", 2**53 + number, f"é{number}")
        number += 2


def request(method: str, params: dict[str, Any] | None, request_id: Any) -> dict[str, Any]:
    """A request; without params when there are none."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return body if params is None else body | {"params": params}


def enveloped(params: dict[str, Any], **meta: Any) -> dict[str, Any]:
    """Parameters as 2026-07-28 wants them."""
    return params | {"_meta": ENVELOPE | meta}


def good(version: str) -> list[dict[str, Any]]:
    """Every method and every tool, as a client of ``version`` that knows the protocol would send them."""
    calls = [
        ("tools/call", {"name": name, "arguments": given}) for name, all_given in CALLS.items() for given in all_given
    ]
    found: list[dict[str, Any]] = []
    for method, params in [*REQUESTS, *calls]:
        if version == MODERN:
            found.append(request(method, enveloped(params), 0))
            found.append(request(method, enveloped(params, progressToken="t", **{LOG_LEVEL: "warning"}), 0))
        else:
            found.append(request(method, params, 0))
            found.append(request(method, params | {"_meta": {"progressToken": 7, "other/key": {"a": None}}}, 0))
    if version != MODERN:
        found += [
            request("initialize", {"protocolVersion": other, **INITIALIZE}, 0) for other in (*LEGACY, MODERN, "1")
        ]
        found += [request(method, None, 0) for method, params in REQUESTS if not params]
    return found


def _notes() -> list[dict[str, Any]]:
    return [{"jsonrpc": "2.0", "method": method, "params": params} for method, params in NOTES]


def _changes(body: dict[str, Any], skip: Sequence[str] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for path in _paths(body):
        if path[0] not in skip:
            yield from ((path, value) for value in (*ODD, REMOVED))
            if isinstance(_at(body, path), dict):
                yield (*path, "stranger"), {"a": [None]}
    params = body.get("params")
    if isinstance(params, dict):
        yield from ((("params", name), value) for name, value in EXTRAS.items())
        if isinstance(params.get("_meta"), dict):
            yield from ((("params", "_meta", key), value) for key in ("progressToken", LOG_LEVEL) for value in ODD)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(item, (*path, key))


def _at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def _with(body: dict[str, Any], path: Sequence[Any], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(body)
    owner = _at(made, path[:-1])
    if value is REMOVED:
        owner.pop(path[-1], None)
    else:
        owner[path[-1]] = value
    return made


def chosen(version: str, rng: random.Random, count: int) -> list[dict[str, Any]]:
    """``count`` messages for ``version``: all good ones, then others with one change, and a few with two."""
    bodies = good(version) + list(STRAY)
    notes = _notes()
    pool = [(body, change) for body in [*bodies, *notes] for change in _changes(body, skip=("jsonrpc",))]
    picked = rng.sample(pool, min(max(0, count - len(bodies) - len(notes)), len(pool)))
    changed = [_with(body, *change) for body, change in picked]
    twice = [_with(body, *rng.choice(list(_changes(body)))) for body in rng.sample(changed, len(changed) // 10)]
    found = [body for body in [*bodies, *notes, *changed, *twice] if not _fatal(body)]
    rng.shuffle(found)
    return found


def _fatal(body: dict[str, Any]) -> bool:
    """See ``STRAY``; and a response that carries a method, or the other way round, is a message of both kinds."""
    error = body.get("error")
    bad = not isinstance(error, dict) or type(error.get("code")) is not int or not isinstance(error.get("message"), str)
    return "method" not in body and "error" in body and bad


def stdio_steps(bodies: Iterable[Any], rng: random.Random, malformed: int = 60) -> list[Step]:
    """Messages as steps over a pipe, each request under an id of its own, now and then several at once.

    ``malformed``: how many of those at most; a server answers a hundred of them a second, and is silent then.
    """
    steps: list[Step] = []
    names = ids()
    for body in bodies:
        if isinstance(body, dict) and body.get("id") == 0 and type(body["id"]) is int:
            body = body | {"id": next(names)}
        if kind_of(body) == "malformed":
            malformed -= 1
            if malformed < 0:
                continue
        steps.append(step(body))
        if rng.random() < 0.04:
            steps.append(step(*_burst(names, rng)))
        if rng.random() < 0.03:
            steps.append(step(rng.choice(MALFORMED)))
    return steps


def _burst(names: Iterator[int | str], rng: random.Random) -> list[dict[str, Any]]:
    calls = [(name, given) for name in ("add", "nothing", "texts", "threaded", "knows") for given in CALLS[name]]
    picked = [rng.choice(calls) for _ in range(rng.randint(2, 6))]
    envelope = enveloped if rng.random() < 0.5 else dict
    return [request("tools/call", envelope({"name": name, "arguments": given}), next(names)) for name, given in picked]


def cancelled(version: str) -> list[Step]:
    """Calls that are cancelled under each spelling of their id, and ids that are used again."""
    shape = enveloped if version == MODERN else dict
    steps = []
    for number, spelling in enumerate((8, "8", "08", "+8", " 8 ", 8.0, True, None, "x", {})):
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": spelling}}
        steps += [
            step(request("tools/call", shape({"name": "waits"}), 8), unanswered=True),
            step(request("tools/list", shape({}), "8")),  # under way
            step(note),
            step({**note, "params": {"requestId": 8, "reason": number}}),  # a reason is a text; it counts all the same
            step(request("resources/list", shape({}), "8"), reuses=True),
        ]
    return steps
