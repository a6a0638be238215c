"""Listing and walking directories under the same rules as opening: what cannot be opened is not shown."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from holdfast.errors import UnsafePath
from holdfast.safe.folder import Folder
from holdfast.safe.identity import Identity, identity
from holdfast.safe.names import MAX_DEPTH, admits
from holdfast.safe.refusals import refusing

MAX_SCAN: Final = 100_000
"""Most directory entries looked at by one listing or walk, shown or not (an lstat each: about 0.2 s)."""
MAX_PATTERN: Final = 256
"""Longest pattern in characters."""
_PASSED_BY: Final = frozenset({"path.not_found", "path.not_directory", "path.symlink", "path.denied"})


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One visible entry of a directory; ``size`` in bytes, 0 for a directory."""

    name: str
    kind: Literal["file", "dir"]
    size: int


class _Budget:
    """Counts entries that were looked at."""

    def __init__(self) -> None:
        self._left = MAX_SCAN

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise too_many(MAX_SCAN)


def too_many(limit: int) -> UnsafePath:
    """The refusal of a listing that would be longer than ``limit``; a list cut short would pass for the whole."""
    return UnsafePath(f"there are more than {limit} entries; ask for a directory further down", code="path.too_many")


def _scan(folder: Folder, parts: Sequence[str], budget: _Budget) -> Iterator[Entry]:
    denied = folder.denied()
    with folder.directory(parts) as fd, refusing(), os.scandir(fd) as found:
        for item in found:
            budget.spend()
            if admits(parts, item.name, folder.deny):
                entry = _entry(item)
                if entry is not None and _opens(folder, parts, item, denied):
                    yield entry


def _opens(folder: Folder, parts: Sequence[str], item: os.DirEntry[str], denied: frozenset[Identity]) -> bool:
    """Whether an entry with an acceptable name is neither denied by identity nor another mount that is not crossed."""
    if denied and identity(item.stat(follow_symlinks=False)) in denied:
        return False
    if folder.one_mount:
        try:
            folder.facts((*parts, item.name))
        except UnsafePath:
            return False
    return True


def _entry(item: os.DirEntry[str]) -> Entry | None:
    try:
        facts = item.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # removed since the directory was read
    if stat.S_ISDIR(facts.st_mode):
        return Entry(item.name, "dir", 0)
    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
        return Entry(item.name, "file", facts.st_size)
    return None


def entries(folder: Folder, parts: Sequence[str], limit: int) -> list[Entry]:
    """The visible entries of one directory, sorted by name. Raises ``UnsafePath`` (path.too_many past ``limit``)."""
    shown: list[Entry] = []
    for entry in _scan(folder, parts, _Budget()):
        if len(shown) >= limit:
            raise too_many(limit)
        shown.append(entry)
    return sorted(shown)


def _walk(folder: Folder, parts: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], list[Entry]]]:
    """Each visible directory from ``parts`` down, as its path relative to ``parts``, with its entries."""
    budget = _Budget()
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        below = waiting.pop()
        shown = _visit(folder, parts, below, budget)
        yield below, shown
        if len(below) + 1 < depth:
            waiting.extend((*below, entry.name) for entry in shown if entry.kind == "dir")


def files(folder: Folder, parts: tuple[str, ...], matches: Callable[[str], bool], limit: int, depth: int) -> list[str]:
    """The texts of all visible files beneath a directory, sorted, that match by their path relative to it.

    Directories more than ``depth`` levels down are not entered. Each directory is opened from the root by the
    resolver, so a link that is swapped in is refused there; a directory that vanished or may not be read is passed by.
    Raises ``UnsafePath`` (path.too_many past ``limit`` files or ``MAX_SCAN`` entries).
    """
    found: list[str] = []
    for below, shown in _walk(folder, parts, depth):
        for entry in shown:
            if entry.kind == "file" and matches("/".join((*below, entry.name))):
                if len(found) >= limit:
                    raise too_many(limit)
                found.append("/".join((*parts, *below, entry.name)))
    return sorted(found)


def directories(folder: Folder) -> Iterator[tuple[str, ...]]:
    """Every visible directory of the root, the root first. Raises ``UnsafePath`` past ``MAX_SCAN`` entries."""
    return (below for below, _ in _walk(folder, (), MAX_DEPTH))


def _visit(folder: Folder, parts: tuple[str, ...], below: tuple[str, ...], budget: _Budget) -> list[Entry]:
    try:
        return list(_scan(folder, (*parts, *below), budget))
    except UnsafePath as refusal:
        if below and refusal.code in _PASSED_BY:
            return []
        raise


def matcher(pattern: str | None) -> Callable[[str], bool]:
    """A test of a relative path. Without a ``/`` the pattern is for the file's name, else for the whole relative path,
    where ``*`` also crosses directories and ``**/`` stands for any number of them. Raises ``UnsafePath`` (path.name).
    """
    if pattern is None:
        return lambda _: True
    if len(pattern) > MAX_PATTERN:
        raise UnsafePath(f"the pattern is longer than {MAX_PATTERN} characters", code="path.name")
    if "/" not in pattern:
        name = re.compile(fnmatch.translate(pattern))
        return lambda path: name.match(path.rpartition("/")[2]) is not None
    whole = re.compile("|".join(fnmatch.translate(form) for form in {pattern, pattern.replace("**/", "")}))
    return lambda path: whole.match(path) is not None
