"""A tool that fetches pages of the public internet, and of nothing else."""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from sound.errors import ToolFailed
from sound.tools import Tool, Tools, annotated, text

HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*|[0-9a-f:.]+")
ALSO_PRIVATE = ipaddress.ip_address("168.63.129.16")  # Azure's metadata service has a public address
GLOBAL_6 = ipaddress.ip_network("2000::/3")
TUNNELS = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/23"))  # hold an IPv4 address


class Target(NamedTuple):
    """A URL in parts."""

    scheme: str
    host: str
    port: int
    path: str


class Web(Tools):
    """The name is resolved once, every answer is judged, and the connection goes to the address that was judged."""

    PAGE = 262_144  # bytes
    PATIENCE = 5.0  # seconds

    def tools(self) -> tuple[Tool, ...]:
        """With the one of the web."""
        url = text("an http or https URL", 2_048) | {"format": "uri"}
        return (*super().tools(), Tool("fetch", "Fetch a web page.", {"url": url}, (), annotated(reaches_out=True)))

    async def fetch(self, url: str) -> str:
        """The text of a page."""
        return await self.aside(self.page, self.target(url))

    def target(self, url: str) -> Target:
        """The parts of a plain URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ToolFailed("this is no URL") from None
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or "@" in parts.netloc or not HOST.fullmatch(host):
            raise ToolFailed("a URL begins with http:// or https:// and the plain name of a host")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ToolFailed("a URL is plain ASCII")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)

    def page(self, target: Target) -> str:
        """Resolve, judge, fetch."""
        addresses = self.resolved(target)
        if not addresses or not all(self.public(address) for address in addresses):
            raise ToolFailed("this is no address of the public internet")
        return self.got(target, addresses[0])

    def resolved(self, target: Target) -> list[str]:
        """Every address of the host."""
        try:
            answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ToolFailed("this host is not known") from None
        return [str(answer[4][0]) for answer in answers]

    def public(self, address: str) -> bool:
        """Whether an address is of the public internet; ``is_global`` alone is not enough (Python 3.11)."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if not parsed.is_global or parsed.is_multicast or parsed == ALSO_PRIVATE:
            return False
        if parsed.version == 4:
            return True
        return parsed in GLOBAL_6 and not any(parsed in tunnel for tunnel in TUNNELS)

    def got(self, target: Target, address: str) -> str:
        """One request to one address; a redirect is an answer, not an order."""
        connection = http.client.HTTPConnection(target.host, target.port, timeout=self.PATIENCE)
        try:
            connection.sock = socket.create_connection((address, target.port), self.PATIENCE)
            if target.scheme == "https":
                wrapped = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=target.host)
                connection.sock = wrapped
            connection.request("GET", target.path, headers={"Accept-Encoding": "identity"})
            answer = connection.getresponse()
            return f"status {answer.status}\n{answer.read(self.PAGE).decode('utf-8', 'replace')}"
        except (OSError, http.client.HTTPException, ValueError):
            raise ToolFailed("the page cannot be fetched") from None
        finally:
            connection.close()
