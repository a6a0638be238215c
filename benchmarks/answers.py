"""The requests that every server gets, and the check that each was answered, once, and rightly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from work import Work

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
_CLIENT = {"name": "benchmark", "version": "1"}
_ENVELOPE = json.dumps(
    {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": _CLIENT,
    },
    separators=(",", ":"),
)
INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT},
    }
).encode()
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
LIST = b'{"jsonrpc":"2.0","id":"list","method":"tools/list"}'


class Failed(Exception):
    """The measurement means nothing: a server answered wrongly, or not at all."""


def call(number: int, work: Work, *, modern: bool = False) -> bytes:
    """One request."""
    meta = f',"_meta":{_ENVELOPE}' if modern else ""
    return (
        f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"{work.tool(number)}",'
        f'"arguments":{work.arguments(number)}{meta}}}}}'
    ).encode()


def check(answers: Iterable[bytes], numbers: Iterable[int], work: Work) -> None:
    """Raise ``Failed`` unless ``answers`` are the right ones to the calls of those ``numbers``, one each."""
    waiting = set(numbers)
    for raw in answers:
        message = _read(raw)
        if message.get("id") not in waiting:
            raise Failed(f"an answer that nobody asked for, or a second one: {raw[:200]!r}")
        waiting.remove(message["id"])
        if text_of(message) != work.expected(message["id"]):
            raise Failed(f"a wrong answer: {raw[:200]!r}")
    if waiting:
        raise Failed(f"{len(waiting)} calls were not answered")


def check_greeting(raw: bytes) -> None:
    """Raise ``Failed`` unless this is the answer to ``INITIALIZE`` in the era that was asked for."""
    result = _read(raw).get("result")
    if not isinstance(result, dict) or result.get("protocolVersion") != LEGACY:
        raise Failed(f"the server does not speak {LEGACY}")


def check_list(raw: bytes) -> None:
    """Raise ``Failed`` unless this is a list of tools with ``add`` in it."""
    result = _read(raw).get("result")
    tools = result.get("tools") if isinstance(result, dict) else None
    if not any(tool.get("name") == "add" for tool in tools or ()):
        raise Failed(f"the tool is not listed: {raw[:200]!r}")


def _read(raw: bytes) -> dict[str, Any]:
    try:
        message = json.loads(raw)
    except ValueError:
        raise Failed(f"an answer that is not JSON: {raw[:200]!r}") from None
    if not isinstance(message, dict):
        raise Failed(f"an answer that is no message: {raw[:200]!r}")
    return message


def text_of(message: dict[str, Any]) -> str | None:
    """The text of a successful result."""
    result = message.get("result")
    if not isinstance(result, dict) or result.get("isError"):
        return None
    blocks = result.get("content") or [{}]
    found: str | None = blocks[0].get("text")
    return found
