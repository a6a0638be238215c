"""Who calls: the identity that limits, quotas, caches and the audit log are keyed by."""

from __future__ import annotations

from dataclasses import dataclass

ALL = "*"
PRINCIPAL = "holdfast.principal"
"""Key in the ASGI scope under which the HTTP edge leaves who calls."""


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller. ``name`` is stable and safe to log; ``scopes`` are what it may use (``"*"`` is everything).

    ``local`` is whoever started the process and holds its pipes; ``anonymous`` is an HTTP caller of a loopback server
    without authentication.
    """

    name: str
    scopes: frozenset[str] = frozenset()

    def may(self, needed: frozenset[str]) -> bool:
        """Whether every scope in ``needed`` is held."""
        return ALL in self.scopes or needed <= self.scopes


ANONYMOUS = Principal("anonymous", frozenset({ALL}))
