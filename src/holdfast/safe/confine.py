"""Confine a program through the kernel, before its first instruction: Landlock, a system-call filter, fewer rights."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import platform
import stat
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from holdfast.errors import UnsafeCommand
from holdfast.safe.syscalls import MACHINES, Machine, program

TAG: Final = 0x5100
"""Unused bits of the personality (personality(2)): inherited through fork and exec, and with the filter not shed."""
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every processor (asm-generic/unistd.h)."""
_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_SEE = _READ | _LIST
_CHANGE = _SEE | _WRITE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 13 | 1 << 14
"""Reading and writing files, removing and making files and folders, moving, truncating; no links, pipes or devices."""
_OF_FILES = _EXECUTE | _WRITE | _READ | 1 << 14
"""The rights that mean something for a file; the kernel refuses the others there (linux/landlock.h)."""
_RIGHTS_BY_ABI = ((1, 13), (2, 14), (3, 15), (5, 16))
"""How many rights a version of Landlock knows; all of them are governed, so what is not granted is refused."""
_KEPT_CAPABILITIES = 1 << 1 | 1 << 2 | 1 << 3
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: for a server run by root, whose workspace is somebody else's."""
_CAPABILITY_VERSION = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38

SYSTEM: Final = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/alternatives"),
)
"""What every program may read: code and libraries, nothing of /etc that describes users or holds secrets."""
NETWORK: Final = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/ca-certificates"),
)
_DEVICES = (("/dev/null", _READ | _WRITE), ("/dev/zero", _READ), ("/dev/urandom", _READ), ("/dev/random", _READ))
_LOADERS = ("/lib*/ld-linux*.so.*", "/lib/ld-musl-*.so.1", "/lib/*-linux-gnu*/ld-linux*.so.*")
"""The dynamic loader, which the kernel executes on a program's behalf."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a program may touch besides its working directory. ``runs`` and ``reads`` are paths, folders included.

    ``writes`` is whether the working directory may be changed; ``network`` whether there are sockets.
    """

    runs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: bool = False
    network: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What this kernel offers: the version of Landlock (0: none), and the machine whose calls can be filtered."""

    landlock: int
    machine: Machine | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Names for people, of what is not there."""
        return (*(() if self.landlock else ("landlock",)), *(() if self.machine else ("seccomp",)))


def _failed(what: str) -> UnsafeCommand:
    return UnsafeCommand(f"this program cannot be confined here ({what}), so it is not run", code="command.start")


@cache
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *words: Any) -> int:
    return int(_library().syscall(ctypes.c_long(number), *words))


@cache
def means() -> Means:
    """Look at the kernel, once: it does not change while we run."""
    if sys.platform != "linux":  # pragma: no cover - other systems have neither
        return Means(0, None)
    machine = MACHINES.get(platform.machine())
    abi = _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if machine is not None:
        # SECCOMP_GET_ACTION_AVAIL of SECCOMP_RET_ERRNO: EFAULT and ENOSYS are told apart without changing anything
        found = _call(machine.numbers["seccomp"], 2, 0, ctypes.byref(ctypes.c_uint32(0x00050000)))
        machine = machine if found == 0 else None
    return Means(max(0, abi), machine)


def runnable(executable: str, tools: Sequence[str | None], more: Sequence[str]) -> tuple[str, ...]:
    """Every file that has to be executable for ``executable`` to start: itself, launchers, loader, interpreter."""
    loaders = [path for pattern in _LOADERS for path in glob.glob(pattern)]
    return tuple(dict.fromkeys([executable, *_interpreter(executable), *filter(None, tools), *loaders, *more]))


def _interpreter(path: str) -> list[str]:
    with open(path, "rb") as file:
        line = file.readline(256)
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    return words[:1]


def enter(confinement: Confinement, cwd: int | None, found: Means) -> None:
    """Confine the calling thread and what it starts, for good. Raises ``UnsafeCommand`` when the kernel refuses.

    Meant for a thread that starts one program and ends. All of it together takes 0.5 ms; a launcher in Python that
    did the same after the fork took 16 ms (docs/decisions/0007).
    """
    library = _library()
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:  # pragma: no cover - Linux 3.5 has it
        raise _failed("no_new_privs")
    library.personality(ctypes.c_ulong(TAG))
    if found.machine is not None:
        _drop_rights(found.machine)
    if found.landlock:
        _landlock(confinement, cwd, found.landlock)
    if found.machine is not None:
        _filter(found.machine, confinement)


def tag() -> None:
    """Only mark the calling thread and what it starts as a command (see ``descendants``)."""
    if sys.platform == "linux":  # pragma: no branch - other systems have no personalities
        _library().personality(ctypes.c_ulong(TAG))


def _drop_rights(machine: Machine) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    if _call(machine.numbers["capget"], header, held) != 0:
        raise _failed("capabilities")
    permitted = struct.unpack("=6I", held.raw)[1] & _KEPT_CAPABILITIES
    # Nothing is inheritable either, and with that the kernel clears the ambient rights (capabilities(7)).
    if _call(machine.numbers["capset"], header, struct.pack("=6I", permitted, permitted, 0, 0, 0, 0)) != 0:
        raise _failed("capabilities")  # pragma: no cover - giving up rights is never refused; it is not assumed either


def _landlock(confinement: Confinement, cwd: int | None, abi: int) -> None:
    bits = max(count for least, count in _RIGHTS_BY_ABI if abi >= least)
    governed = (1 << bits) - 1
    sockets, scopes = 0 if confinement.network else 3, 3
    words = struct.pack("=QQQ", governed, sockets, scopes)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = _call(_CREATE_RULESET, words, ctypes.c_size_t(len(words)), ctypes.c_uint32(0))
    if ruleset < 0:
        raise _failed("landlock")
    try:
        for path, rights in _paths(confinement):
            _allow_path(ruleset, path, rights & governed)
        if cwd is not None:
            _allow(ruleset, cwd, (_CHANGE if confinement.writes else _SEE) & governed)
        if _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) != 0:
            raise _failed("landlock")
    finally:
        os.close(ruleset)


def _paths(confinement: Confinement) -> Iterator[tuple[str, int]]:
    network = NETWORK if confinement.network else ()
    yield from ((path, _SEE) for path in (*SYSTEM, *network, *confinement.reads))
    yield from ((path, _SEE | _EXECUTE) for path in confinement.runs)
    yield from _DEVICES


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        _allow(ruleset, descriptor, rights)
    finally:
        os.close(descriptor)


def _allow(ruleset: int, descriptor: int, rights: int) -> None:
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _OF_FILES
    rule = struct.pack("=Qi", rights, descriptor)
    if _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0)) != 0:
        raise _failed("landlock")


def _spared() -> Iterator[int]:
    """Whom no signal may reach: this process, by its number and by that of the calling thread, which is in the same
    domain as the program so that Landlock would let it through (kill(2) takes a thread's number too); everybody (-1)
    and our process group, for kernels whose Landlock does not govern signals."""
    yield from (os.getpid(), threading.get_native_id(), -1)
    if os.getpgrp() > 1:  # 0 when its leader is outside our PID namespace
        yield -os.getpgrp()


def _filter(machine: Machine, confinement: Confinement) -> None:
    steps = program(machine, network=confinement.network, writes=confinement.writes, spared=tuple(_spared()))
    array = ctypes.create_string_buffer(steps, len(steps))
    pointed = struct.pack("@HP", len(steps) // 8, ctypes.addressof(array))
    if _call(machine.numbers["seccomp"], 1, 0, pointed) != 0:
        raise _failed(f"seccomp, {errno.errorcode.get(ctypes.get_errno(), 'unknown')}")
