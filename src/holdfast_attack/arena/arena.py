"""Everything that a server under attack is given and everything around it, beneath one temporary folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Self

from holdfast_attack.arena import database, files
from holdfast_attack.arena.atime import Watched
from holdfast_attack.arena.canaries import Canaries
from holdfast_attack.arena.fingerprint import of_folder
from holdfast_attack.arena.own import furnish, own_roots
from holdfast_attack.arena.web import WebCanary, free_port
from holdfast_attack.tools.world import World

CLOSED = "http://127.0.0.1:9/"
"""An address at which nobody answers: port 9, "discard", which no system of today serves."""


@dataclass(frozen=True, slots=True)
class Arena:
    """One server's surroundings. ``workspace`` is its working folder and its root; nothing is made outside ``base``.

    ``web`` is where ``API_BASE_URL`` of the server's environment points to. It serves while it is entered
    (``async with arena.web``); who enters it again gets the same.
    """

    places: files.Places
    canaries: Canaries
    web: WebCanary
    has_git: bool
    env_file: Watched
    laid_out: frozenset[str]
    """What stood in the workspace before any server did."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def make(cls, base: Path, seed: int) -> Self:
        """Lay everything out in an empty folder, or one that is not there yet. Takes a quarter of a second."""
        base = base.resolve()
        places = files.Places(base)
        canaries = Canaries.of(seed)
        has_git = files.lay_out(places, canaries)
        database.make(places.database, canaries.row)
        database.make_other(places.outside / "other.db", canaries.files["other-database"])
        files.keep(places)
        shutil.copyfile(places.database, places.kept / places.database.name)
        watched = Watched.plant(places.workspace / ".env", files.ENV_FILE)
        laid_out = frozenset(of_folder(places.workspace, "", unread=frozenset({".env"})))
        return cls(places, canaries, WebCanary(port=free_port()), has_git, watched, laid_out)

    @property
    def base(self) -> Path:
        """The folder of all."""
        return self.places.base

    @property
    def workspace(self) -> Path:
        """Where the server runs, and its root."""
        return self.places.workspace

    @property
    def outside(self) -> Path:
        """A folder beside the root, with secrets."""
        return self.places.outside

    @property
    def sibling(self) -> Path:
        """Another whose name begins with the root's."""
        return self.places.sibling

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self.places.database

    @property
    def world(self) -> World:
        """Samples for honest arguments."""
        url = self.web.url("/page") if self.web.serving else CLOSED
        return replace(World(), url=url, sql=database.SAMPLE, argument="HEAD")

    def environment(self) -> dict[str, str]:
        """What the server's environment gets: secrets, and where things are."""
        return {
            **self.canaries.environment,
            "API_BASE_URL": self.web.url("/v1"),
            "HOLDFAST_WORKSPACE": str(self.workspace),
            "HOLDFAST_DATABASE": str(self.database),
            "HOLDFAST_STATE": str(self.base / "state"),
            "TMPDIR": str(self.places.temporary),
        }

    def marker(self) -> Path:
        """A path at which nothing is and nothing may come to be; another at each call."""
        return self.places.markers / str(next(self._numbers))

    def trap(self, marker: Path) -> Path:
        """A program that makes ``marker``."""
        path = self.places.traps / f"{marker.name}.sh"
        path.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
        path.chmod(0o755)
        return path

    def strays(self) -> tuple[str, ...]:
        """Names of all markers that came to be."""
        return tuple(sorted(os.listdir(self.places.markers)))

    def fingerprint(self) -> Mapping[str, str]:
        """What stands in the workspace, outside, in the sibling and in the database (see ``fingerprint.changes``)."""
        unread = frozenset({".env"})
        found = of_folder(self.workspace, "workspace", unread=unread)
        found |= of_folder(self.outside, "outside") | of_folder(self.sibling, "workspace-private")
        found["database"] = database.digest(self.database)
        return found

    def newcomers(self) -> tuple[str, ...]:
        """What has come to be in the workspace since it was laid out, as paths."""
        found = of_folder(self.workspace, "", unread=frozenset({".env"}))
        return tuple(name for name in found if name not in self.laid_out)

    def own_roots(self, *, in_workspace: bool = True) -> list[Path]:
        """Folders that the server has made for itself, siblings that were put beside them not among them."""
        found = own_roots(self.places.temporary, self.workspace, self.newcomers() if in_workspace else ())
        names = {f"{root.name}-private" for root in found}
        return [root for root in found if root.name not in names]

    def furnish_own(self, *, in_workspace: bool) -> bool:
        """Lay honest files, links and siblings out in and beside them too; whether there are any.

        ``in_workspace``: also in the workspace, of which the server must then not be able to read the whole.
        """
        roots = self.own_roots(in_workspace=in_workspace)
        secret = f"hello, the secret is {self.canaries.files['sibling']}\n"
        for root in roots:
            furnish(root, self.outside, files.ALWAYS, {"secret.txt": secret})
        return bool(roots)

    def around(self) -> Mapping[str, str]:
        """The same of what is outside the root only."""
        return of_folder(self.outside, "outside") | of_folder(self.sibling, "workspace-private")

    def restore_outside(self) -> None:
        """Give what is outside back what a tool has changed. Raises ``OSError``."""
        files.restore(self.places)

    def restore_database(self) -> None:
        """Give the database back what it held at first. Raises ``sqlite3.Error``."""
        database.restore(self.database, self.places.kept / self.database.name)

    def env_file_was_read(self) -> bool | None:
        """Whether somebody opened and read the planted ``.env`` since it was planted or armed; None: cannot be seen."""
        return self.env_file.was_read()
