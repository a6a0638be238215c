"""The argument type of tools that fetch: a URL that was taken apart once and is fetched only through its checks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import quote

from holdfast.errors import ConfigurationError, UnsafeUrl
from holdfast.safe.handle import Handle
from holdfast.safe.locations import MAX_URL, Location, UrlPolicy, parse, refused
from holdfast.safe.policy import checked_types

if TYPE_CHECKING:
    from holdfast.safe.fetching import Fetched
    from holdfast.safe.sandbox import Sandbox

__all__ = ["PublicUrl", "UrlPolicy", "fill"]

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DOTS = re.compile(r"(?i)(?:\.|%(?:25)*2e)*")
_SPLIT = re.compile(r"(?i)[/\\]|%(?:25)*(?:2f|5c)")
"""What separates segments of a path, as it is or after decoding once more, or twice."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def fill(template: str, values: Mapping[str, object]) -> str:
    """Put ``values`` into the ``{places}`` of an author's URL, each percent-encoded as one path or query part.

    Places stand after the host. In the path a value may not be empty, nor hold a segment that is empty, ``.`` or
    ``..``, however often it is encoded: ``../`` in a path parameter reached other endpoints (CVE-2026-61462), and some
    servers decode ``%2F`` before they look for ``..``. Raises ``UnsafeUrl`` (``url.parameter``), or
    ``ConfigurationError`` when a place is in the host or has no value.
    """
    if "{" in "/".join(template.split("/", 3)[:3]):
        raise ConfigurationError("a URL template can have places only after its host")
    path, mark, query = template.partition("?")
    filled = _PLACE.sub(lambda place: _part(place[1], values, in_path=True), path)
    if any(_DOTS.fullmatch(segment) for segment in filled.split("/")[3:-1]) or _is_dots(filled.rpartition("/")[2]):
        raise _unfit("its path", "empty, or dots only,")  # from two places, or a place beside a dot
    return filled + mark + _PLACE.sub(lambda place: _part(place[1], values, in_path=False), query)


def _part(name: str, values: Mapping[str, object], *, in_path: bool) -> str:
    value = values.get(name)
    if value is None:
        raise ConfigurationError(f"the URL template's place {name!r} has no value")
    text = str(value)
    if _CONTROL.search(text):
        raise _unfit(name, "of control characters")
    if in_path and any(_DOTS.fullmatch(segment) for segment in _SPLIT.split(text)):
        raise _unfit(name, "empty or dots only")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise UnsafeUrl(f"{name} is not proper text", code="url.parameter") from None


def _is_dots(segment: str) -> bool:
    """Whether a last segment is ``.`` or ``..``; an empty one only ends the path with a slash."""
    return bool(segment) and _DOTS.fullmatch(segment) is not None


def _unfit(name: str, how: str) -> UnsafeUrl:
    return UnsafeUrl(f"{name} must not be {how} in any part", code="url.parameter")


class PublicUrl(Handle):
    """An http or https URL on the public Internet (or on the operator's list). Nothing is resolved before ``fetch``."""

    __slots__ = ("_location",)

    needs: ClassVar[str | None] = "urls"
    describe: ClassVar[str] = "an http or https URL on the public Internet"
    json_format: ClassVar[str | None] = "uri"
    max_text: ClassVar[int] = MAX_URL

    _location: Location

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None) -> Self:
        """Take the URL apart. Raises ``UnsafeUrl``; see ``holdfast.safe.locations.parse``."""
        policy = None if sandbox is None else sandbox.urls
        if policy is None:
            raise refused("this server fetches no URLs", "url.disabled")
        location = parse(text, policy)
        handle = cls(location.url, sandbox)
        handle._location = location
        return handle

    @property
    def host(self) -> str:
        """The host in its one spelling: lower-case ASCII, without trailing dot."""
        return self._location.host

    async def fetch(
        self,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        headers: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # bounds the whole fetch, redirects included
        types: Sequence[str] | None = None,
    ) -> Fetched:
        """Resolve, check every answer, connect to the checked address and read; redirects are checked in the same way.

        ``max_bytes`` (after decompression) and ``timeout`` (seconds) can only be less than the policy's. ``types``,
        media types such as ``image/*``, take the place of the policy's (text in its common forms); an answer with
        content of another type is refused (``url.type``), nothing is guessed from the content, and what is not named is
        text. Authorization, Cookie and the like are not sent on to another origin. No proxy and no cookie is ever used.
        Raises ``UnsafeUrl`` for what is not allowed, and a retryable ``ToolError`` for a server that fails or does not
        answer in time.
        """
        if method not in ("GET", "HEAD"):
            raise refused("only GET and HEAD are made", "url.method")
        return await self._request(method, headers, (max_bytes, timeout), types)

    async def send(
        self,
        body: object,
        *,
        method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST",
        headers: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # bounds the whole exchange, redirects included
    ) -> Fetched:
        """The same with a request that changes something, for authors whose tool says so (``read_only = False``).

        ``body`` is bytes, text, ``None`` for nothing, or what JSON can hold; at most the policy's ``max_body`` bytes
        (``url.body``). It follows a redirect (307, 308) on the same origin only; after 303, and after 301 and 302 to a
        POST, the answer is got without it. It is sent once: a failure is never tried again here. The method is the
        author's word, never a caller's.
        """
        if method not in ("POST", "PUT", "PATCH", "DELETE"):
            raise refused("only POST, PUT, PATCH and DELETE send something", "url.method")
        raw, kind = _encoded(body, self._policy.max_body)
        given = headers if kind is None or any(name.lower() == "content-type" for name in headers) else (
            {**headers, "content-type": kind}
        )  # fmt: skip
        return await self._request(method, given, (max_bytes, timeout), None, raw)

    async def _request(
        self,
        method: str,
        headers: Mapping[str, str],
        bounds: tuple[int | None, float | None],
        types: Sequence[str] | None,
        body: bytes | None = None,
    ) -> Fetched:
        from holdfast.safe.fetching import Request, checked_headers, fetch  # here: it loads the HTTP client

        policy = self._policy
        most, seconds = bounds
        request = Request(
            location=self._location,
            method=method,
            headers=checked_headers(headers),
            max_bytes=policy.max_bytes if most is None else max(0, min(most, policy.max_bytes)),
            timeout=policy.timeout if seconds is None else max(0.0, min(seconds, policy.timeout)),
            types=policy.types if types is None else checked_types(tuple(types)),
            body=body,
        )
        return await fetch(request, policy)

    @property
    def _policy(self) -> UrlPolicy:
        """What ``from_text`` insisted on."""
        policy = None if self._sandbox is None else self._sandbox.urls
        if policy is None:  # a second layer: ``from_text`` makes none without
            raise refused("this server fetches no URLs", "url.disabled")
        return policy

    def fetch_sync(self, **options: Any) -> Fetched:
        """``fetch`` for a tool that runs on a thread or in a process of its own; never on the event loop."""
        return asyncio.run(self.fetch(**options))

    def send_sync(self, body: object, **options: Any) -> Fetched:
        """``send`` for a tool that runs on a thread or in a process of its own; never on the event loop."""
        return asyncio.run(self.send(body, **options))


def _encoded(body: object, most: int) -> tuple[bytes, str | None]:
    """What is sent and its media type. Raises ``UnsafeUrl`` (``url.body``) or ``OutputInvalid`` (no JSON)."""
    if body is None:
        return b"", None
    if isinstance(body, bytes | bytearray):
        raw, kind = bytes(body), "application/octet-stream"
    elif isinstance(body, str):
        raw, kind = body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    else:
        from holdfast.safe.json import dumps

        raw, kind = dumps(body), "application/json"
    if len(raw) > most:
        raise refused(f"what is to be sent to it is larger than {most} bytes", "url.body")
    return raw, kind
