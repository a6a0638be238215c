"""One key, one call: answered again, never done again, also when the process died in the middle."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support import isolated
from support.calls import Client, ask, code, living, server_in, text
from support.peers import StdioPeer, code_of, text_of

from holdfast import Context, Depends, Limits, Server, ToolError
from holdfast.core.principal import Principal
from holdfast.errors import Busy, ProtocolError, UnsafePath
from holdfast.state.store import Store
from holdfast.testing import FakeClock, principal

SECRET = "sk-live-4242424242"
REPLAYED = "io.holdfast/replayed"


def shop(base: Path, **settings: Any) -> Server:
    """A shop that numbers its orders."""
    server, numbers = server_in(base, **settings), count(1)

    @server.tool
    async def order(what: str = "", gate: bool = False, size: int = 0) -> str:
        number = next(numbers)
        if gate:
            await server_gate(server).wait()
        return f"order {number}" + "x" * size

    @server.tool
    async def fail(how: str) -> str:
        number = next(numbers)
        if how == "later":
            raise ToolError(f"number {number}", retryable=True)
        raise {"tool": ToolError(f"number {number}"), "code": KeyError(), "path": UnsafePath("no such file")}[how]

    @server.tool
    async def leak(ctx: Context) -> str:
        return ctx.secret(SECRET)

    @server.tool
    async def confirm(ctx: Context) -> str:
        answer = await ctx.ask(sure={"method": "roots/list", "params": {}})
        return f"order {next(numbers)} {answer['sure']}"

    @server.tool(limits=Limits(timeout=5))
    async def late() -> str:
        next(numbers)
        await asyncio.Event().wait()
        return ""

    @server.tool
    def threaded() -> str:
        return f"order {next(numbers)}"

    @server.tool(idempotent=True)
    async def harmless() -> str:
        return f"order {next(numbers)}"

    return server


def server_gate(server: Server) -> asyncio.Event:
    """What orders wait for."""
    gate: asyncio.Event = server.__dict__.setdefault("gate", asyncio.Event())
    return gate


async def test_the_same_key_is_answered_with_the_first_answer_and_says_so(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        first, again = [await ask(live, "order", {"what": "tea"}, key="k") for _ in range(2)]
        assert text(first) == text(again) == "order 1"
        assert first.body == again.body
        assert REPLAYED not in first.meta
        assert again.meta[REPLAYED] is True
        assert text(await ask(live, "order", {"what": "tea"}, key="other")) == "order 2"
        assert text(await ask(live, "order", {"what": "tea"})) == "order 3", "without a key nothing is kept"
        assert text(await ask(live, "threaded", key="k")) == "order 4", "each tool has keys of its own"
        assert text(await ask(live, "threaded", key="k")) == "order 4"


async def test_without_a_key_no_state_is_touched(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        await ask(live, "order")
        await ask(live, "harmless", key="k")
        assert live.plant.store is None


async def test_it_is_answered_again_after_a_restart_too(tmp_path: Path) -> None:
    for expected in ("order 1", "order 1"):
        async with living(shop(tmp_path)) as live:
            assert text(await ask(live, "order", key="k")) == expected
    async with living(shop(tmp_path)) as live:
        assert text(await ask(live, "order", key="new")) == "order 1", "the count of this process has just begun"


async def test_a_key_belongs_to_one_principal_with_its_scopes_and_one_set_of_arguments(tmp_path: Path) -> None:
    ada, eve = principal("ada"), principal("eve")
    async with living(shop(tmp_path)) as live:
        assert text(await ask(live, "order", {"what": "tea"}, key="k", who=ada)) == "order 1"
        assert text(await ask(live, "order", {"what": "tea"}, key="k", who=eve)) == "order 2"
        other = await ask(live, "order", {"what": "coffee"}, key="k", who=ada)
        assert code(other) == "idempotency.mismatch"
        assert "coffee" not in text(other)
        assert code(await ask(live, "order", {"what": "tea"}, key="k", who=Principal("ada"))) == "idempotency.mismatch"


async def test_an_old_key_is_forgotten(tmp_path: Path) -> None:
    clock = FakeClock()
    async with living(shop(tmp_path, idempotency__lifetime=60), clock) as live:
        assert text(await ask(live, "order", key="k")) == "order 1"
        await clock.advance(59)
        assert text(await ask(live, "order", key="k")) == "order 1"
        await clock.advance(2)
        assert text(await ask(live, "order", key="k")) == "order 2"


async def test_a_second_call_joins_the_first_and_another_one_is_refused(tmp_path: Path) -> None:
    server = shop(tmp_path)
    async with living(server) as live:
        calls = [asyncio.create_task(ask(live, "order", {"gate": True}, key="k")) for _ in range(5)]
        while not live.plant.lasting.keys()._under_way:
            await asyncio.sleep(0.001)
        assert code(await ask(live, "order", {"gate": False}, key="k")) == "idempotency.mismatch"
        calls[4].cancel()
        server_gate(server).set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(answers.pop(), asyncio.CancelledError)
        assert {text(answer) for answer in answers} == {"order 1"}  # type: ignore[arg-type]  # the others are answers
        assert live.plant.lasting.keys()._under_way == {}


@pytest.mark.parametrize("how", ["tool", "path"])
async def test_what_the_tool_said_it_says_again(tmp_path: Path, how: str) -> None:
    async with living(shop(tmp_path)) as live:
        first, again = [await ask(live, "fail", {"how": how}, key="k") for _ in range(2)]
        assert text(first) == text(again)
        assert code(first) == code(again) != ""


async def test_what_may_be_tried_again_frees_its_key(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        said = [text(await ask(live, "fail", {"how": "later"}, key="k")) for _ in range(2)]
        assert said == ["number 1 [tool.error]", "number 2 [tool.error]"]


async def test_what_failed_in_the_middle_is_of_unknown_outcome_and_never_runs_again(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        assert code(await ask(live, "fail", {"how": "code"}, key="k")) == "tool.failed"
        again = await ask(live, "fail", {"how": "code"}, key="k")
        assert code(again) == "idempotency.unknown"
        assert again.meta["io.holdfast/retryable"] is False


async def test_a_call_that_was_late_or_whose_client_left_is_of_unknown_outcome(tmp_path: Path) -> None:
    clock = FakeClock()
    async with living(shop(tmp_path), clock) as live:
        late = asyncio.create_task(ask(live, "late", key="k"))
        while not live.plant.lasting.keys()._under_way:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        await clock.advance(6)
        assert code(await late) == "deadline.exceeded"
        assert code(await ask(live, "late", key="k")) == "idempotency.unknown"


async def test_a_refusal_before_the_work_frees_the_key(tmp_path: Path) -> None:
    server = shop(tmp_path, limits__concurrency=1, limits__queue=0)
    async with living(server) as live:
        waiting = asyncio.create_task(ask(live, "order", {"gate": True}))
        while not live.plant.parts.total.running:
            await asyncio.sleep(0)
        assert code(await ask(live, "order", key="k")) == "busy"
        server_gate(server).set()
        await waiting
        assert text(await ask(live, "order", key="k")) == "order 2"


async def test_what_is_shed_or_left_alone_keeps_no_key(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        live.plant.parts.shed.level = 2
        assert code(await ask(live, "order", key="k")) == "server.overloaded"
        live.plant.parts.shed.level = 0
        assert text(await ask(live, "order", key="k")) == "order 1"
        for number in range(40):
            await ask(live, "fail", {"how": "code"}, key=str(number))
        for _ in range(2):
            assert code(await ask(live, "fail", {"how": "tool"}, key="k")) == "breaker.open"


async def test_a_caller_that_leaves_while_its_key_is_claimed_leaves_nothing_behind(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        await ask(live, "order", key="first")
        keys = live.plant.lasting.keys()
        for _ in range(20):
            call = asyncio.create_task(ask(live, "order", key="k"))
            while not keys._under_way:
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        assert code(await ask(live, "order", key="k")) in ("", "idempotency.unknown")
        assert keys._under_way == {}


async def test_a_question_to_the_user_is_no_answer(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        asked = await ask(live, "confirm", key="k", client=Client("roots"))
        assert asked.input_required
        for _ in range(2):
            done = await ask(live, "confirm", key="k", client=Client("roots", sure="yes"))
            assert text(done) == "order 1 yes"


async def test_what_is_kept_holds_no_secret_and_no_sent_value(tmp_path: Path) -> None:
    async with living(shop(tmp_path)) as live:
        assert SECRET not in text(await ask(live, "leak", key="hush-hush"))
        await ask(live, "order", {"what": "tea-for-two"}, key="k")
        store = live.plant.store
        assert store is not None
        spaces = await store._transactions.ask(lambda c: c.execute("SELECT space, key, value FROM entry").fetchall())
    written = repr(spaces)
    for hidden in (SECRET, "hush-hush", "tea-for-two", "tester"):
        assert hidden not in written


@pytest.mark.parametrize("key", ["", "k" * 256, 7, ["k"], {"a": 1}, True])
async def test_a_key_that_is_none_is_an_error_of_the_request(tmp_path: Path, key: object) -> None:
    async with living(shop(tmp_path)) as live:
        with pytest.raises(ProtocolError, match="1 to 255 characters") as refused:
            await ask(live, "order", key=key)
        assert refused.value.rpc_code == -32602
        assert text(await ask(live, "order", key="k" * 255)) == "order 1"


async def test_an_answer_too_large_to_keep_is_given_once_and_its_call_done_once(tmp_path: Path) -> None:
    async with living(shop(tmp_path, idempotency__size=2_000)) as live:
        assert text(await ask(live, "order", {"size": 3_000}, key="k")).startswith("order 1")
        assert code(await ask(live, "order", {"size": 3_000}, key="k")) == "idempotency.not_kept"
        assert text(await ask(live, "order", key="small")) == text(await ask(live, "order", key="small")) == "order 2"


async def test_one_caller_cannot_take_the_room_of_others(tmp_path: Path) -> None:
    clock = FakeClock()
    async with living(shop(tmp_path, idempotency__keys=3, idempotency__lifetime=60), clock) as live:
        assert [code(await ask(live, "order", key=str(number))) for number in range(4)] == ["", "", "", "busy"]
        assert text(await ask(live, "order", key="0")) == "order 1", "what is kept is given still"
        assert code(await ask(live, "order", key="mine", who=principal("other"))) == ""
        await clock.advance(61)
        assert code(await ask(live, "order", key="3")) == ""


async def test_while_nothing_can_be_kept_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "state" / "inside").mkdir(parents=True)
    (tmp_path / "state" / "inside" / "alive").write_text("in the way")
    async with living(shop(tmp_path)) as live:
        assert code(await ask(live, "order", key="k")) == "busy"
        assert text(await ask(live, "order")) == "order 1"
        found = (await live.plant.health.report()).checks["state"]
        assert found.status == "failed"
        (tmp_path / "state" / "inside" / "alive").unlink()
        assert text(await ask(live, "order", key="k")) == "order 2"


async def test_an_answer_that_cannot_be_kept_reaches_its_caller_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living(shop(tmp_path)) as live:
        with monkeypatch.context() as patch:

            def full(*_: Any) -> Any:
                raise Busy("full")

            patch.setattr(Store, "fulfil", full)
            assert text(await ask(live, "order", key="k")) == "order 1"
        assert code(await ask(live, "order", key="k")) == "idempotency.unknown"

        async def refused(*_: Any) -> bool:
            raise Busy("full")

        monkeypatch.setattr(Store, "fulfil", lambda *given: asyncio.ensure_future(refused(*given)))
        assert text(await ask(live, "order", key="l")) == "order 2"
        assert code(await ask(live, "order", key="l")) == "idempotency.unknown"


async def test_a_damaged_file_leaves_doubt_about_keys_and_about_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "inside"
    folder.mkdir(parents=True)
    (folder / "state.sqlite").write_bytes(b"not a database" * 1_000)
    clock = FakeClock()
    async with living(shop(tmp_path, idempotency__lifetime=60), clock) as live:
        assert live.plant.metrics.watched["state_damaged"]() == 1
        assert (await live.plant.health.report()).checks["state"].status == "degraded"
        assert text(await ask(live, "order")) == "order 1"
        doubtful = await ask(live, "order", key="k")
        assert code(doubtful) == "state.lost"
        assert 0 < doubtful.meta["io.holdfast/retryAfter"] <= 60
        await clock.advance(61)
        assert text(await ask(live, "order", key="k")) == "order 2"


SERVER = """
    import asyncio, os, sys
    from pathlib import Path
    from holdfast import Limits, Server

    server, ledger = Server("shop"), Path(os.environ["LEDGER"])

    @server.tool(limits=Limits(timeout=3_600))
    async def pay(amount: int) -> str:
        "Pay; much is never paid out to the end, however long the others of a test take."
        with ledger.open("a") as file:
            file.write(f"{amount}\\n")
        if amount > 100:
            await asyncio.Event().wait()
        return f"paid {amount}"

    if __name__ == "__main__":
        server.main()
"""


def paying(peer: StdioPeer, amount: int, key: str) -> Any:
    """Begin to pay."""
    meta = {"io.holdfast/idempotencyKey": key}
    return peer.request("tools/call", {"name": "pay", "arguments": {"amount": amount}, "_meta": meta})


async def test_the_sdk_hands_the_key_on_too(tmp_path: Path) -> None:
    async with shop(tmp_path).client() as client:
        results = [await client.call_tool("order", {}, meta={"io.holdfast/idempotencyKey": "k"}) for _ in range(2)]
        assert [result.content[0].text for result in results] == ["order 1", "order 1"]
        assert (await client.call_tool("order", {})).content[0].text == "order 2"


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_over_a_pipe_a_process_that_is_killed_in_the_middle_pays_nothing_twice(tmp_path: Path) -> None:
    script, ledger = tmp_path / "shop.py", tmp_path / "ledger"
    script.write_text(textwrap.dedent(SERVER))
    state, settings = tmp_path / "state", {"LEDGER": str(ledger)}
    with StdioPeer(script, state, **settings) as peer, StdioPeer(script, state, **settings) as neighbour:
        for each in (peer, neighbour):
            each.initialize()
        assert text_of(peer.reply(paying(peer, 5, "a"))["result"]) == "paid 5"
        assert text_of(neighbour.reply(paying(neighbour, 5, "a"))["result"]) == "paid 5"
        paying(peer, 500, "b")
        while "500" not in ledger.read_text():
            peer.ask("ping")
        refused = neighbour.reply(paying(neighbour, 500, "b"))["result"]
        assert code_of(refused) == "idempotency.running"
        assert refused["_meta"]["io.holdfast/retryable"] is True
        peer.process.kill()
        peer.process.wait()
        assert code_of(neighbour.reply(paying(neighbour, 500, "b"))["result"]) == "idempotency.unknown"
    with StdioPeer(script, state, **settings) as peer:
        peer.initialize()
        assert code_of(peer.reply(paying(peer, 500, "b"))["result"]) == "idempotency.unknown"
        assert text_of(peer.reply(paying(peer, 5, "a"))["result"]) == "paid 5"
    assert ledger.read_text().split() == ["5", "500"]


def crowded(base: Path) -> tuple[Server, threading.Event, list[int]]:
    """A server with one thread and one process, tools that pay in each, and what they paid."""
    server, free, paid = server_in(base, limits__threads=1, limits__processes=1), threading.Event(), []

    @server.tool(read_only=True)
    def hog() -> str:
        free.wait(20)
        return "done"

    def given() -> int:
        return 1

    @server.tool(limits=Limits(timeout=5))
    def pay() -> str:
        paid.append(1)
        return "paid"

    @server.tool(limits=Limits(timeout=5))
    def pay_with(one: int = Depends(given)) -> str:
        paid.append(one)
        return "paid"

    server.tool(isolation="process", limits=Limits(timeout=20))(isolated.spend)
    return server, free, paid


@pytest.mark.parametrize("tool", ["pay", "pay_with"])
async def test_what_a_pool_of_threads_refuses_did_not_begin_and_may_be_sent_again(tmp_path: Path, tool: str) -> None:
    server, free, paid = crowded(tmp_path)
    async with living(server) as live:
        try:
            holding = [asyncio.ensure_future(ask(live, "hog")) for _ in range(2)]
            while live.plant.parts.threads.queued < 1:
                await asyncio.sleep(0)
            assert code(await ask(live, tool, key="k")) == "busy"
        finally:
            free.set()
        await asyncio.gather(*holding)
        assert [text(await ask(live, tool, key="k")) for _ in range(2)] == ["paid", "paid"]
    assert paid == [1]


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_call_given_up_in_the_line_for_a_thread_did_not_begin(tmp_path: Path, leaves: bool) -> None:
    server, free, paid = crowded(tmp_path)
    clock = FakeClock()
    async with living(server, clock) as live:
        await ask(live, "pay", key="warm")
        try:
            holding = asyncio.ensure_future(ask(live, "hog"))
            waiting = asyncio.ensure_future(ask(live, "pay", key="k"))
            while live.plant.parts.threads.queued < 1:
                await asyncio.sleep(0.001)
            if leaves:
                waiting.cancel()
                await asyncio.wait({waiting})
            else:
                await clock.advance(6)
                assert code(await waiting) == "deadline.exceeded"
        finally:
            free.set()
        await holding
        assert text(await ask(live, "pay", key="k")) == "paid"
    assert paid == [1, 1]


async def test_a_thread_that_works_past_its_deadline_leaves_its_key_in_doubt(tmp_path: Path) -> None:
    server, free = server_in(tmp_path), threading.Event()
    begun = threading.Event()

    @server.tool(limits=Limits(timeout=5))
    def pay() -> str:
        begun.set()
        free.wait(20)
        return "paid"

    clock = FakeClock()
    async with living(server, clock) as live:
        try:
            late = asyncio.ensure_future(ask(live, "pay", key="k"))
            while not begun.is_set():
                await asyncio.sleep(0.001)
            await clock.advance(6)
            assert code(await late) == "deadline.exceeded"
            assert code(await ask(live, "pay", key="k")) == "idempotency.unknown"
        finally:
            free.set()


@pytest.mark.skipif(sys.platform == "win32", reason="no fork server")
async def test_in_a_process_what_was_refused_is_free_and_what_was_cut_off_is_in_doubt(tmp_path: Path) -> None:
    server, _, _ = crowded(tmp_path)
    ledger = str(tmp_path / "ledger")
    async with living(server) as live:

        async def spend(how: str, key: str | None = None) -> Any:
            return await ask(live, "spend", {"ledger": ledger, "how": how}, key=key)

        assert text(await spend("pay", "first")) == "paid"
        assert code(await spend("crash", "crashed")) == "isolation.crashed"
        again = await spend("crash", "crashed")
        assert code(again) == "idempotency.unknown"
        assert again.meta["io.holdfast/retryable"] is False
        holding = asyncio.ensure_future(spend("wait"))
        while "wait" not in Path(ledger).read_text():
            await asyncio.sleep(0.001)
        live.plant.processes()._queue = 0
        refused = await spend("pay", "later")
        Path(ledger + ".go").touch()
        await holding
        assert code(refused) == "busy"
        assert [text(await spend("pay", "later")) for _ in range(2)] == ["paid", "paid"]
    assert Path(ledger).read_text().split() == ["pay", "crash", "wait", "pay"]


async def test_a_key_is_not_forgotten_while_its_call_runs(tmp_path: Path) -> None:
    gate, paid, clock = asyncio.Event(), list[int](), FakeClock()

    def paying() -> Server:
        server = server_in(tmp_path, idempotency__lifetime=60)

        @server.tool(limits=Limits(timeout=600))
        async def pay() -> str:
            paid.append(1)
            await gate.wait()
            return "paid"

        return server

    async with living(paying(), clock) as live, living(paying(), clock) as neighbour:
        first = asyncio.create_task(ask(live, "pay", key="k"))
        while not paid:
            await asyncio.sleep(0.001)
        await clock.advance(500)
        second = asyncio.create_task(ask(neighbour, "pay", key="k"))
        await asyncio.wait({second}, timeout=5)
        gate.set()
        assert code(await second) == "idempotency.running"
        await first
