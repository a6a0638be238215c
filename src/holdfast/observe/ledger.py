"""The audit log's file: found or begun, repaired after a crash, appended to whole batches or not at all, rotated."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from pathlib import Path

from holdfast.observe.chain import GENESIS, MAX_LINE, Head, archives, read
from holdfast.observe.local import is_local

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_FLAGS |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# No symbolic links; and non-blocking, so that a FIFO put there cannot hold us.
_FLAGS |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Ledger:
    """One open, locked file; used by one thread at a time. Every method but ``write_now`` may raise ``OSError``.

    ``head`` is the last line that is wholly in the file. ``torn`` is what had to be set aside at the start: the bytes
    after the last intact line (their number and SHA-256), moved to ``<name>.torn-<pid>-<size>``. After a write that
    could not be undone the ledger is ``spoiled``: open it again, which repairs it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = self._wanted = path
        self.head = GENESIS
        self.torn: tuple[int, str] | None = None
        self.spoiled = False
        self.size = 0
        self._cut = False
        self._fd = self._claim()
        try:
            self._resume()
        except OSError:
            self.close()
            raise

    @property
    def findings(self) -> tuple[str, ...]:
        """How the file was found, as far as the operator should hear of it; names no paths."""
        found = []
        if self.torn is not None:
            found.append(f"{self.torn[0]} bytes after the last intact audit line were set aside (.torn)")
        if self.path != self._wanted:
            found.append("another process writes the audit log; this one uses a file of its own")
        return tuple(found)

    def write(self, data: bytes, head: Head) -> None:
        """Append whole lines that end at ``head``, or leave the file as it was and raise."""
        if self._cut:  # a line was begun in ``write_now``
            os.ftruncate(self._fd, self.size)
            self._cut = False
        before = self._follow()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self.spoiled = True
            os.ftruncate(self._fd, before)  # a part of a batch was acknowledged to nobody
            self.spoiled = False
            raise
        self.size = before + len(data)
        self.head = head

    def write_now(self, line: bytes, head: Head) -> bool:
        """Append one line if the file is local and in its place; False when ``write`` must see to it. Raises nothing.

        The look is at the path, not at the descriptor: a file that was deleted, moved or replaced, or that somebody
        else has altered in length, is ``write``'s business, as it is for every line. What a disk took only in part is
        cut off by ``write`` before anything else, and was acknowledged to nobody.
        """
        if self._cut or self.spoiled or not self._local:
            return False
        try:
            here = os.stat(self._name, follow_symlinks=False)
            if here.st_size != self.size or here.st_ino != self._inode or here.st_dev != self._device:
                return False
            written = os.write(self._fd, line)
        except OSError:
            return False
        if written != len(line):
            self._cut = True
            return False
        self.size += written
        self.head = head
        return True

    def sync(self) -> None:
        """Return when what was written is on the disk."""
        getattr(os, "fdatasync", os.fsync)(self._fd)

    def rotate(self) -> None:
        """Set the file aside under the number of its first line and begin a new one that carries the chain on."""
        self.sync()
        first = read(self._read(0, MAX_LINE).partition(b"\n")[0] + b"\n")
        number = first[0].seq if first is not None else self.head.seq
        if sys.platform == "win32":  # pragma: no cover - Windows does not rename an open file
            self.close()
        os.replace(self.path, self.path.with_name(f"{self.path.name}.{number:012d}"))
        self._renew()

    def close(self) -> None:
        """Release the file and its lock."""
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _claim(self) -> int:
        try:
            fd = _open_locked(self.path)
        except BlockingIOError:  # another instance writes there: two writers would fork the chain
            self.path = self.path.with_name(f"{self.path.stem}-{os.getpid()}{self.path.suffix}")
            fd = _open_locked(self.path)
        here = os.fstat(fd)
        self._name, self._inode, self._device = os.fsencode(self.path), here.st_ino, here.st_dev
        self._local = is_local(self.path.parent)
        return fd

    def _follow(self) -> int:
        """Return the file's size; begin a new file when ours was moved or deleted: lines without a name are lost."""
        here = os.fstat(self._fd)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.path, follow_symlinks=False), here):
                return here.st_size
        self._renew()
        return self.size

    def _renew(self) -> None:
        fd = self._claim()
        self.close()
        self._fd = fd
        self.size = os.fstat(fd).st_size
        _sync_folder(self.path.parent)

    def _read(self, at: int, length: int) -> bytes:
        os.lseek(self._fd, at, os.SEEK_SET)  # writes are not moved by it: the file is open for appending
        return os.read(self._fd, length)

    def _resume(self) -> None:
        """Find the last intact line; what follows it is set aside."""
        self.size = os.fstat(self._fd).st_size
        begin = max(0, self.size - 2 * MAX_LINE)
        found = _last_intact(self._read(begin, 2 * MAX_LINE), whole=begin == 0)
        while found is None and begin:  # pieces overlap by a line's greatest length, so that none is missed
            begin = max(0, begin - MAX_LINE)
            found = _last_intact(self._read(begin, 2 * MAX_LINE), whole=begin == 0)
        if found is None:
            self._set_aside(0)
            self._inherit()
        else:
            self.head = found[0]
            self._set_aside(begin + found[1])

    def _inherit(self) -> None:
        """The file is new: go on from the newest rotated one (a crash may come between renaming and the first line)."""
        for each in reversed(archives(self.path)):
            with each.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 2 * MAX_LINE))
                found = _last_intact(file.read(), whole=size <= 2 * MAX_LINE)
            if found is not None:
                self.head = found[0]
                return

    def _set_aside(self, keep: int) -> None:
        if keep == self.size:
            return
        digest = hashlib.sha256()
        name = self.path.with_name(f"{self.path.name}.torn-{os.getpid()}-{self.size}")
        with open(os.open(name, _FLAGS, 0o600), "ab") as aside:
            for at in range(keep, self.size, MAX_LINE):
                piece = self._read(at, min(MAX_LINE, self.size - at))
                digest.update(piece)
                aside.write(piece)
            aside.flush()
            os.fsync(aside.fileno())
        self.torn = (self.size - keep, digest.hexdigest())
        os.ftruncate(self._fd, keep)
        self.size = keep


def _last_intact(tail: bytes, *, whole: bool) -> tuple[Head, int] | None:
    """Return the head of the last intact line in ``tail`` and where that line ends."""
    end = tail.rfind(b"\n") + 1
    while end:
        begin = tail.rfind(b"\n", 0, end - 1) + 1
        if begin == 0 and not whole:
            return None  # this line began before the piece that was read
        found = read(tail[begin:end])
        if found is not None:
            return found[0], end
        end = begin
    return None


def _open_locked(path: Path) -> int:
    """Open for appending, mode 0600, no symbolic link, a regular file; raises ``BlockingIOError`` when it is locked."""
    fd = os.open(path, _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("not a regular file")
        _lock(fd)
    except OSError:
        os.close(fd)
        raise
    return fd


def _lock(fd: int) -> None:
    if sys.platform == "win32":  # pragma: no cover - Windows
        import msvcrt

        try:
            os.lseek(fd, 2**40, os.SEEK_SET)  # a byte that is never written: locked bytes cannot be read there
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    with contextlib.suppress(PermissionError):  # Windows cannot open a folder
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
