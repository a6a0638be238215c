"""The kernel's filter, run as the kernel runs it: what it answers to each call, on every processor it knows."""

from __future__ import annotations

import errno
import struct

import pytest

from holdfast.safe.syscalls import MACHINES, Machine, program

ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
MACHINE = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


def answer(steps: bytes, machine: Machine, call: str | int, *arguments: int, audit: int | None = None) -> int:
    """What the filter says of a call (linux/filter.h: load, jump if equal, not less, any bit; return)."""
    number = machine.numbers[call] if isinstance(call, str) else call
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, machine.audit if audit is None else audit, 0, *words)
    at = held = 0
    while True:
        code, yes, no, value = struct.unpack_from("=HBBI", steps, at * 8)
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
        else:
            at += yes if {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code] else no


@MACHINE
def test_ordinary_calls_pass_and_the_dangerous_ones_do_not(machine: Machine) -> None:
    steps = program(machine, network=False)
    assert answer(steps, machine, 0x3FFF) == ALLOWED
    for call in ("ptrace", "mount", "bpf", "keyctl", "io_uring_setup", "setns"):
        assert answer(steps, machine, call) == REFUSED, call
    assert answer(steps, machine, "clone3") == UNKNOWN
    assert answer(steps, machine, "clone", 0x10000000) == REFUSED, "a namespace of its own"
    assert answer(steps, machine, "clone", 0x11) == ALLOWED


@MACHINE
def test_calls_of_another_processor_are_refused(machine: Machine) -> None:
    steps = program(machine, network=False)
    assert answer(steps, machine, 0x3FFF, audit=0x40000003) == REFUSED
    assert [answer(steps, machine, 0x40000000 + n) for n in (0, 1, 59)] == [
        ALLOWED if machine.foreign is None else REFUSED
    ] * 3


@MACHINE
def test_metadata_is_changed_only_by_a_program_that_writes(machine: Machine) -> None:
    for call in ("fchmod", "fchownat", "utimensat", "truncate", "setxattr"):
        assert answer(program(machine, network=False), machine, call) == REFUSED, call
        assert answer(program(machine, network=False, writes=True), machine, call) == ALLOWED, call


@MACHINE
def test_sockets_are_made_only_with_the_network_and_only_those_of_the_internet(machine: Machine) -> None:
    families = (1, 2, 10, 16, 17, 38, 40)  # unix, inet, inet6, netlink, packet, alg, vsock
    assert {answer(program(machine, network=False), machine, "socket", family) for family in families} == {REFUSED}
    allowed = [f for f in families if answer(program(machine, network=True), machine, "socket", f) == ALLOWED]
    assert allowed == [2, 10, 16]


@MACHINE
def test_signals_reach_all_but_the_spared(machine: Machine) -> None:
    for call in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open"):
        steps = program(machine, network=False, spared=(1234, -1))
        assert [answer(steps, machine, call, pid) for pid in (1234, 0xFFFFFFFF, 77)] == [REFUSED, REFUSED, ALLOWED]
        assert answer(program(machine, network=False), machine, call, 1234) == ALLOWED
