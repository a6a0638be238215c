"""Small servers for the engine's own tests: an honest one in 25 lines, and what may be put into it."""

from __future__ import annotations

import sys
from pathlib import Path

HONEST = """
import json, os, sys, time
TOOLS = [{"name": "echo", "description": "Give a text back.", "annotations": {"readOnlyHint": True},
          "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}]
calls = 0
def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
def call(said):
    return {"result": {"content": [{"type": "text", "text": said["params"]["arguments"]["text"]}]}}
def answer(said):
    method = said["method"]
    if method == "initialize":
        return {"result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                           "serverInfo": {"name": "small", "version": "3"}}}
    if method == "tools/list":
        return {"result": {"tools": TOOLS}}
    if method == "tools/call":
        return call(said)
    return {"error": {"code": -32601, "message": "unknown method"}}
# PUT HERE
for line in sys.stdin:
    said = json.loads(line)
    if "id" in said:
        say({"id": said["id"], **answer(said)})
"""


def command(folder: Path, put: str = "") -> list[str]:
    """The command of a server with ``put`` in it."""
    script = folder / "server.py"
    script.write_text(HONEST.replace("# PUT HERE", put))
    return [sys.executable, str(script)]
