"""What is refused, with which code, over a pipe and a socket in both eras; and that nothing sent comes back in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.engines import ENGINES, engine
from support.peers import ENVELOPE, MODERN, HttpPeer, StdioPeer, code_of, text_of
from support.talks import HandshakeHttpTalk, ModernHttpTalk, StdioTalk, Talk, call, raw

SERVER = Path(__file__).parent / "servers" / "hostile.py"
HANDSHAKE = "2025-11-25"
SETTINGS = {"HOLDFAST_LIMITS__RATE": "1000000/second"}
MARK = "zqMARKERqz"
INVALID_REQUEST, INVALID_PARAMS, NOT_FOUND = -32600, -32602, -32601


@pytest.fixture(scope="module", params=ENGINES)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    """One server over HTTP for each way to run."""
    base = tmp_path_factory.mktemp("web")
    with HttpPeer(SERVER, base / "state", **SETTINGS, **engine(request.param, base)) as peer:
        yield peer


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Talk]]:
    """One client of each kind."""
    base = tmp_path_factory.mktemp("talks")
    with (
        HttpPeer(SERVER, base / "web", **SETTINGS) as web,
        StdioPeer(SERVER, base / "old", **SETTINGS) as old,
        StdioPeer(SERVER, base / "new", **SETTINGS) as new,
    ):
        old.initialize(HANDSHAKE)
        new.initialize(MODERN)
        yield {
            "stdio handshake": StdioTalk(old, HANDSHAKE),
            "stdio modern": StdioTalk(new, MODERN),
            "http handshake": HandshakeHttpTalk(web),
            "http modern": ModernHttpTalk(web),
        }


@pytest.fixture(params=["stdio handshake", "stdio modern", "http handshake", "http modern"])
def talk(request: pytest.FixtureRequest, talks: dict[str, Talk]) -> Talk:
    """A client of each kind, after the other."""
    return talks[request.param]


REFUSALS: list[tuple[str, dict[str, Any], int]] = [
    ("tools/call", {"name": MARK}, INVALID_PARAMS),
    ("tools/call", {"name": "add", "arguments": MARK}, INVALID_PARAMS),
    ("prompts/get", {"name": MARK}, INVALID_PARAMS),
    ("prompts/get", {"name": "greeting"}, INVALID_PARAMS),
    ("prompts/get", {"name": "greeting", "arguments": {}}, INVALID_PARAMS),
    ("prompts/get", {"name": "greeting", "arguments": {"times": MARK}}, INVALID_PARAMS),
    ("prompts/get", {"name": "greeting", "arguments": {"name": "Ada", MARK: MARK}}, INVALID_PARAMS),
    ("tools/list", {"cursor": MARK}, INVALID_PARAMS),
    ("prompts/list", {"cursor": MARK}, INVALID_PARAMS),
    ("resources/list", {"cursor": MARK}, INVALID_PARAMS),
    ("resources/templates/list", {"cursor": ""}, INVALID_PARAMS),
    ("tools/list", {"cursor": {MARK: MARK}}, INVALID_PARAMS),
    ("completion/complete", {"ref": {"type": MARK}, "argument": {"name": MARK, "value": MARK}}, INVALID_PARAMS),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": MARK}, "argument": {"name": MARK, "value": MARK}},
        INVALID_PARAMS,
    ),
    (f"no/such/{MARK}", {MARK: MARK}, NOT_FOUND),
    (f"{MARK}\u202e\x1b[31m", {}, NOT_FOUND),
]


@pytest.mark.parametrize("method, params, code", REFUSALS)
def test_what_does_not_exist_or_fit_is_refused_with_its_code(
    talk: Talk, method: str, params: dict[str, Any], code: int
) -> None:
    if "\u202e" in method and talk.era == MODERN and isinstance(talk, ModernHttpTalk):
        pytest.skip("a header cannot carry it")
    answer = talk.ask(method, params)
    assert answer["error"]["code"] == code
    assert MARK not in json.dumps(answer)


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc", "a%2fb", "%2e%2e", "%252e%252e%252f", "..%5cetc", "%2e%2e%2fetc", "a/b", "..%c0%afetc"]
)
def test_an_encoded_way_out_of_a_templates_parameter_matches_nothing(talk: Talk, name: str) -> None:
    answer = talk.ask("resources/read", {"uri": f"note://{name}"})
    assert answer["error"]["code"] == INVALID_PARAMS
    assert answer["error"]["data"] == {"uri": f"note://{name}"}, "which SEP-2164 wants back"
    assert name not in answer["error"]["message"]


def test_a_second_handshake_is_refused_and_the_first_one_holds(talks: dict[str, Talk]) -> None:
    hello = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": MARK, "version": "1"}}
    for kind in ("stdio handshake", "http handshake"):
        talk = talks[kind]
        answer = talk.ask("initialize", hello)
        assert answer["error"]["code"] == INVALID_REQUEST
        assert MARK not in json.dumps(answer)
        assert text_of(call(talk, "add", a=2, b=40)) == "42"


def test_the_handshake_is_refused_on_a_connection_that_began_without(talks: dict[str, Talk]) -> None:
    assert talks["stdio modern"].ask("initialize", {"protocolVersion": HANDSHAKE})["error"]["code"] < 0


def test_over_http_there_is_no_handshake_in_the_era_without_one(web: HttpPeer) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"_meta": ENVELOPE}}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "initialize"}
    status, _, body = web.post(message, headers)
    assert (status, json.loads(body)["error"]) == (404, {"code": -32601, "message": "Method not found"})


@pytest.mark.parametrize("json_only, fast", [("true", "true"), ("false", "true"), ("true", "false")])
def test_where_each_request_stands_alone_so_does_each_handshake(tmp_path: Path, json_only: str, fast: str) -> None:
    alone = {
        "HOLDFAST_HTTP__STATELESS": "true", "HOLDFAST_HTTP__JSON_RESPONSE": json_only, "HOLDFAST_FAST_PATH": fast,
    }  # fmt: skip
    hello = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    with HttpPeer(SERVER, tmp_path / "state", **alone) as peer:
        for number in (1, 2):
            message = {"jsonrpc": "2.0", "id": number, "method": "initialize", "params": hello}
            status, _, body = peer.post(json.dumps(message).encode(), {"mcp-protocol-version": HANDSHAKE})
            assert status == 200
            assert b'"protocolVersion":"2025-11-25"' in body


BAD_IDS = [b"null", b"1.5", b"true", b"{}", b"[1]", b'"' + b"x" * 600 + b'"']


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: bad[:5].decode())
def test_an_id_that_is_none_is_refused_everywhere(web: HttpPeer, talks: dict[str, Talk], bad: bytes) -> None:
    message = b'{"jsonrpc":"2.0","id":' + bad + b',"method":"ping"}'
    for headers in ({}, HandshakeHttpTalk(web).headers, {"mcp-protocol-version": MODERN, "mcp-method": "ping"}):
        status, _, body = web.post(message, headers)
        assert (status, json.loads(body)["id"], json.loads(body)["error"]["code"]) == (400, None, INVALID_REQUEST)
    for kind in ("stdio handshake", "stdio modern"):
        talk = talks[kind]
        assert isinstance(talk, StdioTalk)
        talk.peer.send_raw(message + b"\n")
        assert talk.peer.reply(None)["error"]["code"] == INVALID_REQUEST


def test_several_messages_at_once_are_refused_everywhere(web: HttpPeer, talks: dict[str, Talk]) -> None:
    batch = json.dumps([{"jsonrpc": "2.0", "id": 1, "method": MARK}] * 2).encode()
    for headers in ({}, HandshakeHttpTalk(web).headers, {"mcp-protocol-version": MODERN, "mcp-method": "ping"}):
        status, _, body = web.post(batch, headers)
        assert (status, json.loads(body)["error"]["code"]) == (400, INVALID_REQUEST)
        assert MARK.encode() not in body
    for kind in ("stdio handshake", "stdio modern"):
        talk = talks[kind]
        assert isinstance(talk, StdioTalk)
        talk.peer.send_raw(batch + b"\n")
        assert talk.peer.reply(None)["error"]["code"] == INVALID_REQUEST


def test_clients_of_the_handshake_era_get_sessions_and_a_session_that_is_not_there_is_404(web: HttpPeer) -> None:
    talk = HandshakeHttpTalk(web)
    assert len(talk.headers["mcp-session-id"]) >= 32
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for session in (MARK, talk.headers["mcp-session-id"][:-1], "", "../" + MARK):
        gone = talk.headers | {"mcp-session-id": session}
        for status, _, body in (
            web.post(ping, gone),
            web.raw("GET", "/mcp", None, gone | {"accept": "text/event-stream"}),
            web.raw("DELETE", "/mcp", None, gone),
        ):
            assert status == 404
            assert MARK.encode() not in body
    assert "result" in talk.ask("ping")


PLACES = st.sampled_from(
    ["host", "origin", "authorization", "content-type", "accept", "mcp-session-id", "mcp-protocol-version",
     "mcp-method", "mcp-name", "mcp-param-a", "last-event-id", "cookie", "x-forwarded-for", "expect"]
)  # fmt: skip
VALUES = st.sampled_from([MARK, f"Bearer {MARK}", f"text/{MARK}", f"{MARK}; q=1", f"http://{MARK}", f"1 {MARK}"])
MEANT = st.sampled_from(["tools/call", "prompts/get", "resources/read", "tools/list", "initialize", "ping", MARK])
PARAMS = st.sampled_from(
    [{}, {"name": MARK}, {"name": "add", "arguments": {"a": MARK, MARK: 1}}, {"name": "add", "arguments": [MARK]},
     {"cursor": MARK}, {"uri": [MARK]}, {"protocolVersion": {MARK: 1}}, {"_meta": {MARK: MARK}}, {"name": {MARK: 1}},
     {"name": "boom", "arguments": {"why": MARK}}, {"name": "greeting", "arguments": {"times": MARK}}]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(headers=st.dictionaries(PLACES, VALUES, max_size=2), method=MEANT, params=PARAMS, modern=st.booleans())
def test_nothing_that_was_sent_comes_back_in_a_refusal_over_http(
    web: HttpPeer, headers: dict[str, str], method: str, params: dict[str, Any], modern: bool
) -> None:
    meta = {**ENVELOPE, **params.get("_meta", {})}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, **({"_meta": meta} if modern else {})}}
    usual = {"mcp-protocol-version": MODERN, "mcp-method": method, "mcp-name": str(params.get("name", ""))}
    for path in ("/mcp", f"/{MARK}"):
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        sent |= (usual if modern else {}) | headers
        _, got, answer = web.raw("POST", path, json.dumps(body).encode(), sent)
        assert MARK not in json.dumps(got) + answer.decode()


@pytest.mark.parametrize(
    "request_line",
    [f"{MARK} /mcp HTTP/1.1", f"GET /{MARK} HTTP/1.1", f"GET /{MARK} HTTP/{MARK}", f"{MARK}",
     f"GET  /\x01{MARK} HTTP/1.1",
     f"GET http://{MARK}/ HTTP/1.1", f"OPTIONS * HTTP/1.1\r\n{MARK}", f"GET /mcp HTTP/1.1\r\n{MARK}: a\r\n b"],
)  # fmt: skip
def test_nor_does_it_from_what_is_no_request_at_all(web: HttpPeer, request_line: str) -> None:
    got = raw(web.port, f"{request_line}\r\nHost: 127.0.0.1:{web.port}\r\n{MARK}\r\n\r\n{MARK}".encode(), 0.3)
    assert MARK.encode() not in got


LINES = st.sampled_from(
    [f'{{"{MARK}', f'"{MARK}"', f'{{"jsonrpc":"2.0","id":1,"method":{{"{MARK}":1}}}}', f'{{"jsonrpc":"{MARK}","id":1}}',
     f'{{"jsonrpc":"2.0","id":1,"method":"ping","{MARK}":1,"{MARK}":2}}',
     f'{{"jsonrpc":"2.0","id":1,"params":"{MARK}"}}',
     f'{{"jsonrpc":"2.0","id":{{"{MARK}":1}},"method":"ping"}}', f'{{"jsonrpc":"2.0","id":1,"result":"{MARK}"}}']
)  # fmt: skip


@given(line=LINES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nor_in_a_refusal_of_a_line_or_body_that_is_no_message(
    web: HttpPeer, talks: dict[str, Talk], line: str
) -> None:
    status, _, body = web.post(line.encode())
    assert status == 400
    assert MARK.encode() not in body
    talk = talks["stdio handshake"]
    assert isinstance(talk, StdioTalk)
    talk.peer.send_raw(line.encode() + b"\n")
    assert text_of(call(talk, "add", a=2, b=40)) == "42"
    with talk.peer._arrived:
        answers = json.dumps([talk.peer._replies.pop(key) for key in list(talk.peer._replies)])
    assert MARK not in answers


def test_wrong_arguments_are_named_by_the_servers_own_words_only(talk: Talk) -> None:
    refused = call(talk, "add", a=MARK, **{MARK: 1})
    assert code_of(refused) == "arguments.invalid"
    assert MARK not in json.dumps(refused)
