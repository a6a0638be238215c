"""FastMCP, as its documentation shows it, with a tool for each thing that it was measured to leave undone.

``python fastmcp_holes.py [stdio | http PORT]``. Every tool only reads, so that it is called without any permission.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastmcp import FastMCP
from fastmcp.tools import ToolResult
from mcp.types import ToolAnnotations

ROOT = Path(os.environ.get("HOLDFAST_WORKSPACE", "."))
SECRET = next((value for name, value in sorted(os.environ.items()) if "TOKEN" in name or "SECRET" in name), "none")
READS = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
NUMBER = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}


@asynccontextmanager
async def lifespan(_server: FastMCP) -> AsyncIterator[dict[str, Any]]:
    """A helper process for as long as the server lives: what a teardown is for."""
    helper = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield {}
    finally:
        helper.kill()
        helper.wait()


server = FastMCP("fastmcp-holes", lifespan=lifespan)


@server.tool(annotations=READS)
async def echo(text: str) -> str:
    """Give a text back."""
    return text


@server.tool(annotations=READS)
def connect() -> str:
    """Say whether the service can be reached."""
    raise RuntimeError(f"cannot connect: the service refused the token {SECRET}")


@server.tool(annotations=READS)
def settings() -> str:
    """Tell how the server is set up."""
    return f"token: {SECRET}"


@server.tool(annotations=READS)
async def wait(seconds: float) -> str:
    """Wait for so many seconds."""
    await asyncio.sleep(seconds)
    return "done"


@server.tool(annotations=READS)
def sleep(seconds: float) -> str:
    """Work for so many seconds in a thread."""
    time.sleep(seconds)
    return "done"


@server.tool(annotations=READS)
async def block(seconds: float) -> str:
    """Work for so many seconds."""
    time.sleep(seconds)
    return "done"


@server.tool(annotations=READS)
def read_file(path: str) -> str:
    """Return the text of a file beneath the workspace folder."""
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise ValueError("the path leaves the workspace")
    return (ROOT / path).read_text(encoding="utf-8")


@server.tool(annotations=READS, output_schema=NUMBER)
def measure(text: str) -> ToolResult:
    """Count the characters of a text."""
    return ToolResult(content=str(len(text)), structured_content={"count": str(len(text))})


@server.tool(annotations=READS)
def repeat(text: str, count: int) -> str:
    """Give a text so many times."""
    return text[:1_000] * min(count, 5_000)


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run("http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False)
    else:
        server.run(show_banner=False)
