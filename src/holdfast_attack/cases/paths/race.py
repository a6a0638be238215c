"""A symbolic link that comes and goes while a file is read: what was checked is not what is opened."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast_attack.arena.planting import planted_folder
from holdfast_attack.cases.aiming import aims
from holdfast_attack.cases.paths.reading import escaped
from holdfast_attack.cases.trying import fire, shots
from holdfast_attack.model import Case, Eras, NotApplicable, Profile, Severity
from holdfast_attack.model.case import measured
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

TRIES = 2_000
NAME = "odd-race"


async def play(probe: Probe) -> int:
    """As many reads of the same name, each at another moment of the change."""
    targets = [aim for aim in aims(probe, Role.PATH) if aim.tool.read_only][:1]
    if not targets:
        raise NotApplicable("no tool that only reads takes a file")
    with _changing(probe.arena):
        names = [f"{NAME}/race.txt"] * TRIES
        return await fire(probe, shots(probe, targets, lambda _aim: names), escaped(probe.arena))


@contextmanager
def _changing(arena: Arena) -> Iterator[None]:
    """A file that is a link out of the root half of the time."""
    over = threading.Event()
    with planted_folder(arena.workspace, NAME) as folder:
        thread = threading.Thread(target=_swap, args=(folder, arena.outside / "secret.txt", over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _swap(folder: Path, secret: Path, over: threading.Event) -> None:
    plain, link, name = folder / "plain", folder / "link", folder / "race.txt"
    while not over.is_set():
        with suppress(OSError):
            plain.write_text("hello\n")
            os.replace(plain, name)
            link.symlink_to(secret)
            os.replace(link, name)


RACE = Case(
    id="paths.race",
    title="A file that becomes a link while it is read does not lead out of the root",
    severity=Severity.HIGH,
    eras=Eras.ONCE,
    profile=Profile.FULL,
    seconds=180.0,
    sends=f"{TRIES:,} reads of a name that is a file and a link out of the root by turns",
    sound="refuses, or answers without anything of what is outside",
    reference=measured("realpath, a comparison and open() leaked in 47 % of 112,587 tries; openat2 in none of 710,100"),
    remedy="open what was checked: openat2 with RESOLVE_BENEATH, or a walk with O_NOFOLLOW; look at the descriptor",
    play=play,
)
