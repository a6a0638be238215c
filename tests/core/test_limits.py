"""Limits: checked when they are written, and filled from the server's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.config import LimitSettings
from holdfast.core.limits import Bounds, Limits, parse_rate, settle
from holdfast.errors import ConfigurationError


@pytest.mark.parametrize(
    "text, rate",
    [
        ("100/minute", (100.0, 60.0)),
        ("5/second", (5.0, 1.0)),
        ("5/s", (5.0, 1.0)),
        (" 0.5 / min ", (0.5, 60.0)),
        ("7/m", (7.0, 60.0)),
        ("1000/hour", (1000.0, 3600.0)),
        ("2/h", (2.0, 3600.0)),
        ("1/day", (1.0, 86400.0)),
    ],
)
def test_a_rate_is_a_count_and_a_period_in_seconds(text: str, rate: tuple[float, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "/second", "5/", "0/second", "0.0/s", "-1/second", "+1/s", "1e3/s", "nan/s", "inf/s", "9" * 400 + "/s",
        "5/year", "5/Second", "٥/second", "5//s", "5/s/s", "5\n6/s", 5, None, ("5", "s"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_form_and_without_the_value(text: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^a rate is written as a count and a period: 100/minute"):
        parse_rate(text)


@given(text=st.text(alphabet="0123456789./smhd inute", max_size=500))
def test_whatever_is_read_as_a_rate_is_positive_and_finite(text: str) -> None:
    try:
        count, period = parse_rate(text)
    except ConfigurationError:
        return
    assert 0 < count < float("inf")
    assert period in (1.0, 60.0, 3600.0, 86400.0)


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"concurrency": 0},
        {"input": 0},
        {"output": -5},
        {"queue": -1},
        {"cost": -0.1},
        {"memory": (64 << 20) - 1},
        {"memory": float("inf")},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"rate": "often"},
        {"concurrency": "many"},
        {"timeout": "adaptive"},
        {"priority": "highest"},
        {"priority": None},
        {"hedge": 0},
        {"hedge": float("nan")},
        {"hedge": float("inf")},
        {"hedge": "p99"},
    ],
    ids=str,
)
def test_a_limit_that_limits_nothing_is_refused_when_it_is_written(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Limits(**limits)


def test_no_queue_and_no_cost_are_limits() -> None:
    assert Limits(queue=0, cost=0).queue == 0


def test_what_a_tool_leaves_open_comes_from_the_server_and_what_it_says_stays() -> None:
    defaults = LimitSettings(timeout=9, rate="7/s", concurrency=3, queue=4, input=5, output=6, memory=1 << 30)
    assert settle(Limits(timeout=1, queue=0, cost=2), defaults) == Bounds(
        timeout=1, rate="7/s", concurrency=3, queue=0, input=5, output=6, cost=2, memory=1 << 30
    )


def test_an_adaptive_concurrency_is_bounded_and_the_servers_setting_holds_where_a_tool_names_no_number() -> None:
    assert (settle(Limits(), LimitSettings()).adaptive, settle(Limits(), LimitSettings()).adaptive_rate) == (
        False,
        False,
    )
    own = settle(Limits(concurrency="adaptive", priority="low", adaptive_rate=True), LimitSettings(concurrency=3))
    assert (own.adaptive, own.concurrency, own.rank, own.adaptive_rate) == (True, 200, 2, True)
    given = LimitSettings(adaptive=True, adaptive_rate=True)
    assert (settle(Limits(), given).adaptive, settle(Limits(), given).adaptive_rate) == (True, True)
    plain = settle(Limits(concurrency=5, adaptive_rate=False), given)
    assert (plain.adaptive, plain.concurrency, plain.adaptive_rate) == (False, 5, False)


def test_limits_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        Limits().timeout = 5  # type: ignore[misc]
