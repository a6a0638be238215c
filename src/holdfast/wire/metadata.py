"""The page that tells clients which issuer's tokens this server takes (RFC 9728), open to everybody.

Not by the SDK's own page: it normalises the issuer's URL (a slash comes in, and clients compare exactly), and lets
every web page read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from holdfast.access.issuer import checked_url

if TYPE_CHECKING:
    from holdfast.core.config import AuthSettings

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


class Metadata:
    """What is said, and where: ``url`` for challenges, ``paths`` of this server."""

    def __init__(self, auth: AuthSettings, name: str, mcp_path: str) -> None:
        self.body: dict[str, Any] = {}
        self.url: str | None = None
        self.paths: frozenset[str] = frozenset()
        if auth.issuer is None or auth.resource is None:
            return
        parts = urlsplit(checked_url(auth.resource, "HOLDFAST_AUTH__RESOURCE"))
        own = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{own}"
        self.paths = frozenset((WELL_KNOWN, f"{WELL_KNOWN}{mcp_path}", f"{WELL_KNOWN}{own}"))
        self.body = {
            "resource": auth.resource,
            "authorization_servers": [auth.issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": name,
        }
        if auth.scopes:
            self.body["scopes_supported"] = list(auth.scopes)
