"""A case cannot be made that breaks the rules of the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.model import Case, Kind, Severity
from holdfast_attack.model.case import advisory, measured, spec, taste


async def play(_probe: Any) -> int:
    return 1


def case(**more: Any) -> Case:
    facts: dict[str, Any] = {
        "id": "paths.parent", "title": "t", "severity": Severity.HIGH, "sends": "s", "sound": "s",
        "reference": spec("x"), "remedy": "r", "play": play,
    }  # fmt: skip
    return Case(**(facts | more))


def test_the_class_is_the_first_part_of_the_id() -> None:
    assert case().kind is Kind.PATHS


@pytest.mark.parametrize(
    "name", ["parent", "paths.", "paths.Parent", "paths.a_b", "paths.a--b", "other.parent", "paths.a.b"]
)
def test_an_id_has_one_form(name: str) -> None:
    with pytest.raises(ValueError, match="a case's id is"):
        case(id=name)


@pytest.mark.parametrize("reference", [spec("x"), advisory("x"), measured("x")])
def test_what_is_backed_is_scored_and_what_is_not_is_advice(reference: Any) -> None:
    assert case(reference=reference).severity > 0
    with pytest.raises(ValueError, match="advice, and only that"):
        case(reference=reference, severity=Severity.ADVICE)
    with pytest.raises(ValueError, match="advice, and only that"):
        case(reference=taste("x"))
    assert case(reference=taste("x"), severity=Severity.ADVICE).severity == 0


def test_a_case_beside_others_has_a_server_of_its_own() -> None:
    with pytest.raises(ValueError, match="server of its own"):
        case(beside=True)
    assert case(beside=True, own=True).beside
