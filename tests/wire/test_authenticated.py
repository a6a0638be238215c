"""Authentication on a real port: a real issuer, its metadata, monitoring tokens, and streams that end."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calls import audited, logged
from support.issuing import ISSUER, RESOURCE, Publisher, claims, ec_key, jwk, key_set, rsa_key, signed, usual_keys
from support.knocking import PING, Near, open_door, tell
from support.talks import HandshakeHttpTalk, ModernHttpTalk, call

from holdfast.access.apikeys import new_key

META = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
Visit = Callable[[Near], None]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as found:
        found.pages["/keys"] = usual_keys()
        yield found


def fresh(**changed: Any) -> dict[str, Any]:
    """Claims for a server with a real clock."""
    return claims(**{"exp": time.time() + 300, "iat": time.time(), **changed})


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def visit(base: Path, work: Visit, **settings: Any) -> None:
    async with open_door(base, **settings) as peer:
        await asyncio.to_thread(work, peer)


def trusting(publisher: Publisher, **more: Any) -> dict[str, Any]:
    return {"auth__issuer": ISSUER, "auth__resource": RESOURCE, "auth__jwks": f"{publisher.url}/keys", **more}


async def test_a_signed_token_is_its_subject_in_both_eras_with_its_scopes(tmp_path: Path, publisher: Publisher) -> None:
    def work(peer: Near) -> None:
        good = signed(fresh())
        assert tell(peer, good)[2]["result"]["content"][0]["text"] == "jwt:ada"
        assert tell(peer, good, "scoped")[2]["result"]["content"][0]["text"] == "written"
        narrow = signed(fresh(sub="bob", scope="read"), key=ec_key(), alg="ES256", kid="ec")
        assert tell(peer, narrow, "scoped")[2]["result"]["_meta"]["io.holdfast/code"] == "access.denied"
        talk = HandshakeHttpTalk(peer, **bearer(good))
        assert call(talk, "whoami")["content"][0]["text"] == "jwt:ada"
        stolen = talk.headers | bearer(narrow)
        assert peer.post(PING, stolen)[0] == 404, "a session of another principal is as unknown"
        assert peer.post(PING, talk.headers | bearer(signed(fresh(exp=time.time() - 1))))[0] == 401

    await visit(tmp_path, work, **trusting(publisher))
    assert publisher.asked == ["/keys"]


async def test_a_refused_token_is_told_where_to_get_a_good_one_and_nothing_more(
    tmp_path: Path, publisher: Publisher
) -> None:
    def work(peer: Near) -> None:
        status, headers, text = tell(peer, None)
        assert (status, headers["www-authenticate"]) == (401, f'Bearer scope="mcp", resource_metadata="{META}"')
        for bad in (signed(fresh(aud="https://other.example")), signed(fresh(), key=rsa_key(1)), "canary-token"):
            status, headers, text = tell(peer, bad)
            said = f'Bearer error="invalid_token", scope="mcp", resource_metadata="{META}"'
            assert (status, headers["www-authenticate"]) == (401, said)
            assert text == "a valid bearer token is needed"
        status, headers, _ = tell(peer, signed(fresh(scope="read")))
        assert (status, headers["www-authenticate"].split(",")[0]) == (403, 'Bearer error="insufficient_scope"')
        assert tell(peer, signed(fresh(scope="mcp")))[0] == 200

    await visit(tmp_path, work, **trusting(publisher, auth__scopes=("mcp",)))
    lines = [line for line in logged(tmp_path) if line["event"] == "auth.refused"]
    assert [line["code"] for line in lines] == ["auth.audience", "auth.signature", "auth.unknown", "auth.scope"]
    records = [line for line in audited(tmp_path, "door") if line.get("event") == "auth.refused"]
    assert [line["code"] for line in records] == [line["code"] for line in lines]
    assert {line["peer"] for line in records} == {"127.0.0.1"}
    said = (tmp_path / "log").read_text() + json.dumps(records)
    assert "canary-token" not in said
    assert "eyJ" not in said


async def test_the_metadata_is_open_to_everybody_and_names_the_issuer_exactly(
    tmp_path: Path, publisher: Publisher
) -> None:
    def work(peer: Near) -> None:
        for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
            status, headers, body = peer.get(path)
            assert (status, headers["content-type"]) == (200, "application/json")
            assert json.loads(body) == {
                "resource": RESOURCE,
                "authorization_servers": [ISSUER],
                "bearer_methods_supported": ["header"],
                "resource_name": "door",
                "scopes_supported": ["mcp"],
            }
            assert not [name for name in headers if name.startswith("access-control")]
            assert peer.raw("POST", path, b"", {})[0] == 405
            assert peer.get(path, Host="evil.example")[0] == 403
        assert peer.get("/.well-known/oauth-protected-resource/other")[0] == 401
        assert peer.get("/.well-known/oauth-authorization-server")[0] == 401, "this server gives no tokens"

    await visit(tmp_path, work, **trusting(publisher, auth__scopes=("mcp",)))


async def test_a_new_key_of_the_issuer_is_found_and_one_taken_back_is_gone(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.access import sources

    monkeypatch.setattr(sources, "RETRY", 0.05)

    def work(peer: Near) -> None:
        old, new = signed(fresh()), signed(fresh(), key=ec_key(1), alg="ES256", kid="newer")
        assert tell(peer, old)[0] == 200
        publisher.pages["/keys"] = key_set(jwk(ec_key(1), kid="newer"))
        time.sleep(0.06)
        assert tell(peer, new)[0] == 200
        assert tell(peer, old)[0] == 401
        assert tell(peer, new)[0] == 200

    await visit(tmp_path, work, **trusting(publisher))


async def test_while_the_issuer_is_away_tokens_cannot_be_judged_and_keys_can(
    tmp_path: Path, publisher: Publisher
) -> None:
    made = new_key()

    def work(peer: Near) -> None:
        for _ in range(3):
            status, headers, _ = tell(peer, signed(fresh()))
            assert (status, headers["retry-after"]) == (503, "5")
        assert tell(peer, made.key)[0] == 200

    publisher.pages.clear()
    tokens = json.dumps({"ada": made.entry})
    await visit(tmp_path, work, **trusting(publisher, auth__tokens=tokens))
    assert publisher.asked == ["/keys"]
    assert "answered with status 404" in (tmp_path / "log").read_text()


async def test_a_stream_ends_with_the_token_it_was_opened_with(tmp_path: Path, publisher: Publisher) -> None:
    def work(peer: Near) -> None:
        talk = HandshakeHttpTalk(peer, **bearer(signed(fresh(exp=time.time() + 2))))
        news = talk.listen()
        modern = ModernHttpTalk(peer, **bearer(signed(fresh(exp=time.time() + 1.5))))
        listening = modern.open("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        begun = time.monotonic()
        for stream in (listening, news):
            list(stream)
            stream.close()
        assert 0.5 < time.monotonic() - begun < 8
        assert peer.post(PING, talk.headers)[0] == 401

    await visit(tmp_path, work, **trusting(publisher))


async def test_keys_in_a_file_come_and_go_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.access import sources

    monkeypatch.setattr(sources, "LOOK", 0.1)
    old, new = new_key(), new_key()
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"ada": old.entry}))

    def work(peer: Near) -> None:
        assert tell(peer, old.key)[0] == 200
        file.write_text(json.dumps({"ada": [old.entry, new.entry]}))
        time.sleep(0.11)
        assert (tell(peer, new.key)[0], tell(peer, old.key)[0]) == (200, 200)
        file.write_text(json.dumps({"ada": new.entry}))
        time.sleep(0.11)
        assert (tell(peer, new.key)[0], tell(peer, old.key)[0]) == (200, 401)
        file.unlink()
        time.sleep(0.11)
        assert tell(peer, new.key)[0] == 401

    await visit(tmp_path, work, auth__tokens_file=file)


async def test_guessing_is_slowed_down_and_whoever_works_there_goes_on(tmp_path: Path) -> None:
    made = new_key()

    def work(peer: Near) -> None:
        assert tell(peer, made.key)[0] == 200
        found = [tell(peer, f"guess-{n}") for n in range(8)]
        assert [status for status, _, _ in found] == [401] * 5 + [429] * 3
        assert int(found[-1][1]["retry-after"]) in range(50, 61)
        assert tell(peer, made.key)[0] == 200

    await visit(tmp_path, work, auth__tokens=json.dumps({"ada": made.entry}), auth__failures=5)
    records = [line["code"] for line in audited(tmp_path, "door") if line.get("event") == "auth.refused"]
    assert records == ["auth.unknown"] * 5 + ["auth.throttled"]


async def test_the_monitoring_token_reads_two_pages_and_calls_nothing(tmp_path: Path) -> None:
    watching = "monitoring-token-0001"
    tokens = {
        "ada": {"token": "token-of-ada-0001", "scopes": ["read"]},
        "ops": {"token": "token-of-ops-0002", "scopes": ["monitor"]},
    }

    def work(peer: Near) -> None:
        for path in ("/health", "/metrics"):
            assert peer.get(path)[0] == 401
            assert peer.get(path, **bearer(watching))[0] == 200
            assert peer.get(path, **bearer("token-of-ada-0001"))[0] == 403
            assert peer.get(path, **bearer("token-of-ops-0002"))[0] == 200
            assert peer.get(path, **bearer(watching + "x"))[0] == 401
            assert peer.get(path, authorization=f"Basic {watching}")[0] == 401
        assert tell(peer, watching)[0] == 401
        assert (peer.get("/livez")[0], peer.get("/readyz")[0]) == (200, 200)
        assert b'code="auth.unknown"' in peer.get("/metrics", **bearer(watching))[2]

    await visit(tmp_path, work, auth__tokens=json.dumps(tokens), health__token=watching)


async def test_without_any_token_the_pages_are_for_this_machine_and_no_proxy_of_it(tmp_path: Path) -> None:
    def work(peer: Near) -> None:
        for path in ("/health", "/metrics"):
            assert peer.get(path)[0] == 200
            for header in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via", "x-forwarded-host", "X-Forwarded-Proto",
                           "X-Forwarded-Server", "CF-Connecting-IP", "True-Client-IP"):  # fmt: skip
                status, _, body = peer.get(path, **{header: "canary"})
                assert status == 403
                assert b"canary" not in body
        assert peer.get("/livez", Via="1.1 proxy")[0] == 200

    await visit(tmp_path, work)


async def test_a_monitoring_token_is_asked_for_where_callers_need_none(tmp_path: Path) -> None:
    def work(peer: Near) -> None:
        assert [peer.get("/health")[0], peer.get("/health", **bearer("monitoring-token-0001"))[0]] == [401, 200]
        assert peer.get("/health", **bearer("monitoring-token-0001"), Via="1.1 proxy")[0] == 200
        assert tell(peer, None)[0] == 200

    await visit(tmp_path, work, health__token="monitoring-token-0001")


async def test_handles_of_sessions_are_random_and_in_no_log(tmp_path: Path) -> None:
    handles: list[str] = []

    def work(peer: Near) -> None:
        for _ in range(20):
            _, headers, _ = peer.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
            handles.append(headers["mcp-session-id"])
        peer.post(PING, {"mcp-session-id": "made-up-canary"})
        peer.raw("DELETE", "/mcp", None, {"mcp-session-id": handles[0]})

    await visit(tmp_path, work)
    assert len(set(handles)) == 20
    assert all(re.fullmatch("[0-9a-f]{32}", handle) for handle in handles)
    assert len({handle[12] for handle in handles}) > 1, "no UUID: its version takes bits away"
    said = (tmp_path / "log").read_text()
    assert "Created new transport with session ID: [session]" in said
    assert not [handle for handle in [*handles, "made-up-canary"] if handle in said]
