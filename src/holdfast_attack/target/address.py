"""A URL on this machine, and no other: a hostile client is for servers of one's own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from holdfast.errors import ConfigurationError

FREE = "{port}"
"""In a URL and a command: a port that is free when the server is started."""
_REFUSED = (
    "holdfast attack plays a hostile client, so it only talks to servers of yours on this machine: "
    "127.0.0.0/8, [::1] or localhost. To judge a remote server, run it here, or run this tool there."
)


@dataclass(frozen=True, slots=True)
class Address:
    """``port`` 0: free, when the server is started. ``path`` holds the query, if there is one."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port or FREE}{self.path}"

    def at(self, port: int) -> Address:
        """The same with another port."""
        return Address(self.host, port, self.path)


def parse_url(url: str) -> Address:
    """Raises ``ConfigurationError`` for everything that is not http on this machine."""
    try:
        parts = urlsplit(url.replace(FREE, "0"))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("--url takes a URL such as http://127.0.0.1:8000/mcp") from None
    if parts.scheme != "http" or not host:
        raise ConfigurationError("--url takes a URL such as http://127.0.0.1:8000/mcp (plain http, on this machine)")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("--url takes no user name; send a token with --token")
    path = (parts.path or "/mcp") + (f"?{parts.query}" if parts.query else "")
    return Address(_loopback(host), 80 if port is None else port, path)


def _loopback(host: str) -> str:
    """The address of a host, once and for all; other names than localhost are not even looked up.

    Raises ``ConfigurationError`` when it is not this machine's own.
    """
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3: never anything else
        return "127.0.0.1"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError(_REFUSED)
    return host
