"""Hostile values go to the parameters that look like them, and some to all others."""

from __future__ import annotations

from typing import Any

import pytest
from attack.cases.aimed import PATH, PATHS, Probe, read, tool

from holdfast_attack.arena import Arena
from holdfast_attack.cases.aiming import MOST_GUESSED, aims, aims_and_guesses, stands_in
from holdfast_attack.cases.trying import Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import FoundSeveral, Inconclusive, NotApplicable
from holdfast_attack.tools import Role

TEXT = {"type": "string"}
CHOICE = {"type": "string", "enum": ["a", "b"]}
NUMBER = {"type": "integer"}


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    return Arena.make(tmp_path_factory.mktemp("arena") / "base", 1)


def test_a_value_goes_into_a_list_where_one_is_taken(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("read_files", paths=PATHS))
    (aim,) = aims(probe, Role.PATH)
    assert aim.holding("x") == {"path": "hello.txt", "paths": ["x"]}
    assert aim.label == "'paths[]'"


@pytest.mark.parametrize("writes", [False, True])
def test_what_is_missing_is_said(arena: Arena, writes: bool) -> None:
    probe: Any = Probe(arena, tool("write_file", read_only=False, path=PATH), writes=writes)
    if writes:
        assert len(aims(probe, Role.PATH)) == 1
        with pytest.raises(NotApplicable, match="no tool takes a url"):
            aims(probe, Role.URL)
    else:
        with pytest.raises(NotApplicable, match="--allow-writes"):
            aims(probe, Role.PATH)


def test_a_server_stands_in_the_arena_when_it_reads_what_is_there(arena: Arena) -> None:
    probe = read(arena)
    assert not stands_in(probe)
    probe.honest["read_file"].reply = Reply({"result": {"content": [{"text": "hello from the attack arena\n"}]}})
    assert stands_in(probe)
    probe.honest["read_file"].reply = Reply({"result": {"content": [{"text": "linked.txt spare.txt"}]}})
    assert stands_in(probe)


def test_a_server_stands_in_the_arena_when_it_wrote_there(arena: Arena) -> None:
    probe = read(arena)
    made = arena.workspace / arena.world.new
    made.write_text("hello")
    assert stands_in(probe)
    made.unlink()


def test_a_server_stands_in_the_arena_when_a_file_there_is_called_what_it_was_told(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("keep", False, title=TEXT), writes=True)
    probe.honest["keep"].arguments = {"title": "a note of mine"}
    assert not stands_in(probe)
    made = arena.workspace / "notes" / "a note of mine.md"
    made.write_text("hello")
    assert stands_in(probe)
    made.unlink()


def test_other_texts_are_tried_behind_those_that_look_like_it(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("show", user=TEXT, path=PATH, kind=CHOICE, count=NUMBER), full=False)
    found = aims_and_guesses(probe, Role.PATH)
    assert [(aim.label, aim.guessed) for aim in found] == [("'path'", False), ("'user'", True)]


def test_only_so_many_others_are_tried(arena: Arena) -> None:
    texts = {f"text{number}": TEXT for number in range(100)}
    for full in (False, True):
        probe: Any = Probe(arena, tool("show", **texts), full=full)
        assert len(aims_and_guesses(probe, Role.PATH)) == MOST_GUESSED[full]


def test_where_there_is_no_text_at_all_nothing_is_tried(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("add", count=NUMBER, kind=CHOICE), full=False)
    with pytest.raises(NotApplicable, match="no tool takes a path or folder"):
        aims_and_guesses(probe, Role.PATH, Role.FOLDER)


async def fired_at(probe: Any, what: str | None) -> int:
    wanted = shots(probe, aims_and_guesses(probe, Role.PATH), lambda _aim: ["x"])

    def judge(shot: Shot, _reply: Reply) -> str | None:
        return what if shot.aim.guessed else None

    return await fire(probe, wanted, judge)


async def test_what_is_only_guessed_counts_when_something_is_found(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("show", user=TEXT), worked=False, full=False)
    with pytest.raises(FoundSeveral, match="led out"):
        await fired_at(probe, "led out")


async def test_what_is_only_guessed_and_does_nothing_says_nothing(arena: Arena) -> None:
    for worked in (False, True):
        probe: Any = Probe(arena, tool("show", user=TEXT), worked=worked, full=False)
        with pytest.raises(NotApplicable, match="1 calls with others did nothing"):
            await fired_at(probe, None)


async def test_what_is_only_guessed_neither_counts_as_tried_nor_speaks_for_the_others(arena: Arena) -> None:
    both = (tool("read", path=PATH), tool("show", user=TEXT))
    assert await fired_at(Probe(arena, *both, full=False), None) == 1
    probe: Any = Probe(arena, *both, full=False)
    probe.honest["read"].worked = False
    with pytest.raises(Inconclusive, match="honest calls"):
        await fired_at(probe, None)


async def test_what_is_only_guessed_is_left_out_when_time_is_short(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("read", path=PATH), tool("show", user=TEXT))
    probe.left = 5.0
    assert await fired_at(probe, "led out") == 1
    assert [name for name, _ in probe.calls] == ["read"]
