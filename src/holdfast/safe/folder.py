"""A directory held open as a descriptor, and the two opens that all handles use: a regular file, or a directory."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

from holdfast.errors import ConfigurationError
from holdfast.safe.descriptors import Descriptor, read_bounded
from holdfast.safe.identity import Denied, Identity, identity
from holdfast.safe.names import DEFAULT_DENY, Deny, hidden
from holdfast.safe.refusals import refusing, require_regular
from holdfast.safe.resolve import READ, READ_DIRECTORY, Choice, choose, supported

MAX_BYTES: Final = 16 * 1024 * 1024
"""Default for the largest file that is read or written, in bytes: fits in memory many times over."""


class Folder:
    """The descriptor, the resolver and the rules of one root. Safe to use from many threads at once.

    ``one_mount`` refuses what is mounted beneath the root; otherwise mounts are crossed, since only the operator makes
    them. Picklable: the other process opens the same path anew, and refuses another directory of that name. Raises
    ``ConfigurationError`` when the path is missing or not a directory, or a setting makes no sense.
    """

    def __init__(  # noqa: PLR0913 - the operator's settings of one root, all of them optional
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "workspace",
        read_only: bool = False,
        deny: Sequence[str] = DEFAULT_DENY,
        max_read: int = MAX_BYTES,
        max_write: int = MAX_BYTES,
        resolver: Choice = "auto",
        one_mount: bool = False,
    ) -> None:
        if max_read <= 0 or max_write <= 0:
            raise ConfigurationError(f"{name}: max_read and max_write are numbers of bytes above zero")
        self.path: Final = Path(os.path.abspath(os.fspath(path)))
        self.name: Final = name
        self.read_only: Final = read_only
        self.deny: Final = Deny(deny)
        self.one_mount: Final = one_mount
        self._denied = Denied(self.deny)
        self.max_read: Final = max_read
        self.max_write: Final = max_write
        self._held = Descriptor(_open_root(self.path, name))
        with self._held.use() as fd:
            self._resolver = choose(resolver, fd, one_mount)
            self.identity: Final = identity(os.fstat(fd))
        self._choice: Choice = "walker" if self.resolver_name == "walker" else resolver
        self._warn()

    def _warn(self) -> None:
        log = logging.getLogger("holdfast.safe")
        if self.path == Path(self.path.anchor):
            log.warning("%s is the root of the file system: every file that is not denied is within reach", self.name)
        if not set(DEFAULT_DENY) <= set(self.deny.patterns):
            log.warning("%s: dotfiles (.git, .env, ...) are not denied", self.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {
            "name": self.name,
            "read_only": self.read_only,
            "deny": self.deny.patterns,
            "max_read": self.max_read,
            "max_write": self.max_write,
            "resolver": self._choice,  # a fallback is not looked for, nor logged, a second time
            "one_mount": self.one_mount,
        }
        return (type(self)._reopened, (str(self.path), settings, self.identity))

    @classmethod
    def _reopened(cls, path: str, settings: dict[str, Any], known: Identity) -> Self:
        root = cls(path, **settings)
        if root.identity != known:
            root.close()
            raise ConfigurationError(f"{root.name}: the directory was replaced by another since the server started")
        return root

    @property
    def resolver_name(self) -> Literal["openat2", "walker"]:
        """The resolver in use, for the health page."""
        return self._resolver.name

    def close(self) -> None:
        """Idempotent. Opens in flight finish; later ones are refused."""
        self._held.close()

    def _open(self, parts: Sequence[str], flags: int) -> int:
        with self._held.use() as root, refusing():
            fd = self._resolver.open(root, parts, flags)
            try:
                self._denied.check(root, parts, fd)
            except BaseException:  # nobody else would close it
                os.close(fd)
                raise
            return fd

    def denied(self) -> frozenset[Identity]:
        """What the deny rules hide now, by identity. Raises ``UnsafePath`` (path.closed)."""
        with self._held.use() as root, refusing():
            return self._denied.within(root)

    def require_visible(self, found: os.stat_result) -> None:
        """Refuse what the deny rules hide under another name. Raises ``UnsafePath`` (path.hidden)."""
        if identity(found) in self.denied():
            raise hidden()

    def facts(self, parts: Sequence[str]) -> os.stat_result:
        """The facts of a regular file that could be opened, or of a directory. Raises ``UnsafePath``."""
        fd = self._open(parts, READ)
        try:
            found = os.fstat(fd)
        finally:
            os.close(fd)
        if not stat.S_ISDIR(found.st_mode):
            require_regular(found)
        return found

    @contextmanager
    def directory(self, parts: Sequence[str]) -> Iterator[int]:
        """An open directory, closed at the end of the block. Raises ``UnsafePath``."""
        fd = self.open_directory(parts)
        try:
            yield fd
        finally:
            os.close(fd)

    def open_directory(self, parts: Sequence[str]) -> int:
        """A descriptor of a directory; the caller owns it. Raises ``UnsafePath``."""
        return self._open(parts, READ_DIRECTORY)

    def open_file(self, parts: Sequence[str]) -> tuple[int, os.stat_result]:
        """A descriptor of a regular file with one name, and its facts; the caller owns it. Raises ``UnsafePath``."""
        fd = self._open(parts, READ)
        try:
            found = os.fstat(fd)
            require_regular(found)
        except BaseException:  # nobody else would close it
            os.close(fd)
            raise
        return fd, found

    def read_bytes(self, parts: Sequence[str], limit: int | None = None) -> bytes:
        """A whole file of at most ``limit`` bytes (never more than ``max_read``). Raises ``UnsafePath``."""
        fd, _ = self.open_file(parts)
        try:
            return read_bounded(fd, self.max_read if limit is None else min(limit, self.max_read))
        finally:
            os.close(fd)


def _open_root(path: Path, name: str) -> int:
    if not supported():
        raise ConfigurationError(
            f"{name}: this platform cannot open files relative to a directory descriptor, so paths cannot be confined"
        )
    try:
        # The operator's own path may go through links; what lies beneath it may not.
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"{name}: {path} is not a directory that can be opened ({error.strerror})") from error
