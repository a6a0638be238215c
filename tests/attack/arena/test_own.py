"""Folders that a server has made for itself are found, and furnished like the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast_attack.arena import Arena
from holdfast_attack.arena.own import MOST, furnish


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena.make(tmp_path, 7)


def test_of_an_arena_in_which_nothing_was_made_there_are_none(arena: Arena) -> None:
    assert arena.own_roots() == []
    assert not arena.furnish_own(in_workspace=True)


def test_a_temporary_folder_and_one_in_it_are_found(arena: Arena) -> None:
    made = arena.places.temporary / "tmp1" / "pages"
    made.mkdir(parents=True)
    assert set(arena.own_roots()) == {made.parent, made}


def test_a_folder_of_the_workspace_counts_once_something_has_come_to_be_in_it(arena: Arena) -> None:
    (arena.workspace / "notes" / "welcome.md").write_text("hello")
    (arena.workspace / "index.json").write_text("{}")
    assert arena.own_roots() == [arena.workspace / "notes"]
    assert arena.own_roots(in_workspace=False) == []


def test_links_and_hidden_folders_are_no_roots_and_there_are_not_many(arena: Arena) -> None:
    (arena.places.temporary / "away").symlink_to(arena.outside)
    (arena.places.temporary / ".cache").mkdir()
    assert arena.own_roots() == []
    for number in range(2 * MOST):
        (arena.places.temporary / f"made{number}").mkdir()
    assert len(arena.own_roots()) == MOST
    assert arena.places.temporary / f"made{2 * MOST - 1}" in arena.own_roots(), "the youngest are those of the living"


def test_they_are_furnished_with_honest_files_links_and_a_sibling(arena: Arena) -> None:
    root = arena.places.temporary / "pages"
    root.mkdir()
    (root / "hello.txt").write_text("its own")
    assert arena.furnish_own(in_workspace=False)
    assert (root / "hello.txt").read_text() == "its own"
    assert (root / "spare.txt").is_file()
    for secret in (root / "links" / "file", root / "links" / "folder" / "secret.txt"):
        assert arena.canaries.seen_in(secret.read_bytes()) == ("outside",)
    sibling = root.with_name("pages-private")
    assert arena.canaries.seen_in((sibling / "secret.txt").read_bytes()) == ("sibling",)
    assert arena.own_roots() == [root], "what was put beside it is not the server's"
    assert arena.furnish_own(in_workspace=False), "twice is once"


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "root"
    furnish(gone, tmp_path, {"a.txt": "a"}, {"b.txt": "b"})
    assert list(tmp_path.iterdir()) == []
