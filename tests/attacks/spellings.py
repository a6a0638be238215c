"""Every way to write an address that some resolver or parser takes for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

_DIGITS = {
    "fullwidth": "０１２３４５６７８９",
    "circled": "⓪①②③④⑤⑥⑦⑧⑨",
    "mathematical": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
    "subscript": "₀₁₂₃₄₅₆₇₈₉",
    "arabic-indic": "٠١٢٣٤٥٦٧٨٩",
    "devanagari": "०१२३४५६७८९",
}
_DOTS = ("\u3002", "\uff0e", "\uff61", "%2e", "\u2024")


def of_ipv4(address: str) -> list[str]:
    """Hosts that mean ``address`` to ``inet_aton``, to IDNA, or to a browser."""
    number, parts = int(IPv4Address(address)), [int(part) for part in address.split(".")]
    a, b, c, d = parts
    rest3, rest2 = (b << 16) | (c << 8) | d, (c << 8) | d
    found = [address, str(number), hex(number), oct(number).replace("0o", "0"), f"0x{number:08X}", f"0X{number:x}"]
    found += [f"{a}.{rest3}", f"{a}.{b}.{rest2}", f"{hex(a)}.{rest3}", f"0{a:o}.{hex(rest3)}", f"{a}.{b}.{hex(rest2)}"]
    found += [".".join(map(hex, parts)), ".".join(f"0{part:o}" for part in parts), ".".join(f"{p:03}" for p in parts)]
    found += [".".join(f"0000{part:o}" for part in parts), ".".join(f"0x00{part:x}" for part in parts)]
    found += [f"{hex(a)}.0{b:o}.{c}.{d}", f"{a}.0x{b:x}.0{c:o}.{d}", str(number + (1 << 32)), f"{a + 256}.{b}.{c}.{d}"]
    found += [f"{address}.", f"{number}.", f"{address}..", f".{address}", f"{hex(number)}."]
    for digits in _DIGITS.values():
        table = str.maketrans("0123456789", digits)
        found += [address.translate(table), str(number).translate(table)]
    found += [address.replace(".", dot) for dot in _DOTS]
    found += [
        "%" + "%".join(f"{ord(c):02x}" for c in address),
        f"a@{address}",
        f"{address}%00",
        f"{address}\t",
        f" {address}",
    ]
    found += [f"[{address}]", f"[::{address}]", f"[::ffff:{address}]", f"[0:0:0:0:0:ffff:{address}]"]
    high, low = number >> 16, number & 0xFFFF
    found += [f"[::ffff:{high:x}:{low:x}]", f"[::FFFF:{high:04X}:{low:04X}]", f"[::{high:x}:{low:x}]"]
    found += [f"[::ffff:0:{high:x}:{low:x}]", f"[64:ff9b::{high:x}:{low:x}]", f"[64:ff9b::{address}]"]
    found += [f"[64:ff9b:1::{high:x}:{low:x}]", f"[2002:{high:x}:{low:x}::]", f"[2002:{high:x}:{low:x}::1]"]
    found += [f"[2001:0:{high:x}:{low:x}::]", f"[2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]"]
    found += [f"[fe80::5efe:{address}]", f"[2606:4700::5efe:{high:x}:{low:x}]", f"[2606:4700::200:5efe:{address}]"]
    return found


def of_ipv6(address: str) -> list[str]:
    """Hosts that mean an IPv6 address."""
    whole = IPv6Address(address)
    found = [
        f"[{address}]",
        f"[{whole.exploded}]",
        f"[{whole.exploded.upper()}]",
        f"[{address}%25lo]",
        f"[{address}%lo]",
    ]
    found += [
        f"[{address}%251]",
        address,
        f"[[{address}]]",
        f"[{address}",
        f"{address}]",
        f"[{address}].",
        f"[v1.{address}]",
    ]
    return [*found, f"[{address}]@example.com", f"[0000:0:0::{int(whole) & 0xFFFF:x}]"]


NAMES = ["localhost", "LOCALHOST", "localhost.", "LocalHost..", "a.localhost", "localhost.localdomain", "ip6-localhost"]
NAMES += [
    "loopback",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "ｌｏｃａｌｈｏｓｔ",
    "local\u00adhost",
    "localho\u017ft",
    "loc%61lhost",
    "localhost%00.example.com",
]
NAMES += ["metadata.google.internal", "printer.local", "router.home.arpa", "x.onion", "intranet"]
"""Names that mean this machine, or this network."""
EVERYWHERE = [
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "[::]",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "0177.1",
    "0x7f.1",
]
"""Other addresses at which this machine answers."""
ELSEWHERE = ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "[fd00:ec2::254]", "10.0.0.1"]
ELSEWHERE += ["172.16.0.1", "192.168.0.1", "100.64.0.1", "198.18.0.1", "192.0.2.1", "255.255.255.255", "224.0.0.1"]
ELSEWHERE += ["[fec0::1]", "[fe80::1]", "[ff02::1]", "[fc00::1]", "[2001:db8::1]", "[3fff::1]"]
"""Addresses that no public name may lead to."""
LOOPBACK = [*of_ipv4("127.0.0.1"), *of_ipv6("::1"), *NAMES, *EVERYWHERE]
