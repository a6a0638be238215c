"""An arena: everything beneath one folder, the same for the same seed, and put right again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from holdfast_attack.arena import Arena
from holdfast_attack.arena.arena import CLOSED
from holdfast_attack.arena.fingerprint import changes


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena.make(tmp_path / "base", 5)


def test_everything_stands_beneath_the_base(arena: Arena, tmp_path: Path) -> None:
    assert os.listdir(tmp_path) == ["base"]
    for path in (arena.workspace, arena.outside, arena.sibling, arena.database, arena.marker()):
        assert path.is_relative_to(arena.base)
    assert arena.workspace.is_dir()
    assert arena.database.is_file()


def test_the_same_seed_gives_the_same_secrets(arena: Arena, tmp_path: Path) -> None:
    again = Arena.make(tmp_path / "again", 5)
    assert again.canaries == arena.canaries
    assert set(again.fingerprint()) == set(arena.fingerprint())


def test_the_environment_holds_secrets_and_the_places_of_the_arena(arena: Arena) -> None:
    environment = arena.environment()
    assert environment["HOLDFAST_WORKSPACE"] == str(arena.workspace)
    assert environment["HOLDFAST_DATABASE"] == str(arena.database)
    assert environment["API_TOKEN"] == arena.canaries.environment["API_TOKEN"]
    for name in ("HOLDFAST_STATE", "TMPDIR"):
        assert Path(environment[name]).is_dir()
        assert Path(environment[name]).is_relative_to(arena.base)
    assert "HOLDFAST_LOG__FILE" not in environment


def test_its_fingerprint_shows_a_change_wherever_it_is(arena: Arena) -> None:
    before = arena.fingerprint()
    assert changes(before, arena.fingerprint()) == ()
    (arena.workspace / "hello.txt").write_text("changed")
    (arena.outside / "new.txt").write_text("x")
    (arena.sibling / "secret.txt").unlink()
    arena.database.write_bytes(b"gone")
    assert set(changes(before, arena.fingerprint())) == {
        "workspace/hello.txt was changed",
        "outside/new.txt was made",
        "workspace-private/secret.txt is gone",
        "database was changed",
    }


def test_taking_its_fingerprint_does_not_read_the_planted_env_file(arena: Arena) -> None:
    if arena.env_file_was_read() is None:
        pytest.skip("this file system keeps no times of reading")
    arena.fingerprint()
    assert arena.env_file_was_read() is False
    (arena.workspace / ".env").read_text()
    assert arena.env_file_was_read() is True


def test_what_was_changed_outside_and_in_the_database_is_restored(arena: Arena) -> None:
    before = arena.fingerprint()
    around = arena.around()
    (arena.outside / "secret.txt").write_text("changed")
    subprocess.run(["rm", "-rf", str(arena.sibling)], check=True)
    assert len(changes(around, arena.around())) > 1
    arena.restore_outside()
    assert changes(before, arena.fingerprint()) == ()


def test_a_marker_is_another_each_time_and_those_that_came_to_be_are_told(arena: Arena) -> None:
    first, second = arena.marker(), arena.marker()
    assert first != second
    assert arena.strays() == ()
    subprocess.run([str(arena.trap(first))], check=True)
    assert arena.strays() == (first.name,)


async def test_an_honest_url_is_the_canarys_while_it_serves(arena: Arena) -> None:
    assert arena.world.url == CLOSED
    async with arena.web as web:
        assert arena.world.url == web.url("/page")
        assert arena.environment()["API_BASE_URL"] == web.url("/v1")
    assert arena.world.sql == "SELECT name, age FROM pet"
    assert (arena.workspace / arena.world.file).exists()
    assert (arena.workspace / arena.world.spare).exists()
    assert not (arena.workspace / arena.world.new).exists()
