"""Repositories whose own configuration names programs, and repositories outside the root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast_attack.arena.repository import trapped
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.paths.reading import escaped
from holdfast_attack.cases.paths.spelling import RESOLVE
from holdfast_attack.cases.trying import Shot, fire, fired, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import advisory
from holdfast_attack.tools import Role
from holdfast_attack.tools.words import singular, words_of

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

GIT = frozenset({"git", "commit", "repo", "repository", "branch", "diff"})


async def hooks(probe: Probe) -> int:
    """A repository that is looked at must not run what it says itself."""
    arena = probe.arena
    if not arena.has_git:
        raise NotApplicable("there is no git on this machine")
    targets = _of_git(probe, Role.FOLDER, Role.ARGUMENT, Role.PATH)
    marker = arena.marker()
    with ExitStack() as traps:
        for folder in (arena.workspace, arena.places.trapped):
            traps.enter_context(trapped(folder, marker))
        return await fire(probe, _looks(targets, marker), _ran)


def _looks(targets: list[Aim], marker: Path) -> Iterator[Shot]:
    """Honest calls, on the repository in the root and where a tool takes a folder also on the one below."""
    for aim in targets:
        yield Shot(aim, dict(aim.arguments), marker)
        if aim.parameter.role is Role.FOLDER:
            yield Shot(aim, aim.holding("trapped"), marker)


def _ran(shot: Shot, reply: Reply) -> str | None:
    if fired(shot, reply) is None or shot.marker is None:
        return None
    shot.marker.unlink()  # the next tool is judged by itself
    return "looking at a repository ran a program that the repository's own configuration names"


async def folder(probe: Probe) -> int:
    """A repository outside the root."""
    if not probe.arena.has_git:
        raise NotApplicable("there is no git on this machine")
    targets = [aim for aim in _of_git(probe, Role.FOLDER) if aim.parameter.role is Role.FOLDER]
    names = ["{outside}/repo", "../outside/repo", "links/folder/repo", "{workspace}/../outside/repo"]
    return await fire(probe, shots(probe, targets, lambda _aim: names), escaped(probe.arena))


def _of_git(probe: Probe, *roles: Role) -> list[Aim]:
    found = [aim for aim in aims(probe, *roles) if GIT & set(map(singular, words_of(_told(aim))))]
    if not found:
        raise NotApplicable("no tool that may be called speaks of git or takes its repository")
    return found


def _told(aim: Aim) -> str:
    return f"{aim.tool.name} {aim.tool.description} {aim.parameter.name}"


CASES = (
    Case(
        id="commands.hooks",
        title="The configuration of a repository runs no program",
        severity=Severity.HIGH,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="honest calls on repositories with core.fsmonitor, diff.external, aliases, filters and hooks in them",
        sound="answers, or refuses; none of those programs runs",
        reference=advisory(
            "CVE-2025-68143, CVE-2025-68145 (mcp-server-git, with files written beside it, ran a filter)"
        ),
        remedy="git -c core.fsmonitor= -c core.hooksPath=/dev/null, --no-ext-diff, --no-textconv, an empty environment",
        advisories=("CVE-2025-68145",),
        play=hooks,
    ),
    Case(
        id="commands.folder",
        title="A repository outside the root is refused",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="the folder of a repository beside the root: absolute, by .. and by a link",
        sound="refuses; nothing of its commits comes back",
        reference=advisory(
            "CVE-2025-68145 (mcp-server-git: a call's repository is not held against the configured one)"
        ),
        remedy=RESOLVE,
        advisories=("CVE-2025-68143", "CVE-2025-68145"),
        play=folder,
    ),
)
