"""Sessions that one worker leaves to the next: what they said, whose they are, and when they end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.peers import HttpPeer, code_of, text_of
from support.talks import HandshakeHttpTalk, ModernHttpTalk, call

from holdfast import Context, Server
from holdfast.supervisor.control import Control
from holdfast.supervisor.deaths import STOOD, mark
from holdfast.supervisor.heirlooms import OfPort
from holdfast.supervisor.memory import STANDING
from holdfast.supervisor.worker import Task
from holdfast.testing import settings_for
from holdfast.wire.sessionbook import SessionBook
from holdfast.wire.supervisedhttp import run, serve

TOKENS = {"ada": "token-of-ada-0001", "eve": "token-of-eve-0002"}
ADA = {"authorization": "Bearer token-of-ada-0001"}
EVE = {"authorization": "Bearer token-of-eve-0002"}
UNKNOWN = -32010


class Name(BaseModel):
    """What is asked."""

    name: str


class Near(HttpPeer):
    """A peer of a worker in this process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._number = 0


class House:
    """What a parent keeps, and each worker gets, with a worker at a time in this loop."""

    def __init__(self, base: Path, more: Callable[[Server], None] | None = None, **settings: Any) -> None:
        self.base, self.more, self.settings = base, more, settings
        self.kept = OfPort()
        self.listening: int | None = None
        self.number = 0
        self.log = ""

    def server(self) -> Server:
        """As a worker loads it."""
        given = {"http__port": 0, "limits__rate": "100000/second", **self.settings}
        log = self.base / "log"
        server = Server("web", settings=settings_for(self.base, log__file=log, **given))

        @server.tool(read_only=True)
        async def whoami(ctx: Context) -> str:
            return ctx.principal.name

        @server.tool(read_only=True)
        async def says(ctx: Context) -> str:
            await ctx.notify_log("info", "quietly")
            await ctx.notify_log("error", "loudly")
            return "said"

        @server.tool(read_only=True)
        async def who(ctx: Context) -> str:
            answer = await ctx.elicit("Who?", Name)
            return answer.data.name if answer.data else answer.action

        @server.tool(read_only=True)
        async def slow(seconds: float) -> str:
            await asyncio.sleep(seconds)
            return "slept"

        @server.tool
        async def changes(ctx: Context) -> str:
            await ctx.resource_updated("text://one")
            return "changed"

        @server.resource("text://one")
        async def one() -> str:
            return "one"

        if self.more is not None:
            self.more(server)
        return server

    @asynccontextmanager
    async def worker(self, **task: Any) -> AsyncIterator[Near]:
        """One worker's turn; it hands over in the end."""
        ours, theirs = Control.pair()
        worker = self.kept.worker(theirs)
        worker.listening = None if self.listening is None else os.dup(self.listening)
        worker.task = Task(self.number, **task)
        self.number += 1
        server = self.server()
        serving = asyncio.ensure_future(serve(server, server.load_settings(), worker))
        try:
            told, fds = await asyncio.wait_for(asyncio.to_thread(_heard, ours, serving), 10)
            assert told["is"] == "ready"
            if fds:
                self.listening = fds[0]
            yield Near(self.port)
        finally:
            ours.say("leave")
            assert await asyncio.wait_for(serving, 10) == 0
            ours.close()
            theirs.close()
            self.log = (self.base / "log").read_text()

    @property
    def port(self) -> int:
        """Where everybody listens."""
        import socket

        assert self.listening is not None
        with socket.socket(fileno=os.dup(self.listening)) as listening:
            return int(listening.getsockname()[1])

    def close(self) -> None:
        """The parent ends."""
        if self.listening is not None:
            os.close(self.listening)
        os.close(self.kept.memory.fd)


def _heard(ours: Control, serving: asyncio.Future[int]) -> Any:
    heard = ours.receive()
    assert heard is not None, serving
    return heard


@asynccontextmanager
async def house(base: Path, more: Callable[[Server], None] | None = None, **settings: Any) -> AsyncIterator[House]:
    """A house that is left empty."""
    made = House(base, more, **settings)
    try:
        yield made
    finally:
        made.close()


def within(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Do blocking work beside the loop."""
    return asyncio.to_thread(work, *arguments, **more)


async def test_a_session_goes_on_with_the_next_worker_as_its_client_left_it(tmp_path: Path) -> None:
    def before(peer: Near) -> HandshakeHttpTalk:
        talk = HandshakeHttpTalk(peer, {"elicitation": {}})
        talk.ask("logging/setLevel", {"level": "error"})
        talk.ask("resources/subscribe", {"uri": "text://one"})
        return talk

    def after(talk: HandshakeHttpTalk) -> None:
        told = talk.listen()
        assert text_of(call(talk, "says")) == "said"
        assert [note["params"]["data"] for note in talk.notes] == ["loudly"]
        answers = {"elicitation/create": [{"action": "accept", "content": {"name": "Ada"}}]}
        assert text_of(call(talk, "who", answers)) == "Ada"
        assert call(talk, "changes")["content"]
        assert next(iter(told))["params"] == {"uri": "text://one"}
        told.close()

    async with house(tmp_path) as home:
        async with home.worker() as peer:
            talk = await within(before, peer)
        for _ in range(2):
            async with home.worker():
                await within(after, talk)


async def test_a_session_is_its_owners_alone_and_nobodys_without_a_token(tmp_path: Path) -> None:
    def visit(talk: HandshakeHttpTalk, peer: Near) -> None:
        ping = {"jsonrpc": "2.0", "id": 9, "method": "ping"}
        own = dict(talk.headers)
        assert peer.post(ping, {**own, **EVE})[0] == 404
        assert peer.post(ping, {name: value for name, value in own.items() if name != "authorization"})[0] == 401
        assert peer.raw("DELETE", "/mcp", None, {**own, **EVE})[0] == 404
        assert text_of(call(talk, "whoami")) == "ada"
        assert peer.post(ping, {**own, **EVE})[0] == 404

    async with house(tmp_path, auth__tokens=TOKENS) as home:
        async with home.worker() as peer:
            talk = await within(HandshakeHttpTalk, peer, **ADA)
        async with home.worker() as peer:
            await within(visit, talk, peer)


async def test_a_session_that_its_client_has_ended_stays_ended(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker() as peer:
            first, second = await within(HandshakeHttpTalk, peer), await within(HandshakeHttpTalk, peer)
            assert (await within(peer.raw, "DELETE", "/mcp", None, first.headers))[0] == 200
        async with home.worker() as peer:
            assert (await within(peer.raw, "DELETE", "/mcp", None, second.headers))[0] == 200
            for talk in (first, second):
                assert await within(talk.send, {"jsonrpc": "2.0", "id": 1, "method": "ping"}) == 404
        assert home.kept._book.recover() == []


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the sessions' clock is ahead."""
    ahead = [0.0]

    class Later(SessionBook):
        def __init__(self, book: Any, idle: float, now: Callable[[], float], too_much: Callable[[], None]) -> None:
            super().__init__(book, idle, lambda: now() + ahead[0], too_much)

    monkeypatch.setattr("holdfast.wire.sdkkept.SessionBook", Later)
    return ahead


async def test_a_session_expires_as_if_one_worker_had_served_all_along(tmp_path: Path, later: list[float]) -> None:
    async with house(tmp_path, http__session_idle=60.0) as home:
        book = home.kept._book
        async with home.worker() as peer:
            for _ in range(3):
                await within(HandshakeHttpTalk, peer)
            talk = await within(HandshakeHttpTalk, peer)
        old, dying, under_way, young = book.recover()
        assert old.used > 0, "no request of it is under way"
        second = 10**9
        book.used(old.slot, old.used - 61 * second)
        book.used(dying.slot, dying.used - 30 * second)
        book.used(under_way.slot, 0)
        async with home.worker() as peer:
            found = {entry.slot for entry in book.recover()}
            assert found == {dying.slot, under_way.slot, young.slot}
            assert text_of(await within(call, talk, "whoami")) == "anonymous"
            later[0] = 31.0
            other = await within(HandshakeHttpTalk, peer)
            assert other.headers["mcp-session-id"] not in {entry.handle.hex() for entry in (old, dying, young)}
            assert dying.handle not in {entry.handle for entry in book.recover()}


async def test_a_session_that_is_asked_for_too_late_is_unknown(tmp_path: Path, later: list[float]) -> None:
    async with house(tmp_path, http__session_idle=60.0) as home:
        book = home.kept._book
        async with home.worker() as peer:
            talk = await within(HandshakeHttpTalk, peer)
        async with home.worker():
            later[0] = 61.0
            assert await within(talk.send, {"jsonrpc": "2.0", "id": 1, "method": "ping"}) == 404
        assert book.recover() == []


async def test_many_who_ask_for_a_session_at_once_wake_it_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker() as peer:
            talk = await within(HandshakeHttpTalk, peer)
        async with home.worker() as peer:
            pings = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in range(8)]
            answers = await asyncio.gather(*(within(peer.post, ping, talk.headers) for ping in pings))
            assert [status for status, _, _ in answers] == [200] * 8
        assert len(home.kept._book.recover()) == 1


async def test_a_stream_of_news_goes_on_and_a_lost_answer_is_told(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker() as peer:
            talk = await within(HandshakeHttpTalk, peer)
            answered = await within(talk.open, "tools/call", {"name": "says", "arguments": {}}, 7)
            lines = (await within(answered.response.read)).decode().splitlines()
            last = next(line for line in reversed(lines) if line.startswith("id:")).removeprefix("id:").strip()
            answered.close()
        async with home.worker() as peer:
            lost = await within(talk.listen, last)
            (message,) = await within(list, lost)
            lost.close()
            assert (message["id"], message["error"]["code"]) == (7, UNKNOWN)
            assert message["error"]["data"] == {"code": "supervisor.outcome_unknown", "retryable": False}
            named = await within(talk.listen, "seven#0.1")
            assert [each["id"] for each in await within(list, named)] == ["seven"]
            named.close()
            news = await within(talk.listen, "_GET_stream#0.5")
            await within(talk.ask, "resources/subscribe", {"uri": "text://one"})
            assert (await within(call, talk, "changes"))["content"]
            assert (await within(next, iter(news)))["method"] == "notifications/resources/updated"
            news.close()


async def test_whoever_comes_back_hears_which_lists_are_others_now(tmp_path: Path) -> None:
    def more(server: Server) -> None:
        @server.tool(read_only=True)
        async def newer() -> str:
            return "new"

    def visit(talk: HandshakeHttpTalk) -> str:
        with talk.listen() as told:
            return str(next(iter(told))["method"])

    async with house(tmp_path) as home:
        async with home.worker() as peer:
            talk = await within(HandshakeHttpTalk, peer)
        home.more = more
        async with home.worker() as peer:
            assert await within(visit, talk) == "notifications/tools/list_changed"
            news = await within(talk.listen)
            await within(talk.ask, "resources/subscribe", {"uri": "text://one"})
            assert (await within(call, talk, "changes"))["content"]
            assert (await within(next, iter(news)))["method"] == "notifications/resources/updated", "told once"
            news.close()


async def test_shares_and_the_bound_of_sessions_hold_over_workers(tmp_path: Path) -> None:
    async with house(tmp_path, http__sessions=3, http__sessions_each=2) as home:
        async with home.worker() as peer:
            talks = [await within(HandshakeHttpTalk, peer) for _ in range(2)]
        async with home.worker() as peer:
            with pytest.raises(AssertionError, match="too many of your sessions"):
                await within(HandshakeHttpTalk, peer)
            assert (await within(peer.raw, "DELETE", "/mcp", None, talks[0].headers))[0] == 200
            talks[0] = await within(HandshakeHttpTalk, peer)
        home.settings |= {"http__sessions": 1, "http__sessions_each": 1}
        async with home.worker() as peer:
            found = [await within(talk.send, {"jsonrpc": "2.0", "id": 1, "method": "ping"}) for talk in talks]
            assert sorted(found) == [200, 404]
        home.settings |= {"http__sessions": 2, "http__sessions_each": 2}
        async with home.worker() as peer:
            await within(HandshakeHttpTalk, peer)
            with pytest.raises(AssertionError, match="Too many open sessions"):
                await within(HandshakeHttpTalk, peer)


async def test_a_session_that_says_too_much_is_served_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.supervisor.book.TEXT", 1_000)
    async with house(tmp_path) as home:
        async with home.worker() as peer:
            talk = await within(HandshakeHttpTalk, peer)
            assert "result" in await within(talk.ask, "resources/subscribe", {"uri": f"text://{'x' * 900}"})
            assert text_of(await within(call, talk, "whoami")) == "anonymous"
            large = await within(HandshakeHttpTalk, peer, {"experimental": {"x" * 1_000: {}}})
            assert text_of(await within(call, large, "whoami")) == "anonymous"
        assert "said more than is kept" in home.log
        async with home.worker() as peer:
            for each in (talk, large):
                assert await within(each.send, {"jsonrpc": "2.0", "id": 1, "method": "ping"}) == 404


async def test_an_opening_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.worker() as peer:
        refused = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        await within(peer.post, refused)
        await within(peer.post, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        talk = await within(HandshakeHttpTalk, peer)
        assert "error" in await within(talk.ask, "logging/setLevel", {"level": "shouting"})
        kept = [json.loads(entry.text) for entry in home.kept._book.recover()]
        assert [each["said"].get("level") for each in kept if each["said"].get("initialized")] == [None]


async def test_what_one_worker_has_sealed_the_next_one_opens(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker() as peer:
            asked = await within(ModernHttpTalk(peer).once, "tools/call", {"name": "who", "arguments": {}}, {})
            assert asked["result"]["resultType"] == "input_required"
        async with home.worker() as peer:
            answer = {"action": "accept", "content": {"name": "Ada"}}
            responses = {key: {**answer} for key in asked["result"]["inputRequests"]}
            more = {"inputResponses": responses, "requestState": asked["result"]["requestState"]}
            given = {"name": "who", "arguments": {}, **more}
            assert text_of((await within(ModernHttpTalk(peer).once, "tools/call", given, {}))["result"]) == "Ada"


async def test_a_tool_that_was_there_at_two_deaths_is_kept_from_running(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker(blamed=True, suspects=("whoami",)) as peer:
            assert text_of(await within(peer.call, "whoami")) == "anonymous"
        for number, blamed in ((0, True), (5, False)):  # the same death again, and one that nobody here has caused
            home.number = number
            async with home.worker(blamed=blamed, suspects=("whoami",)) as peer:
                assert text_of(await within(peer.call, "whoami")) == "anonymous"
        async with home.worker(blamed=True, suspects=("whoami", "slow")) as peer:
            assert code_of(await within(peer.call, "whoami")) == "supervisor.quarantined"
            assert text_of(await within(lambda: peer.call("slow", seconds=0))) == "slept"
        assert '"tool.quarantined"' in home.log


async def test_of_a_loop_that_stood_still_only_the_tool_that_ran_on_it_is_suspected(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        for _ in range(2):
            home.kept.memory.words[STANDING] = mark("whoami")
            async with home.worker(blamed=True, why=STOOD, suspects=("slow", "whoami")) as peer:
                answers = [await within(peer.call, "whoami"), await within(lambda: peer.call("slow", seconds=0))]
        assert [code_of(answer) for answer in answers] == ["supervisor.quarantined", ""]


async def test_a_port_that_new_settings_name_is_for_the_next_start(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker():
            port = home.port
        home.settings["http__port"] = port + 1 if port < 65_535 else port - 1
        async with home.worker() as peer:
            assert (await within(peer.get, "/livez"))[0] == 200
        assert '"reload.needs_restart", "settings": "http.port"' in home.log


async def test_whoever_leaves_ends_calls_first_and_refuses_nobody(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.worker() as peer:
            under_way = asyncio.ensure_future(within(lambda: peer.call("slow", seconds=0.4)))
            await asyncio.sleep(0.1)
        assert text_of(await under_way) == "slept"
        queued = asyncio.ensure_future(within(peer.call, "whoami"))  # nobody serves: the system holds the connection
        await asyncio.sleep(0.1)
        assert not queued.done()
        async with home.worker():
            assert text_of(await queued) == "anonymous"


def test_a_server_that_would_be_open_to_all_is_refused_before_it_waits_for_its_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = Control.pair()
    kept = OfPort()
    server = Server("open", settings=settings_for(tmp_path, http__host="0.0.0.0"))
    with pytest.raises(SystemExit) as left:
        run(server, {}, kept.worker(theirs))
    assert left.value.code == 2
    assert "needs authentication" in capsys.readouterr().err
    for end in (ours, theirs):
        end.close()
    os.close(kept.memory.fd)
