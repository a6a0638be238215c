"""Which URLs a server may fetch and how much of them, apart from what takes URLs apart, so that a start is light."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.errors import ConfigurationError

PORTS = {"http": 80, "https": 443}
"""The schemes that can be fetched, each with its own port."""


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """Which URLs may be fetched and how much of them.

    ``allow`` holds ``host:port`` pairs (an IPv6 address in brackets) that are admitted although they are private or
    their port is not in ``ports``. ``deny_hosts`` refuses these hosts and all below them. ``max_bytes`` counts after
    decompression; ``timeout`` in seconds is for a whole fetch, redirects included. Raises ``ConfigurationError``.
    """

    allow: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({80, 443})
    schemes: frozenset[str] = frozenset({"http", "https"})
    max_bytes: int = 2 << 20
    max_redirects: int = 5
    timeout: float = 10.0
    deny_hosts: frozenset[str] = frozenset()
    user_agent: str = "holdfast"

    def __post_init__(self) -> None:
        if not self.schemes <= set(PORTS):
            raise ConfigurationError("urls.schemes takes http and https only")
        if self.allow:
            from holdfast.safe.locations import pair_of

            object.__setattr__(self, "allow", frozenset(pair_of(entry) for entry in self.allow))
        object.__setattr__(self, "deny_hosts", frozenset(host.lower().strip(".") for host in self.deny_hosts))

    def denies(self, host: str) -> bool:
        """Whether ``host`` or a domain above it is on the list."""
        labels = host.split(".")
        return any(".".join(labels[index:]) in self.deny_hosts for index in range(len(labels)))
