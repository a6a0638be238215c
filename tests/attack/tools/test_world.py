"""Samples can be made absolute, and harmless."""

from __future__ import annotations

from holdfast_attack.tools import World


def test_paths_become_absolute_beneath_a_root() -> None:
    world = World(sql="SELECT 2").beneath("/srv/arena")
    assert (world.file, world.folder) == ("/srv/arena/hello.txt", "/srv/arena")
    assert world.new.startswith("/srv/arena/")
    assert world.spare.startswith("/srv/arena/")
    assert world.sql == "SELECT 2"


def test_a_harmless_world_names_nothing_that_there_is() -> None:
    world, harmless = World(command="rm", text="x"), World(command="rm", text="x").harmless()
    assert not {harmless.file, harmless.spare, harmless.new, harmless.folder} & {world.file, world.spare, world.new}
    assert harmless.command == "true"
    assert harmless.url == world.url
