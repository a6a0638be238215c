"""The floor: what any Python server pays for pipes or HTTP and a strict schema, without protocol, guards or SDK."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic_core import SchemaValidator, ValidationError, core_schema, to_json

ID = core_schema.union_schema([core_schema.int_schema(strict=True), core_schema.str_schema(strict=True)])
MESSAGE = SchemaValidator(
    core_schema.typed_dict_schema(
        {
            "jsonrpc": core_schema.typed_dict_field(core_schema.literal_schema(["2.0"])),
            "id": core_schema.typed_dict_field(ID, required=False),
            "method": core_schema.typed_dict_field(core_schema.str_schema(strict=True)),
            "params": core_schema.typed_dict_field(core_schema.dict_schema(), required=False),
        },
        extra_behavior="forbid",
    )
)


def arguments(**fields: core_schema.CoreSchema) -> SchemaValidator:
    """The strict model of a tool's arguments."""
    given = {name: core_schema.typed_dict_field(schema) for name, schema in fields.items()}
    return SchemaValidator(core_schema.typed_dict_schema(given, extra_behavior="forbid"))


HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "floor", "version": "0"},
}
Events = MutableMapping[str, Any]


async def add(a: int, b: int) -> int:
    """The tool."""
    return a + b


async def echo(text: str) -> str:
    """The other tool."""
    return text


NUMBER, TEXT = core_schema.int_schema(strict=True), core_schema.str_schema(strict=True)
TOOLS: dict[str, tuple[Callable[..., Awaitable[Any]], SchemaValidator]] = {
    "add": (add, arguments(a=NUMBER, b=NUMBER)),
    "echo": (echo, arguments(text=TEXT)),
}
LISTED = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}


async def answer(raw: bytes) -> bytes | None:
    """One message in, one out; nothing for a notification."""
    try:
        message = MESSAGE.validate_json(raw)
        if "id" not in message:
            return None
        result: dict[str, Any] = LISTED if message["method"] == "tools/list" else HELLO
        if message["method"] == "tools/call":
            tool, model = TOOLS[message["params"]["name"]]
            found = await tool(**model.validate_python(message["params"]["arguments"]))
            result = {"content": [{"type": "text", "text": str(found)}], "resultType": "complete"}
        return to_json({"jsonrpc": "2.0", "id": message["id"], "result": result})
    except (ValidationError, KeyError):
        return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"malformed"}}'


async def stdio() -> None:
    """Serve standard input and output."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=8 * 2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(0, "rb", 0))
    writer, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(1, "wb", 0))
    while line := await reader.readline():
        reply = await answer(line)
        if reply is not None:
            writer.write(reply + b"\n")


async def app(
    scope: Events, receive: Callable[[], Awaitable[Events]], send: Callable[[Events], Awaitable[None]]
) -> None:
    """The bare ASGI application."""
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    reply = await answer(body) or b""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply})


if __name__ == "__main__":
    if sys.argv[1] == "http":
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False, lifespan="off")
    else:
        asyncio.run(stdio())
