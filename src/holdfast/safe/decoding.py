"""What was fetched: read within bounds, decompressed within bounds, and turned into text or JSON within bounds."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from encodings.aliases import aliases
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

from holdfast.errors import InputTooLarge, ProtocolError, ToolError
from holdfast.safe.json import DEFAULT, Bounds, loads
from holdfast.safe.locations import refused

_FREE_CHUNKS, _LEAST_CHUNK = 10_000, 64
"""A body may come in 10,000 pieces of any size; all beyond hold 64 bytes on average, as each costs some 20 us."""
_MOST_MEMBERS: Final = 10_000
"""Gzip members of one answer: an empty one takes 20 bytes, and a new decompressor."""
_CHARSET = re.compile(r";[ \t]{0,8}charset[ \t]{0,8}=[ \t]{0,8}\"?([A-Za-z0-9._:+-]{1,40})(?![A-Za-z0-9._:+-])", re.I)
"""RFC 9110, 8.3.2. The standard library's reader of parameters is quadratic: 3 s for 60 KB [measured]."""
_TEXT = re.compile(r"utf_?(8|16|32)|ascii|us_ascii|iso_?8859_|latin|cp|windows_|koi8|gb|big5|euc|shift|mac")
"""Encodings that are only that: punycode and idna are quadratic, unicode_escape runs escapes."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``url`` is where it came from after redirects; header names are lower-case; ``body`` is decompressed.

    ``truncated``: there was more than ``max_bytes``, or an error's body was of a type that is not read.
    """

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool

    def text(self) -> str:
        """The body as text in the encoding that the answer names (else UTF-8), undecodable bytes replaced."""
        return self.body.decode(self._charset(), "replace")

    def json(self, bounds: Bounds | None = None) -> Any:
        """The body as strict JSON, counted before it is built. Raises ``ToolError``.

        ``bounds`` are those of ``holdfast.safe.json`` (depth 64, 100,000 values), with as many bytes as were fetched:
        2 MiB of ``{},`` would take 50 MB. A ``$ref`` in it is data and never fetched (CVE-2026-39885).
        """
        if self.truncated:
            raise ToolError("the answer is too long to be read as JSON")
        plain = self._charset() in ("utf_8", "utf8", "us_ascii", "ascii")
        raw = self.body.removeprefix(codecs.BOM_UTF8) if plain else self.text().lstrip("\ufeff").encode()
        size = max(1, len(raw))
        usual = Bounds(size, DEFAULT.depth, DEFAULT.elements, size, DEFAULT.integer_digits)
        try:
            return loads(raw, bounds or usual)
        except InputTooLarge as refusal:
            raise ToolError(f"the JSON that came is not taken: {refusal.message}") from None
        except ProtocolError as error:
            raise ToolError(f"the answer is not proper JSON: {error.message}") from None

    def _charset(self) -> str:
        named = _CHARSET.search(self.headers.get("content-type", ""))
        name = "" if named is None else re.sub(r"[^a-z0-9]+", "_", named[1].lower())
        return name if _TEXT.match(name) and _exists(name) else "utf_8"

    def __reduce__(self) -> tuple[Any, ...]:
        return (fetched, (self.status, self.url, dict(self.headers), self.body, self.truncated))


def _exists(name: str) -> bool:
    """Whether Python has this encoding; never asked of ``codecs``, which keeps every name that it does not find."""
    return name in aliases or find_spec(f"encodings.{name}") is not None


def fetched(status: int, url: str, headers: dict[str, str], body: bytes, truncated: bool) -> Fetched:
    """An answer with headers that nobody can change."""
    return Fetched(status, url, MappingProxyType(headers), body, truncated)


class _Unzip:
    """Undo gzip, never yielding more than asked for at a time (one byte can hold 1,029 [measured])."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._members = 0  # that have ended
        self.complete = True

    def feed(self, chunk: bytes, room: int) -> bytes:
        """At most ``room`` bytes of what ``chunk`` holds; the rest of it is dropped. Raises ``zlib.error``."""
        out = bytearray()
        while chunk and len(out) < room:
            out += self._member.decompress(chunk, room - len(out))
            self.complete = self._member.eof
            chunk = self._member.unused_data  # what was not consumed is left only where there is no more room
            if self._member.eof:  # another member may follow (RFC 1952, 2.2)
                self._next()
        return bytes(out)

    def _next(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise refused("its answer is compressed in too many pieces", "url.response")


async def bounded(chunks: AsyncIterator[bytes], zipped: bool, most: int) -> tuple[bytes, bool]:
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
