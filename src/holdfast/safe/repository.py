"""Judge a Git repository before Git reads it: nothing in it may run a program or lead out of its directory."""

from __future__ import annotations

import os
import re
import stat

from holdfast.errors import UnsafeCommand

_MOST_ENTRIES = 50_000
"""Files below ``.git``; Git itself packs loose objects at 6,700 (gc.auto)."""
_DEEPEST = 64
"""Folders within folders, each held open by the walk; branch names rarely nest five."""
_MOST_CONFIG = 64 << 10
_LEADING_OUT = frozenset({"commondir", "gitdir", "objects/info/alternates", "objects/info/http-alternates"})
"""Files by which one repository uses another's objects, refs and configuration (gitrepository-layout(5))."""

_SECTION = re.compile(r'\[([A-Za-z0-9-]+)(?: "((?:[^"\\\n]|\\["\\])*)")?\]')
_SETTING = re.compile(r"([A-Za-z][A-Za-z0-9-]*)(?:\s*=.*)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_HARMLESS: dict[str, frozenset[str]] = {
    "core": frozenset(
        {
            "repositoryformatversion",
            "filemode",
            "bare",
            "logallrefupdates",
            "ignorecase",
            "precomposeunicode",
            "symlinks",
        }
        | {
            "autocrlf",
            "eol",
            "safecrlf",
            "quotepath",
            "abbrev",
            "longpaths",
            "protecthfs",
            "protectntfs",
            "compression",
        }
        | {"bigfilethreshold", "sharedrepository", "sparsecheckout", "sparsecheckoutcone", "untrackedcache"}
        | {"preloadindex", "commitgraph", "multipackindex", "trustctime", "checkstat", "hidedotfiles", "whitespace"}
    ),
    "extensions": frozenset({"objectformat", "compatobjectformat", "refstorage", "noop", "preciousobjects"}),
    "remote": frozenset({"url", "pushurl", "fetch", "push", "tagopt", "prune", "mirror"}),
    "branch": frozenset({"remote", "merge", "rebase", "description", "pushremote", "vscode-merge-base"}),
    "submodule": frozenset({"url", "active", "branch"}),
    "user": frozenset({"name", "email"}),
    "init": frozenset({"defaultbranch"}),
    "pull": frozenset({"rebase", "ff"}),
    "push": frozenset({"default", "autosetupremote"}),
    "gc": frozenset({"auto", "autodetach"}),
    "index": frozenset({"version", "threads"}),
}
"""Settings that only describe. All others are refused, not overridden: filter.*.clean, diff.*.textconv, core.fsmonitor,
gpg.program, include.path, core.worktree, remote.*.promisor and whatever a later Git adds."""


def _refused(why: str) -> UnsafeCommand:
    return UnsafeCommand(f"this repository is not read: {why}", code="command.repository")


def inspect(directory: int) -> None:
    """Check the repository whose work tree is ``directory`` (a descriptor). Blocking. Raises ``UnsafeCommand``.

    ``.git`` must be a real directory with no symbolic link anywhere in it, no pointer to another repository, and a
    configuration of harmless settings only. Code ``command.repository``.
    """
    try:
        git = os.open(".git", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        raise _refused("its directory has no plain .git directory") from None
    try:
        _check_tree(git)
        _check_config(_config_text(git))
    except OSError:
        raise _refused("it cannot be examined") from None
    finally:
        os.close(git)


def _check_tree(git: int) -> None:
    seen = 0
    for where, folders, files, here in os.fwalk(".", dir_fd=git, follow_symlinks=False, onerror=_unreadable):
        names = (*folders, *files)
        seen += len(names)
        if seen > _MOST_ENTRIES or where.count("/") > _DEEPEST:
            raise _refused("it has too many files or folders; run git gc")
        if any(os.path.normpath(f"{where}/{name}").lower() in _LEADING_OUT for name in names):
            raise _refused("it borrows from another repository")
        _check_kinds(here, names)


def _unreadable(error: OSError) -> None:
    raise error


def _check_kinds(folder: int, names: tuple[str, ...]) -> None:
    """Regular files and directories only: a link leads out, and a pipe makes Git wait for ever."""
    for name in names:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise _refused("its .git holds links or special files")


def _config_text(git: int) -> str:
    descriptor = os.open("config", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=git)
    with open(descriptor, "rb") as file:
        data = file.read(_MOST_CONFIG + 1)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("its configuration is not text") from None
    if len(data) > _MOST_CONFIG or _CONTROL.search(text.replace("\r\n", "\n")):
        raise _refused("its configuration is too large or not text")
    return text.replace("\r\n", "\n")


def _check_config(text: str) -> None:
    """A stricter reader than Git's own: one section or setting to a line, so that both see the same settings.

    Continued lines are judged as settings of their own, which can only refuse more.
    """
    allowed: frozenset[str] = frozenset()
    for line in (raw.strip(" \t") for raw in text.split("\n")):
        if not line or line[0] in "#;":
            continue
        if section := _SECTION.fullmatch(line):
            allowed = _HARMLESS.get(section[1].lower(), frozenset())
        elif not ((setting := _SETTING.fullmatch(line)) and setting[1].lower() in allowed):
            raise _refused("its configuration has settings that could run programs or lead elsewhere")
