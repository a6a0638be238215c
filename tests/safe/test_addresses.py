"""Only what is surely the public Internet is public."""

from __future__ import annotations

import ipaddress

import pytest

from holdfast.safe.addresses import embedded, is_public

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "11.0.0.1"]
PUBLIC += ["169.253.1.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "168.63.129.15", "126.0.0.1"]
PUBLIC += ["2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2400::1", "2001:200::1"]

ORDINARY_PRIVATE = [
    "10.0.0.1",
    "127.0.0.1",
    "127.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "0.0.0.0",
]
ORDINARY_PRIVATE += ["169.254.169.254", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1"]
ORDINARY_PRIVATE += ["255.255.255.255", "100.64.0.1", "100.100.100.200", "::", "::1", "fc00::1", "fd00::1"]
ORDINARY_PRIVATE += ["fd00:ec2::254", "fe80::1", "2001:db8::1", "100::1"]

EXTRAORDINARY = {
    "64:ff9b::a9fe:a9fe": "NAT64 of the metadata service",
    "64:ff9b::808:808": "NAT64 of anything",
    "64:ff9b:1::7f00:1": "local NAT64",
    "2002:7f00:1::": "6to4 loopback",
    "2002:808:808::1": "6to4 of anything",
    "::127.0.0.1": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:7f00:1": "IPv4-mapped in hexadecimal",
    "::ffff:8.8.8.8": "IPv4-mapped public",
    "::ffff:0:127.0.0.1": "IPv4-translated",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "global multicast",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "192.0.0.192": "Oracle's metadata service",
    "168.63.129.16": "Azure's WireServer",
    "192.88.99.1": "6to4 relay",
    "2620:4f:8000::1": "AS112",
    "3fff::1": "documentation",
    "5f00::1": "segment routing",
    "4000::1": "not delegated",
    "2606:4700::5efe:7f00:1": "ISATAP",
    "2606:4700::200:5efe:808:808": "ISATAP, universal bit",
    "fe80::1%eth0": "zone",
    "2606:4700::1111%1": "zone",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public_here_and_in_the_standard_library(address: str) -> None:
    assert is_public(address)
    assert ipaddress.ip_address(address).is_global


@pytest.mark.parametrize("address", ORDINARY_PRIVATE)
def test_a_private_address_is_private_here_and_in_the_standard_library(address: str) -> None:
    assert not is_public(address)
    assert not ipaddress.ip_address(address).is_global


@pytest.mark.parametrize("address", EXTRAORDINARY)
def test_what_the_standard_library_may_call_global_is_private(address: str) -> None:
    assert not is_public(address), EXTRAORDINARY[address]


def test_nothing_that_the_standard_library_calls_private_is_public() -> None:
    """Every 13th /16 of IPv4 and of IPv6, at both ends."""
    for high in range(0, 1 << 16, 13):
        for address in (ipaddress.IPv4Address(high << 16), ipaddress.IPv4Address((high << 16) + 0xFFFF)):
            assert not (is_public(address) and not address.is_global)
        six = ipaddress.IPv6Address((high << 112) + 0x1234)
        assert not (is_public(six) and not six.is_global)


def test_packed_and_parsed_addresses_are_taken_too() -> None:
    assert is_public(b"\x08\x08\x08\x08")
    assert not is_public(ipaddress.IPv4Address("127.0.0.1"))
    assert not is_public(bytes(15) + b"\x01")


@pytest.mark.parametrize("text", ["", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "8.8.8.8 ", "[::1]"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


EMBEDDED = {
    "::7f00:1": ["127.0.0.1"],
    "::ffff:7f00:1": ["127.0.0.1"],
    "::ffff:0:7f00:1": ["127.0.0.1"],
    "64:ff9b::a9fe:a9fe": ["169.254.169.254"],
    "64:ff9b:1::7f00:1": ["127.0.0.1"],
    "2002:7f00:1::5": ["127.0.0.1"],
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": ["65.54.227.120", "192.0.2.45"],
    "2606:4700::5efe:7f00:1": ["127.0.0.1"],
    "2606:4700::200:5efe:7f00:1": ["127.0.0.1"],
    "2002:808:808::5efe:7f00:1": ["127.0.0.1", "8.8.8.8"],
    "2606:4700::7f00:1": [],
    "2001:1::7f00:1": [],
    "2003:7f00:1::1": [],
    "8.8.8.8": [],
}


@pytest.mark.parametrize("address", EMBEDDED)
def test_each_form_holds_the_addresses_that_its_rfc_puts_there_and_no_other_form_holds_any(address: str) -> None:
    assert [str(inner) for inner in embedded(ipaddress.ip_address(address))] == EMBEDDED[address]
