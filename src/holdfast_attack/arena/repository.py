"""Git repositories: an honest one, one outside the root, and what is put into the configuration of one as a trap."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

WHEN = "2026-01-05T10:00:00+00:00"
"""When all commits were made, so that their names are the same in each run."""
PATIENCE = 30.0
"""Seconds for one command of git, which takes some milliseconds."""
TRAPS = (
    ("core", "fsmonitor", "{}; false"),
    ("core", "pager", "{}; cat"),
    ("core", "editor", "{}; true"),
    ("core", "sshCommand", "{}; false"),
    ("diff", "external", "{}; true"),
    ("alias", "log", "!{}"),
    ("alias", "status", "!{}"),
    ("alias", "show", "!{}"),
    ("filter.trap", "clean", "{}; cat"),
    ("filter.trap", "smudge", "{}; cat"),
    ("diff.trap", "textconv", "{}; cat"),
    ("gpg", "program", "{}; true"),
    ("pager", "log", "{}; cat"),
)
"""Settings of a repository with which git runs a program of the repository's choice (git-config(1))."""
HOOKS = ("pre-commit", "post-commit", "post-checkout", "post-index-change", "reference-transaction")


def available() -> bool:
    """Whether there is a git on this machine."""
    return shutil.which("git") is not None


def make(folder: Path, files: Mapping[str, str], *messages: str) -> None:
    """A repository with one commit a message; each adds a line to ``changes.txt``, the first all of ``files`` too.

    Raises ``OSError`` or ``subprocess.SubprocessError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    for message in messages:
        with (folder / "changes.txt").open("a") as changes:
            changes.write(f"{message}\n")
        _git(folder, "add", "--", "changes.txt", *files)
        _git(folder, "commit", "--quiet", "--no-verify", "--message", message)


@contextmanager
def trapped(folder: Path, marker: Path) -> Iterator[None]:
    """Put every trap into the repository, as its configuration and as hooks, and take them away again.

    The first that fires makes ``marker``.
    """
    config, hooks = folder / ".git" / "config", folder / ".git" / "hooks"
    before = config.read_text()
    hooks.mkdir(exist_ok=True)
    try:
        config.write_text(with_traps(before, marker))
        for name in HOOKS:
            (hooks / name).write_text(f"#!/bin/sh\ntouch '{marker}'\n")
            (hooks / name).chmod(0o755)
        yield
    finally:
        config.write_text(before)
        for name in HOOKS:
            (hooks / name).unlink(missing_ok=True)


def with_traps(config: str, marker: Path) -> str:
    """A configuration with every trap in it."""
    act = f"touch '{marker}'"
    lines = [config.rstrip("\n")]
    for section, name, value in TRAPS:
        head, _, sub = section.partition(".")
        title = f'[{head} "{sub}"]' if sub else f"[{head}]"
        lines.append(f'{title}\n\t{name} = "{value.format(act)}"')
    return "\n".join(lines) + "\n"


def _git(folder: Path, *words: str) -> None:
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _PERSON.items()}
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    nobody = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(  # noqa: S603 - an argv of our own in a folder of our own  # nosec B603 B607 - as before
        ["git", "-c", "core.fsync=none", "-c", "gc.auto=0", *words],  # noqa: S607 - as the user's PATH finds it
        cwd=folder,
        env=kept | nobody | identity,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


_PERSON = {"NAME": "Arena", "EMAIL": "arena@example.com", "DATE": WHEN}
