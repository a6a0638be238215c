"""Hostile values are put where they belong, and what came of it is told rightly: found, tried, or not to be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attack.cases.aimed import ANSWER, PATH, Probe, read, tool

from holdfast_attack.arena import Arena
from holdfast_attack.cases import trying
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import Shot, filled, fire, fired, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone
from holdfast_attack.model import FoundSeveral, Inconclusive
from holdfast_attack.tools import Role


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    return Arena.make(tmp_path_factory.mktemp("arena") / "base", 1)


def nothing(_shot: Shot, _reply: Reply) -> str | None:
    return None


def test_only_what_is_known_is_filled_in() -> None:
    assert filled("{a} ${IFS} {b}", {"a": 1}) == "1 ${IFS} {b}"


def test_each_value_has_a_marker_of_its_own_where_it_names_one(arena: Arena) -> None:
    probe = read(arena)
    made = list(shots(probe, aims(probe, Role.PATH), lambda _aim: ["{marker}", "{marker}", "{outside}", "{trap}"]))
    assert [shot.marker is not None for shot in made] == [True, True, False, True]
    assert made[0].marker != made[1].marker
    assert made[2].arguments == {"path": str(arena.outside)}
    assert Path(made[3].arguments["path"]).is_file()
    assert b'"tools/call"' in made[0].words


async def test_what_was_refused_was_tried(arena: Arena) -> None:
    probe = read(arena)
    assert await fire(probe, shots(probe, aims(probe, Role.PATH), lambda _aim: ["a", "b"]), nothing) == 2
    assert [arguments["path"] for _, arguments in probe.calls] == ["a", "b"]


async def test_a_refusal_says_nothing_where_honest_calls_are_refused_too(arena: Arena) -> None:
    probe = read(arena, worked=False)
    targets = aims(probe, Role.PATH)
    with pytest.raises(Inconclusive, match="honest calls"):
        await fire(probe, shots(probe, targets, lambda _aim: ["a"]), nothing)
    assert await fire(probe, shots(probe, targets, lambda _aim: ["a"]), nothing, must_work=False) == 1


async def test_once_a_parameter_failed_no_more_is_tried_on_it(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("read_file", path=PATH), tool("show_file", path=PATH))
    wanted = shots(probe, aims(probe, Role.PATH), lambda _aim: ["a", "b", "c"])
    with pytest.raises(FoundSeveral) as caught:
        await fire(probe, wanted, lambda shot, _reply: "found" if shot.arguments["path"] == "b" else None)
    assert [(one.tool, one.got) for one in caught.value.findings] == [("read_file", b"no"), ("show_file", b"no")]
    assert len(probe.calls) == 4


async def test_a_server_that_goes_away_ends_it_and_what_was_found_before_is_told(arena: Arena) -> None:
    probe: Any = Probe(arena, tool("read_file", path=PATH), tool("show_file", path=PATH))

    def answer(name: str, _arguments: Any) -> Reply:
        if name == "show_file":
            raise Gone("its output ended")
        return Reply(ANSWER)

    probe.answer = answer
    with pytest.raises(FoundSeveral) as caught:
        await fire(probe, shots(probe, aims(probe, Role.PATH), lambda _aim: ["a"]), lambda *_: "found")
    assert [one.what for one in caught.value.findings] == ["found", "the server went away: its output ended"]


async def test_what_hangs_is_left_to_other_cases(arena: Arena) -> None:
    probe = read(arena)
    probe.answer = lambda *_: Reply(None)
    with pytest.raises(Inconclusive, match="2 of 2 calls got no answer"):
        await fire(probe, shots(probe, aims(probe, Role.PATH), lambda _aim: list("abcdef")), nothing)
    assert len(probe.calls) == trying.SILENT


async def test_a_marker_that_comes_to_be_later_is_seen(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = read(arena)
    made = list(shots(probe, aims(probe, Role.PATH), lambda _aim: ["{marker}"]))

    async def later(_seconds: float) -> None:
        if probe.calls and made[0].marker is not None:
            made[0].marker.touch()

    monkeypatch.setattr(trying.asyncio, "sleep", later)
    monkeypatch.setattr(trying, "fired", fired)
    with pytest.raises(FoundSeveral, match="came to be"):
        await fire(probe, made, fired, settle=0.2)


def test_a_marker_that_is_not_there_is_no_finding(arena: Arena) -> None:
    probe = read(arena)
    (aim,) = aims(probe, Role.PATH)
    assert isinstance(aim, Aim)
    assert fired(Shot(aim, {}, arena.marker()), Reply(None)) is None
    assert fired(Shot(aim, {}, None), Reply(None)) is None
