"""Archives whose members name places outside of where they are unpacked."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast_attack.arena.files import ZIP_MEMBER
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import WITHIN, Judge, Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import advisory
from holdfast_attack.tools import Role
from holdfast_attack.tools.words import singular, words_of

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

WORDS = frozenset({"archive", "zip", "unzip", "tar", "untar", "tarball", "extract", "unpack", "decompress"})


async def play(probe: Probe) -> int:
    """Every parameter for a file of a tool that speaks of archives."""
    found = [aim for aim in aims(probe, Role.PATH, Role.TEXT, Role.OTHER) if _of_archives(aim)]
    targets = [aim for aim in found if not aim.tool.read_only and (aim.parameter.role is Role.PATH or _in_base64(aim))]
    if not targets:
        hint = "" if probe.allow_writes else " that may be called (--allow-writes)"
        raise NotApplicable(f"no tool{hint} unpacks archives")
    targets = [await _proven(probe, aim) for aim in targets]
    hostile = ["archive.zip", "archive.tar"]
    wanted = shots(probe, targets, lambda aim: [_given(probe.arena, aim, name) for name in hostile])
    return await fire(probe, wanted, _slipped(probe.arena))


async def _proven(probe: Probe, aim: Aim) -> Aim:
    """Whether the tool unpacks an honest archive: the sample file of other tools is none."""
    for name in ("fine.zip", "fine.tar"):
        reply = await probe.call(aim.tool.name, aim.holding(_given(probe.arena, aim, name)), within=WITHIN)
        if not reply.silent and not reply.failed:
            return replace(aim, worked=True)
    return aim


def _in_base64(aim: Aim) -> bool:
    said = f"{aim.parameter.name} {aim.parameter.schema.get('description')} {aim.parameter.schema.get('format')}"
    encoding = aim.parameter.schema.get("contentEncoding")
    return encoding == "base64" or bool({"base64", "b64"} & {*said.lower().replace("_", " ").split()})


def _given(arena: Arena, aim: Aim, name: str) -> str:
    """An archive of the workspace by its name, or whole."""
    return b64encode((arena.workspace / name).read_bytes()).decode() if _in_base64(aim) else name


def _of_archives(aim: Aim) -> bool:
    words = words_of(f"{aim.tool.name} {aim.tool.description} {aim.parameter.name}")
    return bool(WORDS & set(map(singular, words)))


def _slipped(arena: Arena) -> Judge:
    """A judge: a member came to be outside the root."""

    def judge(_shot: Shot, _reply: Reply) -> str | None:
        found = [folder / ZIP_MEMBER for folder in (arena.base, arena.outside, arena.sibling)]
        made = [path for path in found if path.exists()]
        for path in made:
            path.unlink()
        return f"a member was written outside the root, to {made[0].relative_to(arena.base)}" if made else None

    return judge


ARCHIVE = Case(
    id="paths.archive",
    title="The members of an archive are not written outside the root",
    severity=Severity.CRITICAL,
    eras=Eras.ONCE,
    seconds=60.0,
    sends="archives (zip, tar) with members named ../..., and with a link that the next member goes through",
    sound="refuses such members, or unpacks them within; nothing comes to be outside",
    reference=advisory("zip slip; CVE-2007-4559 (tarfile)"),
    remedy="unpack every member through the guard of paths; tarfile: filter='data'",
    advisories=("zip-slip", "CVE-2007-4559"),
    play=play,
)
