"""Answers are classified, not names; the connection goes to a classified answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpcore2 import AsyncNetworkStream

from holdfast.errors import ToolError, UnsafeUrl
from holdfast.safe.locations import Location, UrlPolicy
from holdfast.safe.pinning import Meter, Network, Pinned, checked_addresses, system_resolve, system_tls, verify_peer

PUBLIC = Location("http", "example.com", 80, "/")


def answering(*answers: str) -> Any:
    async def resolve(host: str, port: int) -> list[str]:
        return list(answers)

    return resolve


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f.1", "127.1", "127.0.0.1", "localhost"])
async def test_other_spellings_of_loopback_are_refused_by_their_answers(spelling: str) -> None:
    answers = await system_resolve(spelling, 80)
    assert set(answers) <= {"127.0.0.1", "::1"}
    with pytest.raises(UnsafeUrl) as caught:
        await checked_addresses(Location("http", spelling, 80, "/"), UrlPolicy(), system_resolve)
    assert caught.value.code == "url.address"


async def test_circled_digits_resolve_to_loopback_and_are_refused() -> None:
    location = Location("http", "①②⑦.⓪.⓪.①", 80, "/")
    with pytest.raises((UnsafeUrl, ToolError)):
        await checked_addresses(location, UrlPolicy(), system_resolve)


async def test_cve_2026_61612_a_public_name_with_one_private_answer_is_refused() -> None:
    assert await checked_addresses(PUBLIC, UrlPolicy(), answering("8.8.8.8", "1.1.1.1")) == ["8.8.8.8", "1.1.1.1"]
    for private in (
        "127.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "::1",
        "64:ff9b::a9fe:a9fe",
        "fe80::1%2",
        "junk",
    ):
        with pytest.raises(UnsafeUrl):
            await checked_addresses(PUBLIC, UrlPolicy(), answering("8.8.8.8", private))


async def test_no_answer_or_too_many_are_refused() -> None:
    for answers in ([], [f"8.8.8.{number}" for number in range(65)]):
        with pytest.raises(UnsafeUrl):
            await checked_addresses(PUBLIC, UrlPolicy(), answering(*answers))


async def test_as_many_answers_as_are_admitted_are_judged() -> None:
    answers = [f"8.8.8.{number}" for number in range(64)]
    assert await checked_addresses(PUBLIC, UrlPolicy(), answering(*answers)) == answers


async def test_a_name_that_does_not_resolve_may_do_so_later() -> None:
    with pytest.raises(ToolError) as caught:
        await checked_addresses(Location("http", "x.invalid", 80, "/"), UrlPolicy(), system_resolve)
    assert caught.value.retryable
    assert "x.invalid" not in caught.value.message


async def test_an_admitted_name_may_be_private_but_never_a_metadata_service() -> None:
    policy = UrlPolicy(allow=frozenset({"intranet.example:80", "169.254.169.254:80"}))
    location = Location("http", "intranet.example", 80, "/")
    assert await checked_addresses(location, policy, answering("10.0.0.1")) == ["10.0.0.1"]
    for metadata in (
        *("169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200", "fd00:ec2::254%1"),
        *("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe%2", "64:ff9b::a9fe:aa02"),
    ):
        with pytest.raises(UnsafeUrl):
            await checked_addresses(location, policy, answering(metadata))
    itself = Location("http", "169.254.169.254", 80, "/")
    assert await checked_addresses(itself, policy, answering("169.254.169.254")) == ["169.254.169.254"]


async def test_a_dead_address_leaves_its_turn_to_the_next() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    location = Location("http", "intranet.example", port, "/")
    policy = UrlPolicy(allow=frozenset({f"intranet.example:{port}"}))
    async with server:
        pinned = Pinned(location, policy, Network(answering("127.0.0.2", "127.0.0.1")), Meter(10))
        stream = await pinned.connect_tcp("evil.example", 1)
        assert stream.get_extra_info("server_addr")[:2] == ("127.0.0.1", port)
        with pytest.raises(UnsafeUrl, match="elsewhere"):
            await verify_peer(stream, "127.0.0.9")
        await stream.aclose()


async def test_a_connection_that_ends_elsewhere_is_refused() -> None:
    """The kernel takes 0.0.0.0 for this machine: what was asked for is not what answered."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    policy = UrlPolicy(allow=frozenset({f"intranet.example:{port}"}))
    pinned = Pinned(Location("http", "intranet.example", port, "/"), policy, Network(answering("0.0.0.0")), Meter(10))
    async with server:
        with pytest.raises(UnsafeUrl, match="elsewhere"):
            await pinned.connect_tcp("intranet.example", port)


@pytest.mark.parametrize("meter, code", [(11, None), (10, "url.response"), (0, "url.response")])
async def test_a_connection_gives_no_more_bytes_than_its_meter_has(meter: int, code: str | None) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"eleven byte")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    policy = UrlPolicy(allow=frozenset({f"intranet.example:{port}"}))
    location = Location("http", "intranet.example", port, "/")
    async with server:
        stream = await Pinned(location, policy, Network(answering("127.0.0.1")), Meter(meter)).connect_tcp("", 0)
        try:
            got, refusal = await drained(stream)
            assert refusal == code
            assert len(got) <= meter
        finally:
            await stream.aclose()


async def drained(stream: AsyncNetworkStream) -> tuple[bytes, str | None]:
    """Everything that can be read, and the refusal that came instead of more."""
    got = b""
    try:
        while data := await stream.read(4):
            got += data
    except UnsafeUrl as refusal:
        return got, refusal.code
    return got, None


class Elsewhere(AsyncNetworkStream):
    """A stream that says what a test wants about its other end."""

    def __init__(self, peer: tuple[str, int] | None) -> None:
        self.peer = peer
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True

    def get_extra_info(self, info: str) -> Any:
        assert info == "server_addr"
        return self.peer


@pytest.mark.parametrize("peer", [None, ("127.0.0.9", 80)])
async def test_a_stream_whose_other_end_is_unknown_or_another_is_closed_and_refused(peer: tuple[str, int]) -> None:
    stream = Elsewhere(peer)
    with pytest.raises(UnsafeUrl, match="elsewhere"):
        await verify_peer(stream, "127.0.0.1")
    assert stream.closed


def test_certificates_are_verified_and_loaded_once() -> None:
    context = system_tls()
    assert context.check_hostname
    assert context is system_tls()
