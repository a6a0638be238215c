"""Cases of load: what very many requests, clients and unread answers cost a server, and what is left of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attack.cases.steady import LEGACY, NEW, SECONDS, TEXT, TOOLS, Field, Message, Server, Talk, Wood, play, text, tool

from holdfast_attack.cases import case_of
from holdfast_attack.cases.load import CASES, failing, floods, leaks, memory, parked, volley
from holdfast_attack.cases.time import slow
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import request
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Found, FoundSeveral, Inconclusive, Kind, Lane, NotApplicable, Transport
from holdfast_attack.target.address import Address

HTTP = Lane(Transport.HTTP, LEGACY.version)
NEW_HTTP = Lane(Transport.HTTP, NEW.version)
MIB, KIB = 2**20, 2**10
LEAKS = ("load.descriptors", "load.processes", "load.threads")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the time, and fewer requests: the server here answers at once."""
    for module, name, value in (
        (slow, "ANSWERING", 0.01),
        (volley, "SETTLING", 0.0),
        (floods, "CALLS", {False: 50, True: 60}),
        (floods, "OVER_HTTP", 40),
        (floods, "REQUESTS", {False: 40, True: 60}),
        (floods, "REQUESTS_HTTP", {False: 20, True: 30}),
        (floods, "ABANDONED", 5),
        (memory, "WARM", 5),
        (memory, "WARM_HTTP", 3),
        (memory, "WINDOW", {False: 20, True: 25}),
        (memory, "WINDOW_HTTP", {False: 10, True: 12}),
        (memory, "CLIENTS", {False: 10, True: 12}),
        (leaks, "CALLS", {False: 6, True: 8}),
        (leaks, "SETTLING", 0.05),
        (leaks, "LOOK", 0.001),
        (parked, "PARKED", 4 * MIB),
        (parked, "MOST", MIB),
        (parked, "BLOCKED", 2 * MIB),
        (parked, "READING", 0.01),
        (parked, "PATIENCE", 0.2),
    ):
        monkeypatch.setattr(module, name, value)


class Calling(HttpSession):
    """Over HTTP, without a connection; those that are opened are counted as long as the server holds them."""

    def __init__(self, server: Server, tree: Wood, keeps: bool = False) -> None:
        super().__init__(Address("127.0.0.1", 1, "/mcp"), HTTP, None, tree)  # type: ignore[arg-type]
        self.talk, self.keeps = Talk(server, HTTP, tree), keeps
        self.opened = self.held = 0
        self.sent: list[bytes] = []
        self.hung_up: Callable[[], None] = lambda: None

    async def ask(self, method: str, params: Any = None, *, within: float = 5.0, id: Any = None) -> Reply:
        return await self.talk.ask(method, params, within=within, id=id)

    async def open(self, within: float = 5.0) -> Any:
        self.opened += 1
        self.held += 1
        return SimpleNamespace(send=self._send, close=self._close)

    async def _send(self, data: bytes) -> None:
        self.sent.append(data)

    def _close(self) -> None:
        self.held -= not self.keeps
        self.hung_up()


async def through(name: str, session: Any, **more: Any) -> int:
    """The case, played through a session of the test's own."""
    field = Field(session.server if isinstance(session, Talk) else session.talk.server, **more)
    field.shared = session
    return await case_of(name).play(field)  # type: ignore[arg-type]  # as much of a probe as it needs


def test_every_case_of_the_class_says_where_it_belongs() -> None:
    assert {case.kind for case in CASES} == {Kind.LOAD}
    assert len({case.id for case in CASES}) == len(CASES) == 9


class Held(Server):
    """Takes every slow call, and keeps ``each`` bytes for it as long as it runs."""

    each = MIB

    def __init__(self, bound: int = 10**9) -> None:
        super().__init__()
        self.running, self.bound = 0, bound

    def memory(self) -> int:
        return 2**24 + self.running * self.each

    async def call(self, name: str, given: Message) -> Message | None:
        if name == "echo":
            return await super().call(name, given)
        if self.running >= self.bound:
            return text("busy: too many calls, try again", failed=True)
        self.running += 1
        try:
            return await super().call(name, given)
        finally:
            self.running -= 1


async def test_calls_without_an_end_may_be_refused_beyond_a_bound_or_held_in_little_memory() -> None:
    server = Held(bound=10)
    assert await play("load.in-flight", server, tree=Wood(memory=server.memory)) == 1
    server = Held()
    server.each = KIB
    assert await play("load.in-flight", server, tree=Wood(memory=server.memory)) == 1
    assert server.running == 0


@pytest.mark.parametrize("lane, number", [(LEGACY, 50), (HTTP, 40)])
async def test_calls_without_an_end_that_pile_up_in_memory_are_found(lane: Lane, number: int) -> None:
    server = Held()
    with pytest.raises(FoundSeveral, match=f"{number} calls were all taken at once, 1024 KiB each") as caught:
        await play("load.in-flight", server, tree=Wood(memory=server.memory), lane=lane)
    assert caught.value.findings[0].tool == "wait"
    assert b'"seconds":600.0' in caught.value.findings[0].sent


async def test_calls_take_as_long_as_the_tool_allows() -> None:
    server = Held()
    server.tools = (TOOLS[0], tool("wait", seconds=SECONDS | {"maximum": 30}))
    with pytest.raises(FoundSeveral) as caught:
        await play("load.in-flight", server, tree=Wood(memory=server.memory))
    assert b'"seconds":20.0' in caught.value.findings[0].sent


@pytest.mark.parametrize("full, tried", [(False, 2), (True, 3)])
async def test_of_several_slow_tools_a_few_are_tried(full: bool, tried: int) -> None:
    server = Held(bound=3)
    server.tools = tuple(tool(f"wait-{number}", seconds=SECONDS) for number in range(3))
    assert await play("load.in-flight", server, tree=Wood(memory=server.memory), full=full) == tried


async def test_calls_without_an_end_are_begun_in_a_server_of_ours_only_and_where_there_are_any() -> None:
    with pytest.raises(NotApplicable, match="not started here"):
        await play("load.in-flight", Server(), started=False)
    server = Server()
    server.tools = TOOLS[:1]
    with pytest.raises(NotApplicable, match="take 20 seconds"):
        await play("load.in-flight", server)


@pytest.mark.parametrize("name", ["load.in-flight", "load.failing", "load.memory", *LEAKS])
async def test_where_the_processes_cannot_be_seen_nothing_is_said_of_them(name: str) -> None:
    for tree in (None, Wood(memory=None)):
        with pytest.raises(Inconclusive, match="cannot be seen"):
            await play(name, Server(), tree=tree)


@pytest.mark.parametrize("full, number", [(False, 40), (True, 60)])
async def test_of_very_many_requests_each_is_answered(full: bool, number: int) -> None:
    assert await play("load.requests", Server(), full=full) == number


async def test_a_request_without_an_answer_is_found() -> None:
    class Mute(Server):
        async def call(self, name: str, given: Message) -> Message | None:
            return None if name == "holdfast_attack_no_such_tool" else await super().call(name, given)

    with pytest.raises(Found, match=r"of 40 requests had no answer .* x a tool that there is not\)"):
        await play("load.requests", Mute())


async def test_a_request_with_two_answers_is_found() -> None:
    class Twice(Talk):
        async def ask(self, method: str, params: Any = None, *, within: float = 5.0, id: Any = None) -> Reply:
            reply = await super().ask(method, params, within=within, id=id)
            if len(self.messages) == 9:
                self.messages.append(self.messages[-1])
            return reply

    with pytest.raises(Found, match=r"request \d+ was answered 2 times"):
        await through("load.requests", Twice(Server(), LEGACY, Wood()))


async def test_a_server_that_answers_all_and_then_no_more_is_found() -> None:
    class Spent(Server):
        calls = 0

        async def answer(self, message: Message) -> Message | None:
            self.calls += 1
            return await super().answer(message) if self.calls <= 42 else None

    # Two calls that fail come before the forty, to see how quick they are.
    with pytest.raises(Found, match="after 40 requests it answers no more"):
        await play("load.requests", Spent())


async def test_over_http_some_hang_up_and_a_server_that_dies_of_it_is_found() -> None:
    session = Calling(Server(), Wood())
    assert await through("load.requests", session, lane=HTTP) == 20
    assert session.opened == 5
    assert all(data.startswith(b"POST /mcp") for data in session.sent)

    server = Server()
    session = Calling(server, Wood())
    session.hung_up = lambda: setattr(server, "died", True)
    with pytest.raises(Found, match="after 20 requests it answers no more"):
        await through("load.requests", session, lane=HTTP)


class Costly(Server):
    """What one call takes of a processor, by whether it fails."""

    def __init__(self, fine: float, failed: float) -> None:
        super().__init__()
        self.fine, self.failed, self.used = fine, failed, 0.0

    async def call(self, name: str, given: Message) -> Message | None:
        result = await super().call(name, given) or {}
        self.used += self.failed if result["isError"] else self.fine
        return result


async def test_a_call_that_fails_may_cost_a_little() -> None:
    server = Costly(fine=3.0, failed=0.01)
    assert await play("load.failing", server, tree=Wood(used=lambda: server.used)) == 1


async def test_a_call_that_fails_and_costs_much_is_found() -> None:
    server = Costly(fine=0.0, failed=0.5)
    with pytest.raises(FoundSeveral, match=r"take 0\.50 s of processor each: 2 of them in a second") as caught:
        await play("load.failing", server, tree=Wood(used=lambda: server.used))
    assert caught.value.findings[0].tool == "read_file"
    assert b"no-such-file" in caught.value.findings[0].sent


async def test_after_two_tools_whose_failures_cost_much_no_more_are_looked_at() -> None:
    server = Costly(fine=0.0, failed=0.5)
    server.tools = tuple(tool(f"unknown-{number}", path=TEXT) for number in range(3))
    with pytest.raises(FoundSeveral) as caught:
        await play("load.failing", server, tree=Wood(used=lambda: server.used))
    assert [one.tool for one in caught.value.findings] == ["unknown-0", "unknown-1"]


async def test_a_call_that_is_refused_by_a_limit_is_no_failure_whose_cost_counts() -> None:
    class Limited(Costly):
        async def call(self, name: str, given: Message) -> Message | None:
            await super().call(name, given)
            return text("rate limit exceeded", failed=True)

    server = Limited(fine=0.5, failed=0.5)
    assert await play("load.failing", server, tree=Wood(used=lambda: server.used)) == 0


class Keeping(Server):
    """Keeps ``each`` bytes of every request, up to a bound."""

    def __init__(self, each: int, bound: int = 2**50) -> None:
        super().__init__()
        self.each, self.bound = each, bound

    def memory(self) -> int:
        return 2**24 + min(self.bound, self.each * len(self.asked))


async def test_memory_that_stays_what_it_was_or_fills_up_is_fine() -> None:
    assert await play("load.memory", Server()) == 60
    full = Keeping(MIB, bound=30 * MIB)
    assert await play("load.memory", full, tree=Wood(memory=full.memory)) == 60
    larger = Keeping(100 * KIB, bound=14 * MIB)
    assert await play("load.memory", larger, tree=Wood(memory=larger.memory)) == 60 + 120


async def test_what_is_kept_of_every_request_is_found() -> None:
    server = Keeping(MIB)
    with pytest.raises(Found, match="over 180 requests its memory grew by 180 MiB, 1024 KiB each"):
        await play("load.memory", server, tree=Wood(memory=server.memory))


async def test_a_little_that_is_kept_is_looked_at_in_ever_larger_windows() -> None:
    server = Keeping(70 * KIB)
    with pytest.raises(Found, match="over 420 requests its memory grew by 28 MiB, 70 KiB each"):
        await play("load.memory", server, tree=Wood(memory=server.memory))


async def test_over_http_there_are_fewer_requests() -> None:
    server = Keeping(MIB)
    with pytest.raises(Found, match="over 90 requests"):
        await play("load.memory", server, tree=Wood(memory=server.memory), lane=HTTP)


async def test_memory_that_cannot_be_seen_any_more_is_not_judged() -> None:
    with pytest.raises(Inconclusive, match="any more"):
        await play("load.memory", Server(), tree=Wood(memory=[2**20, None]))


class Guests:
    """What a server knows of its clients."""

    def __init__(self, each: int, forgets: bool) -> None:
        self.each, self.forgets = each, forgets
        self.names: list[str] = []
        self.left = 0

    def memory(self) -> int:
        return 2**24 + self.each * (len(self.names) - (self.left if self.forgets else 0))


class Guest:
    """A client that came over HTTP, without a connection."""

    guests = Guests(0, forgets=True)

    def __init__(self, address: None, lane: Lane, token: None, tree: Wood) -> None:
        self.address, self.lane, self.tree = address, lane, tree
        self.session_id: str | None = None

    def message(self, method: str) -> Message:
        return request(self.lane.version, method, None, 1)

    async def post(self, body: Message, *, headers: dict[str, str]) -> Reply:
        if body["method"] == "initialize" or self.lane == NEW_HTTP:
            self.guests.names.append(headers["x-client-id"])
            assert headers["x-client-id"] in str(body["params"])
            return Reply({"id": 1, "result": {}}, headers={"mcp-session-id": headers["x-client-id"]})
        assert self.session_id == headers["x-client-id"]
        return Reply({"id": 1, "result": {}})

    async def close(self) -> None:
        self.guests.left += 1


class Inn(Field):
    """A run over HTTP against a server of its own."""

    @asynccontextmanager
    async def fresh_http(self) -> AsyncIterator[Guest]:
        assert self.tree is not None
        yield Guest(None, self.lane, None, self.tree)


async def principals(monkeypatch: pytest.MonkeyPatch, guests: Guests, **more: Any) -> int:
    monkeypatch.setattr(memory, "HttpSession", Guest)
    monkeypatch.setattr(Guest, "guests", guests)
    field = Inn(Server(), tree=Wood(memory=guests.memory), **more)
    return await case_of("load.principals").play(field)  # type: ignore[arg-type]  # as much of a probe as it needs


async def test_clients_that_have_left_may_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    guests = Guests(MIB, forgets=True)
    assert await principals(monkeypatch, guests, lane=HTTP) == 30
    assert len(set(guests.names)) == guests.left == 40


@pytest.mark.parametrize("lane", [HTTP, NEW_HTTP])
async def test_clients_that_are_remembered_for_ever_are_found(monkeypatch: pytest.MonkeyPatch, lane: Lane) -> None:
    with pytest.raises(Found, match="90 clients that came and left hold 90 MiB, 1024 KiB each"):
        await principals(monkeypatch, Guests(MIB, forgets=False), lane=lane)


async def test_with_a_token_there_is_one_client_only() -> None:
    with pytest.raises(NotApplicable, match="the same client"):
        await play("load.principals", Server(), lane=HTTP, token="secret")


class Dripping(Server):
    """Leaves something of each call that it judges to be worth it, up to a bound."""

    def __init__(self, of: Callable[[str, Message], bool], bound: int = 10**9) -> None:
        super().__init__()
        self.of, self.bound, self.left = of, bound, 0

    async def call(self, name: str, given: Message) -> Message | None:
        result = await super().call(name, given) or {}
        self.left += self.of(name, result) and self.left < self.bound
        return result


class Grown(Wood):
    """A tree in which what a server has left is a descriptor, a thread and a process each."""

    def __init__(self, left: Callable[[], int]) -> None:
        super().__init__(open=lambda: 10 + left(), running=lambda: 1 + left())
        self.left = left

    def look(self) -> tuple[int, ...]:
        return tuple(range(self.pid, self.pid + 1 + self.left()))


def of_all(name: str, result: Message) -> bool:
    return True


def of_failures(name: str, result: Message) -> bool:
    return name == "read_file" and result["isError"]


def of_unknown(name: str, result: Message) -> bool:
    return name == "holdfast_attack_no_such_tool"


@pytest.mark.parametrize("name", LEAKS)
async def test_a_server_that_closes_what_it_opens_is_fine(name: str) -> None:
    # Each of three tools, two of them in a failing way as well, and one that there is not.
    assert await play(name, Server()) == 36
    assert await play(name, Server(), full=True) == 48


@pytest.mark.parametrize("name", LEAKS)
async def test_a_pool_that_fills_up_is_no_leak(name: str) -> None:
    server = Dripping(of_all, bound=8)
    assert await play(name, server, tree=Grown(lambda: server.left)) == 36


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize(
    "of, culprit, kind",
    [
        (of_failures, "read_file", "calls that name what is not there"),
        (of_unknown, "holdfast_attack_no_such_tool", "calls of a tool that there is not"),
    ],
)
async def test_what_stays_of_one_kind_of_call_is_found_and_told_apart(
    name: str, of: Callable[[str, Message], bool], culprit: str, kind: str
) -> None:
    server = Dripping(of)
    with pytest.raises(FoundSeveral) as caught:
        await play(name, server, tree=Grown(lambda: server.left))
    (only,) = caught.value.findings
    assert only.tool == culprit
    assert only.what == f"12 {name.removeprefix('load.')} are left of 12 {kind}"


async def test_what_is_given_back_a_moment_later_is_no_leak() -> None:
    class Late(Dripping):
        async def call(self, name: str, given: Message) -> Message | None:
            result = await super().call(name, given)
            asyncio.get_running_loop().call_later(0.005, self.closes)
            return result

        def closes(self) -> None:
            self.left -= 1

    server = Late(of_all)
    assert await play("load.descriptors", server, tree=Grown(lambda: server.left)) == 36


async def test_connections_that_broke_off_must_be_closed() -> None:
    sound = Calling(Server(), Wood())
    assert await through("load.descriptors", sound, lane=HTTP) == 36
    assert (sound.opened, sound.held) == (18, 0)
    faulty = Calling(Server(), Wood(), keeps=True)
    faulty.tree = Wood(open=lambda: 10 + faulty.held)  # type: ignore[assignment]
    with pytest.raises(FoundSeveral, match="12 descriptors are left of 12 connections that broke off"):
        await through("load.descriptors", faulty, lane=HTTP)


@pytest.mark.parametrize("name, tree", [("load.descriptors", Wood(open=None)), ("load.threads", Wood(running=None))])
async def test_what_the_system_does_not_tell_is_not_judged(name: str, tree: Wood) -> None:
    with pytest.raises(Inconclusive, match=f"the {name.removeprefix('load.')} of the server"):
        await play(name, Server(), tree=tree)


class Unread(Field):
    """A server that nobody reads from: how many requests it reads, what it holds of each, and how it ends."""

    reads: int | None = None
    status: int | None = 0

    def holds(self, each: int) -> Unread:
        self.tree = Wood(memory=lambda: 2**24 + sum(len(one.written) for one in self.fresh_ones) * each)
        return self

    @asynccontextmanager
    async def fresh_stdio(self) -> AsyncIterator[Talk]:
        async with self.fresh() as session:
            session.blocks_after, session.status = self.reads, self.status
            yield session

    async def play(self) -> int:
        return await case_of("load.results-parked").play(self)  # type: ignore[arg-type]  # as much as it needs


async def test_answers_that_nobody_reads_may_be_dropped(tmp_path: Path) -> None:
    field = Unread(Server(), workspace=tmp_path).holds(0)
    assert await field.play() == 4 * MIB // 200_000
    assert list(tmp_path.iterdir()) == []
    (session,) = field.fresh_ones
    assert session.paused
    assert session.closed
    assert len(session.written[0]["params"]["arguments"]["text"]) == 200_000


async def test_a_server_that_reads_no_further_may_hold_what_it_has(tmp_path: Path) -> None:
    field = Unread(Server(), workspace=tmp_path).holds(256 * KIB)
    field.reads = 6
    assert await field.play() == 6


async def test_a_server_that_reads_no_further_but_holds_very_much_is_found(tmp_path: Path) -> None:
    field = Unread(Server(), workspace=tmp_path).holds(MIB)
    field.reads = 4
    with pytest.raises(FoundSeveral, match=r"of 4 answers that nobody reads \(the tool 'echo'\) it holds 5 MiB"):
        await field.play()


async def test_answers_that_pile_up_are_found(tmp_path: Path) -> None:
    with pytest.raises(FoundSeveral, match=r"of 8 answers that nobody reads .* it holds 2 MiB"):
        await Unread(Server(), workspace=tmp_path).holds(256 * KIB).play()


async def test_memory_that_grows_only_after_the_last_request_counts_as_well(tmp_path: Path) -> None:
    field = Unread(Server(), workspace=tmp_path)
    readings = [*([2**24] * 8), 2**24 + 3 * MIB]
    field.tree = Wood(memory=readings, busyness=[0.0, 0.9, 0.0])
    with pytest.raises(FoundSeveral, match=r"of 20 answers that nobody reads .* it holds 3 MiB"):
        await field.play()


async def test_a_server_that_does_not_end_with_its_input_is_found(tmp_path: Path) -> None:
    field = Unread(Server(), workspace=tmp_path)
    field.status = None
    with pytest.raises(FoundSeveral, match="has not ended 10 s after its input did"):
        await field.play()


async def test_small_answers_are_too_few_to_wait(tmp_path: Path) -> None:
    server = Server()
    server.tools = TOOLS[1:]
    with pytest.raises(NotApplicable, match="the largest answer that was found has"):
        await Unread(server, workspace=tmp_path).play()
    assert list(tmp_path.iterdir()) == []


async def test_where_not_even_a_list_comes_back_that_is_found(tmp_path: Path) -> None:
    class Mute(Server):
        async def answer(self, message: Message) -> Message | None:
            return None

    with pytest.raises(Found, match="not even a list of the tools"):
        await Unread(Mute(), workspace=tmp_path).play()


async def test_nothing_is_parked_in_a_server_or_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="not started here"):
        await Unread(Server(), workspace=tmp_path, started=False).play()
    (tmp_path / parked.FOLDER).mkdir()
    with pytest.raises(Inconclusive, match="there already"):
        await Unread(Server(), workspace=tmp_path).play()


def test_a_tool_that_makes_as_much_as_it_is_told_is_told_much() -> None:
    server = Server()
    server.tools = (tool("repeat", text=TEXT, times={"type": "integer", "maximum": 1_000}),)
    (ask,) = parked._candidates(Field(server))  # type: ignore[arg-type]
    assert ask.params is not None
    assert ask.params["arguments"] == {"text": "x" * 1_000, "times": 1_000}


def test_a_tool_that_reads_a_file_is_given_the_planted_one() -> None:
    server = Server()
    server.tools = TOOLS[2:]
    (ask,) = parked._candidates(Field(server))  # type: ignore[arg-type]
    assert ask.params == {"name": "read_file", "arguments": {"path": f"{parked.FOLDER}/{parked.FILE}"}}


def test_the_cost_of_failing_is_looked_at_only_where_the_honest_call_works() -> None:
    assert list(failing._calls(Field(Server(), worked=False))) == []  # type: ignore[arg-type]
