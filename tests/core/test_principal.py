"""Principals: who calls, and what they hold."""

from __future__ import annotations

import pytest

from holdfast.core.principal import ALL, ANONYMOUS, Principal
from holdfast.testing import principal


@pytest.mark.parametrize(
    "held, needed, may",
    [
        ((), (), True),
        ((), ("read",), False),
        (("read",), ("read",), True),
        (("read",), ("read", "write"), False),
        (("read", "write"), ("write",), True),
        ((ALL,), ("anything",), True),
        (("rea",), ("read",), False),
    ],
)
def test_a_principal_may_what_all_its_scopes_allow(held: tuple[str, ...], needed: tuple[str, ...], may: bool) -> None:
    assert Principal("ada", frozenset(held)).may(frozenset(needed)) is may


def test_a_principal_without_scopes_may_only_what_needs_none() -> None:
    assert Principal("ada").may(frozenset())
    assert not Principal("ada").may(frozenset({ALL}))


def test_the_anonymous_caller_of_a_loopback_server_may_everything() -> None:
    assert ANONYMOUS.may(frozenset({"admin"}))


def test_principals_are_equal_by_value_and_cannot_be_changed() -> None:
    assert principal("ada", "read") == Principal("ada", frozenset({"read"}))
    with pytest.raises(AttributeError):
        principal("ada").name = "bob"  # type: ignore[misc]
