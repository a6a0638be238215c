"""Personal numbers: what a placeholder is, and what a check digit does not say."""

from __future__ import annotations

import pytest

from holdfast.safe.secrets import SecretRegistry

PERSONAL = SecretRegistry(personal=True)


@pytest.mark.parametrize("number", ["6666666666666", "22222222222222222"])
def test_one_digit_over_and_over_is_no_card_though_its_check_digit_fits(number: str) -> None:
    assert PERSONAL.redact(f"of {number}, please").hits == ()


@pytest.mark.parametrize(
    "number",
    [
        "82510273461",  # twice a 2, and on the way a sum of ten, in whose place ISO 7064 has ten, not nothing
        "72328601290",  # three times a 2
    ],
)
def test_a_german_number_has_one_digit_two_or_three_times(number: str) -> None:
    assert PERSONAL.redact(f"of {number}, please").hits == ("de-steuer-id",)


@pytest.mark.parametrize(
    "number",
    [
        "91382547068",  # ten different digits
        "49825979194",  # four times a 9
        "16958483042",  # two digits twice
    ],
)
def test_another_number_with_the_same_check_digit_is_none(number: str) -> None:
    assert PERSONAL.redact(f"of {number}, please").hits == ()


@pytest.mark.parametrize(
    "number, of_someone",
    [
        ("30011049695", True), ("13121064891", True), ("61211025398", True), ("11921010892", True),  # months 1 and 12
        ("02001065792", False), ("70131047410", False), ("97201009646", False), ("28991085251", False),
        ("68050159020", True), ("35053128289", True),  # days 1 and 31
        ("13050042887", False), ("27053204205", False), ("82059942641", False),
    ],
)  # fmt: skip
def test_a_polish_number_begins_with_a_day_that_there_is_in_some_century(number: str, of_someone: bool) -> None:
    """Each of them has the right check digit."""
    assert PERSONAL.redact(f"of {number}, please").hits == (("pl-pesel",) if of_someone else ())


def test_a_dutch_number_of_zeros_is_a_placeholder() -> None:
    assert PERSONAL.redact("bsn 111222333").hits == ("nl-bsn",)
    assert PERSONAL.redact("bsn 000000000").hits == ()


@pytest.mark.parametrize("number", ["293189159048", "687140434719", "509113470430", "258199419928", "202691658417"])
def test_an_indian_number_is_checked_over_the_dihedral_group(number: str) -> None:
    assert PERSONAL.redact(f"of {number}, please").hits == ("in-aadhaar",)
    assert PERSONAL.redact(f"of {number[:-1]}{(int(number[-1]) + 1) % 10}, please").hits == ()
