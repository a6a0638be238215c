"""Only what may be repeated is tried again, only when the world failed, within budget and deadline."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.calls import Client, ask, code, living, server_in, text

from holdfast import Context, Limits, ToolError
from holdfast.errors import Refusal
from holdfast.testing import FakeClock


class Name(BaseModel):
    """What is asked."""

    name: str


async def tries(base: Path, failures: list[BaseException], **facts: Any) -> tuple[int, str]:
    """How often a tool runs that fails in this way, call by call, and what its caller is told."""
    server, clock, ran = server_in(base), FakeClock(), []

    @server.tool(**facts)
    async def tool() -> str:
        ran.append(1)
        if len(ran) <= len(failures):
            raise failures[len(ran) - 1]
        return "at last"

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "tool"))
        await clock.advance(20)
        answer = await call
    return len(ran), text(answer) if not answer.is_error else code(answer)


@pytest.mark.parametrize("facts", [{"read_only": True}, {"idempotent": True}])
async def test_what_may_be_repeated_is_tried_three_times_in_all(tmp_path: Path, facts: dict[str, Any]) -> None:
    assert await tries(tmp_path, [ConnectionResetError()] * 2, **facts) == (3, "at last")


async def test_the_third_failure_is_the_last(tmp_path: Path) -> None:
    assert await tries(tmp_path, [TimeoutError()] * 3, read_only=True) == (3, "tool.failed")


@pytest.mark.parametrize("facts", [{}, {"destructive": True}, {"destructive": False}])
async def test_a_side_effect_is_never_repeated(tmp_path: Path, facts: dict[str, Any]) -> None:
    assert await tries(tmp_path, [ConnectionResetError()], **facts) == (1, "tool.failed")


@pytest.mark.parametrize(
    "failure, told",
    [
        (KeyError("a fault of the code"), "tool.failed"),
        (ToolError("meant to be seen"), "tool.error"),
        (Refusal("no"), "refused"),
        (PermissionError("will not change"), "tool.failed"),
        (SystemExit(1), "tool.failed"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_would_fail_again_is_not_tried_again(tmp_path: Path, failure: BaseException, told: str) -> None:
    assert await tries(tmp_path, [failure], read_only=True) == (1, told)


async def test_an_author_may_say_that_trying_again_helps(tmp_path: Path) -> None:
    assert await tries(tmp_path, [ToolError("busy", retryable=True)], read_only=True) == (2, "at last")


async def test_no_pause_goes_past_the_deadline(tmp_path: Path) -> None:
    failure = ToolError("busy", retryable=True, retry_after=5.0)
    assert await tries(tmp_path, [failure], read_only=True, limits=Limits(timeout=4)) == (1, "tool.error")


async def test_retries_of_the_whole_server_are_budgeted(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True)
    async def down() -> str:
        ran.append(1)
        raise ConnectionRefusedError

    async with living(server, clock) as live:
        for _ in range(10):
            call = asyncio.ensure_future(ask(live, "down"))
            await clock.advance(0.5)
            await call
    assert 10 < len(ran) <= 14


async def test_the_second_try_is_answered_what_the_user_already_said(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    @server.tool(idempotent=True)
    async def who(ctx: Context) -> str:
        answer = await ctx.elicit("Who?", Name)
        ran.append(1)
        if len(ran) == 1:
            raise ConnectionResetError
        return answer.data.name if answer.data else "?"

    client = Client("elicitation", q1={"action": "accept", "content": {"name": "Ada"}})
    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "who", client=client))
        await clock.advance(5)
        assert text(await call) == "Ada"


@pytest.mark.parametrize("raw", [False, True])
async def test_each_attempt_gets_the_arguments_that_were_sent_whatever_the_one_before_did_to_them(
    tmp_path: Path, raw: bool
) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    async def drain(todo: list[int]) -> int:
        total = 0
        ran.append(1)
        while todo:
            total += todo.pop()
            if len(ran) == 1:
                raise ConnectionResetError
        return total

    if raw:
        schema = {"type": "object", "properties": {"todo": {"type": "array", "items": {"type": "integer"}}}}

        @server.tool(read_only=True, schema=schema)
        async def add(sent: dict[str, Any]) -> int:
            return await drain(sent["todo"])
    else:

        @server.tool(read_only=True)
        async def add(todo: list[int]) -> int:
            return await drain(todo)

    async with living(server, clock) as live:
        call = asyncio.ensure_future(ask(live, "add", {"todo": [1, 2, 3]}))
        await clock.advance(5)
        assert text(await call) == "6"
    assert len(ran) == 2


async def test_calls_that_succeed_earn_retries_for_those_that_fail(tmp_path: Path) -> None:
    server, clock, ran = server_in(tmp_path), FakeClock(), []

    @server.tool(read_only=True)
    async def tool(works: bool) -> str:
        if not works:
            ran.append(1)
            raise ConnectionRefusedError
        return "up"

    async with living(server, clock) as live:
        for works in (True,) * 50 + (False,) * 5:
            call = asyncio.ensure_future(ask(live, "tool", {"works": works}))
            await clock.advance(0.0 if works else 0.5)
            await call
    assert len(ran) == 15, "a fifth of fifty: more than are allowed in any case"


async def test_calls_that_were_refused_before_they_began_earn_no_retries(tmp_path: Path) -> None:
    """In an overload most are: a fifth of those would be more than what they protect can bear."""
    server, clock, ran, go = server_in(tmp_path), FakeClock(), [], asyncio.Event()

    @server.tool(read_only=True, limits=Limits(concurrency=1, queue=0))
    async def tool(works: bool) -> str:
        ran.append(1)
        if not works:
            raise ConnectionRefusedError
        await go.wait()
        return "up"

    async with living(server, clock) as live:
        first = asyncio.ensure_future(ask(live, "tool", {"works": True}))
        await clock.settle()
        assert {code(await ask(live, "tool", {"works": False})) for _ in range(100)} == {"busy"}
        go.set()
        await first
        for _ in range(6):
            call = asyncio.ensure_future(ask(live, "tool", {"works": False}))
            await clock.advance(0.5)
            await call
    assert len(ran) == 1 + 6 + 3
