"""Where log bytes end up: standard error or a rotated file, neither of which may ever raise or hold up a call."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import threading
from pathlib import Path
from typing import Protocol

PIPE_CHUNK = 512
"""Bytes that a pipe reported as writable takes without blocking: POSIX's least PIPE_BUF (select(2), pipe(7))."""
POLL_MS = 100
"""Milliseconds between looks at whether the sink was closed while its reader is stuck."""


class Sink(Protocol):
    """Takes bytes from one writer thread. ``write`` may take as long as it must, but never raises."""

    failures: int
    """Writes that were given up, in whole or in part."""
    tty: bool
    """Whether a person is looking."""

    def write(self, data: bytes) -> int | None:
        """Write whole lines; called from the pipe's writer thread only. Returns how many bytes were taken; ``None`` is
        all of them, or none when ``failures`` has grown."""
        ...

    def close(self) -> None:
        """Give up what is being written and release the descriptor; called from any thread, idempotent."""
        ...


class StderrSink:
    """Writes to a duplicate of descriptor 2, so that ``sys.stderr`` may be replaced or closed.

    Before each chunk it asks whether the reader has room, because a pipe that nobody reads would otherwise hold the
    thread in the kernel. The descriptor is not made non-blocking: that flag belongs to the open file description,
    which other processes share. A file always has room: there a line goes out in one piece, which nobody else's output
    (the stacks that C code shows of a held interpreter) can come into the middle of.
    """

    def __init__(self, fd: int = 2) -> None:
        self.failures = 0
        try:
            self._fd = os.dup(fd)
        except OSError:  # started with standard error closed: there is nowhere to write
            self._fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self.tty = os.isatty(self._fd)
        self._is_file = stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._closed = threading.Event()
        self._in_use = threading.Lock()

    def write(self, data: bytes) -> int:
        """Write all of ``data`` or count a failure; returns early once ``close`` was called."""
        with self._in_use:
            rest = memoryview(data)
            try:
                while rest and not self._closed.is_set():
                    if self._has_room():
                        rest = rest[self._write_some(rest) :]
            except OSError:  # the reader is gone (EPIPE) or the terminal is
                pass
            self.failures += bool(rest)
            return len(data) - len(rest)

    def _write_some(self, rest: memoryview) -> int:
        try:
            return os.write(self._fd, rest if self._is_file else rest[: self._chunk()])
        except BlockingIOError:  # the reader's end was made non-blocking by somebody else
            return 0

    def _chunk(self) -> int:
        return getattr(select, "PIPE_BUF", PIPE_CHUNK)

    def _has_room(self) -> bool:
        if not hasattr(select, "poll"):  # pragma: no cover - Windows: only the daemon thread can be held up
            return True
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        return bool(poller.poll(POLL_MS))

    def close(self) -> None:
        """Stop a write that waits for its reader. A thread held in the kernel keeps its descriptor until exit."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._in_use.acquire(timeout=5 * POLL_MS / 1000):
            os.close(self._fd)
            self._in_use.release()


class FileSink:
    """Appends to a file of mode 0600 that is rotated by size: ``path`` -> ``path.1`` -> ... -> ``path.<backups>``.

    Symbolic links and anything but a regular file are refused. Several processes may share the file: each notices
    when another has rotated it. Errors of the disk are counted in ``failures``; the next write tries again.
    """

    tty = False

    def __init__(self, path: Path, *, max_bytes: int = 10 * 1024 * 1024, backups: int = 5) -> None:
        self.failures = 0
        self._path = Path(path)
        self._max_bytes = max_bytes
        self._backups = backups
        self._fd: int | None = None
        self._torn = False
        self._closed = False
        self._in_use = threading.Lock()

    def write(self, data: bytes) -> int:
        """Append ``data``; what the disk does not take is lost and counted."""
        with self._in_use:
            rest = memoryview(data)
            try:
                if not self._closed:
                    fd = self._current()
                    while rest:
                        rest = rest[self._append(fd, rest) :]
            except OSError:  # disk full, no permission, a directory that went away: logging goes on
                self._release()
            self.failures += bool(rest)
            return len(data) - len(rest)

    def _append(self, fd: int, rest: memoryview) -> int:
        if self._torn:  # the last line was cut short: the next must not be glued to it
            os.write(fd, b"\n")
            self._torn = False
        written = os.write(fd, rest)
        self._torn = written < len(rest) and rest[written - 1] != ord("\n")
        return written

    def _current(self) -> int:
        """Return the descriptor of the file that ``path`` names now, rotated if it is full."""
        if self._fd is not None and not self._is_path(self._fd):
            self._release()
        if self._fd is None:
            self._fd = self._open()
        if os.fstat(self._fd).st_size >= self._max_bytes:
            self._rotate(self._fd)
            self._release()
            self._fd = self._open()
        return self._fd

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # non-blocking: a FIFO must not hold us
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError("not a regular file")
        return fd

    def _is_path(self, fd: int) -> bool:
        try:
            here = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(here, os.fstat(fd))

    def _rotate(self, fd: int) -> None:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX)  # held for a few renames; released when the descriptor is closed
        if not self._is_path(fd):  # another process was first
            return
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._numbered(number), self._numbered(number + 1))
        if self._backups:
            os.replace(self._path, self._numbered(1))
        else:
            os.unlink(self._path)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def close(self) -> None:
        """Close the file; a later write is counted as a failure."""
        if self._in_use.acquire(timeout=0.5):  # a disk that hangs keeps its descriptor until exit
            self._closed = True
            self._release()
            self._in_use.release()
