"""Take a URL apart, once and strictly: what it yields is what is connected to, named in TLS and sent as Host."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urljoin

from holdfast.errors import ConfigurationError, UnsafeUrl
from holdfast.safe.addresses import is_public
from holdfast.safe.policy import PORTS, UrlPolicy

__all__ = ["MAX_URL", "Location", "UrlPolicy", "host_rule", "joined", "network_of", "pair_of", "parse", "refused"]

MAX_URL = 2048
"""Longest URL in characters; what all common servers take."""
# Controls and spaces of every kind are stripped or taken for separators by one parser or another; so is a backslash.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ud800-\udfff\\]")
_WHOLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^:\[\]@%]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_KEPT = "/%:@!$&'()*+,;=~-._"
_LOCAL = frozenset({"localhost", "local", "localdomain", "internal", "home.arpa", "onion", "alt", "test", "invalid"})
"""Names that never mean the public Internet: RFC 6761, 6762, 7686, 8375, 9476, and ICANN's reserved ``internal``
(``metadata.google.internal``). Their answers would be refused as well; so they are not even asked for."""


def pair_of(entry: str) -> str:
    """An operator's ``host:port`` in its one spelling. Raises ``ConfigurationError``."""
    matched = _AUTHORITY.fullmatch(entry)
    if matched is None or matched[2] is None:
        raise ConfigurationError(f"urls.allow takes host:port pairs, not {entry!r}; write localhost:8080 or [::1]:8080")
    try:
        return f"{_host(matched[1])}:{int(matched[2])}"
    except UnsafeUrl as refused:
        raise ConfigurationError(f"urls.allow: {entry!r}: {refused.message}") from None


def host_rule(entry: str, setting: str) -> str:
    """An operator's ``example.org`` or ``*.example.org`` in its one spelling. Raises ``ConfigurationError``."""
    below, name = entry.startswith("*."), entry.removeprefix("*.").lstrip(".")
    try:
        host = _host(name)
    except UnsafeUrl as refusal:
        raise ConfigurationError(
            f"{setting}: {entry!r}: {refusal.message}; write example.org or *.example.org"
        ) from None
    return f"*.{host}" if below else host


def network_of(entry: str) -> IPv4Network | IPv6Network | None:
    """An operator's address or network; ``None`` for anything else, such as a name."""
    try:
        return ip_network(entry.strip("[]"))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Location:
    """A URL taken apart. ``host`` is lower-case ASCII, an IPv6 address in brackets; ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """Host, with the port unless it is the scheme's own (RFC 9110, 7.2)."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The normalised URL, without fragment."""
        return f"{self.scheme}://{self.host_header}{self.target}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454)."""
        return (self.scheme, self.host, self.port)

    @property
    def pair(self) -> str:
        """``host:port`` as ``UrlPolicy.allow`` writes it."""
        return f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """The host without brackets, for resolving and for TLS."""
        return self.host.strip("[]")


def refused(why: str, code: str) -> UnsafeUrl:
    """A refusal that says what to send instead."""
    return UnsafeUrl(f"the URL is refused: {why}", code=code)


def parse(text: str, policy: UrlPolicy) -> Location:
    """Take ``text`` apart. Raises ``UnsafeUrl``: ``url.syntax``, ``.scheme``, ``.host``, ``.port`` or ``.address``.

    Lexical only: a name's addresses are judged when it is resolved (``holdfast.safe.fetching``).
    """
    if len(text) > MAX_URL:
        raise refused(f"send at most {MAX_URL} characters", "url.syntax")
    if _FORBIDDEN.search(text):
        raise refused("send it without spaces, control characters or backslashes", "url.syntax")
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise refused("send a whole URL such as https://example.com/page", "url.syntax")
    scheme, authority, path, query = whole[1].lower(), whole[2], whole[3], whole[4]
    if scheme not in policy.schemes:
        raise refused(f"the scheme must be one of: {', '.join(sorted(policy.schemes))}", "url.scheme")
    host, port = _host_and_port(authority, PORTS[scheme])
    target = quote(path or "/", safe=_KEPT) + quote(query or "", safe=_KEPT + "?")
    location = Location(scheme, host, port, target)
    _admit(location, policy)
    return location


def joined(base: Location, target: str, policy: UrlPolicy) -> Location:
    """Where a redirect leads, judged like a URL that was sent. Raises ``UnsafeUrl``."""
    with contextlib.suppress(UnicodeError):  # bytes beyond ASCII, which came as Latin-1, are almost always UTF-8
        target = target.encode("latin-1").decode("utf-8")
    if _FORBIDDEN.search(target):  # before the library that joins would drop some of them
        raise refused("it redirects to something with spaces or control characters", "url.syntax")
    try:
        whole = urljoin(base.url, target)
    except ValueError:
        raise refused("it redirects to something that is no URL", "url.redirect") from None
    return parse(whole, policy)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if "@" in authority:
        raise refused("send it without a user name or password", "url.userinfo")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise refused("its host is not written as a plain name or address", "url.host")
    port = default if parts[2] is None else int(parts[2])
    if not 0 < port < 65536:
        raise refused("its port is not a port", "url.port")
    return _host(parts[1]), port


def _host(text: str) -> str:
    """The host in its one spelling. Raises ``UnsafeUrl`` (``url.host``)."""
    if text.startswith("["):
        try:
            return f"[{IPv6Address(text[1:-1])}]"
        except ValueError:
            raise refused("its host is not an IPv6 address", "url.host") from None
    host = (text if text.isascii() else _ascii(text)).lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refused("its host is not a valid name", "url.host")
    if _NUMERIC.fullmatch(labels[-1]):
        return _dotted(host)
    return host


def _dotted(host: str) -> str:
    """No public name ends in a number, but 2130706433, 0x7f.1, 127.1 and 0177.0.0.1 all resolve to 127.0.0.1."""
    try:
        return str(ip_address(host))
    except ValueError:
        raise refused("write an IPv4 address as four decimal numbers", "url.host") from None


def _ascii(host: str) -> str:
    """IDNA 2008 with the UTS 46 mapping, which also turns full-width and circled digits into plain ones."""
    import idna

    try:
        mapped = idna.uts46_remap(host, std3_rules=True)
        return mapped if mapped.isascii() else idna.encode(mapped).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise refused("its host is not a valid international name", "url.host") from None


def _admit(location: Location, policy: UrlPolicy) -> None:
    literal = location.host.startswith("[") or location.host.rsplit(".", 1)[-1].isdecimal()
    if policy.denies(location.host) or (literal and policy.denies_address(location.name)):
        raise refused("its host is on this server's list of denied hosts", "url.host")
    if location.pair in policy.allow:
        return
    if not policy.names(location.host):
        raise refused("its host is not one of those that this server fetches from", "url.host")
    if location.port not in policy.ports:
        ports = ", ".join(str(port) for port in sorted(policy.ports))
        raise refused(f"its port must be one of: {ports}", "url.port")
    if literal and not is_public(location.name):
        raise refused("its address is not on the public Internet", "url.address")
    if not literal and _is_local(location.host):
        raise refused("its host is a name of a local network; send one of the public Internet", "url.host")


def _is_local(host: str) -> bool:
    """Whether a name has one label only, which a search list would complete, or is reserved for local use."""
    labels = host.split(".")
    return len(labels) == 1 or labels[-1] in _LOCAL or ".".join(labels[-2:]) in _LOCAL
