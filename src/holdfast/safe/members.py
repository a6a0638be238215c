"""The members of an archive, one after the other: what their headers say is used to refuse, never to trust."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

from holdfast.errors import UnsafePath
from holdfast.safe.decompress import CHUNK, SLACK, Stream, too_big

MAX_HEADER: Final = 64 << 10
"""Bytes of one member's headers in a tar archive: names of 4,096 characters and many extended attributes fit."""
MAX_DIGITS: Final = 128
"""Most digits in a row in a pax header: before 3.11.10 and 3.12.6 ``tarfile`` looks at each run in quadratic time, 10 s
for 60,000 (measured), and no other thread runs meanwhile (CVE-2024-6232)."""
MAX_RECORDS: Final = 1_000
"""Most records of one pax header; extended attributes are a few dozen."""
DIRECTORY_EACH: Final = 256
"""Bytes of a zip's central directory for each member that is allowed: 46 and a name (APPNOTE 4.3.12)."""
_LOCAL_HEADER: Final = 30  # bytes before the name, APPNOTE 4.3.7
_PLAIN_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """One file or directory; ``chunks`` is to be used up before the next member is asked for."""

    name: str
    directory: bool
    executable: bool
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Most members, bytes in all, and times that what comes out may be more than what went in."""

    members: int
    bytes: int
    ratio: int


def damaged() -> UnsafePath:
    """The refusal of what is no archive, or a broken one."""
    return UnsafePath(
        "that is not a whole zip or tar archive (plain, gzip, bzip2 or xz) that can be unpacked here",
        code="path.archive",
    )


def bad_member(why: str) -> UnsafePath:
    """The refusal of a whole archive because of one member."""
    return UnsafePath(f"the archive is refused as a whole: {why}", code="path.archive_member")


@contextmanager
def parsing() -> Iterator[None]:
    """Turn what parsers say of broken input into a refusal. Errors of the machine (those with a number) pass."""
    try:
        yield
    except UnsafePath:
        raise
    except MemoryError:
        raise too_big("takes more memory than there is") from None
    except Exception as error:  # what a parser of the standard library makes of hostile bytes cannot be foreseen
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged() from error


def members(file: BinaryIO, bounds: Bounds) -> Iterator[Member]:
    """The members of a zip or tar archive. Raises ``UnsafePath`` (path.archive, path.archive_size, .._member)."""
    with parsing():
        start = file.read(4)
        file.seek(0)
        found = _zip_members(file, bounds) if start in (b"PK\3\4", b"PK\5\6") else _tar_members(file, bounds)
    while True:
        with parsing():
            member = next(found, None)
        if member is None:
            return
        yield member


# -- tar --------------------------------------------------------------------------------------------------------------


_BROKEN: Final = frozenset({"InvalidHeaderError", "TruncatedHeaderError"})  # which have no documented names


class _Strict(tarfile.TarInfo):
    """A header that is broken ends the unpacking; ``tarfile`` would take it for the archive's end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _Strict:
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error).__name__ in _BROKEN:
                raise tarfile.ReadError(str(error)) from None
            raise

    def _proc_pax(self, tar: Any) -> Any:
        """Called for each pax header; its content, which is read next, is judged before ``tarfile`` looks at it."""
        tar.fileobj.judge = partial(require_records, self.size)
        return super()._proc_pax(tar)  # type: ignore[misc]  # undocumented: a test sees whether it is still called


_DIGITS: Final = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n]+)=")


def require_records(size: int, data: bytes) -> None:
    """Refuse a pax header that is not whole records of the length each says (POSIX.1-2017 pax), then padding:
    lengths that are too short make ``tarfile`` read the same bytes again and again, and remember each time.

    Raises ``UnsafePath`` (path.archive_member).
    """
    at = count = 0
    while at < size:
        record = _RECORD.match(data, at)
        count += 1
        end = at + int(record[1]) if record else 0
        # a length that is too short ends in "KEY=", which has no line feed; one too long, in what is no padding then
        if record is None or count > MAX_RECORDS or data[end - 1 : end] != b"\n":
            raise bad_member("a header in it is not well formed")
        at = end
    if data[size:].strip(b"\0") or _DIGITS.search(data):
        raise bad_member("a header in it is not well formed")


def _tar_members(file: BinaryIO, bounds: Bounds) -> Iterator[Member]:
    limit = bounds.bytes + bounds.members * 4 * tarfile.BLOCKSIZE + SLACK  # headers and padding come out as well
    stream: Any = Stream(file, limit=limit, ratio=bounds.ratio)
    stream.headers = MAX_HEADER
    tar: Any
    with tarfile.TarFile(fileobj=stream, mode="r", tarinfo=_Strict, encoding="utf-8") as tar:
        while (info := tar.next()) is not None:
            if not (info.isdir() or (info.isreg() and info.sparse is None and info.size >= 0)):
                raise bad_member("it holds a link, a device, or something else that is no plain file or directory")
            yield Member(info.name, info.isdir(), bool(info.mode & stat.S_IXUSR), _tar_chunks(stream, info))
            tar.members.clear()  # it would remember every member
            tar.pax_headers.clear()  # and what is said for all that follow: nothing of use here, and without a bound
            stream.headers = MAX_HEADER
    while stream.take(CHUNK):  # to the end, where a packed archive has its check sum
        pass


def _tar_chunks(stream: Stream, info: tarfile.TarInfo) -> Iterator[bytes]:
    stream.seek(info.offset_data)
    left = info.size
    while left > 0:
        piece = stream.take(min(CHUNK, left))
        if not piece:
            raise EOFError("the archive ends too early")
        left -= len(piece)
        yield piece


# -- zip --------------------------------------------------------------------------------------------------------------


class _Capped:
    """A file that gives at most ``cap`` bytes at once, so that no directory of a zip can fill the memory."""

    def __init__(self, file: BinaryIO, cap: int) -> None:
        self._file = file
        self._cap = cap
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        """As a file has it. Raises ``UnsafePath`` (path.archive_size) for more than ``cap`` bytes."""
        most = self._cap + 1
        data = self._file.read(most if count < 0 else min(count, most))
        if len(data) > self._cap:
            raise too_big("has a directory that is too large")
        return data


def _zip_members(file: BinaryIO, bounds: Bounds) -> Iterator[Member]:
    capped: Any = _Capped(file, bounds.members * DIRECTORY_EACH + (128 << 10))
    with zipfile.ZipFile(capped) as archive:
        infos = archive.infolist()
        if len(infos) > bounds.members:
            raise too_big(f"has more than {bounds.members} members")
        if sum(info.file_size for info in infos) > bounds.bytes:
            raise too_big(f"unpacks to more than {bounds.bytes} bytes")
        _require_apart(infos, archive.start_dir)
        for info in infos:
            _require_plain(info)
            mode = info.external_attr >> 16
            yield Member(info.filename, info.is_dir(), bool(mode & stat.S_IXUSR), _zip_chunks(archive, info, bounds))


def _require_apart(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Members that share bytes are how a small zip becomes endless (Fifield, WOOT '19)."""
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        if info.header_offset < 0 or info.header_offset + _LOCAL_HEADER + info.compress_size > end:
            raise bad_member("its members overlap")
        end = info.header_offset


def _require_plain(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR and not info.is_dir()):
        raise bad_member("it holds a link, a device, or something else that is no plain file or directory")
    if "\0" in info.orig_filename:  # zipfile ends the name there, others do not
        raise bad_member("a name in it holds a control character")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _PLAIN_METHODS:
        raise bad_member("it is encrypted, or packed in a way other than deflate")


def _zip_chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, bounds: Bounds) -> Iterator[bytes]:
    with archive.open(info) as packed:
        out = 0
        while data := packed.read(CHUNK):
            out += len(data)
            if out > SLACK and out > bounds.ratio * info.compress_size:
                raise too_big(f"is packed more than {bounds.ratio} times")
            yield data
