"""Every case of paths finds its fault in a server without guards, and nothing in one that refuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attack.cases.played import found, not_found, played

from holdfast_attack.cases.paths import CASES, race
from holdfast_attack.cases.paths.reading import ABOVE, harmless
from holdfast_attack.cases.paths.spellings import PROC, SPELLINGS
from holdfast_attack.cases.trying import filled
from holdfast_attack.model import Outcome, Profile, Severity, Verdict

PLAYED = ("paths",)
IDS = [case.id for case in CASES if case.profile is Profile.QUICK]


@pytest.mark.parametrize("name", IDS)
def test_its_fault_is_found(name: str, naive: Mapping[str, Outcome]) -> None:
    found(naive[name])


@pytest.mark.parametrize("name", IDS)
def test_nothing_is_found_in_a_sound_server(name: str, sound: Mapping[str, Outcome]) -> None:
    not_found(sound[name])
    assert sound[name].verdict is Verdict.PASSED


def test_a_finding_says_what_came_back_and_shows_it(naive: Mapping[str, Outcome]) -> None:
    finding = next(one for one in naive["paths.parent"].findings if one.tool == "read_file")
    assert finding.what == "'path' led out of the root: the secret 'outside' came back"
    assert b"../outside/secret.txt" in finding.sent
    assert b"hello, the secret is" in finding.got


def test_each_tool_is_told_of(naive: Mapping[str, Outcome]) -> None:
    assert {"read_file", "list_dir", "write_file"} <= {one.tool for one in naive["paths.parent"].findings}


def test_honest_calls_work_afterwards_as_everything_was_put_right(naive: Mapping[str, Outcome]) -> None:
    assert naive["paths.aftermath"].verdict is Verdict.PASSED


def test_a_race_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "TRIES", 300)
    assert "led out of the root" in found(played("paths.race")["paths.race"])


def test_a_race_that_is_lost_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "TRIES", 50)
    outcome = played("paths.race", words=("sound",))["paths.race"]
    assert (outcome.verdict, outcome.attempts) == (Verdict.PASSED, 50)


def test_all_spellings_are_tried_in_the_full_profile() -> None:
    few, all_of_them = (
        played("paths.encoded", words=("sound",)),
        played("paths.encoded", words=("sound",), profile=Profile.FULL),
    )
    assert all_of_them["paths.encoded"].attempts > 2 * few["paths.encoded"].attempts


def test_without_leave_to_write_no_tool_that_writes_is_sent_anything() -> None:
    outcomes = played("paths.write-outside", "paths.archive", "paths.parent", allow_writes=False)
    for name in ("paths.write-outside", "paths.archive"):
        assert outcomes[name].verdict is Verdict.NOT_APPLICABLE
        assert "--allow-writes" in outcomes[name].why
    assert not {"write_file", "extract_archive"} & {one.tool for one in outcomes["paths.parent"].findings}


def test_a_server_that_stands_elsewhere_is_sent_nothing_relative_to_write(tmp_path: Path) -> None:
    """Its user's folder may be there: only what lies in the arena is named, by its whole path."""
    place = tmp_path / "somebody's"
    place.mkdir()
    outcome = played("paths.write-outside", "paths.git-folder", cwd=place)
    assert "led out of the root" in found(outcome["paths.write-outside"])
    assert os.listdir(tmp_path) == ["somebody's"]
    assert not (place / ".git").exists()


def test_what_deletes_is_never_sent_to_the_folder_of_the_run() -> None:
    stands_there = SimpleNamespace(workspace=Path("/"), world=SimpleNamespace(new=""))
    probe: Any = SimpleNamespace(arena=stands_there)
    for spelling in (*SPELLINGS, PROC):
        for text in (*spelling.files, *spelling.folders):
            assert not (harmless(probe, text) and filled(text, {"base": "X"}) in {"..", "X"})
    assert len(ABOVE) == 2


def test_every_case_that_leaves_the_root_is_critical_but_for_hard_links() -> None:
    for spelling in SPELLINGS:
        assert spelling.severity is (Severity.LOW if spelling.name == "hard-link" else Severity.CRITICAL)
