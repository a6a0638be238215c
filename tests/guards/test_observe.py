"""Every call is seen from its first moment to its last: in the log, the metrics, the events and the audit log."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from support.calls import Client, ask, audited, code, living, logged, server_in, text

from holdfast import Context, Limits, Server, Tool, ToolError
from holdfast.core.pipeline import META, Answer
from holdfast.errors import ProtocolError, Refusal
from holdfast.testing import principal


def add_every_kind(server: Server) -> None:
    """Tools whose calls end in every way there is."""

    @server.tool
    async def fine() -> str:
        return "fine"

    @server.tool
    async def shown() -> str:
        raise ToolError("asleep")

    @server.tool
    async def refuses() -> str:
        raise Refusal("no")

    @server.tool
    async def protocol() -> str:
        raise ProtocolError(-32000, "no")

    @server.tool
    async def programmer() -> str:
        raise KeyError("x")

    @server.tool
    async def operational() -> str:
        raise ConnectionResetError("gone")

    @server.tool
    async def asks(ctx: Context) -> str:
        await ctx.roots()
        return ""


@pytest.mark.parametrize(
    "tool, outcome, told",
    [
        ("fine", "ok", None),
        ("shown", "error", "tool.error"),
        ("refuses", "refused", "refused"),
        ("protocol", "refused", "-32000"),
        ("programmer", "failed", "tool.failed"),
        ("asks", "question", None),
    ],
)
async def test_each_outcome_is_told_alike_in_the_log_and_the_audit_log(
    tmp_path: Path, tool: str, outcome: str, told: str | None
) -> None:
    server = server_in(tmp_path)
    add_every_kind(server)
    async with living(server) as live:
        try:
            await ask(live, tool, who=principal("ada"), client=Client("roots"))
        except ProtocolError:
            assert tool == "protocol"
    (line,) = [line for line in logged(tmp_path) if line["event"] == "call"]
    (record,) = audited(tmp_path)
    for seen in (line, record):
        assert (seen["tool"], seen["principal"], seen["outcome"], seen.get("code")) == (tool, "ada", outcome, told)
        assert seen["seconds"] >= 0
    assert line["request_id"] == record["request_id"]


async def test_a_failure_gets_an_incident_and_the_log_says_whose_fault_it_was(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    add_every_kind(server)
    async with living(server) as live:
        answers = [await ask(live, "programmer"), await ask(live, "operational")]
    lines = [line for line in logged(tmp_path) if line["event"] == "call"]
    assert [line["fault"] for line in lines] == ["programmer", "operational"]
    assert [line["incident"] for line in lines] == [answer.meta[f"{META}incident"] for answer in answers]
    assert all(line["incident"] in text(answer) for line, answer in zip(lines, answers, strict=True))
    assert all(line["level"] == "error" and "Traceback" in line["exception"]["traceback"] for line in lines)


async def test_a_log_of_errors_tells_of_failures_only(tmp_path: Path) -> None:
    server = server_in(tmp_path, log__level="error")
    add_every_kind(server)
    async with living(server) as live:
        answers = [await ask(live, tool) for tool in ("fine", "refuses", "programmer")]
    assert [code(answer) for answer in answers] == ["", "refused", "tool.failed"]
    assert [(line["outcome"], line["code"]) for line in logged(tmp_path)] == [("failed", "tool.failed")]


async def test_a_call_that_the_loop_cannot_record_itself_is_recorded_by_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_in(tmp_path)
    add_every_kind(server)
    async with living(server) as live:
        for short_way in ("append_now", "call_now"):
            monkeypatch.setattr(live.plant.parts.audit, short_way, lambda *_: False)
        await ask(live, "fine")
        assert [record["tool"] for record in audited(tmp_path)] == ["fine"]
        assert 'holdfast_audit_records_total{outcome="written"} 1.0' in live.plant.metrics.render()[0].decode()


async def test_subscribers_hear_of_the_beginning_and_of_each_kind_of_end(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    add_every_kind(server)
    heard: list[tuple[str, str]] = []
    fields: dict[str, set[str]] = {}

    def hear(event: Any) -> None:
        heard.append((event.name, event.fields["tool"]))
        fields[event.fields["tool"]] = set(event.fields)

    async with living(server) as live:
        live.plant.parts.events.subscribe("tool.*", hear)
        for tool in ("fine", "shown", "refuses", "programmer", "asks"):
            await ask(live, tool, client=Client("roots"))
    assert [name for name, tool in heard if name == "tool.started"] == ["tool.started"] * 5
    assert {tool: name for name, tool in heard if name != "tool.started"} == {
        "fine": "tool.completed", "shown": "tool.failed", "refuses": "tool.refused", "programmer": "tool.failed",
        "asks": "tool.completed",
    }  # fmt: skip
    assert fields["fine"] == {"request_id", "tool", "principal", "outcome", "seconds"}
    assert fields["refuses"] - fields["fine"] == {"code"}
    assert fields["programmer"] - fields["fine"] == {"code", "incident"}


async def test_a_subscriber_that_takes_its_time_is_not_ended_with_the_call_it_hears_of(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    add_every_kind(server)
    heard: list[str] = []
    go, done = asyncio.Event(), asyncio.Event()

    async def slowly(event: Any) -> None:
        await go.wait()
        heard.append(event.name)
        if len(heard) == 2:
            done.set()

    async with living(server) as live:
        live.plant.parts.events.subscribe("tool.*", slowly)
        await ask(live, "fine")
        go.set()
        await asyncio.wait_for(done.wait(), 5)
    assert heard == ["tool.started", "tool.completed"]


async def test_the_audit_record_is_written_before_the_answer_leaves(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    add_every_kind(server)
    async with living(server) as live:
        await ask(live, "fine")
        assert [record["tool"] for record in audited(tmp_path)] == ["fine"]


async def test_reading_is_not_recorded_but_a_refusal_of_it_is(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def read(count: int) -> int:
        return count

    heard: list[str] = []
    async with living(server) as live:
        await ask(live, "read", {"count": 1})
        await ask(live, "read", {"count": "x"})
        live.plant.parts.events.subscribe("tool.*", lambda event: heard.append(event.name))
        await ask(live, "read", {"count": 1})  # subscribers hear of it, and still no line is written
    assert heard == ["tool.started", "tool.completed"]
    assert [record["code"] for record in audited(tmp_path)] == ["arguments.invalid"]


async def test_nothing_changes_unrecorded_and_service_resumes_with_the_disk(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    ran: list[str] = []

    @server.tool
    async def change() -> str:
        ran.append("change")
        return "changed"

    @server.tool(read_only=True)
    async def read() -> str:
        return "read"

    async with living(server) as live:
        audit = live.plant.parts.audit
        assert audit is not None
        await ask(live, "change")
        break_disk(audit)
        assert code(await ask(live, "change")) == "audit.unavailable", "the call that finds it out has run"
        assert code(await ask(live, "change")) == "audit.unavailable"
        assert ran == ["change", "change"], "the next one has not"
        assert text(await ask(live, "read")) == "read"
        assert live.plant.metrics.audit_records.items() == {("written",): 1, ("refused",): 2}
        mend_disk(audit)
        await ask(live, "change")  # refused once more; the record of that refusal finds the disk mended
        assert text(await ask(live, "change")) == "changed"


async def test_with_fail_open_calls_are_served_although_nothing_can_be_written(tmp_path: Path) -> None:
    server = server_in(tmp_path, audit__fail_open=True)

    @server.tool
    async def change() -> str:
        return "changed"

    async with living(server) as live:
        audit = live.plant.parts.audit
        assert audit is not None
        break_disk(audit)
        assert [text(await ask(live, "change")) for _ in range(3)] == ["changed"] * 3
        assert audit.lost == 3
        assert 'holdfast_audit_records_total{outcome="lost"} 3.0' in live.plant.metrics.render()[0].decode()
    assert any(line["event"] == "weakened" and "fail_open" in line["setting"] for line in logged(tmp_path))


async def test_without_an_audit_log_calls_are_served(tmp_path: Path) -> None:
    server = server_in(tmp_path, audit__enabled=False)
    add_every_kind(server)
    async with living(server) as live:
        live.plant.parts.events.subscribe("tool.*", lambda event: None)
        assert text(await ask(live, "fine")) == "fine"
        assert code(await ask(live, "refuses")) == "refused"
        assert live.plant.metrics.audit_records.items() == {}


def break_disk(audit: Any) -> None:
    """The disk takes nothing more: every write and every opening of the file fails."""

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    def nothing(*_: Any) -> None:
        pass

    audit._was = (audit._ledger, audit._open)
    parts = {"write": full, "spoiled": True, "close": nothing, "sync": nothing}  # what was written before may be due
    audit._ledger, audit._open = type("Full", (), parts)(), full


def mend_disk(audit: Any) -> None:
    """There is room again."""
    audit._ledger, audit._open = audit._was


async def test_a_cancelled_call_is_recorded_and_stays_cancelled_even_when_that_fails(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    begun = asyncio.Event()

    @server.tool
    async def wait() -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    async with living(server) as live:
        audit = live.plant.parts.audit
        for broken in (False, True):
            if broken:
                break_disk(audit)
            begun.clear()
            call = asyncio.ensure_future(ask(live, "wait"))
            await begun.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        mend_disk(audit)
    assert [line["outcome"] for line in logged(tmp_path) if line["event"] == "call"] == ["cancelled"] * 2
    assert [record["outcome"] for record in audited(tmp_path)] == ["cancelled"]


async def test_a_call_cancelled_twice_is_still_seen_to_end(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    ending = asyncio.Event()

    @server.tool(read_only=True)
    async def stubborn() -> str:
        async def never_quite() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await asyncio.sleep(0.02)

        asyncio.get_running_loop().create_task(never_quite())
        await asyncio.sleep(0)
        return "done"

    async with living(server) as live:
        call = asyncio.ensure_future(ask(live, "stubborn"))
        await ending.wait()  # the call is over and its leftovers are being ended
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert [line["outcome"] for line in logged(tmp_path) if line["event"] == "call"] == ["ok"]


async def test_what_a_call_leaves_behind_is_ended_and_told(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def untidy() -> str:
        from holdfast.safe.handle import current_scope

        scope = current_scope.get()
        assert scope is not None
        descriptor = os.open(os.devnull, os.O_RDONLY)
        scope.own(lambda: os.close(descriptor))
        asyncio.get_running_loop().create_task(asyncio.sleep(60))
        return str(descriptor)

    async with living(server) as live:
        descriptor = int(text(await ask(live, "untidy")))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    (line,) = [line for line in logged(tmp_path) if line["event"] == "call"]
    assert (line["closed_handles"], line["tasks_left"]) == (1, 1)
    assert not {"tasks_stuck", "processes_left", "descriptors"} & set(line), "what was not left is not told"


async def test_the_running_call_is_known_to_code_that_is_not_handed_a_context(tmp_path: Path) -> None:
    from holdfast.core.context import current_context

    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def inner() -> str:
        found = current_context.get()
        return found.tool if found else "?"

    async with living(server) as live:
        assert text(await ask(live, "inner")) == "inner"
        assert current_context.get() is None


async def test_metrics_count_calls_by_outcome_and_refusals_by_code(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(limits=Limits(rate="1/hour"))
    async def once() -> str:
        return ""

    async with living(server) as live:
        await ask(live, "once")
        await ask(live, "once")
        page = live.plant.metrics.render()[0].decode()
    assert any('tool="once"' in line and '"ok"' in line for line in page.splitlines())
    assert "rate.limited" in page
    assert 'holdfast_audit_records_total{outcome="written"} 2.0' in page
    names = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "a name that comes twice makes the page unreadable for a scraper"


async def test_calls_that_wait_threads_that_are_stuck_and_abandoned_calls_can_be_seen(tmp_path: Path) -> None:
    server, go = server_in(tmp_path), asyncio.Event()

    @server.tool(limits=Limits(concurrency=1))
    async def tool() -> str:
        await go.wait()
        return ""

    async with living(server) as live:
        calls = [asyncio.ensure_future(ask(live, "tool")) for _ in range(3)]
        for _ in range(40):
            await asyncio.sleep(0)
        seen = live.plant.metrics.snapshot()
        go.set()
        await asyncio.gather(*calls)
        after = live.plant.metrics.snapshot()
    assert (seen["in_flight"], seen["queued"], seen["orphans"], seen["zombies"]) == (3, 2, 0, 0)
    assert (after["in_flight"], after["queued"]) == (0, 0)


async def test_a_refusal_with_an_odd_code_is_recorded_as_any_other(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def odd() -> str:
        raise Refusal("no", code=404)  # type: ignore[arg-type]

    @server.tool
    async def later(what: str) -> str:
        raise ToolError("come back", retryable=True, retry_after={"soon": "soon", "never": float("inf")}[what])  # type: ignore[arg-type,dict-item]

    async with living(server) as live:
        assert code(await ask(live, "odd")) == "404"
        assert code(await ask(live, "later", {"what": "soon"})) == "tool.failed", "a fault of the author's"
        never = await ask(live, "later", {"what": "never"})
        assert (code(never), "io.holdfast/retryAfter" in never.meta) == ("tool.error", False)
        assert live.plant.metrics.refusals.items() == {("404", "404"): 1}
    assert [record["code"] for record in audited(tmp_path)] == ["404", "tool.failed", "tool.error"]


async def test_an_answer_that_says_that_it_is_an_error_counts_as_one(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.add
    class Reports(Tool):
        """Says so itself."""

        async def run(self, args: Any, ctx: Context) -> str:
            return "no such note"

        def present(self, value: Any) -> Answer:
            return Answer({"content": [{"type": "text", "text": value}]}, is_error=True)

    async with living(server) as live:
        assert (await ask(live, "reports")).is_error
    assert [record["outcome"] for record in audited(tmp_path)] == ["error"]
