"""The catalogue of cases: complete, told well, and held together with the published attacks, both ways."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast_attack.cases import all_cases, case_of
from holdfast_attack.cases.listing import explained, listed
from holdfast_attack.model import Case, Eras, Kind, Profile, Transport

ROOT = Path(__file__).resolve().parents[3]
SECURITY = tomllib.loads((ROOT / "security" / "attacks.toml").read_text(encoding="utf-8"))
TABLES = ("not_reproduced", "described_only", "not_played")
ATTACKS = {name for kind, entries in SECURITY.items() if kind not in TABLES for name in entries}
NOT_PLAYED: dict[str, str] = SECURITY["not_played"]
PLAYED = {name for case in all_cases() for name in case.advisories}


def test_every_class_has_cases_and_an_aftermath() -> None:
    counted = Counter(case.kind for case in all_cases())
    assert set(counted) == set(Kind)
    assert all(counted[kind] > 3 for kind in Kind), counted
    assert {f"{kind}.aftermath" for kind in Kind} <= {case.id for case in all_cases()}


def test_every_published_attack_is_played_by_a_case_or_the_list_says_why_not() -> None:
    assert ATTACKS - PLAYED - set(NOT_PLAYED) == set()
    assert PLAYED & set(NOT_PLAYED) == set()
    assert all(len(reason) > 20 for reason in NOT_PLAYED.values())


def test_every_advisory_of_a_case_stands_in_the_list() -> None:
    assert PLAYED <= ATTACKS
    assert set(NOT_PLAYED) <= ATTACKS


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
def test_a_case_tells_a_reader_all_there_is_to_know(case: Case) -> None:
    for text in (case.title, case.sends, case.sound, case.remedy, case.reference.text):
        assert len(text) > 5
        assert text == text.strip()
    assert not case.title.endswith(".")
    assert case.seconds <= (300 if case.profile is Profile.QUICK else 600)


def test_the_parts_of_the_catalogue_stand_where_they_can_be_played() -> None:
    for case in all_cases():
        assert case.transports
        if case.kind is Kind.HTTP and not case.id.endswith("aftermath"):
            assert case.transports == {Transport.HTTP}, case.id
        assert isinstance(case.eras, Eras)


def test_a_case_is_found_by_its_id_and_told_of() -> None:
    case = case_of("wire.garbage")
    assert explained(case).startswith(f"wire.garbage: {case.title}")
    assert len(listed(all_cases()).splitlines()) == len(all_cases()) + 1
    with pytest.raises(ConfigurationError, match="no case"):
        case_of("wire.nothing")
