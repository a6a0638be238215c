"""Quotas: spent once, given back when refused, and begun anew each period; counted in a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast.access.quotas import Quota
from holdfast.errors import ConfigurationError, QuotaExceeded
from holdfast.state.store import Store
from holdfast.testing import FakeClock


@asynccontextmanager
async def counted(folder: Path, clock: FakeClock | None = None) -> AsyncIterator[Store]:
    store = Store(folder / "state.sqlite", clock=clock or FakeClock())
    try:
        yield store
    finally:
        await store.close()


async def spent(quota: Quota, principal: str, cost: float = 1.0) -> bool:
    try:
        await quota.reserve(principal, cost)
    except QuotaExceeded:
        return False
    return True


async def test_what_is_allowed_can_be_spent_and_no_more(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("3/hour", store)
        assert [await spent(quota, "ada") for _ in range(5)] == [True, True, True, False, False]


async def test_each_principal_has_its_own(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("1/hour", store)
        assert await spent(quota, "ada")
        assert await spent(quota, "bob")
        assert not await spent(quota, "ada")


async def test_a_refusal_says_when_the_next_period_begins(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as store:
        quota = Quota("1/hour", store)
        await quota.reserve("ada", 1)
        await clock.advance(600)
        with pytest.raises(QuotaExceeded, match="the quota of 1/hour is spent") as refused:
            await quota.reserve("ada", 1)
        assert refused.value.retry_after == pytest.approx(3000, abs=1)


async def test_the_period_begins_with_the_first_call_and_ends_whatever_was_refused(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as store:
        quota = Quota("2/minute", store)
        assert await spent(quota, "ada")
        await clock.advance(59)
        assert [await spent(quota, "ada"), await spent(quota, "ada")] == [True, False]
        await clock.advance(1.5)
        assert [await spent(quota, "ada") for _ in range(3)] == [True, True, False]


async def test_fifty_calls_at_once_cannot_spend_one_unit_twice(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("10/hour", store)
        outcomes = await asyncio.gather(*(spent(quota, "ada") for _ in range(50)))
        assert sum(outcomes) == 10


async def test_instances_over_one_store_share_what_is_spent_and_it_outlives_them(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as first, counted(tmp_path, clock) as second:
        assert await spent(Quota("2/hour", first), "ada")
        assert await spent(Quota("2/hour", second), "ada")
        assert not await spent(Quota("2/hour", first), "ada")
    async with counted(tmp_path, clock) as later:
        assert not await spent(Quota("2/hour", later), "ada")


async def test_a_refund_can_be_spent_again_once(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("1/hour", store)
        await quota.reserve("ada", 1)
        await quota.refund("ada", 1)
        assert [await spent(quota, "ada"), await spent(quota, "ada")] == [True, False]


async def test_a_refused_reservation_costs_nothing(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("5/hour", store)
        assert await spent(quota, "ada", 3)
        assert not await spent(quota, "ada", 4)
        assert await spent(quota, "ada", 2)
        assert not await spent(quota, "ada", 1)


async def test_a_refund_after_its_period_gives_nothing_to_the_next(tmp_path: Path) -> None:
    clock = FakeClock()
    async with counted(tmp_path, clock) as store:
        quota = Quota("2/minute", store)
        await quota.reserve("ada", 2)
        await clock.advance(61)
        await quota.refund("ada", 2)
        assert [await spent(quota, "ada") for _ in range(3)] == [True, True, False]


async def test_nothing_is_spent_when_it_cannot_be_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("5/hour", store)
    with pytest.raises(QuotaExceeded, match="cannot be counted right now") as refused:
        await quota.reserve("ada", 1)
    assert refused.value.retry_after == 5.0
    assert "quotas cannot be counted: Busy" in caplog.text


async def test_a_refund_that_cannot_be_counted_hides_no_other_refusal(tmp_path: Path) -> None:
    async with counted(tmp_path) as store:
        quota = Quota("5/hour", store)
    await quota.refund("ada", 1)


@pytest.mark.parametrize("text", ["", "5", "0/hour", "5/year", "many/hour"])
def test_a_quota_that_is_not_a_rate_is_an_error_of_the_operator(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a rate is written as"):
        Quota(text, None)  # type: ignore[arg-type]
