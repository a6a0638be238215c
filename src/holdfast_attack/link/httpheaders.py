"""The headers of an honest request in both eras, and requests out of headers that may be anything."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from holdfast_attack.link.messages import is_modern

Overrides = Mapping[str, str | None]
"""Headers by name in any case; None leaves a usual one out."""
Mirrors = Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]
"""By tool: the way to an argument, and the name of the header that repeats it (MCP 2026-07-28, ``x-mcp-header``)."""
NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""What stands in ``Mcp-Name``, by method."""
USUAL_METHOD: Final = "tools/list"
TOOLS, STEPS = 1_000, 8
_PLAIN = re.compile(r"[\x20-\x7e]*\Z")


def usual(host: str, version: str, token: str | None, session: str | None) -> dict[str, str]:
    """What stands at the head of every request, names in lower case."""
    headers = {
        "host": host,
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
    }
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if session is not None and not is_modern(version):
        headers["mcp-session-id"] = session
    return headers


def mirrored(message: Any, mirrors: Mirrors) -> dict[str, str]:
    """What headers of 2026-07-28 repeat of a message; of what is no message as if it listed the tools."""
    message = message if isinstance(message, dict) else {}
    method, params = message.get("method", USUAL_METHOD), message.get("params")
    if not isinstance(method, str):
        return {"mcp-method": USUAL_METHOD}
    headers = {"mcp-method": encoded_value(method)}
    params = params if isinstance(params, dict) else {}
    name = params.get(NAMED.get(method, ""))
    if isinstance(name, str):
        headers["mcp-name"] = encoded_value(name)
        if method == "tools/call":
            headers |= _parameters(params.get("arguments"), mirrors.get(name, ()))
    return headers


def encoded_value(value: str) -> str:
    """As it is, or in base64 where a header could not carry it."""
    looks_encoded = value.startswith("=?base64?") and value.endswith("?=")
    if _PLAIN.match(value) and value == value.strip() and not looks_encoded:
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def mirrors_of(listed: Any) -> dict[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """What the schemas of listed tools want to have repeated."""
    tools = [tool for tool in (listed if isinstance(listed, list) else [])[:TOOLS] if isinstance(tool, dict)]
    found = {tool["name"]: tuple(_annotated(tool.get("inputSchema"))) for tool in tools if _is_named(tool)}
    return {name: ways for name, ways in found.items() if ways}


def head_of(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def overridden(headers: Mapping[str, str], changes: Overrides) -> dict[str, str]:
    """The usual ones with changes."""
    changed = {**headers, **{name.lower(): value for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


def _is_named(tool: Mapping[str, Any]) -> bool:
    return isinstance(tool.get("name"), str)


def _annotated(schema: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or len(way) >= STEPS:
        return
    for name, inner in list(properties.items())[:TOOLS]:
        header = inner.get("x-mcp-header") if isinstance(inner, dict) else None
        if isinstance(header, str):
            yield (*way, name), header
        yield from _annotated(inner, (*way, name))


def _parameters(arguments: Any, ways: tuple[tuple[tuple[str, ...], str], ...]) -> dict[str, str]:
    headers = {}
    for way, header in ways:
        value = arguments
        for step in way:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, bool):
            headers[f"mcp-param-{header}"] = "true" if value else "false"
        elif isinstance(value, (str, int)):
            headers[f"mcp-param-{header}"] = encoded_value(str(value))
    return headers
