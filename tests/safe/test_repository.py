"""What makes a repository unfit to be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import UnsafeCommand
from holdfast.safe import repository
from holdfast.safe.repository import inspect

ORDINARY = """[core]
\trepositoryformatversion = 0
\tfilemode = true
; a comment
[remote "ori\\"gin"]
\turl = https://example.com/x.git
\tfetch = +refs/heads/*:refs/remotes/origin/*

[branch "main"]
    merge = refs/heads/main
[user]
\tname
"""


@pytest.fixture
def git(tmp_path: Path) -> Path:
    (tmp_path / ".git/objects/info").mkdir(parents=True)
    (tmp_path / ".git/config").write_text(ORDINARY)
    return tmp_path / ".git"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def refused(directory: int) -> str:
    with pytest.raises(UnsafeCommand) as caught:
        inspect(directory)
    assert caught.value.code == "command.repository"
    return caught.value.message


def test_an_ordinary_repository_passes_and_no_descriptor_is_left(git: Path, directory: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    inspect(directory)
    git.joinpath("config").write_bytes(ORDINARY.replace("\n", "\r\n").encode())
    inspect(directory)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "line",
    [
        "[core]\nfsmonitor = x",
        "[core]\nworktree = /",
        "[core]\nfilemode\nsshCommand",
        "fsmonitor = x",
        "[core.x]\nfilemode = x",
        '[core "filemode',
        "[core] filemode = true",
        "[include]\npath = x",
        "[extensions]\nworktreeConfig = true",
        '[remote "o"]\npromisor = true',
        '[remote "o"]\nuploadpack = x',
        '[submodule "s"]\nupdate = !x',
        "[unknown]\nx = y",
        "= x",
        "[core]\nfilemode = a\\\nfsmonitor = x",
        "\ufeff[core]",
        "# a\rfsmonitor = x",
        "# a\x0bb",
        "[user]\nname = \x00",
    ],
)
def test_a_setting_that_is_not_known_to_be_harmless_is_refused(git: Path, directory: int, line: str) -> None:
    (git / "config").write_bytes((ORDINARY + line).encode() if line[0] not in "=f" else line.encode())
    refused(directory)


def test_a_configuration_that_is_missing_large_or_no_text_is_refused(git: Path, directory: int) -> None:
    (git / "config").write_bytes(b"\xff")
    assert "not text" in refused(directory)
    (git / "config").write_bytes(b"#" * (65 << 10))
    assert "too large" in refused(directory)
    (git / "config").unlink()
    assert "examined" in refused(directory)


@pytest.mark.parametrize("name", ["commondir", "gitdir", "objects/info/alternates", "objects/info/http-alternates"])
def test_pointers_to_other_repositories_are_refused(git: Path, directory: int, name: str) -> None:
    (git / name).write_text("x")
    assert "borrows" in refused(directory)


def test_links_and_pipes_anywhere_in_it_are_refused(git: Path, directory: int) -> None:
    (git / "objects/info/link").symlink_to("/etc/passwd")
    assert "links" in refused(directory)
    (git / "objects/info/link").unlink()
    os.mkfifo(git / "HEAD")
    assert "special" in refused(directory)


def test_a_git_that_is_no_directory_is_refused(git: Path, directory: int) -> None:
    git.rename(git.with_name("moved"))
    assert "no plain" in refused(directory)
    git.symlink_to("moved")
    assert "no plain" in refused(directory)


def test_the_look_at_a_repository_is_bounded(git: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_MOST_ENTRIES", 2)
    assert "too many" in refused(directory)
    monkeypatch.setattr(repository, "_MOST_ENTRIES", 3)  # config, objects, objects/info
    inspect(directory)


def test_a_configuration_of_exactly_the_bound_is_read(git: Path, directory: int) -> None:
    (git / "config").write_bytes(b"#" * repository._MOST_CONFIG)
    inspect(directory)
    (git / "config").write_bytes(b"#" * (repository._MOST_CONFIG + 1))
    assert "too large" in refused(directory)


def test_folders_may_nest_as_deep_as_the_bound(git: Path, directory: int) -> None:
    deepest = git.joinpath(*"d" * repository._DEEPEST)
    deepest.mkdir(parents=True)
    inspect(directory)
    (deepest / "d").mkdir()
    assert "too many" in refused(directory)


def test_a_folder_that_cannot_be_opened_is_refused(git: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def denied(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "objects":
            raise PermissionError
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", denied)
    assert "examined" in refused(directory)


def test_a_bottomless_repository_is_refused(git: Path, directory: int) -> None:
    (git / "refs" / "/".join("d" * 100)).mkdir(parents=True)
    assert "too many" in refused(directory)


def test_a_folder_that_cannot_be_read_is_refused(git: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def denied(descriptor: int) -> Any:
        if os.path.samestat(os.fstat(descriptor), (git / "objects").stat()):
            raise PermissionError
        return scan(descriptor)

    monkeypatch.setattr(os, "scandir", denied)
    assert "examined" in refused(directory)
