"""Which addresses are the public Internet: an own table, as the standard library's differs from version to version.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), the IPv4 multicast and
class E blocks, RFC 3879 (site-local), RFC 6052 and 8215 (NAT64), RFC 3056 and 7526 (6to4), RFC 5214 (ISATAP), and the
cloud providers' documented metadata addresses. CPython 3.11's ``is_global`` says yes to NAT64 and 6to4 forms of private
addresses, to ``::127.0.0.1``, multicast, fec0::/10 and 168.63.129.16 [measured].
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_REFUSED_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's WireServer: a public number that every virtual machine reaches inside
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata service of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments; 192.0.0.192 is Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112: answers for private reverse zones
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # class E and broadcast
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
"""All that IANA has delegated as global unicast: everything else, known or not, is refused. That alone refuses
loopback, mapped and compatible IPv4, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64, fc00::/7 (with Amazon's
metadata service fd00:ec2::254), fe80::/10, fec0::/10 and ff00::/8."""
_REFUSED_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds any IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_ISATAP = 0x5EFE
"""The upper half of an interface identifier that holds an IPv4 address, apart from its universal bit (RFC 5214)."""
_LAST = 0xFFFF_FFFF
"""The last 32 bits."""


def is_public(address: str | bytes | IPv4Address | IPv6Address) -> bool:
    """Whether the address (text without brackets, or 4 or 16 bytes) is reachable over the public Internet only.

    Anything unclear is not: text that is no address, an address with a zone, one that holds an IPv4 address inside.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _REFUSED_4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_6:
        return False
    embeds = (int(parsed) >> 32) & 0xFDFF_FFFF == _ISATAP
    return not embeds and not any(parsed in network for network in _REFUSED_6)


_TAILED = tuple(
    IPv6Network(network)
    for network in (
        "::/96",  # compatible (RFC 4291, 2.5.5.1)
        "::ffff:0:0/96",  # mapped (RFC 4291, 2.5.5.2)
        "::ffff:0:0:0/96",  # translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64, local (RFC 8215)
    )
)
"""Prefixes whose addresses end in the IPv4 address to which they are delivered."""


def embedded(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses to which an IPv6 address may be delivered instead: mapped, compatible, translated, NAT64,
    6to4, Teredo (server and client: RFC 4380) and ISATAP."""
    if isinstance(address, IPv4Address):
        return ()
    bits = int(address)
    found = []
    if any(address in network for network in _TAILED) or (bits >> 32) & 0xFDFF_FFFF == _ISATAP:
        found.append(bits & _LAST)
    if bits >> 112 == 0x2002:
        found.append(bits >> 80 & _LAST)
    if bits >> 96 == 0x2001_0000:
        found += [bits >> 64 & _LAST, ~bits & _LAST]
    return tuple(map(IPv4Address, found))
