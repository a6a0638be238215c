"""Folders that a server makes for itself and works in: nothing of what was laid out for it is beneath its root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST: Final = 6
"""Folders that are furnished: a server that makes more has no root among them, or a good many."""
LINKS: Final = "links"
DEEPEST: Final = 2
"""Levels beneath the temporary folder: ``tempfile`` makes one, and a server a root in it."""


def own_roots(temporary: Path, workspace: Path, newcomers: Iterable[str]) -> list[Path]:
    """Those at the top of the workspace in which ``newcomers`` came to be, and those among its temporary files.

    The youngest of the latter: servers that were killed have left theirs.
    """
    inside = {workspace / name.strip(os.sep).split(os.sep)[0] for name in newcomers}
    temporaries = sorted(_below(temporary, DEEPEST), key=_made, reverse=True)
    return [*sorted(each for each in inside if _is_folder(each)), *temporaries][:MOST]


def _made(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


def _below(folder: Path, levels: int) -> Iterator[Path]:
    with suppress(OSError):
        for entry in sorted(folder.iterdir()):
            if not entry.name.startswith(".") and entry.name != LINKS and _is_folder(entry):
                yield entry
                if levels > 1:
                    yield from _below(entry, levels - 1)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def furnish(root: Path, outside: Path, honest: dict[str, str], sibling: dict[str, str]) -> None:
    """Put honest files there, links that lead outside, and a folder beside it whose name begins alike.

    What is there already stays; a folder that cannot be written to is left alone.
    """
    with suppress(OSError):
        for name, text in honest.items():
            _put(root / name, text)
        links = root / LINKS
        links.mkdir()
        (links / "file").symlink_to(outside / "secret.txt")
        (links / "folder").symlink_to(outside)
    with suppress(OSError):
        beside = root.with_name(f"{root.name}-private")
        beside.mkdir()
        for name, text in sibling.items():
            _put(beside / name, text)


def _put(path: Path, text: str) -> None:
    with suppress(FileExistsError), path.open("x") as file:
        file.write(text)
