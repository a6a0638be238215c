"""Two principals see different servers: over pipes and HTTP, in both eras, with and without the fast path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.peers import MODERN, HttpPeer, StdioPeer, code_of, text_of
from support.talks import HandshakeHttpTalk, ModernHttpTalk, StdioTalk, Talk, call

SERVER = Path(__file__).parent / "servers" / "granted.py"
PLAIN = [{"tools": ["hello", "touch"], "resources": "note://open", "prompts": "greet"}]
ADA = [
    *PLAIN,
    {"tools": "read_*", "where": {"part": "docs/**"}},
    {"tools": ["audit_all", "mirrored"], "prompts": "plot"},
    {"resources": "note://secret"},
    {"resources": "doc://*", "where": {"name": ["a", "b?"]}},
]
OLD = [*PLAIN, {"tools": "read_part", "until": "2020-01-01T00:00:00Z"}]
TOKENS = {
    "ada": {"token": "ada-token-0123456789", "scopes": ["admin"]},
    "bob": {"token": "bob-token-0123456789", "scopes": []},
    "old": {"token": "old-token-0123456789", "scopes": []},
}
WHO = {"ada": ADA, "local": ADA, "scope:nothing": ADA, "old": OLD, "*": PLAIN}
SETTINGS = {"HOLDFAST_AUTH__TOKENS": json.dumps(TOKENS), "HOLDFAST_ACCESS__GRANTS": json.dumps(WHO)}
LISTS = {
    "tools/list": ("tools", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
    "prompts/list": ("prompts", "name"),
}
SEEN = {
    "ada": {
        "tools/list": ["hello", "read_part", "audit_all", "mirrored", "touch"],
        "resources/list": ["note://open", "note://secret"],
        "resources/templates/list": ["doc://{name}"],
        "prompts/list": ["greet", "plot"],
    },
    "bob": {
        "tools/list": ["hello", "touch"],
        "resources/list": ["note://open"],
        "resources/templates/list": [],
        "prompts/list": ["greet"],
    },
}
PATHS = {"fast": "true", "sdk": "false"}


@pytest.fixture(scope="module", params=PATHS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    state = tmp_path_factory.mktemp("web") / "state"
    with HttpPeer(SERVER, state, HOLDFAST_FAST_PATH=PATHS[request.param], **SETTINGS) as peer:
        peer.state = state  # type: ignore[attr-defined]
        yield peer


def talk_to(web: HttpPeer, who: str, era: str) -> Talk:
    headers = {"authorization": f"Bearer {TOKENS[who]['token']}"}
    return ModernHttpTalk(web, **headers) if era == MODERN else HandshakeHttpTalk(web, **headers)


def seen(talk: Talk) -> dict[str, list[str]]:
    return {method: [entry[name] for entry in talk.ask(method)["result"][key]] for method, (key, name) in LISTS.items()}


def error_of(message: dict[str, Any]) -> tuple[int, str]:
    return message["error"]["code"], message["error"]["message"]


@pytest.mark.parametrize("era", ["2025-11-25", MODERN])
@pytest.mark.parametrize("who", SEEN)
def test_over_http_each_principal_is_shown_what_it_may_use(web: HttpPeer, who: str, era: str) -> None:
    talk = talk_to(web, who, era)
    assert seen(talk) == SEEN[who]
    assert seen(talk_to(web, "old", era)) == SEEN["bob"]
    assert seen(talk) == SEEN[who], "whoever asked in between"


@pytest.mark.parametrize("era", ["2025-11-25", MODERN])
def test_what_is_hidden_is_as_unknown_as_what_does_not_exist_and_on_record(web: HttpPeer, era: str) -> None:
    talk = talk_to(web, "bob", era)
    requests = [
        ("tools/call", {"name": "read_part", "arguments": {"part": 1}}, {"name": "nowhere", "arguments": {"part": 1}}),
        ("tools/call", {"name": "audit_all", "arguments": {}}, {"name": "nowhere", "arguments": {}}),
        ("tools/call", {"name": "mirrored", "arguments": {"region": "eu"}},
         {"name": "nowhere", "arguments": {"region": "eu"}}),
        ("resources/read", {"uri": "note://secret"}, {"uri": "note://nowhere"}),
        ("resources/read", {"uri": "doc://a"}, {"uri": "dok://a"}),
        ("prompts/get", {"name": "plot", "arguments": {}}, {"name": "nowhere", "arguments": {}}),
    ]  # fmt: skip
    for method, hidden, unknown in requests:
        one, other = talk.ask(method, hidden), talk.ask(method, unknown)
        assert error_of(one) == error_of(other), method
        assert one["error"].get("data", {}).keys() == other["error"].get("data", {}).keys()
        if method == "resources/read":
            assert one["error"]["data"] == {"uri": hidden["uri"]}
    argument = {"name": "name", "value": "E"}
    for owner in ("plot", "nowhere"):
        answer = talk.ask("completion/complete", {"ref": {"type": "ref/prompt", "name": owner}, "argument": argument})
        assert error_of(answer)[1].startswith("unknown prompt")
    records = [json.loads(line) for line in (web.state / "granted" / "audit.jsonl").read_text().splitlines()]  # type: ignore[attr-defined]
    denied = {record["tool"] for record in records if (record["principal"], record["code"]) == ("bob", "access.denied")}
    assert denied == {"read_part", "audit_all", "mirrored", "secret_note", "doc", "plot", "plot name"}


@pytest.mark.parametrize("era", ["2025-11-25", MODERN])
def test_what_is_granted_works_within_its_constraints(web: HttpPeer, era: str) -> None:
    ada, bob, old = (talk_to(web, who, era) for who in ("ada", "bob", "old"))
    assert text_of(call(ada, "read_part", part="docs/x")) == "read docs/x"
    for part in ("docs/../x", "docs", "x", "", "docs/%2e%2e/x", "docs\\..\\x", "docs//x"):
        refused = call(ada, "read_part", part=part)
        assert code_of(refused) == "access.constraint", part
        assert "docs" not in text_of(refused)
    assert text_of(call(ada, "audit_all")) == "audited"
    assert ada.ask("resources/read", {"uri": "doc://a"})["result"]["contents"][0]["text"] == "doc a"
    assert "error" in ada.ask("resources/read", {"uri": "doc://c"})
    assert code_of(call(old, "read_part", part="docs/x")) == "access.expired"
    assert text_of(call(bob, "hello")) == "hello"
    argument = {"name": "name", "value": "E"}
    reference = {"type": "ref/prompt", "name": "plot"}
    found = ada.ask("completion/complete", {"ref": reference, "argument": argument})
    assert found["result"]["completion"]["values"] == ["Eve"]


@pytest.mark.parametrize("era", ["2025-11-25", MODERN])
def test_only_who_may_read_a_resource_hears_that_it_changed(web: HttpPeer, era: str) -> None:
    uris = ["note://secret", "note://open", "note://nowhere"]
    streams = []
    for who in ("ada", "bob"):
        talk = talk_to(web, who, era)
        if isinstance(talk, ModernHttpTalk):
            stream = talk.open("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})
            events = iter(stream)
            assert next(events)["method"] == "notifications/subscriptions/acknowledged"
        else:
            assert isinstance(talk, HandshakeHttpTalk)
            assert "result" in talk.ask("ping")  # the server has heard by then that the client is ready
            for uri in uris:
                assert "result" in talk.ask("resources/subscribe", {"uri": uri})
            stream = talk.listen()
            events = iter(stream)
        streams.append((stream, events))
    caller = talk_to(web, "bob", MODERN)
    assert text_of(call(caller, "touch")) == "touched"
    heard = [next(events)["params"]["uri"] for _, events in streams]
    for stream, _ in streams:
        stream.close()
    assert heard == ["note://secret", "note://open"], "in the order in which they changed"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("era", ["2025-11-25", MODERN])
def test_over_pipes_the_local_caller_is_a_principal_like_others(tmp_path: Path, era: str, path: str) -> None:
    grants = {"local": PLAIN, "ada": ADA}
    settings = {"HOLDFAST_FAST_PATH": PATHS[path], "HOLDFAST_ACCESS__GRANTS": json.dumps(grants)}
    with StdioPeer(SERVER, tmp_path / "state", **settings) as peer:
        hello = peer.initialize(era)["result"]
        assert hello["instructions"] == "Ask for what you may."
        assert hello["capabilities"]["resources"]
        talk = StdioTalk(peer, era)
        assert seen(talk) == SEEN["bob"]
        assert error_of(talk.ask("tools/call", {"name": "audit_all", "arguments": {}})) == error_of(
            talk.ask("tools/call", {"name": "nowhere", "arguments": {}})
        )
        assert text_of(call(talk, "hello")) == "hello"


@pytest.mark.parametrize("path", PATHS)
def test_without_grants_a_missing_scope_hides_a_tool_and_its_refusal_names_the_scope(tmp_path: Path, path: str) -> None:
    settings = {"HOLDFAST_FAST_PATH": PATHS[path], "HOLDFAST_AUTH__LOCAL_SCOPES": '["other"]'}
    with StdioPeer(SERVER, tmp_path / "state", **settings) as peer:
        peer.initialize()
        talk = StdioTalk(peer, "2025-11-25")
        assert seen(talk)["tools/list"] == ["hello", "read_part", "mirrored", "touch"]
        refused = call(talk, "audit_all")
        assert (code_of(refused), "admin" in text_of(refused)) == ("access.denied", True)
