"""One forward-only stream over a plain or compressed file: what comes out is counted, never what a header says."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

from holdfast.errors import UnsafePath

CHUNK: Final = 1 << 16
"""Bytes asked of the file, and got from a decompressor, at once."""
SLACK: Final = 1 << 20
"""Bytes that may come out whatever the ratio: small files of zeros are common and harmless."""
MAX_STREAMS: Final = 16_384
"""Streams one behind the other in one file: 4,096 of bgzip make 256 MiB; 800,000 empty ones took 7 s (measured)."""
XZ_MEMORY: Final = 64 << 20
"""Bytes that an xz stream may make the decoder hold: `xz -9` needs 65 MiB to unpack, its default 9 MiB."""


def too_big(what: str) -> UnsafePath:
    """The refusal of an archive that is, or unpacks to, more than is taken."""
    return UnsafePath(f"the archive {what}; unpack it elsewhere, or send a smaller one", code="path.archive_size")


class _Engine(Protocol):
    """As ``bz2`` and ``lzma`` have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """``zlib``'s decompressor with the attributes of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)  # gzip's header and check sum

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY + (8 << 20))


_ENGINES: Final[tuple[tuple[bytes, Callable[[], _Engine]], ...]] = (
    (b"\x1f\x8b", _Gzip),  # RFC 1952
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", _xz),  # tukaani.org/xz/xz-file-format.txt
)


class Stream:
    """Reads forward; seeks forward too, and one byte back, which is all that ``tarfile`` asks for.

    ``limit`` bounds all that comes out, in bytes; ``ratio`` how many times more that may be than what went in.
    ``headers`` bounds what ``read`` gives until it is set anew, so that no header can be materialised that is larger;
    ``judge`` is called once, with what the next ``read`` gives; ``take`` is for content.
    Raises ``UnsafePath`` (path.archive_size), ``EOFError`` and what the decompressors raise.
    """

    def __init__(self, file: BinaryIO, *, limit: int, ratio: int) -> None:
        self._file = file
        self._limit, self._ratio = limit, ratio
        self.headers = 0
        self.judge: Callable[[bytes], None] | None = None
        self._streams = 1
        self._in = self._out = self._at = 0
        self._ready = b""  # decompressed and not yet read
        self._last = b""  # the byte before the position
        start = self._file.read(CHUNK)
        self._in += len(start)
        self._kind = next((make for magic, make in _ENGINES if start.startswith(magic)), None)
        self._engine = None if self._kind is None else self._kind()
        self._fed = start

    def _more(self) -> bytes:
        """The next piece; empty at the end."""
        piece = self._input() if self._engine is None else self._unpacked(self._engine)
        self._out += len(piece)
        if self._out > self._limit:
            raise too_big(f"unpacks to more than {self._limit} bytes")
        if self._out > SLACK and self._out > self._ratio * self._in:
            raise too_big(f"is packed more than {self._ratio} times")
        return piece

    def _input(self) -> bytes:
        """What is to be unpacked next; empty at the end of the file."""
        data, self._fed = self._fed, b""
        if not data:  # what was read before is counted already
            data = self._file.read(CHUNK)
            self._in += len(data)
        return data

    def _unpacked(self, engine: _Engine) -> bytes:
        while True:
            if engine.eof:
                following = self._following(engine)
                if following is None:
                    return b""
                engine = self._engine = following
            hungry = engine.needs_input
            data = self._input() if hungry else b""
            piece = engine.decompress(data, CHUNK)
            if piece:
                return piece
            if hungry and not data:  # asked before it unpacked: xz may be full once, and then have nothing left to give
                raise EOFError("the archive ends too early")

    def _following(self, ended: _Engine) -> _Engine | None:
        """The decompressor of a further stream in the same file (pbzip2, bgzip); padding ends the archive."""
        rest = ended.unused_data
        magic = next(magic for magic, make in _ENGINES if make is self._kind)
        if len(rest) < len(magic):  # the two may lie on either side of what was read at once
            more = self._file.read(CHUNK)
            self._in += len(more)
            rest += more
        if self._kind is None or not rest.startswith(magic):
            return None
        self._streams += 1
        if self._streams > MAX_STREAMS:
            raise too_big("is packed in too many parts")
        self._fed = rest
        return self._kind()

    def take(self, count: int) -> bytes:
        """Between 1 and ``count`` bytes; empty only at the end."""
        if not self._ready:
            self._ready = self._more()
        data, self._ready = self._ready[:count], self._ready[count:]
        self._at += len(data)
        self._last = data[-1:] or self._last
        return data

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes, fewer at the end, out of what ``headers`` allows."""
        if not 0 <= count <= self.headers:
            raise too_big("has a header that is too large")
        self.headers -= count
        pieces = []
        while count > 0 and (piece := self.take(count)):
            pieces.append(piece)
            count -= len(piece)
        data, judge = b"".join(pieces), self.judge
        self.judge = None
        if judge is not None:
            judge(data)
        return data

    def tell(self) -> int:
        """Bytes passed so far."""
        return self._at

    def seek(self, place: int) -> int:
        """Skip to ``place``; content that is skipped counts as well."""
        if place == self._at - 1 and self._last:
            self._ready, self._at, self._last = self._last + self._ready, place, b""
        if place < self._at:
            raise EOFError("the archive points backwards")
        while self._at < place and self.take(min(CHUNK, place - self._at)):
            pass
        return self._at
