"""What an HTTP request that ends at the door is told: a status, a short text, and which token to bring."""

from __future__ import annotations

from typing import Any, Final

CLOSE: Final = (b"connection", b"close")


class Refused(Exception):
    """A request that ends here, with its HTTP status."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers
        self.record: dict[str, Any] | None = None
        """What the audit log is to hold of it, before the answer leaves."""


class Challenge:
    """What ``WWW-Authenticate`` says (RFC 6750, section 3; RFC 9728, section 5.1). Only words of the settings' own."""

    def __init__(self, metadata: str | None, scopes: tuple[str, ...]) -> None:
        self._where = [] if metadata is None else [f'resource_metadata="{metadata}"']
        self._scope = [f'scope="{" ".join(scopes)}"'] if scopes else []

    def unauthenticated(self, *, tried: bool) -> Refused:
        """401, with an error only for who has brought something."""
        error = ['error="invalid_token"'] if tried else []
        return Refused(401, "a valid bearer token is needed", (self._header(error + self._scope),))

    def insufficient(self, scope: str | None = None) -> Refused:
        """403: known, but not allowed to come in here."""
        wanted = self._scope if scope is None else [f'scope="{scope}"']
        return Refused(
            403,
            "this token lacks a scope that is needed here",
            (self._header(['error="insufficient_scope"', *wanted]),),
        )

    def _header(self, parts: list[str]) -> tuple[bytes, bytes]:
        said = ", ".join(parts + self._where)
        return (b"www-authenticate", f"Bearer {said}".rstrip().encode())
