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
