"""Ripgrep as declared, on a real one: it finds what is visible and nothing that the workspace hides."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.bases import CommandTool
from holdfast.errors import ConfigurationError, Refusal, UnsafeCommand, UnsafePath
from holdfast.safe.paths import Root
from holdfast.safe.programs import ripgrep

RG = str(Path(sys.executable).parent / "rg")
pytestmark = pytest.mark.skipif(not os.access(RG, os.X_OK), reason="the development wheel ripgrep is not installed")


class Here:
    """As much of a context as the base uses."""

    def __init__(self, root: Root) -> None:
        self.workspace = root


class Search(CommandTool):
    program = ripgrep(RG) if os.access(RG, os.X_OK) else None  # type: ignore[assignment]

    async def run(self, args: Any, ctx: Any) -> str:
        return await self.execute(ctx, *args)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    for name in ("a.txt", ".env", ".git/config", "sub/b.txt", "sub/.env", "secrets/key.txt", "deep/down/notes.txt"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(f"needle in {name}\n")
    (tmp_path / "outside.txt").write_text("needle outside\n")
    (work / "link.txt").symlink_to(tmp_path / "outside.txt")
    (work / "folder").symlink_to(tmp_path)
    return work


@pytest.fixture
def root(tree: Path) -> Iterator[Root]:
    opened = Root(tree, deny=(".*", "Secrets", "deep/down/*"))
    yield opened
    opened.close()


def run(root: Root, *words: Any) -> list[str]:
    return sorted(asyncio.run(Search().run(words, Here(root))).splitlines())


VISIBLE = ["a.txt:1:needle in a.txt", "sub/b.txt:1:needle in sub/b.txt"]


def test_a_search_finds_what_is_visible(root: Root) -> None:
    assert run(root, "search", {"--regexp": "needle"}) == VISIBLE
    assert run(root, "search", {"--regexp": "NEEDLE", "--ignore-case": True}, ["sub"]) == VISIBLE[1:]
    assert run(root, "search", {"--regexp": "needle", "--glob": "*.txt"}, [root.read("a.txt")]) == VISIBLE[:1]
    assert run(root, "files") == ["a.txt", "sub/b.txt"]


def test_a_search_that_finds_nothing_is_no_failure_and_a_bad_expression_is(root: Root) -> None:
    assert run(root, "search", {"--regexp": "no such text"}) == []
    with pytest.raises(UnsafeCommand) as caught:
        run(root, "search", {"--regexp": "("})
    assert caught.value.code == "command.failed"


def test_an_expression_may_begin_with_a_dash_and_is_still_one(root: Root) -> None:
    assert run(root, "search", {"--regexp": "--files"}) == []
    assert run(root, "search", {"--regexp": "-e needle"}) == []


@pytest.mark.parametrize(
    "glob", [".env", "**/.env", ".*", "**/.*/**", "secrets/**", "/secrets/key.txt", "deep/**", "!a", "*"]
)
def test_no_glob_of_a_caller_brings_back_what_is_hidden(root: Root, glob: str) -> None:
    try:
        found = run(root, "search", {"--regexp": "needle", "--glob": glob})
    except UnsafeCommand:
        return  # ripgrep calls it an error when a glob leaves no file
    assert set(found) <= set(VISIBLE)


def test_an_ignore_file_in_the_tree_brings_nothing_back(root: Root, tree: Path) -> None:
    for name in (".ignore", ".rgignore", ".gitignore"):
        (tree / name).write_text("!.env\n!.git\n!secrets\n!deep/down\n")
    assert run(root, "search", {"--regexp": "needle"}) == VISIBLE
    assert run(root, "files") == ["a.txt", "sub/b.txt"]


@pytest.mark.parametrize("path", [".env", "sub/.env", ".git", "SECRETS", "secrets/key.txt", "deep/down/notes.txt"])
def test_a_hidden_path_cannot_be_named(root: Root, path: str) -> None:
    with pytest.raises((UnsafePath, UnsafeCommand)):
        run(root, "search", {"--regexp": "needle"}, [path])


@pytest.mark.parametrize(
    "path", ["../outside.txt", "/etc/passwd", "link.txt", "folder", "folder/outside.txt", "-", "none"]
)
def test_a_path_that_leads_out_cannot_be_named(root: Root, path: str) -> None:
    with pytest.raises(Refusal):
        run(root, "search", {"--regexp": "needle"}, [path])


def test_a_link_swapped_in_after_the_look_leads_nowhere_where_the_kernel_has_landlock(tree: Path) -> None:
    from holdfast.safe.confine import means

    if means().landlock == 0:
        pytest.skip("this kernel has no Landlock")

    class Work:
        fd = os.open(tree, os.O_RDONLY)

    try:  # the declaration alone judges spellings, as if the link had come after CommandTool's look
        completed = ripgrep(RG).argv("search", {"--regexp": "needle"}, ["link.txt", "a.txt"]).run_sync(cwd=Work())
    finally:
        os.close(Work.fd)
    assert completed.stdout == b"a.txt:1:needle in a.txt\n"


def test_nothing_can_be_searched_without_an_expression(root: Root) -> None:
    with pytest.raises(UnsafeCommand, match="--regexp"):
        run(root, "search", {}, ["a.txt"])


def test_without_ripgrep_the_server_does_not_start() -> None:
    with pytest.raises(ConfigurationError):
        ripgrep("/nonexistent/rg")
