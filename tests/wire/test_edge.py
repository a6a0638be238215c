"""The HTTP edge: Host, Origin, tokens, methods, bodies and crowds are dealt with before anything sees a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.calls import living, logged, server_in

from holdfast.core.principal import PRINCIPAL
from holdfast.errors import ConfigurationError
from holdfast.wire.edge import Edge

HOST = "127.0.0.1:8000"
HOSTS = frozenset({HOST, "localhost:8000"})
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


class Inner:
    """Stands for the SDK's application: notes what reaches it and answers."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.work: Callable[[Any, Any, Any], Any] = self.answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await self.work(scope, receive, send)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            event = await receive()
            self.bodies.append(event["body"])
            assert not event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inner"})


class Answer:
    """What came back."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.status = events[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in events[0]["headers"]}
        self.body = b"".join(event.get("body", b"") for event in events[1:])


class Browser:
    """Sends requests to an edge."""

    def __init__(self, edge: Edge, inner: Inner) -> None:
        self.edge = edge
        self.inner = inner

    async def __call__(
        self, method: str = "POST", path: str = "/mcp", body: Any = PING, *, raw: Any = None, **headers: str
    ) -> Answer:
        sent = {"host": HOST, "content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()] if raw is None else raw
        events: list[dict[str, Any]] = []
        pieces = iter([body if isinstance(body, bytes) else json.dumps(body).encode()])

        async def receive() -> dict[str, Any]:
            piece = next(pieces, None)
            if piece is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": piece, "more_body": False}

        async def send(event: dict[str, Any]) -> None:
            events.append(event)

        scope = {"type": "http", "method": method, "path": path, "headers": pairs, "client": ("127.0.0.1", 5000)}
        await self.edge(scope, receive, send)
        return Answer(events)


@asynccontextmanager
async def browsing(base: Path, **settings: Any) -> AsyncIterator[Browser]:
    server = server_in(base, **settings)
    inner = Inner()
    async with living(server) as live:
        live.plant.health.set_ready(True)
        yield Browser(Edge(inner, live, live.plant.loaded.settings, HOSTS), inner)


async def test_a_good_request_goes_through_with_its_principal_and_its_body(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browse:
        answer = await browse()
        assert (answer.status, answer.body) == (200, b"inner")
        (scope,) = browse.inner.scopes
        assert scope[PRINCIPAL].name == "anonymous"
        assert "user" not in scope
        assert json.loads(browse.inner.bodies[0]) == PING


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:9000", "", f"{HOST}.evil", f"x@{HOST}"])
async def test_a_host_that_is_not_served_is_refused_on_every_path(tmp_path: Path, host: str) -> None:
    async with browsing(tmp_path) as browse:
        for path in ("/mcp", "/livez", "/metrics"):
            assert (await browse("GET", path, host=host)).status == 403
        assert (await browse("GET", raw=[])).status == 403, "none at all is none of ours"
        assert browse.inner.scopes == []


async def test_hosts_are_compared_without_case_and_more_of_them_can_be_allowed(tmp_path: Path) -> None:
    async with browsing(tmp_path, http__allowed_hosts=("MCP.example",)) as browse:
        for host in ("LOCALHOST:8000", "mcp.example", f"{HOST} \t"):
            assert (await browse(host=host)).status == 200


@pytest.mark.parametrize(
    "origin, status",
    [
        (f"http://{HOST}", 200), (f"https://{HOST}", 200), ("http://LOCALHOST:8000", 200), ("https://app.example", 200),
        ("https://evil.example", 403), ("null", 403), ("", 403), (f"http://{HOST}.evil", 403),
        ("http://127.0.0.1", 403), ("https://APP.example", 200),
    ],
)  # fmt: skip
async def test_an_origin_must_be_our_own_or_an_allowed_one(tmp_path: Path, origin: str, status: int) -> None:
    async with browsing(tmp_path, http__allowed_origins=("https://App.example",)) as browse:
        assert (await browse(origin=origin)).status == status


@pytest.mark.parametrize(
    "name", ["host", "origin", "authorization", "content-type", "content-length", "mcp-session-id"]
)
async def test_a_decisive_header_that_comes_twice_is_refused(tmp_path: Path, name: str) -> None:
    values = {"host": HOST, "origin": f"http://{HOST}"}
    async with browsing(tmp_path) as browse:
        twice = [(name.encode(), values.get(name, "x").encode())] * 2
        answer = await browse(raw=[(b"host", HOST.encode()), *twice] if name != "host" else twice)
        assert (answer.status, browse.inner.scopes) == (400, [])


TOKENS = {"ada": "token-of-ada-0001", "eve": {"token": "token-of-eve-0002", "scopes": ["read"]}}


@pytest.mark.parametrize(
    "sent, name, challenge",
    [
        ("Bearer token-of-ada-0001", "ada", ""),
        ("bearer  token-of-eve-0002 ", "eve", ""),
        ("Bearer token-of-nobody", "", 'Bearer error="invalid_token"'),
        ("Bearer ", "", 'Bearer error="invalid_token"'),
        ("Bearer", "", 'Bearer error="invalid_token"'),
        ("Basic token-of-ada-0001", "", 'Bearer error="invalid_token"'),
        ("token-of-ada-0001", "", 'Bearer error="invalid_token"'),
        ("Bearer caf\xe9", "", 'Bearer error="invalid_token"'),
        ("", "", "Bearer"),
    ],
)
async def test_a_token_is_its_principal_and_everything_else_is_nobody(
    tmp_path: Path, sent: str, name: str, challenge: str
) -> None:
    async with browsing(tmp_path, auth__tokens=TOKENS) as browse:
        answer = await browse(authorization=sent)
        if name:
            assert browse.inner.scopes[0][PRINCIPAL].name == name
            assert browse.inner.scopes[0]["user"].display_name == name
        else:
            assert (answer.status, answer.headers["www-authenticate"]) == (401, challenge)
            assert browse.inner.scopes == []
            assert b"token-of" not in answer.body


async def test_scopes_travel_with_the_token_and_no_header_is_no_token(tmp_path: Path) -> None:
    async with browsing(tmp_path, auth__tokens=TOKENS) as browse:
        await browse(authorization="Bearer token-of-eve-0002")
        assert browse.inner.scopes[0][PRINCIPAL].scopes == {"read"}
        assert (await browse()).status == 401


async def test_with_tokens_only_the_probes_are_open(tmp_path: Path) -> None:
    async with browsing(tmp_path, auth__tokens=TOKENS) as browse:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/health", 401), ("/metrics", 401), ("/nope", 401)):
            assert (await browse("GET", path)).status == status
        for path in ("/health", "/metrics"):
            assert (await browse("GET", path, authorization="Bearer token-of-ada-0001")).status == 200
            refused = await browse("GET", path, authorization="Bearer token-of-eve-0002")
            challenge = 'Bearer error="insufficient_scope", scope="monitor"'
            assert (refused.status, refused.headers["www-authenticate"]) == (403, challenge)


async def test_the_monitoring_token_is_nobody_elses(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a caller's token as well"):
        async with browsing(tmp_path, auth__tokens=TOKENS, health__token="token-of-ada-0001"):
            raise AssertionError


async def test_tokens_are_not_asked_for_when_the_operator_says_so(tmp_path: Path) -> None:
    async with browsing(tmp_path, auth__tokens=TOKENS, auth__required=False) as browse:
        assert (await browse()).status == 200
        assert browse.inner.scopes[0][PRINCIPAL].name == "anonymous"


@pytest.mark.parametrize("path", ["/", "/nope", "/mcp/", "/MCP", "//mcp", "/mcp/../mcp", "/health/"])
async def test_an_unknown_path_is_not_found(tmp_path: Path, path: str) -> None:
    async with browsing(tmp_path) as browse:
        answer = await browse("GET", path)
        assert (answer.status, browse.inner.scopes) == (404, [])
        assert b"/mcp" in answer.body


async def test_pages_are_read_and_not_written(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browse:
        for method in ("POST", "DELETE", "PUT"):
            answer = await browse(method, "/health")
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert (await browse("HEAD", "/health")).status == 200


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PUT"])
async def test_other_methods_are_the_protocols_own_business(tmp_path: Path, method: str) -> None:
    async with browsing(tmp_path) as browse:
        assert (await browse(method)).body == b"inner"


@pytest.mark.parametrize(
    "body, code",
    [(b"{not json", -32700), (b"", -32700), (b"[]", -32600), ({"jsonrpc": "2.0", "id": {}, "method": "x"}, -32600)],
)
async def test_a_body_that_is_no_message_is_answered_as_one(tmp_path: Path, body: Any, code: int) -> None:
    async with browsing(tmp_path) as browse:
        answer = await browse(body=body)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
        assert json.loads(answer.body)["error"]["code"] == code
        assert browse.inner.scopes == []


async def events(browse: Browser, received: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """Send a request event by event; afterwards nothing comes."""
    got: list[dict[str, Any]] = []
    pending = iter(received)

    async def receive() -> dict[str, Any]:
        event = next(pending, None)
        if event is None:
            await asyncio.Event().wait()
            raise AssertionError
        return event

    async def send(event: dict[str, Any]) -> None:
        got.append(event)

    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": [(b"host", HOST.encode())], **more}
    await browse.edge(scope, receive, send)
    return got


async def test_a_body_is_taken_in_pieces_up_to_its_size(tmp_path: Path) -> None:
    piece = {"type": "http.request", "body": b" " * 400, "more_body": True}
    async with browsing(tmp_path, limits__message=1_000) as browse:
        last = {"type": "http.request", "body": json.dumps(PING).encode(), "more_body": False}
        empty = {"type": "http.request", "more_body": True}
        assert (await events(browse, [piece, empty, piece, last]))[0]["status"] == 200
        assert (await events(browse, [piece] * 10))[0]["status"] == 413
        assert len(browse.inner.bodies) == 1


async def test_a_body_that_does_not_come_in_time_is_given_up(tmp_path: Path) -> None:
    async with browsing(tmp_path, http__receive_timeout=0.05) as browse:
        begun = {"type": "http.request", "body": b"{", "more_body": True}
        got = await events(browse, [begun])
        assert got[0]["status"] == 408
        assert (b"connection", b"close") in got[0]["headers"]


async def test_a_client_that_leaves_in_the_middle_is_let_go(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browse:
        assert (await events(browse, [{"type": "http.disconnect"}]))[0]["status"] == 400
        assert browse.edge._open == 0


async def test_past_so_many_requests_only_the_probes_are_answered(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await browse.inner.answer(scope, receive, send)

    async with browsing(tmp_path, http__connections=2) as browse:
        browse.inner.work = hang
        held = [asyncio.ensure_future(browse()) for _ in range(2)]
        while len(browse.inner.scopes) < 2:
            await asyncio.sleep(0)
        refused = await browse()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert (await browse("GET", "/livez")).status == 200
        assert (await browse("GET", "/health")).status == 503
        go.set()
        assert [answer.status for answer in await asyncio.gather(*held)] == [200, 200]
        assert (await browse()).status == 200


async def test_a_fault_of_ours_is_told_with_an_incident_and_without_its_text(tmp_path: Path) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("the password is hunter2")

    async with browsing(tmp_path) as browse:
        browse.inner.work = fail
        answer = await browse()
    assert answer.status == 500
    assert b"hunter2" not in answer.body
    (line,) = [line for line in logged(tmp_path) if line["event"] == "http"]
    assert line["incident"] in answer.body.decode()


async def test_a_fault_in_the_middle_of_an_answer_ends_it_and_is_logged(tmp_path: Path) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    async with browsing(tmp_path) as browse:
        browse.inner.work = fail
        assert (await browse()).status == 200
        assert browse.edge._open == 0
    assert [line["event"] for line in logged(tmp_path)] == ["http"]


async def test_a_second_request_under_an_id_of_the_same_session_waits_for_nobody(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def hang(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await browse.inner.answer(scope, receive, send)

    async with browsing(tmp_path) as browse:
        browse.inner.work = hang
        held = asyncio.ensure_future(browse(mcp_session_id="s1"))
        while not browse.inner.scopes:
            await asyncio.sleep(0)
        for other in (1, "1", " 1"):
            refused = await browse(body=PING | {"id": other}, mcp_session_id="s1")
            assert (refused.status, json.loads(refused.body)["error"]["code"]) == (400, -32600)
        go.set()
        assert (await browse(mcp_session_id="s2")).status == 200, "another session's ids are its own"
        assert (await browse(body=PING | {"id": 2}, mcp_session_id="s1")).status == 200
        note = {"jsonrpc": "2.0", "method": "notifications/x"}
        assert (await browse(body=note, mcp_session_id="s1")).status == 200
        assert (await held).status == 200
        assert (await browse(mcp_session_id="s1")).status == 200, "once it is answered the id is free"
        assert browse.edge._under_way == set()


async def test_standing_streams_end_when_the_server_leaves_and_calls_do_not(tmp_path: Path) -> None:
    streaming = asyncio.Event()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        streaming.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with browsing(tmp_path) as browse:
        browse.inner.work = stream
        standing = asyncio.ensure_future(browse("GET"))
        await streaming.wait()
        browse.edge.drain()
        answer = await asyncio.wait_for(standing, 2)
        assert (answer.status, answer.body) == (200, b"")
        browse.inner.work = browse.inner.answer
        assert (await browse("GET")).body == b"inner", "one that ends by itself is not ended twice"


async def test_the_lifespan_is_the_applications_and_other_protocols_are_nobodys(tmp_path: Path) -> None:
    seen: list[str] = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nothing is sent or received")

    async with browsing(tmp_path) as browse:
        browse.inner.work = note
        await browse.edge({"type": "lifespan"}, nothing, nothing)
        await browse.edge({"type": "websocket"}, nothing, nothing)
    assert seen == ["lifespan"]
