"""The workspace's tools with the bare official SDK: its high-level server as its documentation shows it.

``python sdk_workspace.py [stdio | http PORT]``. "Tools" for the decorator and the annotations, "Running your server"
for ``run``; every setting is the SDK's default.
"""

import sys

from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from plain import FETCH, READ, WRITE

mcp = MCPServer("sdk-workspace", instructions="Paths are relative to the workspace folder.")

for function in READ:
    mcp.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))(function)
for function in FETCH:
    mcp.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=True))(function)
for function in WRITE:
    mcp.tool(annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True))(function)

if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        mcp.run(transport="streamable-http", port=int(sys.argv[2]))
    else:
        mcp.run()
