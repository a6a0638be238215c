"""Plain HTTP requests: what is answered without the SDK, and what becomes of a call whose client or server leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.calls import living, server_in
from support.peers import ENVELOPE, MODERN
from support.waiting import until
from support.wires import called, hello

from holdfast import Context, Limits, ResourceLink, Server
from holdfast.core.config import LimitSettings
from holdfast.core.pipeline import Answer
from holdfast.live import Live
from holdfast.testing import principal
from holdfast.wire import directhttp
from holdfast.wire.directhttp import DirectHttp
from holdfast.wire.httpheaders import plain
from holdfast.wire.messages import Message, message_bounds, parse
from holdfast.wire.sdk import SdkServer

BOUNDS = message_bounds(LimitSettings())
USUAL = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


class Rooms:
    """A server, and what its tools have done."""

    def __init__(self, base: Path, **settings: Any) -> None:
        self.server: Server = server_in(base, **settings)
        self.gate = asyncio.Event()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.server.tool(self.greet)
        self.server.tool(limits=Limits(timeout=60, concurrency=2))(self.wait)
        self.server.tool(self.link)
        self.server.tool(self.ask)
        self.server.tool(self.tell)

    async def greet(self, name: str) -> str:
        """Greet."""
        return f"grüß {name} \u2028"

    async def wait(self) -> str:
        """Wait for the test."""
        self.begun.append("wait")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("well")
        return "waited"

    async def link(self) -> ResourceLink:
        """What only the SDK can judge."""
        return ResourceLink("note://3", "three")

    async def ask(self, ctx: Context) -> str:
        """Ask."""
        return str(len(await ctx.roots()))

    async def tell(self, ctx: Context) -> str:
        """Talk to a client that does not listen."""
        await ctx.report_progress(1, 2)
        await ctx.notify_log("emergency", "x")
        return "told"


class Exchange:
    """One request and its answer, by plain coroutines."""

    def __init__(self, body: dict[str, Any], *, modern: bool = True, **headers: str) -> None:
        method = body.get("method", "")
        sent = USUAL | {name.replace("_", "-"): value for name, value in headers.items()}
        if modern:
            sent = {"mcp-protocol-version": MODERN, "mcp-method": method} | sent
            if method == "tools/call":
                sent.setdefault("mcp-name", body["params"]["name"])
        self.message: Message = parse(json.dumps({"jsonrpc": "2.0", **body}).encode(), BOUNDS)
        self.scope: dict[str, Any] = {"headers": [(name.encode(), value.encode()) for name, value in sent.items()]}
        self.events: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.blocked: asyncio.Event | None = None
        self.fails = False
        self.connection: Any = None
        self.user: Any = None

    async def receive(self) -> dict[str, Any]:
        """The rest of the body at first, then the client's leaving."""
        if not self.events and not self.scope.setdefault("read", False):
            self.scope["read"] = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: dict[str, Any]) -> None:
        """Note it."""
        if self.blocked is not None:
            await self.blocked.wait()
        if self.fails:
            raise BrokenPipeError
        self.events.append(event)

    @property
    def status(self) -> int:
        """The answer's status."""
        status: int = self.events[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        """Its headers."""
        return {name.decode(): value.decode() for name, value in self.events[0]["headers"]}

    @property
    def body(self) -> bytes:
        """Its body."""
        assert [event["type"] for event in self.events[1:]] == ["http.response.body"] * (len(self.events) - 1)
        assert not self.events[-1].get("more_body", False)
        return b"".join(event["body"] for event in self.events[1:])

    @property
    def said(self) -> dict[str, Any]:
        """The message in it."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Ours:
    """Stands for a connection of our own, which cancels the call when its client leaves."""

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain
        self.answers: list[tuple[int, bytes]] = []

    def answer(self, status: int, body: bytes) -> bool:
        """Note it."""
        if self.plain:
            self.answers.append((status, body))
        return self.plain


class Web:
    """What takes requests."""

    def __init__(self, live: Live, rooms: Rooms) -> None:
        self.live = live
        self.rooms = rooms
        self.direct = DirectHttp(live, live.plant.loaded.settings.http, SdkServer(live))

    async def take(self, exchange: Exchange) -> bool:
        """One request."""
        headers = plain(exchange.scope["headers"], json_only=self.direct.json_only)
        found = self.direct.find(exchange.message, headers, principal("caller"))
        if found is not None:
            await self.direct.answer(found, exchange.receive, exchange.send, exchange.user, exchange.connection)
        return found is not None

    def begin(self, exchange: Exchange) -> asyncio.Task[bool]:
        """One request that takes a while."""
        return asyncio.ensure_future(self.take(exchange))


@asynccontextmanager
async def serving(base: Path, **settings: Any) -> AsyncIterator[Web]:
    rooms = Rooms(base, **settings)
    before = asyncio.all_tasks()
    async with living(rooms.server) as live:
        yield Web(live, rooms)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() - before if task.get_name() == "holdfast-exchange"]


def modern(method: str, **params: Any) -> dict[str, Any]:
    """A request of 2026-07-28."""
    return {"id": 1, "method": method, "params": params | {"_meta": ENVELOPE}}


async def test_a_plain_call_is_answered_as_json_in_any_script(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(called("i\u00fc\n", "greet", True, name="Zoë"))
        assert await web.take(exchange)
        assert (exchange.status, exchange.headers["content-type"]) == (200, "application/json")
        assert exchange.headers["content-length"] == str(len(exchange.body))
        assert exchange.said["id"] == "iü\n"
        assert exchange.said["result"]["content"][0]["text"].startswith("grüß Zoë")
        assert exchange.said["result"]["resultType"] == "complete"


async def test_so_are_lists_and_who_the_server_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        for method, key in (("tools/list", "tools"), ("server/discover", "supportedVersions")):
            exchange = Exchange(modern(method))
            assert await web.take(exchange)
            assert exchange.said["result"][key]


@pytest.mark.parametrize(
    "body, headers",
    [
        ({"method": "notifications/cancelled", "params": {"requestId": 1}}, {}),
        ({"id": 1, "result": {}}, {}),
        (modern("ping"), {}),
        (modern("tools/list", cursor="x"), {}),
        (modern("prompts/list"), {}),
        ({"id": 1, "method": "tools/list"}, {}),
        (modern("tools/list"), {"accept": "application/json"}),
        (modern("tools/list"), {"mcp_method": "tools/call"}),
        (modern("tools/call", name="greet", arguments={}), {"mcp_name": "other"}),
        (modern("tools/call", name="greet", arguments={}), {"mcp_param_region": "x"}),
        (modern("tools/call", name="greet", requestState="x"), {}),
        (called(1, "greet", ENVELOPE | {"progressToken": 1}), {}),
        (called(1, "greet", ENVELOPE | {"io.modelcontextprotocol/logLevel": "info"}), {}),
    ],
)
async def test_whatever_is_unusual_is_left_to_the_sdk_untouched(
    tmp_path: Path, body: dict[str, Any], headers: dict[str, str]
) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(body, **headers)
        assert not await web.take(exchange)
        assert exchange.events == []
        assert "read" not in exchange.scope


@pytest.mark.parametrize("stateless, as_json", [(True, True), (True, False), (False, True), (False, False)])
async def test_earlier_versions_are_answered_where_nothing_is_kept_and_nothing_is_streamed(
    tmp_path: Path, stateless: bool, as_json: bool
) -> None:
    async with serving(tmp_path, http__stateless=stateless, http__json_response=as_json) as web:
        for body in (
            {"id": 1, "method": "initialize", "params": hello("2025-06-18")},
            called(1, "greet", {"progressToken": 1}, name="x"),
            {"id": 1, "method": "ping"},
        ):
            exchange = Exchange(body, modern=False, mcp_session_id="whatever")
            assert await web.take(exchange) is (stateless and as_json)
            if exchange.events:
                assert exchange.status == 200
                assert "result" in exchange.said
                assert "resultType" not in exchange.said["result"]
                assert "mcp-session-id" not in exchange.headers


async def test_but_not_what_is_unusual(tmp_path: Path) -> None:
    async with serving(tmp_path, http__stateless=True, http__json_response=True) as web:
        for body in ({"id": 1, "method": "initialize"}, called(1, "greet", ENVELOPE), {"id": 1, "method": "x"}):
            assert not await web.take(Exchange(body, modern=False))
        assert not await web.take(Exchange({"id": 1, "method": "ping"}, modern=False, mcp_protocol_version="1"))


async def test_a_client_that_takes_json_only_gets_it_where_nothing_is_streamed(tmp_path: Path) -> None:
    async with serving(tmp_path, http__json_response=True) as web:
        wanted = ENVELOPE | {"progressToken": 1}
        exchange = Exchange(called(1, "tell", wanted), accept="application/json")
        assert await web.take(exchange)
        assert exchange.said["result"]["content"][0]["text"] == "told", "progress goes nowhere"


@pytest.mark.parametrize(
    "tool, envelope, status, code",
    [("unknown", ENVELOPE, 400, -32602),
     ("ask", ENVELOPE | {"io.modelcontextprotocol/clientCapabilities": {}}, 400, -32021)],
)  # fmt: skip
async def test_an_error_has_the_status_of_its_code(
    tmp_path: Path, tool: str, envelope: Any, status: int, code: int
) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, tool, envelope))
        assert await web.take(exchange)
        assert (exchange.status, exchange.said["error"]["code"]) == (status, code)
    async with serving(tmp_path / "b", http__stateless=True, http__json_response=True) as web:
        exchange = Exchange(called(1, tool), modern=False)
        assert await web.take(exchange)
        assert (exchange.status, exchange.said["error"]["code"]) == (200, code)


async def test_a_fault_is_an_internal_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:

        async def odd(_request: Any) -> Any:
            return Answer({"content": [{"type": "nothing"}]}, meta=5)  # type: ignore[arg-type]

        web.live.handle = odd  # type: ignore[method-assign]
        exchange = Exchange(called(1, "greet", True))
        assert await web.take(exchange)
        assert (exchange.status, exchange.said["error"]["code"]) == (200, -32603)


async def test_what_only_the_sdk_can_judge_is_judged_and_a_question_is_sealed(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "link", True))
        assert await web.take(exchange)
        assert exchange.said["result"]["content"][0]["type"] == "resource_link"
        exchange = Exchange(called(1, "ask", True))
        assert await web.take(exchange)
        result = exchange.said["result"]
        assert result["resultType"] == "input_required"
        assert result["requestState"].startswith("v1.")
        second = called(2, "ask", True)
        second["params"] |= {"requestState": result["requestState"], "inputResponses": {"q1": {"roots": []}}}
        assert not await web.take(Exchange(second)), "which the SDK unseals"


async def test_the_sdk_is_told_who_calls_where_it_judges_and_nowhere_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        asked: list[str] = []
        for tool in ("greet", "link"):
            exchange = Exchange(called(1, tool, True, **({"name": "x"} if tool == "greet" else {})))
            exchange.user = lambda caller, tool=tool: asked.append(f"{caller.name} for {tool}")
            assert await web.take(exchange)
            assert exchange.status == 200
        assert asked == ["caller for link"]


async def test_a_tool_that_mirrors_arguments_in_headers_is_the_sdks(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
        known: list[Any] = [None, schema, schema, {"type": "object"}]
        taken = []
        for one in known:
            web.live.input_schema = lambda _tool, _who, one=one: one  # type: ignore[method-assign, misc]
            taken.append(await web.take(Exchange(called(1, "greet", True, name="x"))))
        assert taken == [True, False, False, True]


# -- leaving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_client_that_leaves_ends_its_call_and_frees_its_place(tmp_path: Path, as_json: bool) -> None:
    async with serving(tmp_path, http__json_response=as_json) as web:
        for _ in range(5):  # there are two places
            exchange = Exchange(called(1, "wait", True))
            taking = web.begin(exchange)
            await until(lambda: len(web.rooms.begun) > len(web.rooms.ended))
            exchange.gone.set()
            assert await asyncio.wait_for(taking, 5)
            assert exchange.events == []
        assert web.rooms.ended == ["cancelled"] * 5


async def test_also_one_that_leaves_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))
        exchange.gone.set()
        assert await asyncio.wait_for(web.take(exchange), 5)
        assert exchange.events == []
        assert web.rooms.begun.count("wait") == len(web.rooms.ended)


async def test_at_every_moment_a_client_that_leaves_gets_a_whole_answer_or_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        for turns in range(20):
            web.rooms.gate.clear()
            exchange = Exchange(called(1, "wait", True))
            taking = web.begin(exchange)
            for _ in range(turns):
                await asyncio.sleep(0)
            web.rooms.gate.set()
            exchange.gone.set()
            assert await asyncio.wait_for(taking, 5)
            assert taking.cancelling() == 0 or exchange.events == []
            assert len(exchange.events) in (0, 2)


async def test_a_call_that_ends_all_the_same_is_not_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:

        async def swallowing(_request: Any) -> Answer:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return Answer({"content": []})
            raise AssertionError

        web.live.handle = swallowing  # type: ignore[method-assign]
        exchange = Exchange(called(1, "greet", True))
        exchange.gone.set()
        taking = web.begin(exchange)
        assert await asyncio.wait_for(taking, 5)
        assert (exchange.events, taking.cancelling()) == ([], 0)


async def test_a_client_whose_leaving_is_an_error_has_left_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))

        async def broken() -> dict[str, Any]:
            raise ConnectionResetError

        exchange.receive = broken  # type: ignore[method-assign]
        assert await asyncio.wait_for(web.take(exchange), 5)
        assert exchange.events == []


@pytest.mark.parametrize("body", [called(1, "greet", True, name="x"), modern("tools/list")])
async def test_an_answer_that_nobody_takes_any_more_is_nobodys_fault(tmp_path: Path, body: dict[str, Any]) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(body)
        exchange.fails = True
        assert await web.take(exchange)


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_server_that_shuts_down_is_not_held_up_whoever_leaves_besides(tmp_path: Path, leaves: bool) -> None:
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))
        taking = web.begin(exchange)
        await until(lambda: web.rooms.begun)
        if leaves:
            exchange.gone.set()
            await until(lambda: taking.cancelling())
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(taking, 5)
        assert exchange.events == []
        assert web.rooms.ended == ["cancelled"]


# -- signs of life -----------------------------------------------------------------------------------------------------


async def test_a_call_that_is_silent_for_long_is_kept_alive_by_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directhttp, "SILENT_FOR", 0.01)
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))
        taking = web.begin(exchange)
        await until(lambda: len(exchange.events) >= 4)
        web.rooms.gate.set()
        assert await taking
        assert (exchange.status, exchange.headers["content-type"]) == (200, "text/event-stream")
        assert exchange.headers["cache-control"] == "no-cache, no-transform"
        *signs, frame, rest = exchange.body.split(b"\r\n\r\n")
        assert set(signs) == {b": ping"}
        assert rest == b""
        assert json.loads(frame.removeprefix(b"event: message\r\ndata: "))["id"] == 1


async def test_where_nothing_is_streamed_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directhttp, "SILENT_FOR", 0.01)
    async with serving(tmp_path, http__json_response=True) as web:
        exchange = Exchange(called(1, "wait", True))
        taking = web.begin(exchange)
        await asyncio.sleep(0.05)
        assert exchange.events == []
        web.rooms.gate.set()
        assert await taking
        assert exchange.headers["content-type"] == "application/json"


async def test_a_sign_of_life_that_has_begun_is_sent_whole_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directhttp, "SILENT_FOR", 0.01)
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))
        exchange.blocked = asyncio.Event()
        taking = web.begin(exchange)
        await asyncio.sleep(0.05)
        web.rooms.gate.set()
        await asyncio.sleep(0.02)
        assert not taking.done()
        exchange.blocked.set()
        assert await taking
        assert [event["type"] for event in exchange.events] == ["http.response.start"] + ["http.response.body"] * 2
        assert exchange.body.startswith(b": ping\r\n\r\nevent: message\r\n")


async def test_a_client_that_takes_no_sign_of_life_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directhttp, "SILENT_FOR", 0.01)
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))
        exchange.fails = True
        assert await asyncio.wait_for(web.take(exchange), 5)
        assert web.rooms.ended == ["cancelled"]


# -- over a connection of our own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("whole", [False, True])
async def test_our_own_connection_takes_an_answer_whole_or_has_it_sent(
    tmp_path: Path, whole: bool, as_json: bool
) -> None:
    async with serving(tmp_path, http__json_response=as_json) as web:
        for tool, status in (("greet", 200), ("unknown", 400)):
            exchange = Exchange(called(1, tool, True, name="x"))
            exchange.connection = Ours(plain=whole)
            assert await web.take(exchange)
            assert [answer[0] for answer in exchange.connection.answers] == [status] * whole
            assert whole or exchange.status == status
            assert "read" not in exchange.scope, "nobody has to watch the client"


@pytest.mark.parametrize("as_json", [False, True])
async def test_what_it_cancels_is_cancelled(tmp_path: Path, as_json: bool) -> None:
    async with serving(tmp_path, http__json_response=as_json) as web:
        exchange = Exchange(called(1, "wait", True))
        exchange.connection = Ours(plain=True)
        taking = web.begin(exchange)
        await until(lambda: web.rooms.begun)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(taking, 5)
        assert (web.rooms.ended, exchange.events, exchange.connection.answers) == (["cancelled"], [], [])


async def test_signs_of_life_go_over_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directhttp, "SILENT_FOR", 0.01)
    async with serving(tmp_path) as web:
        exchange = Exchange(called(1, "wait", True))
        exchange.connection = Ours(plain=True)
        taking = web.begin(exchange)
        await until(lambda: len(exchange.events) >= 4)
        web.rooms.gate.set()
        assert await taking
        assert exchange.body.startswith(b": ping\r\n\r\n: ping\r\n\r\n")
        assert exchange.body.endswith(b"\r\n\r\n")
        assert exchange.connection.answers == []


async def test_nobody_can_be_asked_where_there_is_no_way_back() -> None:
    from holdfast.wire.directsession import ClientRefused

    channel = directhttp._NoWayBack()
    await channel.notify("x", {})
    with pytest.raises(ClientRefused):
        await channel.request("x", {})
