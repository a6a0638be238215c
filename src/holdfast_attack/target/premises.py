"""The folder of a run, and every process that it started: nothing of either is left, not even after SIGKILL.

A run holds a lock for as long as it lives, and the kernel lets go of it however the run ends. The next run ends what
is left of those whose lock is free. Processes are known by a mark in their environment, which children inherit, and
by their session, which the first of them began.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from holdfast.errors import ConfigurationError

MARK = "MCP_ATTACK_RUN"
"""The variable in the environment of everything that a run starts."""
_SESSIONS = "sessions"
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
PATIENCE = 5.0
"""Seconds in which killed processes must be gone; a kernel takes milliseconds unless a disk hangs."""
STARTING = 25
"""Looks, 2 ms apart, after which a process without any environment is held to have been started without."""


class Premises:
    """``folder`` is this run's alone (mode 0700)."""

    def __init__(self, folder: Path, lock: Path, held: int) -> None:
        self.folder = folder
        self._lock, self._held = lock, held
        self._adopted = _adopt_orphans(True)
        (folder / _SESSIONS).touch()

    @classmethod
    def take(cls) -> Self:
        """Sweep what earlier runs have left, and make a folder. Raises ``ConfigurationError``."""
        top = _top()
        for stale in sorted(top.glob("*.lock")):
            _sweep(stale)
        while True:
            name = f"run-{secrets.token_hex(8)}"
            lock = top / f"{name}.lock"
            held = _locked(lock, os.O_CREAT | os.O_EXCL)
            if held is not None:
                break
        folder = top / name
        folder.mkdir(mode=0o700)
        return cls(folder, lock, held)

    @property
    def mark(self) -> dict[str, str]:
        """For the environment of whatever is started."""
        return {MARK: self.folder.name}

    def ground(self, name: str) -> Path:
        """A folder of its own for one lane, made; so deep that what climbs out of a workspace stays in the run's."""
        folder = self.folder / name / "beneath" / "arena"
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def started(self, pid: int) -> None:
        """Remember a process that leads a session."""
        with (self.folder / _SESSIONS).open("a") as known:
            known.write(f"{pid}\n")

    def leave(self) -> None:
        """End what is left and remove the folder."""
        _end(self.folder)
        _adopt_orphans(self._adopted)
        _remove(self.folder)
        with suppress(OSError):
            self._lock.unlink()
        os.close(self._held)


def _top() -> Path:
    """The folder of all runs of this user; nobody else may have made it."""
    top = Path(tempfile.gettempdir()) / f"holdfast-attack-{os.getuid()}"
    try:
        top.mkdir(mode=0o700, exist_ok=True)
        seen = top.lstat()
    except OSError as error:
        raise ConfigurationError(f"no folder can be made for the run: {error.strerror}") from None
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise ConfigurationError(f"{top} is not a folder of this user's alone; remove it, or set TMPDIR")
    return top


def _locked(path: Path, flags: int) -> int | None:
    """A descriptor that holds the lock; None when another run does, or has just removed it."""
    try:
        held = os.open(path, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(held).st_ino == path.stat().st_ino:
            return held
    except OSError:
        pass  # it is held, or gone
    os.close(held)
    return None


def _sweep(lock: Path) -> None:
    """End and remove a run that is dead."""
    held = _locked(lock, 0)
    if held is None:
        return
    folder = lock.with_suffix("")
    _end(folder)
    _remove(folder)
    with suppress(OSError):
        lock.unlink()
    os.close(held)


def _end(folder: Path) -> None:
    """Kill every process of the run until none is left; those that are children of this process are reaped."""
    end = time.monotonic() + PATIENCE
    killed: set[int] = set()
    while (left := set(_processes(folder))) and time.monotonic() < end:
        killed |= left
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap(killed)
        time.sleep(0.01)
    while _reap(killed) and time.monotonic() < end:
        time.sleep(0.01)


def _reap(killed: set[int]) -> set[int]:
    """Take the statuses of those that are children of this process; who is left is one and has not ended."""
    for pid in tuple(killed):
        try:
            done, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            done = pid  # somebody else's
        if done:
            killed.discard(pid)
    return killed


def _processes(folder: Path) -> Iterator[int]:
    """What carries the mark, or belongs to a session that the run began."""
    mark = f"{MARK}={folder.name}".encode()
    try:
        sessions = {int(line) for line in (folder / _SESSIONS).read_text().split() if line.isdigit()}
    except OSError:
        sessions = set()
    for pid in _everybody():
        if pid != os.getpid() and (_carries(pid, mark) or _session(pid) in sessions):
            yield pid


def _everybody() -> list[int]:
    if not Path("/proc/self").exists():
        import psutil

        return [pid for pid in psutil.pids() if pid != os.getpid()]
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _carries(pid: int, mark: bytes) -> bool:
    """Whether the mark is in a process's environment.

    One that has only just been started shows none for a moment, although whoever started it goes on already: ``exec``
    lets go of the parent before it has put the environment in its place.
    """
    try:
        for _ in range(STARTING):
            with open(f"/proc/{pid}/environ", "rb") as environ:
                found = environ.read()
            if found:
                return mark in found.split(b"\0")
            os.readlink(f"/proc/{pid}/exe")  # no program: one of the kernel's, or ended
            time.sleep(0.002)
    except OSError:
        pass
    return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _remove(folder: Path) -> None:
    """Also what a server has made unreadable."""
    shutil.rmtree(folder, onerror=_insist)


def _insist(function: object, path: str, _error: object) -> None:
    with suppress(OSError):
        os.chmod(Path(path).parent, 0o700)
        os.chmod(path, 0o700, follow_symlinks=False) if os.chmod in os.supports_follow_symlinks else None
        if callable(function):
            function(path)


def _adopt_orphans(adopt: bool) -> bool:
    """Whether what a server's children leave becomes this process's, so that it can be found and reaped (Linux 3.4).

    Returns what it was before.
    """
    if sys.platform != "linux":
        return False
    kernel, before = ctypes.CDLL(None), ctypes.c_int()
    kernel.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    kernel.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
    return bool(before.value)
