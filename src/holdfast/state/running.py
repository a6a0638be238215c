"""Who runs: a record and a socket for each server of one user, in its state folder, for ``holdfast status``.

Nothing here is trusted by its name alone. Folder, record and socket must belong to this user and be writable by nobody
else, and whoever listens must be this user too (SO_PEERCRED, unix(7)). A record outlives a server that was killed; it
is told from a living one by pid, start time, boot and pid namespace, since a pid alone is used again, and means nothing
in another container.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = "running"
MOST: Final = 256
"""Servers of one state folder that are looked at."""
LONGEST: Final = 65_536
"""Bytes of a record."""
WAITING: Final = 16
"""Connections that the system keeps until they are accepted."""
FORGOTTEN: Final = 7 * 86_400.0
"""Seconds after which the record of a server elsewhere (another boot, machine or container) is removed if silent."""
_NAME: Final = re.compile(r"([0-9]{1,10}-[0-9a-f]{8})\.json")
_BORN_AT: Final = 19
"""Where the start time stands behind the name of a process (proc(5), field 22 of stat)."""
_OTHERS: Final = 0o022
_ROOT: Final = 0
_CREDENTIALS: Final = struct.Struct("3i")
"""struct ucred: pid, uid, gid."""


class Process(NamedTuple):
    """One process, told from all others that have its pid at some time. Ticks since boot; empty without a /proc."""

    pid: int
    born: int = 0
    boot: str = ""
    space: str = ""

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this pid now. Raises ``ProcessLookupError`` when there is none, or it is a zombie."""
        if not sys.platform.startswith("linux"):  # pragma: no cover - other systems have no /proc
            return cls(pid)
        try:
            facts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if facts[0] in "ZX":
                raise ProcessLookupError(pid)
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return cls(pid, int(facts[_BORN_AT]), boot, os.readlink("/proc/self/ns/pid"))
        except (FileNotFoundError, IndexError, ValueError):
            raise ProcessLookupError(pid) from None

    @property
    def key(self) -> str:
        """The name of its record, without an ending; another process does not have the same."""
        told = f"{self.boot} {self.space} {self.born}".encode()
        return f"{self.pid}-{hashlib.sha256(told).hexdigest()[:8]}"

    def lives(self) -> bool | None:
        """Whether it still runs; ``None`` when that cannot be known from here."""
        try:
            here = Process.of(os.getpid())
        except OSError:
            return None
        if not self.boot or (self.boot, self.space) != (here.boot, here.space):
            return None
        try:
            return Process.of(self.pid) == self
        except OSError:
            return False

    def age(self) -> float | None:
        """Seconds since it was started; ``None`` where that is not known."""
        if not self.born or not hasattr(time, "CLOCK_BOOTTIME"):
            return None
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.born / os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True, slots=True)
class Found:
    """A record that was read, and where it stands."""

    folder: Path
    key: str
    process: Process
    facts: Mapping[str, Any]


class Folder:
    """The folder of records of one server's state, held open so that nobody can put another one in its place.

    Raises ``OSError`` when it is not there, and ``PermissionError`` when it is not this user's own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _own(os.fstat(self._fd))
        except OSError:
            self.close()
            raise

    @classmethod
    def made(cls, base: Path) -> Folder:
        """The one in the state folder ``base``, made if it is missing."""
        path = base / FOLDER
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        return cls(path)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def place(self, name: str) -> str:
        """Where a socket of this name is bound and reached: short enough for any folder (108 bytes, unix(7))."""
        return f"/proc/self/fd/{self._fd}/{name}" if sys.platform.startswith("linux") else str(self.path / name)

    def listen(self, key: str) -> socket.socket:
        """A socket under ``key``, in place of the one before; only this user may connect."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            fresh = f".{key}.{os.getpid()}"
            self._remove(fresh)
            listening.bind(self.place(fresh))
            os.chmod(fresh, 0o600, dir_fd=self._fd)
            listening.listen(WAITING)
            listening.setblocking(False)
            os.rename(fresh, f"{key}.sock", src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except BaseException:  # whatever it is, nobody else would close it
            listening.close()
            raise
        return listening

    def write(self, key: str, facts: Mapping[str, Any]) -> None:
        """Put a record in place of the one before, whole."""
        fresh = f".{key}.{os.getpid()}.new"
        self._remove(fresh)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(facts).encode())
        os.rename(fresh, f"{key}.json", src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def forget(self, key: str) -> None:
        """Remove record and socket."""
        for name in (f"{key}.json", f"{key}.sock"):
            self._remove(name)

    def records(self) -> Iterator[Found]:
        """Every record that can be trusted; what is no record is passed over."""
        names = sorted(name for name in os.listdir(self._fd) if _NAME.fullmatch(name))
        for name in names[:MOST]:
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                facts = json.loads(self._read(name))
                yield Found(self.path, name.removesuffix(".json"), Process(*facts["process"]), facts)

    def sweep(self) -> None:
        """Remove what servers have left that are certainly gone, and what has been silent elsewhere for a week."""
        for found in self.records():
            lives = found.process.lives()
            if lives is False or (lives is None and self._age(found.key) > FORGOTTEN and not self.answers(found.key)):
                self.forget(found.key)

    def connect(self, key: str, timeout: float) -> tuple[socket.socket, int]:
        """Connect to a server; the socket, and the pid of whoever listens. Raises ``OSError``, of these
        ``TimeoutError`` when somebody listens and does not accept.
        """
        _own(os.stat(f"{key}.sock", dir_fd=self._fd, follow_symlinks=False), stat.S_ISSOCK)
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(timeout)
            try:
                connected.connect(self.place(f"{key}.sock"))
            except BlockingIOError:  # as many wait as may
                raise TimeoutError from None
            pid = peer(connected)
        except BaseException:  # whatever it is, nobody else would close it
            connected.close()
            raise
        return connected, pid

    def answers(self, key: str) -> bool:
        """Whether somebody listens."""
        try:
            self.connect(key, 1.0)[0].close()
        except TimeoutError:
            return True
        except OSError:
            return False
        return True

    def _age(self, key: str) -> float:
        return time.time() - os.stat(f"{key}.json", dir_fd=self._fd, follow_symlinks=False).st_mtime

    def _read(self, name: str) -> bytes:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._fd)
        with os.fdopen(fd, "rb") as file:
            _own(os.fstat(fd), stat.S_ISREG)
            read = file.read(LONGEST + 1)
        if len(read) > LONGEST:
            raise ValueError("that is no record")
        return read

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._fd)


def folders(base: Path) -> Iterator[Path]:
    """Where the servers of a state folder keep their records; ``base`` may be that of one server too."""
    with contextlib.suppress(OSError):
        places = [base, *sorted(each for each in base.iterdir() if each.is_dir())]
        yield from (place / FOLDER for place in places[: MOST + 1] if (place / FOLDER).is_dir())


def peer(connected: socket.socket) -> int:
    """The pid of whoever has the other end. Raises ``PermissionError`` unless that is this user, or root."""
    if not hasattr(socket, "SO_PEERCRED"):  # pragma: no cover - then the folder's and the socket's owner must do
        return 0
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    if uid not in (os.geteuid(), _ROOT):
        raise PermissionError("the other end is another user's")
    return int(pid)


def _own(facts: os.stat_result, kind: Any = stat.S_ISDIR) -> None:
    """Raises ``PermissionError`` for what is not this user's alone, or not of the kind."""
    if not kind(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & _OTHERS:
        raise PermissionError("not a folder, record or socket of this user's alone")
