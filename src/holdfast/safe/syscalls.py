"""The kernel filter (seccomp) that a program starts under: system calls that no declared program needs are refused."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_NEVER: Final = (  # one text to a purpose, taken apart where it is used
    # another process's memory, descriptors and threads
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "
    # file systems, namespaces and what resolves files behind the back of path rules
    "mount umount2 pivot_root setns unshare fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr "
    "open_by_handle_at name_to_handle_at fanotify_init quotactl quotactl_fd swapon swapoff acct "
    # memory and queues that other processes of the same user share, of which Landlock knows nothing
    "shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink "
    # large parts of the kernel with a long record of faults
    "bpf userfaultfd perf_event_open io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key "
    "personality lookup_dcookie migrate_pages move_pages iopl ioperm modify_ldt vhangup "
    # the machine as a whole
    "init_module finit_module delete_module kexec_load kexec_file_load reboot settimeofday clock_settime adjtimex "
    "clock_adjtime syslog sethostname setdomainname"
)
_METADATA: Final = (
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat truncate "
    "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr"
)
"""What changes a file that Landlock lets nobody open (landlock(7), limitations): only for programs that may write."""
_SIGNALLING: Final = "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open"
"""Calls whose first argument says whom a signal is for."""
_SCHEDULING: Final = "prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr"
"""Calls whose first argument is a process, 0 for the one that calls."""
_NAMESPACES: Final = 0x7E020080
"""CLONE_NEW* of linux/sched.h, all eight."""
_TERMINAL: Final = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX (asm-generic/ioctls.h): input put into the terminal of whoever started the server."""
_OWNER_BY_IOCTL: Final = (0x8901, 0x8902)
"""FIOSETOWN and SIOCSPGRP (asm-generic/sockios.h)."""
_OWNER: Final = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX (asm-generic/fcntl.h): by them a pipe sends any signal to any process."""
_FAMILIES: Final = (2, 10, 16)
"""AF_INET, AF_INET6, AF_NETLINK. Not AF_UNIX: Landlock governs no connection by path before version 9."""
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000
"""SECCOMP_RET_ALLOW and SECCOMP_RET_ERRNO, linux/seccomp.h."""
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data; arguments are 64 bit, little end first on the machines below."""
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, |JGE|K, |JSET|K, BPF_RET|K, linux/bpf_common.h."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a kind of processor keeps its system calls: AUDIT_ARCH, numbers, and the first of a foreign range."""

    audit: int
    numbers: dict[str, int]
    foreign: int | None = None


def _numbered(text: str) -> dict[str, int]:
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


_COMMON = (
    "pidfd_getfd 438 process_madvise 440 quotactl_fd 443 clone3 435 io_uring_setup 425 io_uring_enter 426 "
    "io_uring_register 427 open_tree 428 move_mount 429 fsopen 430 fsconfig 431 fsmount 432 fspick 433 "
    "mount_setattr 442 pidfd_open 434 fchmodat2 452 setxattrat 463 removexattrat 466 file_setattr 469 "
)
MACHINES: Final = {
    "x86_64": Machine(
        0xC000003E,
        _numbered(
            _COMMON + "ptrace 101 process_vm_readv 310 process_vm_writev 311 kcmp 312 mount 165 umount2 166 "
            "pivot_root 155 setns 308 unshare 272 open_by_handle_at 304 name_to_handle_at 303 fanotify_init 300 "
            "quotactl 179 swapon 167 swapoff 168 acct 163 bpf 321 userfaultfd 323 perf_event_open 298 keyctl 250 "
            "add_key 248 request_key 249 personality 135 lookup_dcookie 212 migrate_pages 256 move_pages 279 iopl 172 "
            "ioperm 173 modify_ldt 154 vhangup 153 init_module 175 finit_module 313 delete_module 176 kexec_load 246 "
            "kexec_file_load 320 reboot 169 settimeofday 164 clock_settime 227 adjtimex 159 clock_adjtime 305 "
            "syslog 103 sethostname 170 setdomainname 171 clone 56 prlimit64 302 ioctl 16 socket 41 prctl 157 "
            "seccomp 317 capget 125 capset 126 kill 62 tkill 200 tgkill 234 rt_sigqueueinfo 129 rt_tgsigqueueinfo 297 "
            "fcntl 72 setpriority 141 ioprio_set 251 sched_setaffinity 203 sched_setscheduler 144 sched_setparam 142 "
            "sched_setattr 314 shmget 29 shmat 30 shmctl 31 semget 64 semop 65 semtimedop 220 semctl 66 msgget 68 "
            "msgsnd 69 msgrcv 70 msgctl 71 mq_open 240 mq_unlink 241 chmod 90 fchmod 91 fchmodat 268 chown 92 "
            "fchown 93 lchown 94 fchownat 260 utime 132 utimes 235 futimesat 261 utimensat 280 truncate 76 "
            "setxattr 188 lsetxattr 189 fsetxattr 190 removexattr 197 lremovexattr 198 fremovexattr 199"
        ),
        foreign=0x40000000,  # x32: the same calls under other numbers (asm/unistd.h)
    ),
    "aarch64": Machine(
        0xC00000B7,
        _numbered(
            _COMMON + "ptrace 117 process_vm_readv 270 process_vm_writev 271 kcmp 272 mount 40 umount2 39 "
            "pivot_root 41 setns 268 unshare 97 open_by_handle_at 265 name_to_handle_at 264 fanotify_init 262 "
            "quotactl 60 swapon 224 swapoff 225 acct 89 bpf 280 userfaultfd 282 perf_event_open 241 keyctl 219 "
            "add_key 217 request_key 218 personality 92 lookup_dcookie 18 migrate_pages 238 move_pages 239 vhangup 58 "
            "init_module 105 finit_module 273 delete_module 106 kexec_load 104 kexec_file_load 294 reboot 142 "
            "settimeofday 170 clock_settime 112 adjtimex 171 clock_adjtime 266 syslog 116 sethostname 161 "
            "setdomainname 162 clone 220 prlimit64 261 ioctl 29 socket 198 prctl 167 seccomp 277 capget 90 capset 91 "
            "kill 129 tkill 130 tgkill 131 rt_sigqueueinfo 138 rt_tgsigqueueinfo 240 fcntl 25 setpriority 140 "
            "ioprio_set 30 sched_setaffinity 122 sched_setscheduler 119 sched_setparam 118 sched_setattr 274 "
            "shmget 194 shmat 196 shmctl 195 semget 190 semop 193 semtimedop 192 semctl 191 msgget 186 msgsnd 189 "
            "msgrcv 188 msgctl 187 mq_open 180 mq_unlink 181 fchmod 52 fchmodat 53 fchownat 54 fchown 55 "
            "utimensat 88 truncate 45 setxattr 5 lsetxattr 6 fsetxattr 7 removexattr 14 lremovexattr 15 "
            "fremovexattr 16"
        ),
    ),
}
"""asm/unistd_64.h and asm-generic/unistd.h. On other processors there is no filter, and the health page says so."""


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


_NO = _step(_RETURN, _REFUSE | errno.EPERM)
_YES = _step(_RETURN, _ALLOW)


def _when(number: int, argument: int, tests: list[bytes]) -> Iterator[bytes]:
    """For one system call, look at one argument; ``tests`` end with refusing, then allowing."""
    yield _step(_EQUAL, number, 0, len(tests) + 3)
    yield _step(_LOAD, _ARGUMENTS + 8 * argument)
    yield from (*tests, _NO, _YES)


def _unless(number: int, argument: int, values: Sequence[int]) -> Iterator[bytes]:
    """Refuse one system call when the argument is one of ``values``."""
    last = len(values) - 1
    tests = [_step(_EQUAL, value, last - place, int(place == last)) for place, value in enumerate(values)]
    return _when(number, argument, tests)


def _only(number: int, argument: int, values: Sequence[int]) -> Iterator[bytes]:
    """Refuse one system call unless the argument is one of ``values``."""
    return _when(number, argument, [_step(_EQUAL, value, len(values) - place) for place, value in enumerate(values)])


def program(machine: Machine, *, network: bool, writes: bool = False, spared: Sequence[int] = ()) -> bytes:
    """The filter as an array of ``struct sock_filter``. What it refuses fails with EPERM.

    Besides the calls above: new namespaces, ``clone3`` (its flags cannot be seen; libraries fall back to ``clone``),
    limits and priority of another process, signals to the processes ``spared`` and all ways of sending them by a
    file's owner, terminal injection, giving up the death signal, and sockets other than the internet's with
    ``network``, all without.
    """
    number = machine.numbers
    steps = [_step(_LOAD, _MACHINE), _step(_EQUAL, machine.audit, 1, 0), _NO, _step(_LOAD, _NUMBER)]
    if machine.foreign is not None:
        steps += [_step(_AT_LEAST, machine.foreign, 0, 1), _NO]
    never = [*_NEVER.split(), *(() if writes else _METADATA.split()), *(() if network else ("socket",))]
    for name in (each for each in never if each in number):
        steps += [_step(_EQUAL, number[name], 0, 1), _NO]
    steps += [_step(_EQUAL, number["clone3"], 0, 1), _step(_RETURN, _REFUSE | errno.ENOSYS)]
    steps += _when(number["clone"], 0, [_step(_ANY_BIT, _NAMESPACES, 0, 1)])
    if network:
        steps += _only(number["socket"], 0, _FAMILIES)
    for name in _SIGNALLING.split() if spared else ():
        steps += _unless(number[name], 0, [pid & 0xFFFFFFFF for pid in spared])
    return b"".join([*steps, *_of_others(number), _YES])


def _of_others(number: dict[str, int]) -> Iterator[bytes]:
    """Looks at arguments that are the same for every program."""
    for name in _SCHEDULING.split():
        yield from _only(number[name], 0, (0,))
    for name, itself in (("setpriority", 0), ("ioprio_set", 1)):  # PRIO_PROCESS, IOPRIO_WHO_PROCESS
        whom = _step(_LOAD, _ARGUMENTS + 8)
        yield from _when(number[name], 0, [_step(_EQUAL, itself, 0, 2), whom, _step(_EQUAL, 0, 1, 0)])
    yield from _unless(number["ioctl"], 1, (*_TERMINAL, *_OWNER_BY_IOCTL))
    yield from _unless(number["fcntl"], 1, _OWNER)
    second = _step(_LOAD, _ARGUMENTS + 8)
    tests = [_step(_EQUAL, _PR_SET_PDEATHSIG, 0, 3), second, _step(_EQUAL, _SIGKILL, 1, 0)]
    yield from _when(number["prctl"], 0, tests)
