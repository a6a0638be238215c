"""How much memory the process may use and does use, in a container or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

UNLIMITED = 1 << 60
"""Bytes from which a limit is none: version 1 of control groups writes 2^63 rounded down to a page."""


class Group(NamedTuple):
    """A control group in bytes: its limit, what it uses and cannot give back at once, and what of that is anonymous."""

    limit: int
    used: int
    anonymous: int


class Usage(NamedTuple):
    """One look. ``share`` is of the budget, or of the container's limit where that is nearer; ``own`` is what this
    process's resident memory alone makes of the budget: nothing but that goes away when it is replaced."""

    share: float
    own: float
    resident: int
    budget: int


class Budget:
    """The least of what is configured and what the container allows; a look costs about 60 us.

    A container's pages of files that it can drop at once (``inactive_file``) are not counted.
    """

    def __init__(self, configured: int, resident: Callable[[], int], group: Callable[[], Group | None]) -> None:
        self._configured = configured
        self._resident = resident
        self._group = group
        found = group()
        self.bytes = configured if found is None else min(configured, found.limit)

    def look(self) -> Usage:
        """Look now. Raises ``OSError`` and ``ImportError`` where the process cannot be measured."""
        resident, group = self._resident(), self._group()
        budget = self._configured if group is None else min(self._configured, group.limit)
        own = resident / budget
        share = own if group is None else max(own, max(group.used, group.anonymous) / group.limit)
        return Usage(share, own, resident, budget)


def control_group(root: Path = Path("/")) -> Callable[[], Group | None]:
    """What reads this process's control group, of either version, or the one above it that allows least.

    It reads ``None`` where no group limits memory.
    """
    found = [(group.limit, folder, read) for folder, read in _places(root) if (group := _tried(folder, read))]
    if not found:
        return lambda: None
    _, folder, read = min(found, key=lambda each: each[0])
    return lambda: _tried(folder, read)


def _tried(folder: Path, read: Callable[[Path], Group | None]) -> Group | None:
    with suppress(OSError, ValueError, KeyError):  # not mounted, or moved to another group: the settings alone count
        return read(folder)
    return None


def _places(root: Path) -> Iterator[tuple[Path, Callable[[Path], Group | None]]]:
    """The group's folder and those above it, each of which may set the limit; nearest first.

    In a container the path is often that of the host, while only the container's own part is mounted.
    """
    mount = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            home, read = mount / "memory", _version_1
        elif not controllers:
            home, read = mount, _version_2
        else:
            continue
        folder = home / path.lstrip("/")
        above = [each for each in (folder, *folder.parents) if each == home or home in each.parents]
        yield from ((each, read) for each in above)


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text("ascii", "replace").splitlines() if line.count(":") >= 2]
    except OSError:  # not Linux
        return []


def _version_2(folder: Path) -> Group | None:
    """Linux, Documentation/admin-guide/cgroup-v2.rst. Past ``memory.high`` the kernel throttles: a limit too."""
    limits = [_limit(folder / name) for name in ("memory.max", "memory.high")]
    limit = min((each for each in limits if each is not None), default=None)
    if limit is None:
        return None
    stat = _table(folder / "memory.stat")
    current = int((folder / "memory.current").read_text())
    return Group(limit, max(0, current - stat["inactive_file"]), stat["anon"])


def _version_1(folder: Path) -> Group | None:
    """Linux, Documentation/admin-guide/cgroup-v1/memory.rst; ``hierarchical_memory_limit`` knows the groups above."""
    stat = _table(folder / "memory.stat")
    limit = min(stat["hierarchical_memory_limit"], int((folder / "memory.limit_in_bytes").read_text()))
    if limit >= UNLIMITED:
        return None
    current = int((folder / "memory.usage_in_bytes").read_text())
    return Group(limit, max(0, current - stat["total_inactive_file"]), stat["total_rss"])


def _limit(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except FileNotFoundError:  # the root group has no limits
        return None
    return None if text == "max" else int(text)


def _table(file: Path) -> Mapping[str, int]:
    return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}
