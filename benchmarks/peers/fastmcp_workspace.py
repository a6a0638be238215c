"""The workspace's tools with FastMCP, as its documentation shows it; it needs an environment of its own.

``python fastmcp_workspace.py [stdio | http PORT]``. "Tools" for the decorator and the annotations, "Running Your
Server" for ``run``; every setting is the default but for the banner, which asks a package index for news.
"""

import sys

from fastmcp import FastMCP
from mcp.types import ToolAnnotations
from plain import FETCH, READ, WRITE

mcp = FastMCP("fastmcp-workspace", instructions="Paths are relative to the workspace folder.")

for function in READ:
    mcp.tool(function, annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=False))
for function in FETCH:
    mcp.tool(function, annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=True))
for function in WRITE:
    mcp.tool(function, annotations=ToolAnnotations(destructiveHint=True, idempotentHint=True))

if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        mcp.run(transport="http", port=int(sys.argv[2]), show_banner=False)
    else:
        mcp.run(show_banner=False)
