"""Unpacking archives beneath a root: every member passes the guard, and what is refused leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe import names
from holdfast.safe.decompress import too_big
from holdfast.safe.folder import Folder
from holdfast.safe.members import Bounds, Member, bad_member, members, parsing
from holdfast.safe.refusals import exists, read_only, refusing, too_large
from holdfast.safe.staging import Staging
from holdfast.safe.stoppable import Stop, never
from holdfast.safe.writing import write_all

if TYPE_CHECKING:
    from holdfast.safe.descriptors import OpenedFile

MAX_MEMBERS: Final = 10_000
MAX_UNPACKED: Final = 256 << 20
MAX_RATIO: Final = 200
"""Source code packs 4 to 10 times, logs up to 100; a bomb of zeros 1,029 times (gzip, measured)."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Most members (directories too), bytes unpacked in all, and times that an archive may grow.

    A single file is held to the ``max_write`` of the root it is written to. Raises ``ConfigurationError``.
    """

    members: int = MAX_MEMBERS
    bytes: int = MAX_UNPACKED
    ratio: int = MAX_RATIO

    def __post_init__(self) -> None:
        if min(self.members, self.bytes, self.ratio) <= 0:
            raise ConfigurationError("the limits of an archive are numbers above zero")


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was unpacked: ``files`` (paths relative to the root, sorted), ``bytes`` in all, and ``hidden``: how many
    members were left out because the root's deny rules hide them."""

    files: tuple[str, ...]
    bytes: int
    hidden: int


def extract(
    archive: OpenedFile, into: tuple[Folder, Sequence[str]], limits: ArchiveLimits, stop: Stop = never
) -> Extracted:
    """Unpack a zip or tar archive (plain, gzip, bzip2, xz) into a directory that is there.

    All or nothing: members are unpacked into a hidden directory beside their places and moved there when all are well.
    Killed in the moment of moving, some of the top entries may be there and others not. Nothing is written over:
    a top entry whose name is taken refuses the archive. Not synced, except for the names: a power cut soon afterwards
    may leave empty files. Raises ``UnsafePath``: path.archive for what cannot be read, path.archive_size past
    ``limits``, path.archive_member for links, devices and names that clash, and the codes of paths for bad names.
    """
    folder, parts = into
    if folder.read_only:
        raise read_only()
    bounds = Bounds(limits.members, limits.bytes, limits.ratio)
    with (
        folder.directory(parts) as target,
        open(archive.fileno(), "rb", closefd=False) as file,
        refusing(),
        Staging(target) as staging,
    ):
        unpacking = _Unpacking(folder, parts, target, staging)
        for count, member in enumerate(members(file, bounds), 1):
            stop()
            if count > limits.members:
                raise too_big(f"has more than {limits.members} members")
            unpacking.add(member, limits, stop)
        stop()
        try:
            staging.publish()
        except FileExistsError:
            raise exists() from None
    return Extracted(tuple(sorted(unpacking.files)), unpacking.size, unpacking.hidden)


class _Unpacking:
    """Names and bytes of one archive so far."""

    def __init__(self, folder: Folder, parts: Sequence[str], target: int, staging: Staging) -> None:
        self._folder, self._parts, self._target, self._staging = folder, tuple(parts), target, staging
        self._taken: dict[tuple[str, ...], tuple[tuple[str, ...], bool]] = {}
        self.files: list[str] = []
        self.size = 0
        self.hidden = 0

    def add(self, member: Member, limits: ArchiveLimits, stop: Stop) -> None:
        """Unpack one member. Raises ``UnsafePath``."""
        inner = self._checked(member.name)
        if inner is None:
            self.hidden += 1
            return
        if not inner and not member.directory:
            raise bad_member("a file in it has no name")
        self._claim(inner, member.directory, limits.members)
        if member.directory:
            self._staging.directory(inner)
        else:
            self._write(inner, member, limits.bytes, stop)
            self.files.append("/".join((*self._parts, *inner)))

    def _checked(self, name: str) -> tuple[str, ...] | None:
        """The components beneath the target; ``None`` when the deny rules hide them. Raises ``UnsafePath``."""
        if ".." in name.split("/"):
            raise names.outside()  # also where it would stay inside: no honest archive has it
        try:
            inner = names.parse(name, self._folder.deny)
            names.check_path((*self._parts, *inner), self._folder.deny)
        except UnsafePath as refusal:
            if refusal.code == "path.hidden":
                return None
            raise
        return inner

    def _claim(self, inner: tuple[str, ...], directory: bool, limit: int) -> None:
        """Refuse two members that some file system takes for one, a file with files beneath it, and taken names."""
        folded = tuple(map(names.fold, inner))
        for end in range(1, len(inner) + 1):
            path, is_directory = inner[:end], directory or end < len(inner)
            known = self._taken.get(folded[:end])
            if known is None:
                self._taken[folded[:end]] = (path, is_directory)
                self._require_free(path)
            elif known != (path, True) or not is_directory:
                raise bad_member("two names in it are the same, or the same but for case or form")
        if len(self._taken) > limit:
            raise too_big(f"has more than {limit} members")

    def _require_free(self, path: tuple[str, ...]) -> None:
        """Say early what the moving would say in the end."""
        if len(path) == 1:
            try:
                os.stat(path[0], dir_fd=self._target, follow_symlinks=False)
            except FileNotFoundError:
                return
            raise exists()

    def _write(self, inner: tuple[str, ...], member: Member, limit: int, stop: Stop) -> None:
        fd = self._staging.file(inner, member.executable)
        size = 0
        try:
            while True:
                with parsing():
                    piece = next(member.chunks, b"")
                if not piece:
                    return
                stop()
                size += len(piece)
                self.size += len(piece)
                if size > self._folder.max_write:
                    raise too_large(self._folder.max_write, "a file in the archive")
                if self.size > limit:
                    raise too_big(f"unpacks to more than {limit} bytes")
                write_all(fd, piece)
        finally:
            os.close(fd)
