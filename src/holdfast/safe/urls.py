"""The argument type of tools that fetch: a URL that was taken apart once and is fetched only through its checks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import quote

from holdfast.errors import ConfigurationError, UnsafeUrl
from holdfast.safe.handle import Handle
from holdfast.safe.locations import MAX_URL, Location, UrlPolicy, parse, refused

if TYPE_CHECKING:
    from holdfast.safe.fetching import Fetched
    from holdfast.safe.pinning import Network
    from holdfast.safe.sandbox import Sandbox

__all__ = ["PublicUrl", "UrlPolicy", "fill"]

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def fill(template: str, values: Mapping[str, object]) -> str:
    """Put ``values`` into the ``{places}`` of an author's URL, each percent-encoded as one path or query part.

    Places stand after the host. A value that is empty, ``.`` or ``..``, or that would be one after decoding once more,
    is refused (CVE-2026-61462: ``../`` in a path parameter reached other endpoints). Raises ``UnsafeUrl``
    (``url.parameter``), or ``ConfigurationError`` when a place is in the host or has no value.
    """
    if "{" in "/".join(template.split("/", 3)[:3]):
        raise ConfigurationError("a URL template can have places only after its host")

    def part(place: re.Match[str]) -> str:
        if place[1] not in values:
            raise ConfigurationError(f"the URL template's place {place[1]!r} has no value")
        text = str(values[place[1]])
        if re.fullmatch(r"(?i)(?:\.|%(?:25)*2e)*", text) or any(ord(character) < 32 for character in text):
            raise UnsafeUrl(f"{place[1]} must not be empty, dots only or control characters", code="url.parameter")
        try:
            return quote(text, safe="")
        except UnicodeEncodeError:
            raise UnsafeUrl(f"{place[1]} is not proper text", code="url.parameter") from None

    return _PLACE.sub(part, template)


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
    ) -> Fetched:
        """Resolve, check every answer, connect to the checked address and read; redirects are checked in the same way.

        ``max_bytes`` (after decompression) and ``timeout`` (seconds) can only be less than the policy's. Authorization,
        Cookie and the like are not sent on to another origin. No proxy and no cookie is ever used. Raises ``UnsafeUrl``
        for what is not allowed, and a retryable ``ToolError`` for a server that fails or does not answer in time.
        """
        return await self._fetch(method, headers, (max_bytes, timeout))

    async def _fetch(
        self,
        method: Literal["GET", "HEAD"],
        headers: Mapping[str, str],
        bounds: tuple[int | None, float | None],
        network: Network | None = None,
    ) -> Fetched:
        from holdfast.safe.fetching import Request, checked_headers, fetch  # here: it loads the HTTP client

        policy = self._policy
        most, seconds = bounds
        if method not in ("GET", "HEAD"):
            raise refused("only GET and HEAD are made", "url.method")
        request = Request(
            location=self._location,
            method=method,
            headers=checked_headers(headers),
            max_bytes=policy.max_bytes if most is None else max(0, min(most, policy.max_bytes)),
            timeout=policy.timeout if seconds is None else max(0.0, min(seconds, policy.timeout)),
        )
        return await fetch(request, policy, network)

    @property
    def _policy(self) -> UrlPolicy:
        """What ``from_text`` insisted on."""
        policy = None if self._sandbox is None else self._sandbox.urls
        if policy is None:  # pragma: no cover - a handle cannot be made without one
            raise refused("this server fetches no URLs", "url.disabled")
        return policy

    def fetch_sync(
        self,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        headers: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int | None = None,
        timeout: float | None = None,
    ) -> Fetched:
        """The same for a tool that runs on a thread or in a process of its own; never on the event loop."""
        return asyncio.run(self.fetch(method=method, headers=headers, max_bytes=max_bytes, timeout=timeout))
