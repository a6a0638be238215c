"""The careful author's tools with FastMCP and what its pages offer for production: strict input, masked errors, limits.

``python fastmcp_careful.py [stdio | http PORT]``. "Validation Modes", "Error Handling" and "Timeouts" of "Tools";
"Combining Middleware" and "Response Limiting" of "Middleware".
"""

import sys

from careful import FETCH, READ, SECONDS, WRITE
from fastmcp import FastMCP
from fastmcp.server.middleware.rate_limiting import RateLimitingMiddleware
from fastmcp.server.middleware.response_limiting import ResponseLimitingMiddleware
from mcp.types import ToolAnnotations

mcp = FastMCP(
    "fastmcp-careful",
    instructions="Paths are relative to the workspace folder.",
    strict_input_validation=True,
    mask_error_details=True,
)
mcp.add_middleware(RateLimitingMiddleware(max_requests_per_second=50))
mcp.add_middleware(ResponseLimitingMiddleware(max_size=500_000))

for function in READ:
    mcp.tool(function, timeout=SECONDS, annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=False))
for function in FETCH:
    mcp.tool(function, timeout=SECONDS, annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=True))
for function in WRITE:
    mcp.tool(function, timeout=SECONDS, annotations=ToolAnnotations(destructiveHint=True, idempotentHint=True))

if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        mcp.run(transport="http", port=int(sys.argv[2]), show_banner=False)
    else:
        mcp.run(show_banner=False)
