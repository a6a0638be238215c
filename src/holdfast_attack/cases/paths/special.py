"""Files that are no plain files: a pipe, a device, one of 2 GiB, one whose name is no UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast_attack.arena import planting
from holdfast_attack.cases import greedy
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.paths.reading import ROLES
from holdfast_attack.cases.trying import shots
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Eras, Found, NotApplicable, Severity
from holdfast_attack.model.case import advisory, alone, measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

_ZERO = Path("/dev/zero").is_char_device()
WAIT = 10.0
"""Seconds in which any of these must be answered; a sound server refuses at once."""
REMEDY = "open with O_NONBLOCK, then fstat: serve regular files only, of a size that is bounded"


async def fifo(probe: Probe) -> int:
    """A named pipe that nobody writes to."""
    targets = aims(probe, *ROLES)
    with planting.fifo(probe.arena.workspace):
        payloads = {Role.PATH: ["odd-fifo/pipe"], Role.FOLDER: ["odd-fifo"]}
        return await _answered(probe, targets, payloads)


async def device(probe: Probe) -> int:
    """A device that can be read for ever."""
    greedy.needs_own(probe)
    if not _ZERO:
        raise NotApplicable("this system has no /dev/zero")
    # read-only ones: whatever deletes or moves must not be sent to a device of this machine
    targets = [aim for aim in aims(probe, Role.PATH) if aim.tool.read_only]
    if not targets:
        raise NotApplicable("no tool that only reads takes a file")
    with planting.link(probe.arena.workspace, "/dev/zero"):
        names = ["/dev/zero", "odd-link/link.txt"] + (["../" * 20 + "dev/zero", "/dev/stdin"] if probe.full else [])
        return await greedy.fire(probe, shots(probe, _some(targets), lambda _aim: names), WAIT)


async def sparse(probe: Probe) -> int:
    """A file of 2 GiB."""
    greedy.needs_own(probe)
    targets = aims(probe, *ROLES)
    with planting.sparse(probe.arena.workspace):
        names = {Role.PATH: ["odd-sparse/sparse.txt"], Role.FOLDER: ["odd-sparse"]}
        return await greedy.fire(probe, shots(probe, _some(targets), lambda aim: names[aim.parameter.role]), 2 * WAIT)


async def bad_name(probe: Probe) -> int:
    """A file whose name is no UTF-8, in a folder that is listed."""
    targets = [aim for aim in aims(probe, *ROLES) if aim.parameter.role is Role.FOLDER]
    if not targets:
        raise NotApplicable("no tool takes a folder")
    with planting.bad_name(probe.arena.workspace):
        return await _answered(probe, targets, {Role.FOLDER: ["odd-bad-name", "odd-bad-name/"]})


def _some(targets: Sequence[Aim]) -> Sequence[Aim]:
    """One parameter of each tool, and few tools: each call has a server of its own to start."""
    first = {aim.tool.name: aim for aim in reversed(targets)}
    return list(reversed(first.values()))[:3]


async def _answered(probe: Probe, targets: Sequence[Aim], payloads: dict[Role, list[str]]) -> int:
    """On one server of its own, each call must be answered in time."""
    number = 0
    async with probe.fresh() as session:
        for shot in shots(probe, targets, lambda aim: payloads[aim.parameter.role]):
            number += 1
            name = shot.aim.tool.name
            try:
                reply = await session.call(name, shot.arguments, within=WAIT)
            except Gone:
                raise Found("the server went away", tool=name, sent=shot.words) from None
            if reply.silent:
                raise Found(f"no answer within {WAIT:g} s", tool=name, sent=shot.words)
        if not await session.alive(WAIT):
            raise Found("after this the server answered no honest request any more")
    return number


_once = partial(alone, eras=Eras.ONCE)

CASES = (
    _once(
        id="paths.fifo",
        title="A named pipe does not make a call wait for ever",
        severity=Severity.MEDIUM,
        seconds=60.0,
        sends="the name of a pipe in the root that nobody writes to, and of the folder that it is in",
        sound=f"answers within {WAIT:g} s, by an error or without it",
        reference=measured("open() of a named pipe without O_NONBLOCK waits until somebody writes: the thread is lost"),
        remedy=REMEDY,
        play=fifo,
    ),
    _once(
        id="paths.device",
        title="A device is not read without an end",
        severity=Severity.HIGH,
        seconds=60.0,
        sends="/dev/zero by its name and by a link in the root",
        sound=f"answers within {WAIT:g} s; its memory grows by no more than 512 MiB",
        reference=advisory("CWE-67, CWE-770; measured: a plain read() of /dev/zero takes a gigabyte a second"),
        remedy=REMEDY,
        play=device,
    ),
    _once(
        id="paths.sparse-huge",
        title="A huge file is not read into memory",
        severity=Severity.HIGH,
        seconds=120.0,
        sends="the name of a file of 2 GiB in the root",
        sound=f"answers within {2 * WAIT:g} s; its memory grows by no more than 512 MiB",
        reference=advisory("CWE-770; measured: a plain read takes the file's size, and several times that as JSON"),
        remedy="look at the size before reading, and read no more than what an answer may hold",
        play=sparse,
    ),
    _once(
        id="paths.non-utf8-name",
        title="A file name that is no UTF-8 does not end the server",
        severity=Severity.HIGH,
        seconds=60.0,
        sends="the name of a folder in which a file's name is no UTF-8",
        sound="answers with the name escaped or left out, and goes on serving",
        reference=measured("MCP Python SDK 2.3.0: a lone surrogate, as os.listdir gives, ends the stdio server"),
        remedy="write such names with os.fsencode(name).decode('utf-8', 'replace') or backslash escapes",
        play=bad_name,
    ),
)
