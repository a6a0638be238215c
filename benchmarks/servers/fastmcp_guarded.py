"""FastMCP with the middleware that its documentation recommends for production; what it limits is never reached."""

from fastmcp.server.middleware.error_handling import ErrorHandlingMiddleware
from fastmcp.server.middleware.logging import LoggingMiddleware
from fastmcp.server.middleware.rate_limiting import RateLimitingMiddleware
from fastmcp.server.middleware.response_limiting import ResponseLimitingMiddleware
from fastmcp.server.middleware.timing import TimingMiddleware
from fastmcp_server import run, server

server.add_middleware(ErrorHandlingMiddleware())
server.add_middleware(RateLimitingMiddleware(max_requests_per_second=1e8))
server.add_middleware(TimingMiddleware())
server.add_middleware(LoggingMiddleware())
server.add_middleware(ResponseLimitingMiddleware(max_size=8 * 2**20))

if __name__ == "__main__":
    run()
