"""Fetch a checked location: redirects followed by hand, each hop checked afresh, everything bounded."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from email.message import Message
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urljoin

import httpcore2

from holdfast.errors import ToolError, UnsafeUrl
from holdfast.safe.blocking import in_thread
from holdfast.safe.locations import Location, UrlPolicy, parse, refused
from holdfast.safe.pinning import Meter, Network, Pinned

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACROSS_ORIGINS = frozenset({"accept", "accept-language", "user-agent"})
"""The caller's headers that follow to another origin; Authorization, Cookie and API keys under any name do not."""
_OURS = frozenset(
    {
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "accept-encoding",
        "te",
        "upgrade",
        "expect",
        "trailer",
    }
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_FIELD = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_MOST_HEAD = 64 << 10
"""Bytes of headers, with interim answers (a mebibyte of those kept the parser busy for 2.8 s [measured])."""
_OVERHEAD = 1 << 16
_FREE_CHUNKS, _LEAST_CHUNK = 10_000, 64
"""A body may come in 10,000 pieces of any size; all beyond hold 64 bytes on average, as each costs some 20 us."""
_TEXT = re.compile(r"(utf-(8|16|32)|ascii|us-ascii|iso-?8859-|latin|cp|windows-|koi8|gb|big5|euc|shift|mac)", re.I)
"""Encodings that are only that: punycode and idna are quadratic, unicode_escape runs escapes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for and how much of the answer to take: ``max_bytes`` after decompression, ``timeout`` in seconds."""

    location: Location
    method: Literal["GET", "HEAD"]
    headers: Mapping[str, str]
    max_bytes: int
    timeout: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``url`` is where it came from after redirects; header names are lower-case; ``body`` is decompressed.

    ``truncated``: there was more than ``max_bytes``.
    """

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool

    def text(self) -> str:
        """The body as text in the encoding that the answer names (else UTF-8), undecodable bytes replaced."""
        message = Message()
        message["content-type"] = self.headers.get("content-type", "")
        charset = message.get_content_charset() or "utf-8"
        try:
            usable = bool(_TEXT.match(charset)) and codecs.lookup(charset) is not None
        except (LookupError, ValueError):
            usable = False
        return self.body.decode(charset if usable else "utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ``ToolError``. A ``$ref`` in it is data and never fetched (CVE-2026-39885)."""
        if self.truncated:
            raise ToolError("the answer is too long to be read as JSON")
        try:
            return json.loads(self.text())
        except (ValueError, RecursionError):
            raise ToolError("the answer is not JSON") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_fetched, (self.status, self.url, dict(self.headers), self.body, self.truncated))


def _fetched(status: int, url: str, headers: dict[str, str], body: bytes, truncated: bool) -> Fetched:
    return Fetched(status, url, MappingProxyType(headers), body, truncated)


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names, without what this module sets itself. Raises ``UnsafeUrl`` (``url.header``)."""
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not (_TOKEN.fullmatch(name) and _FIELD.fullmatch(value)):
            raise refused("a header for it has characters that headers cannot have", "url.header")
        if lower in _OURS or lower.startswith("proxy-"):
            raise refused("a header for it is one that this server sets itself", "url.header")
        checked[lower] = value
    return checked


async def fetch(request: Request, policy: UrlPolicy, network: Network | None = None) -> Fetched:
    """Fetch and follow redirects. Raises ``UnsafeUrl`` for what is not allowed, else a retryable ``ToolError``."""
    try:
        async with asyncio.timeout(request.timeout):
            return await _follow(request, policy, network or Network())
    except TimeoutError:
        raise ToolError("that URL did not answer in time", retryable=True) from None


async def _follow(request: Request, policy: UrlPolicy, network: Network) -> Fetched:
    for _ in range(policy.max_redirects + 1):
        fetched = await _hop(request, policy, network)
        target = fetched.headers.get("location")
        if fetched.status not in _REDIRECTS or target is None:
            return fetched
        request = _redirected(request, target, policy)
    raise refused("it redirects too often", "url.redirect")


def _redirected(request: Request, target: str, policy: UrlPolicy) -> Request:
    try:
        joined = urljoin(request.location.url, target)
    except ValueError:
        raise refused("it redirects to something that is no URL", "url.redirect") from None
    location = parse(joined, policy)
    if request.location.scheme == "https" and location.scheme != "https":
        raise refused("it redirects from https to http", "url.redirect")
    headers = request.headers
    if location.origin != request.location.origin:
        headers = {name: value for name, value in headers.items() if name in _ACROSS_ORIGINS}
    return replace(request, location=location, headers=headers)


async def _hop(request: Request, policy: UrlPolicy, network: Network) -> Fetched:
    location = request.location
    secure = await in_thread(network.tls) if location.scheme == "https" else None
    meter = Meter(_MOST_HEAD)
    url = httpcore2.URL(
        scheme=location.scheme, host=location.host, port=location.port, target=location.target.encode("ascii")
    )
    try:
        async with (
            httpcore2.AsyncHTTPConnection(
                url.origin,
                ssl_context=secure,
                network_backend=Pinned(location, policy, network, meter),
            ) as connection,
            connection.stream(request.method, url, headers=_sent_headers(request, policy)) as response,
        ):
            meter.left += 2 * request.max_bytes + _OVERHEAD  # compressed or not, with the framing of chunks
            return await _answer(request, response)
    except (httpcore2.TimeoutException, httpcore2.NetworkError, OSError) as error:
        raise _failure(error) from None
    except (httpcore2.ProtocolError, zlib.error):
        raise refused("its answer is not proper HTTP", "url.response") from None


def _failure(error: BaseException) -> UnsafeUrl | ToolError:
    """A certificate that does not fit is a refusal; a server that cannot be reached may be reachable later."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return refused("its server could not prove its identity", "url.tls")
        cause = cause.__cause__ or cause.__context__
    return ToolError("the server of that URL could not be reached", retryable=True)


def _sent_headers(request: Request, policy: UrlPolicy) -> list[tuple[bytes, bytes]]:
    headers = {"accept": "*/*", "user-agent": policy.user_agent, **request.headers}
    headers |= {"host": request.location.host_header, "accept-encoding": "gzip, identity", "connection": "close"}
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


async def _answer(request: Request, response: Any) -> Fetched:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    encoding = headers.get("content-encoding", "identity").strip().lower()
    url, status = request.location.url, response.status
    if status in _REDIRECTS or request.method == "HEAD":
        return _fetched(status, url, headers, b"", False)
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise refused("its answer is compressed in a way that was not asked for", "url.response")
    async with aclosing(response.aiter_stream()) as chunks:
        body, truncated = await _bounded(chunks, "gzip" in encoding, request.max_bytes)
    return _fetched(status, url, headers, body, truncated)


class _Unzip:
    """Undo gzip, never yielding more than asked for at a time (one byte can hold 1,029 [measured])."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self.complete = True

    def feed(self, chunk: bytes, room: int) -> bytes:
        """At most ``room`` bytes of what ``chunk`` holds; the rest of it is dropped. Raises ``zlib.error``."""
        out = bytearray()
        while chunk and len(out) < room:
            out += self._member.decompress(chunk, room - len(out))
            self.complete = self._member.eof
            chunk = self._member.unconsumed_tail or self._member.unused_data
            if self._member.eof:  # another member may follow (RFC 1952, 2.2)
                self._member = zlib.decompressobj(wbits=31)
        return bytes(out)


async def _bounded(chunks: AsyncIterator[bytes], zipped: bool, most: int) -> tuple[bytes, bool]:
    """Read until there is one byte more than ``most``; also returns whether something is missing."""
    body, unzip, count = bytearray(), _Unzip(), 0
    async for chunk in chunks:
        count += 1
        if count > _FREE_CHUNKS + len(body) // _LEAST_CHUNK:
            raise refused("its answer comes in too many small pieces", "url.response")
        room = most + 1 - len(body)
        body += unzip.feed(chunk, room) if zipped else chunk[:room]
        if len(body) > most:
            return bytes(body[:most]), True
    return bytes(body), not unzip.complete
