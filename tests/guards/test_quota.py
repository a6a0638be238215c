"""What is spent is spent, what was refused later is given back, and concurrent calls spend nothing twice."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import pytest
from support.calls import ask, code, living, server_in, text

from holdfast import Depends, Limits, Server, Tool, ToolError
from holdfast.errors import ProtocolError, UnsafePath
from holdfast.live import Live
from holdfast.testing import FakeClock, principal


def metered(base: Path, quota: str = "3/day") -> Server:
    server = server_in(base, limits__quota=quota)

    @server.tool(read_only=True)
    async def buy(count: int = 1) -> str:
        return "bought"

    @server.tool(read_only=True)
    async def fail(how: str) -> str:
        raise {"tool": ToolError("no"), "world": OSError(), "code": KeyError()}[how]

    @server.tool(read_only=True, limits=Limits(cost=0))
    async def free() -> str:
        return "free"

    @server.tool(read_only=True, limits=Limits(cost=2))
    async def dear() -> str:
        return "dear"

    @server.tool(limits=Limits(timeout=0.05))
    async def slow() -> str:
        await asyncio.Event().wait()
        return ""

    return server


async def test_past_the_quota_a_principal_is_refused_until_its_period_ends(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        assert [code(await ask(live, "buy")) for _ in range(4)] == ["", "", "", "quota.exceeded"]
        refused = await ask(live, "buy")
        assert 0 < refused.meta["io.holdfast/retryAfter"] <= 86_400
        assert code(await ask(live, "buy", who=principal("other"))) == "", "each has its own"
        assert text(await ask(live, "free")) == "free"


async def test_cost_counts_and_what_does_not_fit_whole_is_refused(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        assert [code(await ask(live, "dear")) for _ in range(2)] == ["", "quota.exceeded"]
        assert code(await ask(live, "buy")) == ""


async def test_calls_that_a_later_guard_refused_cost_nothing(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        for _ in range(10):
            assert code(await ask(live, "buy", {"count": "x"})) == "arguments.invalid"
        assert [code(await ask(live, "buy")) for _ in range(4)] == ["", "", "", "quota.exceeded"]


async def test_calls_that_ran_cost_even_when_they_failed_or_were_late(tmp_path: Path) -> None:
    async with living(metered(tmp_path)) as live:
        assert code(await ask(live, "fail", {"how": "tool"})) == "tool.error"
        assert code(await ask(live, "fail", {"how": "code"})) == "tool.failed"
        assert code(await ask(live, "slow")) == "deadline.exceeded"
        assert code(await ask(live, "buy")) == "quota.exceeded"


async def test_a_crowd_cannot_spend_more_than_there_is(tmp_path: Path) -> None:
    async with living(metered(tmp_path, "10/day")) as live:
        codes = [code(answer) for answer in await asyncio.gather(*(ask(live, "buy") for _ in range(40)))]
    assert codes.count("") == 10


async def test_a_spent_quota_stays_spent_over_a_restart(tmp_path: Path) -> None:
    async with living(metered(tmp_path, "1/day")) as live:
        assert code(await ask(live, "buy")) == ""
    async with living(metered(tmp_path, "1/day")) as live:
        assert code(await ask(live, "buy")) == "quota.exceeded"


# -- several things at once --------------------------------------------------------------------------------------------


def rationed(base: Path, **limits: str) -> Server:
    server = server_in(base, quotas={"*": limits})

    @server.tool(read_only=True)
    async def echo(said: str) -> str:
        return said

    @server.tool(read_only=True)
    async def spin(seconds: float) -> str:
        burn(seconds)
        return ""

    @server.tool(read_only=True)
    def spin_aside(seconds: float) -> str:
        burn(seconds)
        return ""

    @server.tool(read_only=True)
    async def forbidden() -> str:
        raise UnsafePath("the path is refused")

    @server.tool(read_only=True, limits=Limits(concurrency=1, queue=0))
    async def waiting() -> str:
        await asyncio.Event().wait()
        return ""

    return server


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


async def lent() -> int:
    burn(0.03)
    return 1


async def spent(live: Live, dimension: str) -> float:
    store = live.plant.store
    assert store is not None
    found = await store.get(f"quota.{dimension}.{86_400 if dimension == 'calls' else 3_600}.all", "tester")
    return 0.0 if found is None else float(found)


async def test_bytes_of_arguments_and_answers_are_counted_as_they_are(tmp_path: Path) -> None:
    async with living(rationed(tmp_path, bytes="20 kB/hour")) as live:
        who = principal("tester")
        answer = await ask(live, "echo", {"said": "x" * 1_000}, who=who)
        sent = len('{"said":""}') + 1_000
        assert await spent(live, "bytes") == pytest.approx(sent + len(json.dumps(answer.body)), rel=0.05)
        codes = [code(await ask(live, "echo", {"said": "x" * 3_000}, who=who)) for _ in range(5)]
        assert codes[0] == ""
        assert codes[-1] == "quota.exceeded"
        assert code(await ask(live, "echo", {"said": "x" * 3_000}, who=principal("other"))) == ""


@pytest.mark.parametrize("tool", ["spin", "spin_aside"])
async def test_processor_time_is_counted_where_the_work_is_done(tmp_path: Path, tool: str) -> None:
    async with living(rationed(tmp_path, cpu="100 ms/hour")) as live:
        who = principal("tester")
        assert code(await ask(live, tool, {"seconds": 0.03}, who=who)) == ""
        assert 0.03 <= await spent(live, "cpu") < 0.06
        for _ in range(3):
            last = await ask(live, tool, {"seconds": 0.04}, who=who)
        assert code(last) == "quota.exceeded"
        assert "processor time" in text(last)
        assert live.plant.parts.quota is not None
        assert live.plant.parts.quota.spent["cpu"] >= 0.1


async def test_a_lesser_answer_and_what_a_call_is_lent_cost_their_time_too(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"*": {"cpu": "5 s/hour"}})

    async def aside(args: Any) -> str:
        burn(0.03)
        return "less"

    @server.tool(read_only=True, fallback=lambda args: burn(0.03) or "less")
    async def fails() -> str:
        raise OSError

    @server.tool(read_only=True, fallback=aside)
    async def fails_too() -> str:
        raise OSError

    @server.tool(read_only=True)
    async def borrows(number: Annotated[int, Depends(lent)]) -> str:
        burn(0.03)
        return str(number)

    async with living(server) as live:
        for number, name in enumerate(("fails", "fails_too", "borrows"), 1):
            assert text(await ask(live, name, who=principal("tester"))) in ("less", "1")
            assert await spent(live, "cpu") >= (number + (name == "borrows")) * 0.03, name


async def test_what_began_costs_what_it_used_however_it_ended_and_what_never_began_costs_nothing(
    tmp_path: Path,
) -> None:
    who = principal("tester")
    async with living(rationed(tmp_path, calls="10/day", cpu="5 s/hour")) as live:
        assert code(await ask(live, "forbidden", who=who)) == "path.refused"
        assert await spent(live, "calls") == 1, "a refusal by the work itself"
        running = asyncio.ensure_future(ask(live, "waiting", who=who))
        while live.plant.parts.total.running == 0:
            await asyncio.sleep(0)
        assert code(await ask(live, "waiting", who=who)) == "busy"
        assert code(await ask(live, "echo", {"said": 1}, who=who)) == "arguments.invalid"
        assert await spent(live, "calls") == 2
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await spent(live, "calls") == 2, "its client left, but it ran"
        live.drain()
        assert code(await ask(live, "echo", {"said": "x"}, who=who)) == "server.draining"
        assert await spent(live, "calls") == 2


async def test_operations_that_no_entry_names_have_no_guard(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"ada": {"tools": "big", "calls": "1/day"}})

    @server.tool(read_only=True)
    async def small() -> str:
        return "s"

    @server.tool(read_only=True)
    async def big() -> str:
        return "b"

    async with living(server) as live:
        assert [code(await ask(live, "small", who=principal("ada"))) for _ in range(3)] == [""] * 3
        assert [code(await ask(live, "big", who=principal("ada"))) for _ in range(2)] == ["", "quota.exceeded"]
        assert [code(await ask(live, "big", who=principal("bob"))) for _ in range(2)] == [""] * 2


async def test_a_fallback_that_ran_costs_even_when_the_work_itself_did_not_begin(tmp_path: Path) -> None:
    server, clock = server_in(tmp_path, limits__quota="22/day"), FakeClock()

    @server.tool(fallback=lambda: 1 / 0)
    async def down() -> str:
        raise ConnectionError

    async with living(server, clock) as live:
        codes = [code(await ask(live, "down")) for _ in range(23)]
    assert codes == ["tool.failed"] * 22 + ["quota.exceeded"], "the breaker is open after twenty"


async def test_what_comes_too_fast_never_reaches_the_counters(tmp_path: Path) -> None:
    server = server_in(tmp_path, limits__quota="1000/day", limits__rate="5/day")

    @server.tool(read_only=True)
    async def buy() -> str:
        return "bought"

    async with living(server) as live:
        assert live.plant.store is not None
        begun = []
        real = live.plant.store.reserve
        live.plant.store.reserve = lambda wants: begun.append(wants) or real(wants)  # type: ignore[method-assign,func-returns-value]
        codes = [code(await ask(live, "buy")) for _ in range(50)]
    assert codes == [""] * 5 + ["rate.limited"] * 45
    assert len(begun) == 5, "a flood costs no writes to the disk"


async def test_a_tool_is_counted_under_its_name_whatever_it_calls_its_own_things(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"*": {"calls": "1/day", "tools": "fetch"}})

    @server.add
    class Fetch(Tool):
        """Has an attribute that resources have too."""

        uri = "x://y"

        async def run(self, args: Any, ctx: Any) -> str:
            return "fetched"

    async with living(server) as live:
        assert [code(await ask(live, "fetch")) for _ in range(2)] == ["", "quota.exceeded"]


async def test_an_answer_from_memory_is_a_call_as_well(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"*": {"calls": "2/day"}})

    @server.tool(read_only=True, cacheable=60)
    async def same() -> str:
        return "same"

    async with living(server) as live:
        assert [code(await ask(live, "same")) for _ in range(3)] == ["", "", "quota.exceeded"]


async def test_bytes_of_the_arguments_are_counted_where_there_is_no_answer(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"*": {"bytes": "20 kB/hour"}})

    @server.tool
    async def fail(why: str) -> str:
        raise ToolError(why)

    async with living(server) as live:
        answer = await ask(live, "fail", {"why": "x" * 3_000}, who=principal("tester"))
        assert code(answer) == "tool.error"
        assert await spent(live, "bytes") == pytest.approx(3_000, rel=0.01)


async def test_what_costs_nothing_is_a_call_all_the_same(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"*": {"calls": "1/day"}})

    @server.tool(read_only=True, limits=Limits(cost=0))
    async def free() -> str:
        return "free"

    async with living(server) as live:
        assert [code(await ask(live, "free")) for _ in range(2)] == ["", "quota.exceeded"]


async def test_a_resource_is_counted_under_its_uri(tmp_path: Path) -> None:
    server = server_in(tmp_path, quotas={"*": {"calls": "1/day", "resources": "note://*"}})

    @server.resource("note://one")
    async def one() -> str:
        return "one"

    async with living(server) as live:
        await ask(live, "note://one", kind="resource")
        with pytest.raises(ProtocolError, match="is spent"):
            await ask(live, "note://one", kind="resource")
