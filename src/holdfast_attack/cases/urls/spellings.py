"""Ways to write an address of this machine, as data."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast_attack.cases.spelled import Spelled
from holdfast_attack.model import Severity
from holdfast_attack.model.case import advisory

_SSRF = "CWE-918 (SSRF)"
RESOLVE = (
    "resolve the host once, refuse when any of its addresses is not public, and connect to the address that was checked"
)
OCTETS = "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460"
"""127.0.0.1 in circled digits."""
FULLWIDTH = "\uff11\uff12\uff17.\uff10.\uff10.\uff11"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling(Spelled):
    """``urls`` with ``{port}`` of a canary."""

    urls: tuple[str, ...]
    guesses: tuple[str, ...] = ()
    """What is put into other texts too, as a tool may make an address of any."""
    severity: Severity = Severity.HIGH
    remedy: str = RESOLVE


SPELLINGS = (
    Spelling(
        name="loopback",
        title="A URL of the loopback address is not fetched",
        sends="http://127.0.0.1 with the port of a canary",
        urls=("http://127.0.0.1:{port}/page", "HTTP://127.0.0.1:{port}/page", "http://127.0.0.2:{port}/page"),
        guesses=("http://127.0.0.1:{port}/page", "127.0.0.1:{port}"),
        reference=advisory(f"CVE-2026-49857 (auth-fetch-mcp) and many others, {_SSRF}"),
        quick=1,
    ),
    Spelling(
        name="localhost",
        title="A URL of localhost is not fetched",
        sends="http://localhost, also in capitals and as a domain",
        urls=("http://localhost:{port}/page", "http://LocalHost:{port}/page", "http://a.localhost:{port}/page"),
        reference=advisory(f"CVE-2026-61612 (ckan-mcp-server), {_SSRF}"),
        advisories=("CVE-2026-61612",),
    ),
    Spelling(
        name="decimal",
        title="A loopback address as one number is not fetched",
        sends="http://2130706433",
        urls=("http://2130706433:{port}/page", "http://2130706433.:{port}/page", "http://6425673729:{port}/page"),
        reference=advisory(f"CVE-2026-61612 (ckan-mcp-server), {_SSRF}; measured: getaddrinfo takes it for 127.0.0.1"),
        quick=1,
        advisories=("CVE-2026-61612",),
    ),
    Spelling(
        name="hex-octal",
        title="A loopback address in hexadecimal or octal is not fetched",
        sends="http://0x7f000001, http://0177.0.0.1 and mixtures",
        urls=(
            "http://0x7f000001:{port}/page",
            "http://0177.0.0.1:{port}/page",
            "http://0x7f.1:{port}/page",
            "http://017700000001:{port}/page",
            "http://0x7f.0.0.0x1:{port}/page",
        ),
        reference=advisory(f"CWE-1389, {_SSRF}; measured: getaddrinfo takes them for 127.0.0.1"),
    ),
    Spelling(
        name="short",
        title="A shortened loopback address is not fetched",
        sends="http://127.1",
        urls=("http://127.1:{port}/page", "http://127.0.1:{port}/page"),
        reference=advisory(f"{_SSRF}; measured: getaddrinfo takes it for 127.0.0.1"),
        quick=1,
    ),
    Spelling(
        name="ipv6",
        title="The IPv6 loopback address is not fetched",
        sends="http://[::1]",
        urls=("http://[::1]:{port}/page", "http://[0:0:0:0:0:0:0:1]:{port}/page", "http://[::1%25lo]:{port}/page"),
        reference=advisory(f"CVE-2026-80347 (mcp-fetch: brackets around the host skip the check), {_SSRF}"),
        advisories=("CVE-2026-80347",),
    ),
    Spelling(
        name="mapped-ipv6",
        title="An IPv4 loopback address within an IPv6 one is not fetched",
        sends="http://[::ffff:127.0.0.1], also in hexadecimal",
        urls=(
            "http://[::ffff:7f00:1]:{port}/page",
            "http://[::ffff:127.0.0.1]:{port}/page",
            "http://[0:0:0:0:0:ffff:7f00:0001]:{port}/page",
            "http://[::127.0.0.1]:{port}/page",
            "http://[64:ff9b::7f00:1]:{port}/page",
        ),
        reference=advisory(f"CVE-2026-49857 (auth-fetch-mcp: an IPv4 address in an IPv6 one), {_SSRF}"),
        advisories=("CVE-2026-49857", "CVE-2026-80347"),
    ),
    Spelling(
        name="trailing-dot",
        title="A dot at the end of the host changes nothing",
        sends="http://localhost. and http://127.0.0.1.",
        urls=("http://localhost.:{port}/page", "http://127.0.0.1.:{port}/page"),
        reference=advisory(f"CVE-2026-115751 (a dot at the end of the host), {_SSRF}"),
        advisories=("CVE-2026-115751",),
    ),
    Spelling(
        name="userinfo",
        title="A name before an @ is not taken for the host",
        sends="http://example.com@127.0.0.1 and other URLs that two parsers read differently",
        urls=(
            "http://example.com@127.0.0.1:{port}/page",
            "http://127.0.0.1:{port}\\@example.com/page",
            "http://127.0.0.1:{port}#@example.com/page",
            "http://example.com:80@127.0.0.1:{port}/page",
            "http://127.0.0.1:{port}?@example.com/",
            "http:127.0.0.1:{port}/page",
            "http:///127.0.0.1:{port}/page",
            "\thttp://127.0.0.1:{port}/page",
        ),
        reference=advisory(f"CWE-436 (two parsers read one URL differently), {_SSRF}"),
        remedy="use one parser for the check and the connection; refuse user names; " + RESOLVE,
    ),
    Spelling(
        name="unicode-digits",
        title="Digits of other scripts make no loopback address",
        sends="127.0.0.1 in circled and in full-width digits, localhost in full-width letters",
        urls=(
            f"http://{OCTETS}:{{port}}/page",
            f"http://{FULLWIDTH}:{{port}}/page",
            "http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54:{port}/page",
            "http://127\u30020\u30020\u30021:{port}/page",
            "http://local\u00adhost:{port}/page",
        ),
        reference=advisory(f"CWE-176, {_SSRF}; measured: IDNA and getaddrinfo give 127.0.0.1"),
    ),
    Spelling(
        name="zero",
        title="The address of nobody is not fetched",
        sends="http://0.0.0.0, http://0 and http://[::], at which this machine answers",
        urls=("http://0.0.0.0:{port}/page", "http://0:{port}/page", "http://[::]:{port}/page"),
        reference=advisory(f"{_SSRF}; measured: connections to 0.0.0.0 arrive at this machine"),
    ),
    Spelling(
        name="other-schemes",
        title="A URL of another scheme reaches nothing",
        sends="gopher, dict, ftp, ldap and the like with the address of a canary",
        urls=(
            "gopher://127.0.0.1:{port}/_GET%20/%20HTTP/1.0%0d%0a%0d%0a",
            "ftp://127.0.0.1:{port}/page",
            "dict://127.0.0.1:{port}/info",
            "ws://127.0.0.1:{port}/page",
            "ldap://127.0.0.1:{port}/page",
            "tftp://127.0.0.1:{port}/page",
            "view-source:http://127.0.0.1:{port}/page",
            "jar:http://127.0.0.1:{port}/page!/x",
            "https://127.0.0.1:{port}/page",
        ),
        reference=advisory(f"{_SSRF}: gopher and dict speak to other services"),
        quick=3,
        remedy="allow http and https only",
    ),
)
