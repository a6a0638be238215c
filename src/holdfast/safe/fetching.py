"""Fetch a checked location: redirects followed by hand, each hop checked afresh, everything bounded."""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import httpcore2

from holdfast.errors import ToolError, UnsafeUrl
from holdfast.safe.blocking import in_thread
from holdfast.safe.decoding import Fetched, bounded, fetched
from holdfast.safe.locations import Location, UrlPolicy, joined, refused
from holdfast.safe.pinning import Meter, Network, Pinned
from holdfast.safe.policy import TEXT_TYPES, admits_type

__all__ = ["READING", "WRITING", "Fetched", "Request", "checked_headers", "fetch"]

READING: Final = ("GET", "HEAD")
WRITING: Final = ("POST", "PUT", "PATCH", "DELETE")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACROSS_ORIGINS = frozenset({"accept", "accept-language", "user-agent"})
"""The author's headers that follow to another origin; Authorization, Cookie and API keys under any name do not."""
_OURS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "content-encoding", "te"}
    | {"upgrade", "expect", "trailer", "keep-alive"}
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_FIELD = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_MOST_HEAD = 64 << 10
"""Bytes of headers, with interim answers (a mebibyte of those kept the parser busy for 2.8 s [measured])."""
_MOST_HEADERS = 256
"""Headers of one answer; servers and proxies send a few dozen."""
_OVERHEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for and how much of the answer to take: ``max_bytes`` after decompression, ``timeout`` in seconds.

    ``types`` are the media types that are taken; ``body`` is what is sent, for the methods of ``WRITING``.
    """

    location: Location
    method: str
    headers: Mapping[str, str]
    max_bytes: int
    timeout: float
    types: frozenset[str] = TEXT_TYPES
    body: bytes | None = None


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
        answer = await _hop(request, policy, network)
        target = answer.headers.get("location")
        if answer.status not in _REDIRECTS or target is None:
            return answer
        request = _redirected(request, answer.status, target, policy)
    raise refused("it redirects too often", "url.redirect")


def _redirected(request: Request, status: int, target: str, policy: UrlPolicy) -> Request:
    location = joined(request.location, target, policy)
    if request.location.scheme == "https" and location.scheme != "https":
        raise refused("it redirects from https to http", "url.redirect")
    same = location.origin == request.location.origin
    headers = {name: value for name, value in request.headers.items() if same or name in _ACROSS_ORIGINS}
    if request.method not in READING:
        if status == 303 or (status in (301, 302) and request.method == "POST"):  # RFC 9110, 15.4
            headers.pop("content-type", None)
            return replace(request, location=location, headers=headers, method="GET", body=None)
        if not same:
            raise refused("it redirects what was to be sent to another site", "url.redirect")
    return replace(request, location=location, headers=headers)


async def _hop(request: Request, policy: UrlPolicy, network: Network) -> Fetched:
    location = request.location
    secure = await in_thread(network.tls) if location.scheme == "https" else None
    meter = Meter(_MOST_HEAD)
    url = httpcore2.URL(
        scheme=location.scheme, host=location.host, port=location.port, target=location.target.encode("ascii")
    )
    sent = _sent_headers(request, policy)
    try:
        async with (
            httpcore2.AsyncHTTPConnection(
                url.origin,
                ssl_context=secure,
                network_backend=Pinned(location, policy, network, meter),
            ) as connection,
            connection.stream(
                request.method,
                url,
                headers=sent,
                content=request.body,
                extensions={"sni_hostname": location.name},
            ) as response,
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
    if request.method in WRITING:
        headers["content-length"] = str(len(request.body or b""))
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


async def _answer(request: Request, response: Any) -> Fetched:
    headers = _received_headers(response.headers)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    url, status = request.location.url, response.status
    if status in _REDIRECTS or request.method == "HEAD":
        return fetched(status, url, headers, b"", False)
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise refused("its answer is compressed in a way that was not asked for", "url.response")
    wanted = admits_type(headers.get("content-type", "text/plain"), request.types)  # unnamed: RFC 2045, 5.2
    async with aclosing(response.aiter_stream()) as chunks:
        body, truncated = await bounded(chunks, "gzip" in encoding, request.max_bytes if wanted else 0)
    if truncated and not wanted and status < 400:  # there is content: an error's is left unread, and its status told
        raise refused("its answer is of a type that is not read here; send the URL of a text", "url.type")
    return fetched(status, url, headers, body, truncated)


def _received_headers(received: list[tuple[bytes, bytes]]) -> dict[str, str]:
    if len(received) > _MOST_HEADERS:
        raise refused("its answer has too many headers", "url.response")
    headers: dict[str, str] = {}
    for raw_name, raw_value in received:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
