"""The same messages as HTTP requests, with headers that fit them, nearly fit them, or do not fit at all."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp.shared.inbound import encode_header_value
from support.compare import Step
from support.grammar import INITIALIZE, LEGACY, MALFORMED, chosen, ids, request
from support.peers import MODERN

DATA = Path(__file__).parents[1] / "wire" / "data" / "conformance_messages.json"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
ODD_HEADERS: dict[str, tuple[str | None, ...]] = {
    "mcp-protocol-version": (None, "", MODERN, "2099-01-01", "2026-7-28", *LEGACY),
    "mcp-method": (None, "", "tools/call", "Tools/Call", "ping", "=?base64?cGluZw==?="),
    "mcp-name": (None, "", "add", "Add", "=?base64?YWRk?=", "=?base64?YWR?=", "=?base64?!?="),
    "mcp-param-region": (None, "", "eu", "us", "=?base64?ZXU=?=", "=?base64?ZXU?="),
    "mcp-session-id": (None, "", "nobody", "{session}", "0" * 32),
    "accept": (None, "", "application/json", "text/event-stream", "*/*", "application/*", "text/*, a/b;q=0.1", "x"),
    "content-type": (None, "", "text/plain", "Application/JSON", "application/json;charset=utf-8", "application/json2"),
    "origin": (None, "http://{host}", "http://elsewhere.example"),
    "x-unknown": ("1",),
}  # fmt: skip


def conformance() -> list[Step]:
    """What the official suite (0.2.0-alpha.12) sent to examples/everything.py at 2025-11-25 and 2026-07-28.

    Without its standing streams: a GET, and ``subscriptions/listen``, which over HTTP answers until the client leaves.
    """
    found: list[dict[str, Any]] = json.loads(DATA.read_text())
    return [
        Step((row["body"],), row["headers"], row["verb"]) for row in found if _method(row) != "subscriptions/listen"
    ]


def _method(row: Mapping[str, Any]) -> Any:
    return row["body"].get("method") if isinstance(row["body"], dict) else None


def greetings(version: str) -> list[Step]:
    """A new session, as clients begin one; nothing in the modern era."""
    if version == MODERN:
        return []
    hello = request("initialize", {"protocolVersion": version, **INITIALIZE}, 1)
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    return [Step((hello,)), Step((note,), {"mcp-session-id": "{session}", "mcp-protocol-version": version})]


def http_steps(version: str, rng: random.Random, count: int) -> list[Step]:
    """``count`` messages and more as requests, every fourth with a header that is odd."""
    names = ids()
    steps = greetings(version)
    for body in chosen(version, rng, count):
        steps += _posts(body, version, names, rng)
    return steps


def _posts(body: dict[str, Any], version: str, names: Iterator[int | str], rng: random.Random) -> Iterator[Step]:
    if body.get("id") == 0 and type(body["id"]) is int:
        body = body | {"id": next(names)}
    headers = fitting(body, version)
    if rng.random() < 0.25:
        name = rng.choice(list(ODD_HEADERS))
        headers[name] = rng.choice(ODD_HEADERS[name])
    yield Step((body,), headers)
    chance = rng.random()
    if chance < 0.04:
        yield Step((rng.choice(MALFORMED),), headers)
    elif chance < 0.06:
        yield Step((None,), headers | {"content-type": None}, rng.choice(("PUT", "OPTIONS", "DELETE", "PATCH")))
        yield from greetings(version)


def fitting(body: Mapping[str, Any], version: str) -> dict[str, str | None]:
    """The headers that belong to a message."""
    if version != MODERN:
        return {"mcp-session-id": "{session}", "mcp-protocol-version": version}
    headers: dict[str, str | None] = {"mcp-protocol-version": MODERN}
    method, params = body.get("method"), body.get("params")
    if isinstance(method, str):
        headers["mcp-method"] = encode_header_value(method)
    if isinstance(method, str) and isinstance(params, dict):
        name = params.get(NAMED.get(method, ""))
        arguments = params.get("arguments")
        if isinstance(name, str):
            headers["mcp-name"] = encode_header_value(name)
        if name == "regional" and isinstance(arguments, dict) and isinstance(arguments.get("region"), str):
            headers["mcp-param-region"] = encode_header_value(arguments["region"])
    return headers
