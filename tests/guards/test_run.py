"""The author's code runs where it says, and nothing that it does ends more than its own call."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from support import isolated
from support.calls import Client, ask, audited, code, living, logged, server_in, text

from holdfast import Context, Depends, Limits, Server, Tool, ToolError, ToolInput
from holdfast.core.function import FunctionTool
from holdfast.core.pipeline import Call
from holdfast.errors import Busy, ConfigurationError, ProtocolError, Refusal, UnsafePath
from holdfast.guards import run
from holdfast.isolation.inline import LoopBlocked, running
from holdfast.live import Live
from holdfast.resources.metering import Meter
from holdfast.testing import principal


class Weird(BaseException):
    """Something that ``except Exception`` does not catch."""


class Name(BaseModel):
    """What is asked."""

    name: str


async def child_that_exits() -> None:
    raise LookupError


RAISED: dict[str, tuple[BaseException, str]] = {
    "a fault": (KeyError("x"), "tool.failed"),
    "the end of an iterator": (StopIteration(), "tool.failed"),
    "the end of an async iterator": (StopAsyncIteration(), "tool.failed"),
    "an exit": (SystemExit(3), "tool.failed"),
    "an interrupt": (KeyboardInterrupt(), "tool.failed"),
    "a generator's end": (GeneratorExit(), "tool.failed"),
    "a cancellation": (asyncio.CancelledError(), "tool.failed"),
    "something odd": (Weird(), "tool.failed"),
    "a group": (ExceptionGroup("several", [OSError(), KeyError()]), "tool.failed"),
    "an odd group": (BaseExceptionGroup("several", [Weird(), KeyError()]), "tool.failed"),
    "a nested odd group": (BaseExceptionGroup("x", [BaseExceptionGroup("y", [SystemExit(1)])]), "tool.failed"),
    "no memory": (MemoryError(), "tool.failed"),
    "too much recursion": (RecursionError(), "tool.failed"),
    "a message": (ToolError("seen"), "tool.error"),
    "a refusal": (Refusal("no", code="mine"), "mine"),
    "an interruption by the watchdog": (LoopBlocked(), "deadline.exceeded"),
    "a message in a group": (ExceptionGroup("one", [ToolError("seen")]), "tool.error"),
    "refusals in groups": (ExceptionGroup("x", [ExceptionGroup("y", [UnsafePath("no")]), Busy("no")]), "path.refused"),
    "what may pass beside what may not": (ExceptionGroup("x", [Busy("no"), UnsafePath("no")]), "path.refused"),
    "a refusal beside a fault": (ExceptionGroup("x", [UnsafePath("no"), KeyError("x")]), "tool.failed"),
    "a misconfiguration in a group": (ExceptionGroup("x", [ConfigurationError("x")]), "tool.failed"),
}


def raising(base: Path) -> Server:
    """Tools that raise, inline and in a thread, and one that does not."""
    server = server_in(base)

    @server.tool
    async def inline(what: str) -> str:
        raise RAISED[what][0]

    @server.tool
    def thread(what: str) -> str:
        raise RAISED[what][0]

    @server.tool
    async def fine() -> str:
        return "fine"

    return server


@pytest.mark.parametrize("what", RAISED)
async def test_whatever_a_tool_raises_fails_its_own_call_only(tmp_path: Path, what: str) -> None:
    async with living(raising(tmp_path)) as live:
        assert code(await ask(live, "inline", {"what": what})) == RAISED[what][1]
        if not isinstance(RAISED[what][0], LoopBlocked):
            assert code(await ask(live, "thread", {"what": what})) == RAISED[what][1]
        assert text(await ask(live, "fine")) == "fine"


@pytest.mark.parametrize("how", ["tool", "thread", "resource", "prompt"])
async def test_a_protocol_error_is_raised_to_the_wire(tmp_path: Path, how: str) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def tool() -> str:
        raise ProtocolError(-32001, "wrong", {"why": "this"})

    @server.tool
    def thread() -> str:
        raise ProtocolError(-32001, "wrong", {"why": "this"})

    @server.resource("x://y")
    async def resource() -> str:
        raise ProtocolError(-32001, "wrong", {"why": "this"})

    @server.prompt
    async def prompt() -> str:
        raise ProtocolError(-32001, "wrong", {"why": "this"})

    kind: Any = "tool" if how == "thread" else how
    async with living(server) as live:
        with pytest.raises(ProtocolError) as raised:
            await ask(live, "x://y" if how == "resource" else how, kind=kind)
    assert (raised.value.rpc_code, raised.value.data) == (-32001, {"why": "this"})


async def test_several_questions_at_once_become_one_question_with_all_of_them(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def both(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(ctx.elicit("Given name?", Name, key="given"))
            last = group.create_task(ctx.elicit("Family name?", Name, key="family"))
        answers = first.result().data, last.result().data
        return " ".join(answer.name for answer in answers if answer)

    async with living(server) as live:
        client = Client("elicitation", other={"action": "accept"})
        question = await ask(live, "both", client=client)
        assert question.input_required
        assert sorted(question.body["inputRequests"]) == ["family", "given"]
        assert question.body["requestState"] == {"other": {"action": "accept"}}
        client.answers |= {key: {"action": "accept", "content": {"name": key}} for key in ("given", "family")}
        assert text(await ask(live, "both", client=client)) == "given family"


async def test_a_question_beside_a_fault_is_a_fault(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def both(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.elicit("Name?", Name))
            group.create_task(child_that_exits())
        return ""

    async with living(server) as live:
        assert code(await ask(live, "both", client=Client("elicitation"))) == "tool.failed"


async def test_a_question_beside_a_refusal_is_a_refusal(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    async def refuses() -> None:
        raise UnsafePath("name another one")

    @server.tool
    async def both(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.elicit("Name?", Name))
            group.create_task(refuses())
        return ""

    async with living(server) as live:
        answer = await ask(live, "both", client=Client("elicitation"))
    assert (code(answer), answer.input_required) == ("path.refused", False)


async def test_no_caller_can_have_a_tool_left_alone_by_what_is_refused_in_a_task_group(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True, fallback=lambda: "lesser")
    async def reads(place: str) -> str:
        async def one() -> None:
            if place.startswith("/"):
                raise UnsafePath("name a path beneath the root")

        async with asyncio.TaskGroup() as group:
            group.create_task(one())
        return "read"

    async with living(server) as live:
        refused = {code(await ask(live, "reads", {"place": "/etc"}, who=principal("eve"))) for _ in range(25)}
        assert refused == {"path.refused"}
        assert text(await ask(live, "reads", {"place": "a"}, who=principal("ada"))) == "read"
        assert live.plant.metrics.refusals.items() == {("path", "path.refused"): 25}
    assert [record["code"] for record in audited(tmp_path)] == ["path.refused"] * 25


async def test_a_tool_in_a_thread_can_ask_too(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    def who(ctx: Context) -> str:
        answer = ctx.wait(ctx.elicit("Who?", Name))
        return answer.data.name if answer.data else answer.action

    async with living(server) as live:
        client = Client("elicitation")
        assert (await ask(live, "who", client=client)).input_required
        client.answers["q1"] = {"action": "accept", "content": {"name": "Ada"}}
        assert text(await ask(live, "who", client=client)) == "Ada"


async def test_a_plain_def_runs_in_a_thread_of_its_own_with_the_calls_context(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    def where(ctx: Context) -> str:
        return f"{threading.current_thread().name} {ctx.tool}"

    @server.tool
    async def here() -> str:
        return f"{threading.current_thread().name} {running.get() is not None}"

    async with living(server) as live:
        name, tool = text(await ask(live, "where")).split()
        assert (name.startswith("holdfast-tool"), tool) == (True, "where")
        assert text(await ask(live, "here")) == f"{threading.current_thread().name} True"
        assert running.get() is None


async def test_a_threads_place_is_free_only_when_the_thread_is(tmp_path: Path) -> None:
    server, free = server_in(tmp_path), threading.Event()

    @server.tool(limits=Limits(concurrency=2, timeout=0.05))
    def stuck() -> str:
        free.wait(20)
        return "done"

    async with living(server) as live:
        try:
            codes = [code(await ask(live, "stuck")) for _ in range(4)]
            assert codes == ["deadline.exceeded"] * 2 + ["isolation.stuck"] * 2
            assert live.plant.metrics.snapshot()["zombies"] == 2
        finally:
            free.set()
        while live.plant.parts.threads.zombies:
            await asyncio.sleep(0)
        assert text(await ask(live, "stuck")) == "done"


async def best(live: Live) -> float:
    """Seconds that an asynchronous tool took at its best, on a machine that others use too."""
    took = []
    for _ in range(5):
        begun = time.monotonic()
        assert text(await ask(live, "quick")) == threading.current_thread().name
        took.append(time.monotonic() - begun)
    return min(took)


@pytest.mark.parametrize("count", [39, 400])
async def test_sync_tools_that_sleep_for_ever_cost_the_others_nothing_and_refused_calls_say_why(
    tmp_path: Path, count: int
) -> None:
    server, free = server_in(tmp_path, limits__stuck=0.05, limits__total=1_000), threading.Event()
    replaced: list[str] = []

    @server.tool
    async def quick() -> str:
        return threading.current_thread().name

    for number in range(count // 13 + 1):  # several tools, so that together they take every thread

        def sleeps() -> None:
            free.wait(60)

        server.tool(name=f"sleeps{number}", limits=Limits(timeout=0.3, concurrency=13, queue=0))(sleeps)
    async with living(server) as live:
        live.plant.hooks.retire = replaced.append  # type: ignore[assignment]
        try:
            calls = [asyncio.ensure_future(ask(live, f"sleeps{number // 13}")) for number in range(count)]
            await asyncio.sleep(0)
            assert await best(live) < 0.1
            codes = {code(answer) for answer in await asyncio.gather(*calls)}
            assert codes <= {"deadline.exceeded", "isolation.stuck", "busy"}
            assert code(await ask(live, "sleeps0")) == "isolation.stuck"
            if count == 400:
                while not replaced:
                    await asyncio.sleep(0.01)
                assert replaced[0] == "64 of 64 worker threads are stuck for good"
            assert await best(live) < 0.1
        finally:
            free.set()
    if count == 400:
        assert [line["reason"] for line in logged(tmp_path) if line.get("event") == "isolation.stuck"] == replaced


async def test_a_tool_in_a_thread_can_see_that_nobody_waits_any_more(tmp_path: Path) -> None:
    server, seen = server_in(tmp_path), threading.Event()

    @server.tool(limits=Limits(timeout=0.05))
    def looks(ctx: Context) -> str:
        while not ctx.cancelled:
            time.sleep(0.005)
        seen.set()
        return "late"

    async with living(server) as live:
        assert code(await ask(live, "looks")) == "deadline.exceeded"
        assert await asyncio.to_thread(seen.wait, 10)


async def test_giving_up_while_waiting_for_a_thread_loses_no_place(tmp_path: Path) -> None:
    server, free = server_in(tmp_path, limits__threads=1), threading.Event()

    @server.tool
    def hog() -> str:
        free.wait(20)
        return "done"

    @server.tool(limits=Limits(concurrency=1, timeout=0.05))
    def patient() -> str:
        return "done"

    async with living(server) as live:
        try:
            holding = asyncio.ensure_future(ask(live, "hog"))
            while not live.plant.parts.threads.busy:
                await asyncio.sleep(0)
            codes = [code(await ask(live, "patient")) for _ in range(3)]
            assert codes == ["deadline.exceeded"] * 3, "and not isolation.stuck"
        finally:
            free.set()
        assert text(await holding) == "done"
        assert text(await ask(live, "patient")) == "done"


async def test_a_pool_without_a_thread_to_give_says_that_it_is_busy(tmp_path: Path) -> None:
    server, free = server_in(tmp_path, limits__threads=1), threading.Event()

    @server.tool
    def hog() -> str:
        free.wait(20)
        return "done"

    async with living(server) as live:
        try:
            calls = [asyncio.ensure_future(ask(live, "hog")) for _ in range(2)]
            while live.plant.parts.threads.queued < 1:
                await asyncio.sleep(0)
            assert code(await ask(live, "hog")) == "busy"
        finally:
            free.set()
        assert [text(answer) for answer in await asyncio.gather(*calls)] == ["done", "done"]


async def test_a_dependency_is_provided_once_and_closed_after_the_call_however_it_ends(tmp_path: Path) -> None:
    server, life = server_in(tmp_path), []

    async def connection() -> AsyncIterator[str]:
        life.append("open")
        try:
            yield "connection"
        finally:
            life.append("closed")

    def cursor(connection: str = Depends(connection)) -> Iterator[str]:
        life.append("cursor")
        yield f"cursor of {connection}"
        life.append("cursor closed")

    @server.tool(read_only=True)
    async def use(how: str, at: str = Depends(cursor), again: str = Depends(connection)) -> str:
        life.append("used")
        if how == "fails":
            raise KeyError
        if how == "waits":
            await asyncio.Event().wait()
        return f"{at}, {again}"

    async with living(server) as live:
        (entry,) = live.listed("tools", principal())
        assert list(entry["inputSchema"]["properties"]) == ["how"], "no caller sees them"
        assert text(await ask(live, "use", {"how": "works"})) == "cursor of connection, connection"
        assert life == ["open", "cursor", "used", "cursor closed", "closed"]
        life.clear()
        assert code(await ask(live, "use", {"how": "fails"})) == "tool.failed"
        assert (life[0], life[-1], life.count("open")) == ("open", "closed", 1)
        life.clear()
        call = asyncio.ensure_future(ask(live, "use", {"how": "waits"}))
        while "used" not in life:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert life[-1] == "closed"


async def test_a_dependency_that_cannot_be_provided_fails_the_call(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    def broken() -> str:
        sys.exit(3)

    @server.tool
    async def use(it: str = Depends(broken)) -> str:
        return it

    async with living(server) as live:
        assert code(await ask(live, "use")) == "tool.failed"


class InProcess(Tool):
    """Count in a process of its own."""

    class Input(ToolInput):
        """What to add to."""

        add: int

    name = "counted"
    isolation = "process"

    def run(self, args: Input, ctx: Context) -> str:
        return isolated.whereabouts(args.add)


async def test_work_in_a_process_of_its_own_can_crash_or_hang_and_be_killed(tmp_path: Path) -> None:
    server = server_in(tmp_path, watchdog__memory=512 * 1024 * 1024)
    server.tool(isolation="process")(isolated.whereabouts)
    server.tool(isolation="process", limits=Limits(timeout=1))(isolated.spin)
    server.tool(isolation="process")(isolated.crash)
    server.tool(isolation="process")(isolated.fail)
    server.add(InProcess)
    async with living(server) as live:
        assert live.plant._processes is None, "nothing is started before it is needed"
        pid, sum_of = text(await ask(live, "whereabouts", {"add": 41})).split()
        assert (int(pid) != os.getpid(), sum_of) == (True, "42")
        assert text(await ask(live, "counted", {"add": 1})).endswith(" 2")
        assert code(await ask(live, "crash")) == "isolation.crashed"
        assert code(await ask(live, "fail")) == "tool.failed"
        begun = time.monotonic()
        assert code(await ask(live, "spin", {"seconds": 30.0})) == "deadline.exceeded"
        assert time.monotonic() - begun < 3
        assert text(await ask(live, "whereabouts", {"add": 1})).endswith(" 2")
    faults = {line["tool"]: line["fault"] for line in logged(tmp_path) if line.get("outcome") == "failed"}
    assert faults["fail"] == "operational"


async def test_a_process_gets_what_is_left_of_the_time_and_without_a_deadline_the_tools(tmp_path: Path) -> None:
    seen: list[float] = []

    class Pool:
        async def run(self, function: Any, *arguments: Any, timeout: float, **told: Any) -> str:
            seen.append(timeout)
            assert (told["memory"], told["name"]) == (128 << 20, "whereabouts")
            await asyncio.sleep(0.001)
            return "done"

    async with living(server_in(tmp_path)) as live:
        tool = FunctionTool(isolated.whereabouts, isolation="process", limits=Limits(timeout=7, memory=128 << 20))
        pool: Any = Pool()
        parts = replace(live.plant.parts, processes=lambda: pool)
        guard, meter = run.recipe(tool, parts), Meter()
        context: Any = SimpleNamespace(restart=lambda: None, request_id="x", principal=live.local, era="modern")
        args = tool.arguments.check({"add": 1}, None)
        call = Call(tool, {}, live.local, context, "x", args=args)
        assert text(await guard.around(lambda _: child_that_exits(), call)) == "done"  # type: ignore[arg-type, return-value]
        call.deadline, call.meter = parts.clock.now() + 3, meter
        assert text(await guard.around(lambda _: child_that_exits(), call)) == "done"  # type: ignore[arg-type, return-value]
    assert seen[0] == 7
    assert 2 < seen[1] <= 3, "what is left of it"
    assert meter.seconds > 0, "the time that another process takes is its caller's"


async def test_a_function_that_needs_the_server_cannot_leave_it(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(isolation="process")
    def needs(at: Annotated[int, Depends(lambda: 5)]) -> str:
        return ""

    with pytest.raises(ConfigurationError, match="tool needs: dependencies are made in the server's process"):
        async with living(server):
            pass


@pytest.mark.parametrize("facts", [{"cpu": True}, {"trusted": False}])
async def test_what_computes_or_is_not_trusted_runs_in_a_process_without_being_told(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    server = server_in(tmp_path)
    server.tool(**facts)(isolated.whereabouts)
    async with living(server) as live:
        pid, _ = text(await ask(live, "whereabouts", {"add": 1})).split()
        assert int(pid) != os.getpid()


async def test_progress_and_logs_come_out_of_a_process_before_its_answer(tmp_path: Path) -> None:
    server, client = server_in(tmp_path), Client()
    server.tool(isolation="process")(isolated.chatty)
    async with living(server) as live:
        said = text(await ask(live, "chatty", {"steps": 3}, client=client))
    assert said == "tester True False"
    steps = [("progress", step, 3, f"step {step}") for step in (1, 2, 3)]
    assert client.told == [*steps[:2], ("log", "info", {"halfway": True}, None), steps[2]]
    (line,) = [line for line in logged(tmp_path) if line.get("event") == "working"]
    assert (line["level"], line["tool"], line["step"], line["key"]) == ("warning", "chatty", 2, "value")
    assert line["request_id"], "as any record of the call"


async def test_a_tool_in_a_process_hears_that_its_call_is_over_before_it_is_killed(tmp_path: Path) -> None:
    server, told = server_in(tmp_path), tmp_path / "told"
    server.tool(isolation="process", limits=Limits(timeout=0.4))(isolated.tidies)
    server.tool(isolation="process")(isolated.whereabouts)
    async with living(server) as live:
        await ask(live, "whereabouts", {"add": 1})
        assert code(await ask(live, "tidies", {"note": str(told)})) == "deadline.exceeded"
        async with asyncio.timeout(5):
            while not told.exists():
                await asyncio.sleep(0.01)
        assert told.read_text() == "True"


async def test_memory_is_limited_for_each_tool_by_itself(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    server.tool(isolation="process", name="small", limits=Limits(memory=128 << 20))(isolated.hoard)
    server.tool(isolation="process", name="large", limits=Limits(memory=1 << 30))(isolated.hoard)
    async with living(server) as live:
        assert code(await ask(live, "small", {"mib": 200})) == "isolation.memory"
        assert text(await ask(live, "large", {"mib": 200})) == "200"
        assert text(await ask(live, "small", {"mib": 10})) == "10"


async def test_the_watchdog_is_told_whose_code_runs_and_until_when_and_no_longer(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def told(ctx: Context) -> str:
        return str(running.get() == ctx.deadline)

    async def work() -> str:
        return str(running.get())

    async with living(server) as live:
        assert text(await ask(live, "told")) == "True"
        guard = run.recipe(FunctionTool(work), live.plant.parts)
        context: Any = SimpleNamespace(restart=lambda: None)
        call = Call(FunctionTool(work), {}, live.local, context, "x", args=FunctionTool(work).arguments.check({}, None))
        assert text(await guard.around(lambda _: child_that_exits(), call)) == "inf"  # type: ignore[arg-type, return-value]
        assert running.get() is None


async def test_each_attempt_counts_its_questions_anew_and_cannot_cancel_more_than_itself(tmp_path: Path) -> None:
    begun: list[str] = []

    async def cancels() -> str:
        raise asyncio.CancelledError

    async with living(server_in(tmp_path)) as live:
        tool = FunctionTool(cancels)
        context: Any = SimpleNamespace(restart=lambda: begun.append("anew"))
        call = Call(tool, {}, live.local, context, "x", args=tool.arguments.check({}, None))
        for _ in range(2):
            with pytest.raises(run.ToolStopped, match="by itself"):
                await run.recipe(tool, live.plant.parts).around(lambda _: child_that_exits(), call)  # type: ignore[arg-type, return-value]
    assert begun == ["anew", "anew"]


async def test_a_plain_def_runs_in_its_thread_with_what_it_is_lent_too(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    def where(number: Annotated[int, Depends(lambda: 5)]) -> str:
        return f"{threading.current_thread().name} {number}"

    async with living(server) as live:
        name, number = text(await ask(live, "where")).split()
    assert name.startswith("holdfast-tool")
    assert number == "5"


class Later:
    """A pool whose threads begin when they are told to."""

    def __init__(self) -> None:
        self.handed: list[Any] = []

    async def run(self, work: Any) -> Any:
        """Hand it over."""
        self.handed.append(work)
        await asyncio.Event().wait()


def threaded(live: Live, pool: Later, work: Any) -> Any:
    """What runs a tool in threads of ``pool``, two at most, and begins a call."""
    tool = FunctionTool(work, limits=Limits(concurrency=2))
    parts: Any = replace(live.plant.parts, threads=pool)
    runner = run.recipe(tool, parts)._runner
    assert runner is not None
    call: Any = SimpleNamespace(args=tool.arguments.check({}, None), context=SimpleNamespace(), meter=None)

    async def begin() -> Any:
        return await runner(call, {})

    return begin


async def test_a_call_whose_thread_has_yet_to_begin_takes_a_place_already(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)) as live:
        begin = threaded(live, Later(), isolated.crash)
        waiting = [asyncio.ensure_future(begin()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="stuck"):
            await asyncio.wait_for(begin(), 1)
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)


async def test_a_thread_that_begins_after_its_call_was_given_up_takes_a_place_until_it_ends(tmp_path: Path) -> None:
    pool, free, inside = Later(), threading.Event(), threading.Barrier(3)

    def stuck() -> None:
        inside.wait(10)
        free.wait(10)

    async with living(server_in(tmp_path)) as live:
        begin = threaded(live, pool, stuck)
        given_up = [asyncio.ensure_future(begin()) for _ in range(2)]
        await asyncio.sleep(0)
        for call in given_up:
            call.cancel()
        await asyncio.wait(given_up)
        threads = [threading.Thread(target=work) for work in pool.handed]
        for thread in threads:
            thread.start()
        try:
            inside.wait(10)
            with pytest.raises(Busy, match="stuck"):
                await asyncio.wait_for(begin(), 1)
        finally:
            free.set()
            for thread in threads:
                thread.join(10)
        last = asyncio.ensure_future(begin())
        await asyncio.sleep(0)
        assert len(pool.handed) == 3, "their places are free again"
        last.cancel()
        await asyncio.wait([last])
