"""Which URLs a server may fetch and how much of them, apart from what takes URLs apart, so that a start is light."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

PORTS: Final = {"http": 80, "https": 443}
"""The schemes that can be fetched, each with its own port."""
TEXT_TYPES: Final = frozenset(
    {"text/*", "application/json", "application/xml", "application/yaml", "application/javascript", "*/*+json"}
    | {"*/*+xml", "*/*+yaml", "application/x-ndjson", "application/jsonl", "application/toml", "application/x-yaml"}
)
"""What a model can read: text in its common forms (RFC 6838, 4.2.8 for the suffixes)."""
_TYPE: Final = re.compile(r"(\*|[a-z0-9][a-z0-9!#$&^_.-]*)/(\*(?:\+[a-z0-9.-]+)?|[a-z0-9][a-z0-9!#$&^_.+-]*)")


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """Which URLs may be fetched and how much of them.

    ``allow`` holds ``host:port`` pairs (an IPv6 address in brackets) that are admitted although they are private or
    their port is not in ``ports``. ``hosts``, unless empty, are the only ones admitted beside those: a name, or
    ``*.example.org`` for all below it. ``deny_hosts`` wins over both: a name with all below it, ``*.example.org`` for
    those alone, or an address or network (``203.0.113.0/24``), to which no name may lead either. ``types`` are the
    media types of an answer with content (``text/*``, ``*/*+json``). ``max_bytes`` counts after decompression,
    ``max_body`` what is sent; ``timeout`` in seconds is for a whole fetch, redirects included. Raises
    ``ConfigurationError``.
    """

    allow: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({80, 443})
    schemes: frozenset[str] = frozenset({"http", "https"})
    max_bytes: int = 2 << 20
    max_redirects: int = 5
    timeout: float = 10.0
    deny_hosts: frozenset[str] = frozenset()
    user_agent: str = "holdfast"
    hosts: frozenset[str] = frozenset()
    types: frozenset[str] = TEXT_TYPES
    max_body: int = 1 << 20
    _deny_networks: tuple[IPv4Network | IPv6Network, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.schemes <= set(PORTS):
            raise ConfigurationError("urls.schemes takes http and https only")
        if self.types is not TEXT_TYPES:
            object.__setattr__(self, "types", checked_types(self.types))
        if self.allow or self.hosts or self.deny_hosts:
            from holdfast.safe.locations import host_rule, network_of, pair_of

            found = [(entry, network_of(entry)) for entry in sorted(self.deny_hosts)]
            networks = tuple(network for _, network in found if network is not None)
            names = [host_rule(entry, "urls.deny") for entry, network in found if network is None]
            object.__setattr__(self, "allow", frozenset(pair_of(entry) for entry in self.allow))
            object.__setattr__(self, "hosts", frozenset(host_rule(entry, "urls.hosts") for entry in self.hosts))
            # the networks stay in the list as well, so that a copy made with ``dataclasses.replace`` has them too
            object.__setattr__(self, "deny_hosts", frozenset([*names, *map(str, networks)]))
            object.__setattr__(self, "_deny_networks", networks)

    def denies(self, host: str) -> bool:
        """Whether ``host`` or a domain above it is on the list of those denied."""
        return host in self.deny_hosts or any(
            above in self.deny_hosts or f"*.{above}" in self.deny_hosts for above in _above(host)
        )

    def names(self, host: str) -> bool:
        """Whether ``host`` is among ``hosts``, or those are not limited."""
        return not self.hosts or host in self.hosts or any(f"*.{above}" in self.hosts for above in _above(host))

    def denies_address(self, address: str) -> bool:
        """Whether an address in its canonical form, or the IPv4 address within it, is denied."""
        if not self._deny_networks:
            return False
        from ipaddress import ip_address

        from holdfast.safe.addresses import embedded

        parsed = ip_address(address)
        forms = {parsed, *embedded(parsed)}
        return any(form in network for form in forms for network in self._deny_networks)


def _above(host: str) -> list[str]:
    """The domains above a name, without itself."""
    labels = host.split(".")
    return [".".join(labels[index:]) for index in range(1, len(labels))]


def checked_types(types: frozenset[str] | tuple[str, ...]) -> frozenset[str]:
    """Media types in lower case. Raises ``ConfigurationError`` for what is none."""
    lower = frozenset(kind.strip().lower() for kind in types)
    for kind in lower:
        if _TYPE.fullmatch(kind) is None:
            raise ConfigurationError(f"urls.types takes media types such as text/* or image/png, not {kind!r}")
    return lower


def admits_type(kind: str, types: frozenset[str]) -> bool:
    """Whether a media type (the value of Content-Type) is among ``types``; one that is not named is not."""
    matched = _TYPE.fullmatch(kind.partition(";")[0].strip().lower())
    if matched is None or "*" in matched[0]:
        return False
    suffix = matched[2].rpartition("+")[2] if "+" in matched[2] else ""
    forms = {matched[0], f"{matched[1]}/*", "*/*"} | (
        {f"*/*+{suffix}", f"{matched[1]}/*+{suffix}"} if suffix else set()
    )
    return not types.isdisjoint(forms)
