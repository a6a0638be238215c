"""Connect to an address that was checked: resolve once, refuse if any answer is private, verify the peer afterwards."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from httpcore2 import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout

from holdfast.errors import ToolError
from holdfast.safe.addresses import embedded, is_public
from holdfast.safe.locations import Location, UrlPolicy, refused
from holdfast.safe.resolving import system_resolve

_MOST_ANSWERS = 64
"""Addresses of one name; a UDP answer without EDNS holds about 30."""
_MOST_ATTEMPTS = 4
_ATTEMPT = 3.0
"""Seconds for one address, so that a dead one leaves time for the next."""
_READ = 16384
"""Bytes parsed between two turns of the event loop: 16 KiB of tiny interim answers took 45 ms [measured]."""
_METADATA = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",  # most clouds' metadata; containers' credentials (169.254.170.2 and .23 of Amazon's)
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/64",  # Amazon: fd00:ec2::254, and ::23 for pods
        "fd20:ce::/64",  # Google
        "fd00:42::42/128",  # Scaleway
        "fe80::a9fe:a9fe/128",  # OpenStack
    )
)
"""Cloud metadata and credential services: an admitted *name* never leads there, only the address itself in
``UrlPolicy.allow``. The clouds' own documentation names them."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


@lru_cache(maxsize=1)
def system_tls() -> ssl.SSLContext:
    """The system's certificate authorities and Python's safe defaults; built once, as loading takes 20 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Network:
    """What a fetch uses of the outside world; tests pass a resolver and certificates of their own."""

    resolve: Resolve = system_resolve
    tls: Callable[[], ssl.SSLContext] = system_tls


async def checked_addresses(location: Location, policy: UrlPolicy, resolve: Resolve) -> list[str]:
    """Every answer for the location's host, all of them admitted. Raises ``UnsafeUrl`` or a retryable ``ToolError``."""
    try:
        answers = await resolve(location.name, location.port)
    except (OSError, UnicodeError):
        raise ToolError("the host of that URL cannot be found", retryable=True) from None
    if not answers or len(answers) > _MOST_ANSWERS:
        raise refused("its host has no usable address", "url.address")
    admitted = location.pair in policy.allow
    return [_judged(answer, location, admitted, policy) for answer in answers]


def _judged(answer: str, location: Location, admitted: bool, policy: UrlPolicy) -> str:
    """One answer in its canonical form. Raises ``UnsafeUrl``."""
    try:
        address = ip_address(answer)
    except ValueError:
        raise refused("its host has no usable address", "url.address") from None
    text = str(address)
    if policy.denies_address(text):
        raise refused("its host is on this server's list of denied hosts", "url.host")
    if not (_admits(text, location.name) if admitted else is_public(address)):
        raise refused("its host is not on the public Internet", "url.address")
    return text


def _admits(answer: str, host: str) -> bool:
    """An operator's pair may lead anywhere but to the metadata services, in whatever form their address comes."""
    address = ip_address(answer)
    forms = (address, *embedded(address))
    return answer == host or not any(form in network for form in forms for network in _METADATA)


@dataclass(slots=True)
class Meter:
    """The bytes that one connection may still send: first for headers, more when they have come."""

    left: int


class Metered(AsyncNetworkStream):
    """A stream that fails when its meter has run out, whatever is sent: interim answers, headers, trailers."""

    def __init__(self, stream: AsyncNetworkStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore2's
        data = await self._stream.read(min(max_bytes, _READ), timeout)
        self._meter.left -= len(data)
        if self._meter.left < 0:
            raise refused("its answer is too long", "url.response")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # httpcore2's
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's
    ) -> AsyncNetworkStream:
        try:
            return Metered(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._meter)
        except BaseException:  # the library forgets it when a handshake that nobody answers is cancelled
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Pinned(AsyncNetworkBackend):
    """Reaches one location only; resolves and connects in one step, so what was checked is what is connected to."""

    def __init__(self, location: Location, policy: UrlPolicy, network: Network, meter: Meter) -> None:
        self._location = location
        self._policy = policy
        self._network = network
        self._meter = meter

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        addresses = await checked_addresses(self._location, self._policy, self._network.resolve)
        for address in addresses[:_MOST_ATTEMPTS]:
            try:
                stream = await AnyIOBackend().connect_tcp(address, self._location.port, _ATTEMPT)
            except (ConnectError, ConnectTimeout):
                continue
            await verify_peer(stream, address)
            return Metered(stream, self._meter)
        raise ConnectError("no address answered")


async def verify_peer(stream: AsyncNetworkStream, address: str) -> None:
    """Close and refuse if the socket's other end is not the address that was checked."""
    peer = stream.get_extra_info("server_addr")
    if not peer or peer[0] != address:
        await stream.aclose()
        raise refused("its connection went elsewhere", "url.address")
