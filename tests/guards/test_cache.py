"""Answers given again: per principal and arguments, never an error, never a question, never one caller's own."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.calls import Client, ask, code, living, logged, server_in, text

from holdfast import Context, Limits, Server, ToolError
from holdfast.core.pipeline import META, Answer
from holdfast.core.principal import Principal
from holdfast.guards import cache
from holdfast.safe.handle import current_scope
from holdfast.testing import FakeClock, principal

ADA, EVE = principal("ada"), principal("eve")


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server that counts how often its cacheable tool really runs."""
    server, numbers = server_in(tmp_path), count(1)

    @server.tool(read_only=True, cacheable=10)
    async def counted(which: dict[str, int]) -> int:
        return next(numbers)

    return server


async def counted(live: Any, who: Any = ADA, **which: int) -> str:
    return text(await ask(live, "counted", {"which": which}, who=who))


async def test_the_same_question_of_the_same_principal_is_answered_from_memory(server: Server) -> None:
    async with living(server) as live:
        assert await counted(live, a=1, b=2) == await counted(live, b=2, a=1), "the order of keys means nothing"
        assert await counted(live, a=2) == "2", "other arguments are another question"


async def test_nobody_is_given_anothers_answer(server: Server) -> None:
    async with living(server) as live:
        assert await counted(live, ADA) != await counted(live, EVE)


async def test_a_principal_with_other_scopes_is_given_no_answer_of_before_and_joins_no_call(tmp_path: Path) -> None:
    server, gate = server_in(tmp_path), asyncio.Event()

    @server.tool(read_only=True, cacheable=60)
    async def mine(ctx: Context) -> str:
        more = ctx.principal.may(frozenset({"admin"}))
        await gate.wait()
        return "everything" if more else "a little"

    more, less = Principal("ada", frozenset({"admin"})), Principal("ada")
    async with living(server) as live:
        asked = [asyncio.create_task(ask(live, "mine", who=who)) for who in (more, less)]
        await asyncio.sleep(0)
        gate.set()
        assert [text(await each) for each in asked] == ["everything", "a little"], "coalesced"
        assert [text(await ask(live, "mine", who=who)) for who in (less, more)] == ["a little", "everything"], "kept"


async def test_an_answer_grows_too_old_by_the_servers_clock(server: Server) -> None:
    clock = FakeClock()
    async with living(server, clock) as live:
        assert [await counted(live), await counted(live)] == ["1", "1"]
        await clock.advance(9.9)
        assert await counted(live) == "1"
        await clock.advance(0.2)
        assert await counted(live) == "2"


async def test_errors_and_refusals_are_not_remembered(tmp_path: Path) -> None:
    server, numbers = server_in(tmp_path), count(1)

    @server.tool(read_only=True, cacheable=True)
    async def second_time() -> str:
        if next(numbers) == 1:
            raise ToolError("not yet")
        return "now"

    async with living(server) as live:
        assert code(await ask(live, "second_time")) == "tool.error"
        assert text(await ask(live, "second_time")) == "now"


async def test_what_was_given_out_once_cannot_be_altered_for_the_next(server: Server) -> None:
    async with living(server) as live:
        first = await ask(live, "counted", {"which": {}})
        first.meta["stain"] = True
        assert "stain" not in (await ask(live, "counted", {"which": {}})).meta


async def test_identical_calls_under_way_share_one_run(tmp_path: Path) -> None:
    server, ran, go = server_in(tmp_path), [], asyncio.Event()

    @server.tool(read_only=True, cacheable=True)
    async def slow() -> str:
        ran.append(1)
        await go.wait()
        return "once"

    async with living(server) as live:
        calls = [asyncio.ensure_future(ask(live, "slow")) for _ in range(10)]
        while not ran:
            await asyncio.sleep(0)
        go.set()
        assert {text(answer) for answer in await asyncio.gather(*calls)} == {"once"}
    assert ran == [1]


async def test_the_caller_that_came_first_may_leave_without_hurting_those_who_share(tmp_path: Path) -> None:
    server, begun, go = server_in(tmp_path), asyncio.Event(), asyncio.Event()

    @server.tool(read_only=True, cacheable=True)
    async def slow() -> str:
        helper = asyncio.get_running_loop().create_task(go.wait())
        begun.set()
        await helper
        return "shared"

    async with living(server) as live:
        first = asyncio.ensure_future(ask(live, "slow"))
        await begun.wait()
        second = asyncio.ensure_future(ask(live, "slow"))
        for _ in range(20):
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        assert text(await second) == "shared"


async def test_what_the_shared_run_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    server, left = server_in(tmp_path), []

    @server.tool(read_only=True, cacheable=True)
    async def untidy() -> str:
        left.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))
        return "gone"

    async with living(server) as live:
        await ask(live, "untidy")
        assert left[0].done()


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_cacheable_tool_cannot_ask_since_the_answer_would_be_given_to_others(tmp_path: Path, era: Any) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True, cacheable=True)
    async def asks(ctx: Context) -> str:
        return str(await ctx.roots())

    known = {"roots": [{"uri": "file:///home/ada"}]}
    async with living(server) as live:
        answer = await ask(live, "asks", client=Client("roots", era=era, q1=known))
    assert code(answer) == "tool.failed"
    assert not answer.input_required


async def test_a_secret_stays_redacted_in_a_kept_answer_when_the_server_has_forgotten_it(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True, cacheable=7_200)
    async def tells(ctx: Context) -> dict[str, str]:
        return {"key": ctx.secret("a-secret-of-one-call")}

    async with living(server) as live:
        first = await ask(live, "tells")
        for number in range(1_000):  # more than the registry remembers: the oldest give way
            live.plant.secrets.learn(f"another-secret-{number}-of-other-calls", "secret", lasts=60)
        again = await ask(live, "tells")
    assert "a-secret-of-one-call" not in text(first) + text(again)
    assert again.body == first.body
    assert again.meta == first.meta == {f"{META}altered": True}
    assert live.plant.parts.metrics.redactions.items() == {("secret",): 2}, "told once, of both places"


async def test_nobody_joins_a_call_that_has_outlived_its_own_deadline(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True, cacheable=True, limits=Limits(timeout=10))
    async def hangs_once() -> str:
        ran.append(1)
        if len(ran) == 1:
            await asyncio.Event().wait()
        return "fresh"

    async with living(server, clock) as live:
        calls = []
        for _ in range(3):  # each begins before the one before it has ended, so somebody always waits
            calls.append(asyncio.ensure_future(ask(live, "hangs_once")))
            await clock.advance(6)
        await clock.advance(10)
        assert [code(await call) or text(await call) for call in calls] == ["deadline.exceeded"] * 2 + ["fresh"]
        assert live.plant.parts.total.running == 0, "the one that hung was ended when nobody waited for it any more"


async def test_long_answers_and_long_arguments_do_not_fill_the_memory(tmp_path: Path) -> None:
    server, ran = server_in(tmp_path, limits__output=64 * 1024 * 1024, limits__input=64 * 1024 * 1024), []

    @server.tool(read_only=True, cacheable=True)
    async def long(text: str) -> Any:
        ran.append(1)
        return "x" * 5_000_000

    async with living(server) as live:
        for name in "abcd":
            await ask(live, "long", {"text": name})
        await ask(live, "long", {"text": "d"})
        assert len(ran) == 4, "the last one is kept"
        await ask(live, "long", {"text": "a"})
        assert len(ran) == 5, "the first had to give way: all answers together are bounded"
        kept = live.snapshot.named["tool"]["long"].proceed
        while type(kept.func.__self__).__name__ != "Cache":  # type: ignore[attr-defined]
            kept = kept.args[0]  # type: ignore[attr-defined]
        await ask(live, "long", {"text": "b" * 1_000_000})
        keys = kept.func.__self__._cache._entries  # type: ignore[attr-defined]
        assert all(len(digest) == 32 for _, digest in keys)


async def test_the_scope_of_a_shared_run_is_its_own_and_ends_with_it() -> None:
    seen: list[Any] = []

    async def proceed(_: Any) -> Answer:
        seen.append(current_scope.get())
        return Answer({})

    call: Any = None
    await cache._apart(proceed, call)
    assert seen != [None]
    assert current_scope.get() is None


# -- stale answers -----------------------------------------------------------------------------------------------------


async def test_a_stale_answer_is_given_at_once_marked_and_renewed_in_the_background(tmp_path: Path) -> None:
    server, clock, ran, go = server_in(tmp_path), FakeClock(), [], asyncio.Event()

    @server.tool(read_only=True, cacheable=10, stale=20, limits=Limits(timeout=5))
    async def slow(words: list[str], ctx: Context) -> str:
        ran.append((list(words), round(ctx.remaining, 3), ctx.offers("roots")))
        words.clear()
        await ctx.report_progress(1)
        if len(ran) > 1:
            await go.wait()
        return f"answer {len(ran)}"

    client = Client("roots")
    async with living(server, clock) as live:

        async def asked() -> Answer:
            return await ask(live, "slow", {"words": ["a"]}, client=client)

        assert (await asked()).meta == {}
        await clock.advance(12)
        for _ in range(3):
            answer = await asked()
            assert text(answer) == "answer 1"
            assert answer.meta == {f"{META}stale": True, f"{META}age": 12.0}
        await clock.settle()
        assert ran == [(["a"], 5.0, True), (["a"], 5.0, True)], "with arguments and a deadline of its own, and unheard"
        assert live.plant.parts.background.count == 1
        go.set()
        await clock.settle()
        assert (text(await asked()), (await asked()).meta) == ("answer 2", {})
        assert live.plant.parts.background.count == live.plant.parts.total.running == 0
    assert len(client.told) == 1


async def test_a_renewal_that_hangs_fails_or_blocks_its_end_hurts_nobody(tmp_path: Path) -> None:
    server, clock, free, how = server_in(tmp_path), FakeClock(), asyncio.Event(), ["answers"]

    @server.tool(read_only=True, cacheable=10, stale=1_000, limits=Limits(timeout=5))
    async def odd() -> str:
        if how[0] == "fails":
            raise RuntimeError
        if how[0] == "exits":
            raise SystemExit(3)
        while how[0] == "hangs" and not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return "good"

    async with living(server, clock) as live:
        parts = live.plant.parts
        await ask(live, "odd")
        await clock.advance(12)
        for way in ("fails", "exits", "hangs"):
            how[0] = way
            assert text(await ask(live, "odd")) == "good"
            await clock.advance(5.2)
        assert (parts.background.count, parts.orphans.count, parts.total.running) == (0, 1, 1)
        free.set()
        await clock.settle()
        assert (parts.orphans.count, parts.total.running) == (0, 0)
    told = [line["failure"] for line in logged(tmp_path) if line["event"] == "cache.renewal"]
    assert told == ["RuntimeError", "ToolStopped"], "running out of time is a refusal, and counted elsewhere"


async def test_a_renewal_is_ended_with_the_server(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True, cacheable=10, stale=20)
    async def slow() -> str:
        ran.append(asyncio.current_task())
        if len(ran) > 1:
            await asyncio.Event().wait()
        return "once"

    async with living(server, clock) as live:
        await ask(live, "slow")
        await clock.advance(12)
        await ask(live, "slow")
        await clock.settle()
    assert len(ran) == 2
    assert ran[1].done()


async def test_an_old_answer_stands_in_for_one_that_cannot_be_had_even_when_that_hangs(tmp_path: Path) -> None:
    server, clock, how = server_in(tmp_path), FakeClock(), ["answers"]

    @server.tool(read_only=True, cacheable=10, stale_on_error=1_000, limits=Limits(timeout=5))
    async def report() -> str:
        if how[0] == "fails":
            raise ConnectionError
        if how[0] == "hangs":
            await asyncio.Event().wait()
        return how[0]

    async with living(server, clock) as live:
        await ask(live, "report")
        await clock.advance(12)
        for way in ("fails", "hangs"):
            how[0] = way
            call = asyncio.ensure_future(ask(live, "report"))
            await clock.advance(4.5)
            answer = await call
            assert (text(answer), answer.meta[f"{META}stale"]) == ("answers", True)
        how[0] = "mended"
        assert text(await ask(live, "report")) == "mended"
        assert live.plant.parts.total.running == 0
