"""The careful author's tools with the bare official SDK, which has no further settings that bear on a tool.

``python sdk_careful.py [stdio | http PORT]``.
"""

import sys

from careful import FETCH, READ, WRITE
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

mcp = MCPServer("sdk-careful", instructions="Paths are relative to the workspace folder.")

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
