"""Reading what is outside the root, by every spelling of its name."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast_attack.arena.fingerprint import changes
from holdfast_attack.cases.aiming import Aim, aims, aims_and_guesses, stands_in
from holdfast_attack.cases.paths.linked import LINKED
from holdfast_attack.cases.paths.spelling import Spelling
from holdfast_attack.cases.paths.spellings import PROC, SPELLINGS
from holdfast_attack.cases.trying import Judge, Shot, filled, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Kind, NotApplicable
from holdfast_attack.model.case import Play
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

ROLES = (Role.PATH, Role.FOLDER)
ABOVE = frozenset({"..", "{base}"})
SOUND = "refuses, or answers without anything of what is outside; nothing outside changes"


def escaped(arena: Arena) -> Judge:
    """A judge: a secret from outside came back, or what is outside has changed; that is put right again."""
    before = arena.around()

    def judge(shot: Shot, reply: Reply) -> str | None:
        seen = arena.canaries.seen_in(reply.raw) or _brought_in(arena, shot)
        if seen:
            return f"{shot.aim.label} led out of the root: {_where(arena, seen[0])} came back"
        changed = () if shot.aim.tool.read_only else changes(before, arena.around())
        if changed:
            arena.restore_outside()
            return f"{shot.aim.label} led out of the root: {changed[0]}"
        return None

    return judge


def _brought_in(arena: Arena, shot: Shot) -> tuple[str, ...]:
    """Secrets in the file that tools for copying and the like are told to make."""
    made = arena.workspace / arena.world.new
    if shot.aim.tool.read_only or made.is_symlink() or not made.is_file():
        return ()
    with made.open("rb") as file:
        return arena.canaries.seen_in(file.read(65_536))


def _where(arena: Arena, name: str) -> str:
    if name in arena.canaries.environment:
        return f"the server's environment ({name})"
    return f"the secret {name!r}" if name != "name" else "the names of files outside"


def read_play(spelling: Spelling) -> Play:
    """Tries one way of spelling on every parameter for files and folders."""

    async def play(probe: Probe) -> int:
        _laid_out(probe.arena, spelling)
        found = aims_and_guesses(probe, *ROLES) if spelling.guesses else aims(probe, *ROLES)
        targets = [aim for aim in found if _payloads(probe, spelling, aim)]
        if not targets:
            raise NotApplicable("no tool takes a file")
        payloads: Mapping[int, Sequence[str]] = {id(aim): _payloads(probe, spelling, aim) for aim in targets}
        return await fire(probe, shots(probe, targets, lambda aim: payloads[id(aim)]), escaped(probe.arena))

    return play


def _payloads(probe: Probe, spelling: Spelling, aim: Aim) -> Sequence[str]:
    """Quick: the first few by the role. Full: all of both, as a role is only a guess."""
    if aim.guessed:
        chosen = spelling.guesses
    elif probe.full:
        chosen = (*spelling.files, *spelling.folders)
    else:
        own = spelling.folders if aim.parameter.role is Role.FOLDER else spelling.files
        chosen = own[: spelling.quick]
    chosen += tuple(beside.format(root.name) for beside in spelling.beside for root in probe.arena.own_roots())
    if not aim.tool.read_only:
        chosen = tuple(text for text in chosen if harmless(probe, text))
    home = os.path.expanduser("~")
    known = {"from_home": os.path.relpath(probe.arena.outside, home), "user": _user()}
    return [filled(text, known) for text in chosen]


def harmless(probe: Probe, text: str) -> bool:
    """Whether a tool that changes may be sent there: not to the folder of the whole run, and to nothing relative unless
    that is known to lead into the arena."""
    known = text.startswith(("{", "/{", "/.{", "file://{")) or stands_in(probe)
    return known and text not in ABOVE


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"


def _laid_out(arena: Arena, spelling: Spelling) -> None:
    if spelling.link and not (arena.workspace / "links" / "file").is_symlink():
        raise NotApplicable("no symbolic links can be made here")
    if spelling.name == "hard-link" and not (arena.workspace / "linked.txt").is_file():
        raise NotApplicable("no hard links can be made here")
    if spelling is PROC and not Path("/proc/self/environ").exists():
        raise NotApplicable("this system has no /proc")


CASES = tuple(each.case(Kind.PATHS, SOUND, read_play(each)) for each in (*SPELLINGS, *LINKED, PROC))
