"""Writing outside the root, through links, into folders that are not there yet, and into git's own folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast_attack.arena.fingerprint import changes, of_folder
from holdfast_attack.cases.aiming import Aim, aims, aims_and_guesses
from holdfast_attack.cases.paths.reading import ROLES, escaped, harmless
from holdfast_attack.cases.paths.spelling import LINKS, RESOLVE
from holdfast_attack.cases.spelled import Spelled
from holdfast_attack.cases.trying import Judge, Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Kind, NotApplicable, Severity
from holdfast_attack.model.case import Play, advisory

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Spelled):
    """Somewhere that no tool may write to."""

    paths: tuple[str, ...]
    guesses: tuple[str, ...] = ()
    """What is put into other texts too, as a tool may make a file's name of any."""
    quick: int = 4
    severity: Severity = Severity.CRITICAL
    git: bool = False


TARGETS = (
    Target(
        name="write-outside",
        title="Nothing is written outside the root",
        sends="names of new files outside the root, relative and absolute",
        reference=advisory("CVE-2026-27825 (mcp-atlassian: a download is written wherever the caller says), CWE-22"),
        paths=(
            "../outside/made.txt",
            "{outside}/made.txt",
            "{climb}{outside}/made.txt",
            "{workspace}-private/made.txt",
            "notes/../../outside/made.txt",
        ),
        guesses=("../outside/made", "{outside}/made", "{climb}{outside}/made"),
        remedy=RESOLVE,
        advisories=("CVE-2026-27825", "CVE-2025-68143"),
    ),
    Target(
        name="write-through-link",
        title="Nothing is written through a symbolic link",
        sends="the names of links in the root that lead to a file, a folder and nothing outside",
        reference=advisory("CVE-2025-53109 (server-filesystem, GHSA-q66q-fx2p-7w4m), CWE-59"),
        paths=("links/new", "links/file", "links/folder/made.txt", "{workspace}/links/new", "{workspace}/links/file"),
        remedy=LINKS + "; write to a temporary file in the same folder and rename it",
        advisories=("CVE-2025-53109",),
    ),
    Target(
        name="missing-parent",
        title="A path through folders that are not there yet does not leave the root",
        sends="names of new files in new folders outside the root",
        reference=advisory("DesktopCommander issue 420: the error of resolving a missing path was swallowed"),
        paths=("links/folder/not-there/made.txt", "../outside/not-there/made.txt", "{outside}/not-there/deep/made.txt"),
        remedy="resolve the nearest folder that exists, and refuse when resolving fails",
        advisories=("DesktopCommander-420",),
    ),
    Target(
        name="git-folder",
        title="Git's own folder is not written to",
        sends="paths of a hook and of the configuration of the repository in the root",
        reference=advisory("CVE-2014-9390; CVE-2025-68145 (git and file tools together ran what was written there)"),
        paths=(
            ".git/hooks/post-checkout",
            ".git/config",
            "{workspace}/.git/hooks/post-commit",
            "notes/../.git/config",
            ".GIT/config",
            "trapped/.git/config",
        ),
        severity=Severity.MEDIUM,
        remedy="refuse to write to any path with a part that a file system takes for .git: git runs what is set there",
        advisories=("CVE-2014-9390",),
        git=True,
    ),
)


def write_play(target: Target) -> Play:
    """Tries one kind of place on every parameter for files of tools that write."""

    async def play(probe: Probe) -> int:
        targets = _writers(probe, target)
        if target.git and not probe.arena.has_git:
            raise NotApplicable("there is no git on this machine")
        with _kept(probe.arena, target) as judge:
            return await fire(probe, shots(probe, targets, lambda aim: _allowed(probe, target, aim)), judge)

    return play


def _allowed(probe: Probe, target: Target, aim: Aim) -> list[str]:
    paths = target.guesses if aim.guessed else target.paths
    known = [path for path in paths if harmless(probe, path)]
    return known if probe.full or aim.guessed else known[: target.quick]


def _writers(probe: Probe, target: Target) -> list[Aim]:
    found = aims_and_guesses(probe, *ROLES) if target.guesses else aims(probe, *ROLES)
    found = [aim for aim in found if not aim.tool.read_only]
    if not found:
        hint = "" if probe.allow_writes else " that may be called (--allow-writes)"
        raise NotApplicable(f"no tool{hint} writes to a path")
    return found


@contextmanager
def _kept(arena: Arena, target: Target) -> Iterator[Judge]:
    """The judge for one kind of place; what was changed is put back at the end."""
    if not target.git:
        yield escaped(arena)
        return
    with _git_kept(arena) as judge:
        yield judge


@contextmanager
def _git_kept(arena: Arena) -> Iterator[Judge]:
    folders = [folder for folder in (arena.workspace / ".git", arena.places.trapped / ".git") if folder.is_dir()]
    copies = arena.base / "kept-git"
    for number, folder in enumerate(folders):
        shutil.copytree(folder, copies / str(number), symlinks=True)
    before = _git_facts(folders)

    def judge(shot: Shot, _reply: Reply) -> str | None:
        changed = changes(before, _git_facts(folders))
        return f"{shot.aim.label} reached git's folder: {changed[0]}" if changed else None

    try:
        yield judge
    finally:
        for number, folder in enumerate(folders):
            if changes(before, _git_facts(folders)):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(copies / str(number), folder, symlinks=True)
        shutil.rmtree(copies)


def _git_facts(folders: list[Path]) -> dict[str, str]:
    """Configuration and hooks: where git is told what to run."""
    found: dict[str, str] = {}
    for number, folder in enumerate(folders):
        facts = of_folder(folder, f".git {number}")
        found |= {name: fact for name, fact in facts.items() if "config" in name or "hooks" in name}
    return found


SOUND = "refuses; nothing comes to be there and nothing changes"

CASES = tuple(each.case(Kind.PATHS, SOUND, write_play(each)) for each in TARGETS)
