"""What is laid out for a server: honest files, links out of the root, strange texts, and secrets around it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast_attack.arena import repository
from holdfast_attack.arena.canaries import Canaries
from holdfast_attack.arena.texts import HIDDEN

HELLO = "hello from the attack arena\n"
TODAY = "# Today\n\n- hello to everybody\n- feed the pets\n"
SPARE = "hello, this file may be changed\n"
ALWAYS = {"hello.txt": HELLO, "spare.txt": SPARE}
"""The files that honest calls name."""
SECRETS = ("secret.txt", "secret.md", "secret.json")
"""One secret by several names: some tools add the ending themselves."""
LINK_TARGET = "made-through-a-link.txt"
ZIP_MEMBER = "made-by-an-archive.txt"
ENV_FILE = "GREETING=hello\nDEBUG=1\n"
LINKS = (
    ("file", "{outside}/secret.txt"),
    ("relative", "../../outside/secret.txt"),
    ("folder", "{outside}"),
    ("chain-1", "chain-2"),
    ("chain-2", "chain-3"),
    ("chain-3", "../../outside/secret.txt"),
    ("new", "{outside}/" + LINK_TARGET),
    ("within", "../hello.txt"),
    ("within-folder", "../notes"),
    ("loop", "loop"),
)
"""Beneath ``links``. ``new`` leads to a file that is not there."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of an arena."""

    base: Path

    @property
    def workspace(self) -> Path:
        """Where the server runs, and its root."""
        return self.base / "workspace"

    @property
    def outside(self) -> Path:
        """What it must not reach."""
        return self.base / "outside"

    @property
    def sibling(self) -> Path:
        """The same, with a name that begins like the root's."""
        return self.base / "workspace-private"

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self.base / "data" / "pets.db"

    @property
    def temporary(self) -> Path:
        """The server's TMPDIR."""
        return self.base / "tmp"

    @property
    def markers(self) -> Path:
        """Where files come to be when a foreign program or statement ran. A short name: some values may not be long."""
        return self.base / "m"

    @property
    def traps(self) -> Path:
        """Programs that make a file beneath ``markers`` when somebody runs them."""
        return self.base / "traps"

    @property
    def kept(self) -> Path:
        """Copies of what is outside, to put it right again after a tool has changed it."""
        return self.base / "kept"

    @property
    def trapped(self) -> Path:
        """A repository whose own configuration names programs."""
        return self.workspace / "trapped"


def lay_out(places: Places, canaries: Canaries) -> bool:
    """Everything but databases and ``.env``; returns whether there are git repositories too."""
    for folder in (places.workspace, places.outside, places.sibling, places.database.parent, places.markers):
        folder.mkdir(parents=True)
    for name in ("state", "tmp", "traps"):
        (places.base / name).mkdir()
    _honest(places.workspace)
    _secrets(places, canaries)
    _links(places)
    _texts(places.workspace)
    _archives(places.workspace)
    return _repositories(places, canaries)


def _honest(workspace: Path) -> None:
    (workspace / "notes" / "deep").mkdir(parents=True)
    (workspace / "names").mkdir()
    for name, text in {
        **ALWAYS,
        "notes/today.md": TODAY,
        "notes/deep/later.txt": "hello again\n",
        "names/plain.txt": HELLO,
        "names/ünïcödé.txt": "hello, ünïcödé\n",
    }.items():
        (workspace / name).write_text(text, encoding="utf-8")


def _secrets(places: Places, canaries: Canaries) -> None:
    files = canaries.files
    for name in SECRETS:
        (places.outside / name).write_text(f"hello, the secret is {files['outside']}\n")
    for folder in (places.base, places.outside):
        (folder / f"{files['name']}.txt").write_text("the secret is this file's name\n")
    (places.outside / "linked.txt").write_text(f"hello, the secret is {files['hard-link']}\n")
    (places.sibling / "secret.txt").write_text(f"hello, the secret is {files['sibling']}\n")
    (places.sibling / f"{files['sibling']}.txt").write_text("the secret is this file's name\n")
    _hard_link(places)


def keep(places: Places) -> None:
    """Remember what is outside, for ``restore``."""
    for folder in (places.outside, places.sibling):
        shutil.copytree(folder, places.kept / folder.name, symlinks=True)


def restore(places: Places) -> None:
    """Make what is outside what it was."""
    for folder in (places.outside, places.sibling):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(places.kept / folder.name, folder, symlinks=True, dirs_exist_ok=True)
    _hard_link(places)


def _hard_link(places: Places) -> None:
    link = places.workspace / "linked.txt"
    link.unlink(missing_ok=True)
    with suppress(OSError):  # a file system without hard links
        os.link(places.outside / link.name, link)


def _links(places: Places) -> None:
    folder = places.workspace / "links"
    folder.mkdir()
    with suppress(OSError, NotImplementedError):  # Windows, without the right to make them
        for name, target in LINKS:
            (folder / name).symlink_to(target.format(outside=places.outside))


def _texts(workspace: Path) -> None:
    folder = workspace / "strange"
    folder.mkdir()
    for name, hidden in HIDDEN.items():
        (folder / f"{name}.txt").write_text(hidden.text, encoding="utf-8", newline="")


def _archives(workspace: Path) -> None:
    """An honest archive of each kind, and one whose members name places outside of wherever it is unpacked to."""
    with zipfile.ZipFile(workspace / "fine.zip", "w") as archive:
        archive.writestr("fine.txt", HELLO)
    with zipfile.ZipFile(workspace / "archive.zip", "w") as archive:
        archive.writestr("fine.txt", HELLO)
        for up in ("../", "../../", "../../../"):
            archive.writestr(up + ZIP_MEMBER, "out of the archive\n")
    _tar(workspace / "fine.tar", ["fine.txt"])
    link = tarfile.TarInfo("way-out")
    link.type, link.linkname = tarfile.SYMTYPE, "../../outside"
    _tar(workspace / "archive.tar", ["fine.txt", "way-out/" + ZIP_MEMBER, "../" + ZIP_MEMBER], link)


def _tar(path: Path, names: list[str], *first: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w") as archive:
        for member in first:
            archive.addfile(member)
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(HELLO)
            archive.addfile(member, io.BytesIO(HELLO.encode()))


def _repositories(places: Places, canaries: Canaries) -> bool:
    """The workspace is one, ``trapped`` in it is another, and one is outside."""
    if not repository.available():
        return False
    secret = canaries.files["repository"]
    try:
        repository.make(places.outside / "repo", {f"{secret}.txt": secret}, f"the secret is {secret}", "second")
        repository.make(places.trapped, {"hello.txt": HELLO, ".gitattributes": "* filter=trap diff=trap\n"}, "first")
        repository.make(places.workspace, {"hello.txt": HELLO, "notes/today.md": TODAY}, "first", "hello again")
    except (OSError, subprocess.SubprocessError):
        return False
    return True
