"""Which guards an operation gets, and in which order they stand around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import living, server_in

from holdfast import Limits
from holdfast.core.pipeline import Proceed
from holdfast.errors import ConfigurationError
from holdfast.guards import ORDER, chain
from holdfast.live import Live

ALWAYS = ["Observe", "Egress", "Rate", "Validate", "Deadline", "Idempotency", "BulkheadGuard", "BreakerGuard", "Run"]


def guards_of(proceed: Proceed) -> Iterator[str]:
    """The names of the guards in a chain, outermost first."""
    while hasattr(proceed, "func"):
        yield type(proceed.func.__self__).__name__
        proceed = proceed.args[0]


async def names(live: Live, **facts: Any) -> list[str]:
    """The guards of a tool with these facts."""
    from holdfast.core.function import FunctionTool

    async def work(number: int = 0) -> str:
        return ""

    return list(guards_of(chain(FunctionTool(work, **facts), live.plant.parts)))


async def test_a_plain_tool_gets_the_guards_that_everybody_needs_in_their_order(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        assert await names(live) == ALWAYS


@pytest.mark.parametrize(
    "facts, more",
    [
        ({"scopes": {"a"}}, "Authorize"),
        ({"fallback": lambda: "x"}, "Fallback"),
        ({"read_only": True}, "Retry"),
        ({"idempotent": True}, "Retry"),
        ({"read_only": True, "cacheable": True}, "Cache"),
        ({"read_only": True, "cacheable": 5}, "Cache"),
        ({"read_only": True, "limits": Limits(hedge=1)}, "Hedge"),
    ],
)
async def test_a_fact_adds_its_guard(tmp_path: Path, facts: dict[str, Any], more: str) -> None:
    async with living(server_in(tmp_path)) as live:
        assert set(await names(live, **facts)) - {"Retry"} - set(ALWAYS) == {more} - {"Retry"}
        assert ("Retry" in await names(live, **facts)) is (more in ("Retry", "Cache", "Hedge"))


async def test_a_quota_adds_its_guard_to_what_costs_something(tmp_path: Path) -> None:
    async with living(server_in(tmp_path, limits__quota="5/day")) as live:
        assert "QuotaGuard" in await names(live)
        assert "QuotaGuard" not in await names(live, limits=Limits(cost=0))


async def test_grants_add_their_guards_and_constraints_one_more(tmp_path: Path) -> None:
    grants = {"*": [{"tools": "w*"}], "ada": [{"tools": "work", "where": {"other": 0}}]}
    async with living(server_in(tmp_path, access__grants=grants)) as live:
        assert set(await names(live)) == {*ALWAYS, "Authorize"}, "there is no such argument to constrain"
    grants["ada"] = [{"tools": "work", "where": {"number": 0}}]
    async with living(server_in(tmp_path, access__grants=grants)) as live:
        assert set(await names(live)) == {*ALWAYS, "Authorize", "Constrain"}


async def test_every_guard_together_stands_in_the_order_of_the_file(tmp_path: Path) -> None:
    facts = {"scopes": {"a"}, "fallback": lambda: "x", "read_only": True, "cacheable": True, "limits": Limits(hedge=1)}
    grants = {"*": [{"tools": "work", "where": {"number": 0}}]}
    async with living(server_in(tmp_path, limits__quota="5/day", access__grants=grants)) as live:
        found = await names(live, **facts)
    modules = [name.removesuffix("Guard").lower() for name in found]
    everything = [recipe.__module__.rpartition(".")[2] for recipe in ORDER]
    assert modules == [module for module in everything if module != "idempotency"]
    async with living(server_in(tmp_path, limits__quota="5/day")) as live:
        changing = [name.removesuffix("Guard").lower() for name in await names(live, fallback=lambda: "x")]
    assert "idempotency" in changing, "what is cacheable changes nothing, and needs no keys"
    assert [module for module in everything if module in changing] == changing


async def test_only_a_tool_that_changes_something_each_time_takes_keys(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        assert "Idempotency" not in await names(live, read_only=True)
        assert "Idempotency" not in await names(live, idempotent=True)


@pytest.mark.parametrize(
    "facts, said",
    [
        ({"cacheable": True}, "only a read_only operation may be cacheable"),
        ({"limits": Limits(hedge="p95")}, "only a read_only operation may have Limits"),
        ({"idempotent": True, "limits": Limits(hedge=1)}, "only a read_only operation may have Limits"),
        ({"isolation": "thread"}, "an async def runs inline"),
        ({"isolation": "process"}, "an async def runs inline"),
    ],
)
async def test_facts_that_cannot_hold_are_refused_when_the_chain_is_built(
    tmp_path: Path, facts: dict[str, Any], said: str
) -> None:
    async with living(server_in(tmp_path)) as live:
        with pytest.raises(ConfigurationError, match=said):
            await names(live, **facts)
