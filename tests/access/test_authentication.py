"""Authentication: keys in time, signed tokens against keys that come and go, and what is believed for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.issuing import (
    ISSUER,
    NOW,
    RESOURCE,
    Publisher,
    claims,
    ec_key,
    ed_key,
    jwk,
    key_set,
    rsa_key,
    signed,
    usual_keys,
)

from holdfast.access import authentication
from holdfast.access.apikeys import new_key
from holdfast.access.authentication import (
    BELIEVED,
    Authentication,
    Unauthenticated,
    Unready,
    asked_for,
    keep_plain_keys,
)
from holdfast.access.sources import LOOK, RETRY, STALE
from holdfast.core.config import AuthSettings
from holdfast.errors import ConfigurationError
from holdfast.safe.secrets import MAX_VALUES, MIN_LENGTH, SecretRegistry
from holdfast.testing import FakeClock

ADA = "token-of-ada-0001"


def at(clock: FakeClock, secrets: SecretRegistry | None = None, **settings: Any) -> Authentication:
    return Authentication(AuthSettings(**settings), clock, secrets)


def issued(clock: FakeClock, **settings: Any) -> Authentication:
    return at(clock, issuer=ISSUER, resource=RESOURCE, **{"jwks": usual_keys(), **settings})


def reason(door: Authentication, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        door.verify(token)
    return refused.value.reason


async def test_a_key_holds_from_its_beginning_to_its_end() -> None:
    clock = FakeClock()  # 2023-11-14T22:13:20Z
    entry = {"token": ADA, "not_before": "2023-11-14T22:13:30Z", "expires": "2023-11-14T22:13:40Z", "id": "k1"}
    door = at(clock, tokens=json.dumps({"ada": entry}))
    assert reason(door, ADA) == "not_yet"
    await clock.advance(10)
    found = door.verify(ADA)
    assert (found.principal.name, found.ends, door.holds(found)) == ("ada", NOW + 20, True)
    assert door.verify(ADA) is found
    await clock.advance(10)
    assert reason(door, ADA) == "expired"
    assert not door.holds(found)
    with pytest.raises(Unauthenticated) as refused:
        door.verify(ADA)
    assert refused.value.key == "k1"
    assert ADA not in str(refused.value)


async def test_a_file_of_keys_is_obeyed_when_it_changes(tmp_path: Path) -> None:
    file, clock = tmp_path / "tokens.json", FakeClock()
    old, new = new_key(), new_key()
    file.write_text(json.dumps({"ada": old.entry}))
    door = at(clock, tokens_file=file)
    ada = door.verify(old.key)
    file.write_text(json.dumps({"ada": [new.entry, new_key().entry]}))
    await clock.advance(LOOK)
    with pytest.raises(Unready):
        door.verify(old.key)
    await door.refresh()
    assert reason(door, old.key) == "unknown"
    assert not door.holds(ada), "a stream that was opened with it ends"
    assert door.verify(new.key).principal.name == "ada"
    file.write_text('{"ada": ')
    await clock.advance(LOOK)
    await door.refresh()
    assert reason(door, new.key) == "unknown", "half a file lets nobody in"
    await door.close()


async def test_a_key_that_was_given_to_another_or_narrowed_is_its_old_holders_no_more(tmp_path: Path) -> None:
    file, clock = tmp_path / "tokens.json", FakeClock()
    file.write_text(json.dumps({"ada": ADA}))
    door = at(clock, tokens_file=file)
    for entry in ({"ada": {"token": ADA, "scopes": ["read"]}}, {"bob": {"token": ADA}}):
        before = door.verify(ADA)
        assert door.holds(before)
        file.write_text(json.dumps(entry))
        await clock.advance(LOOK)
        await door.refresh()
        assert not door.holds(before), "a stream that was opened with it would go on with what was taken away"
        found = door.verify(ADA)
        assert (found.principal.name, door.holds(found)) == (next(iter(entry)), True)
        assert found.principal != before.principal


async def test_a_key_whose_end_was_brought_forward_ends_then(tmp_path: Path) -> None:
    file, clock = tmp_path / "tokens.json", FakeClock()  # 2023-11-14T22:13:20Z
    file.write_text(json.dumps({"ada": {"token": ADA, "expires": "2024-01-01"}}))
    door = at(clock, tokens_file=file)
    ada = door.verify(ADA)
    file.write_text(json.dumps({"ada": {"token": ADA, "expires": "2023-11-14T22:13:30Z"}, "bob": "another-of-bob"}))
    await clock.advance(LOOK)
    await door.refresh()
    assert door.holds(ada)
    assert door.verify(ADA).ends == NOW + 10
    await clock.advance(10 - LOOK)
    await door.refresh()
    assert not door.holds(ada)
    assert reason(door, ADA) == "expired"
    file.write_text(json.dumps({"ada": {"token": ADA, "expires": "2024-01-01"}}))
    await clock.advance(LOOK)
    await door.refresh()
    ada = door.verify(ADA)
    file.write_text(json.dumps({"ada": {"token": ADA, "expires": "2024-01-01", "not_before": "2023-12-01"}}))
    await clock.advance(LOOK)
    await door.refresh()
    assert not door.holds(ada), "nor does one that begins later after all"


async def test_a_key_that_looks_like_a_signed_token_is_not_believed_once_it_was_taken_out(tmp_path: Path) -> None:
    file, clock, dotted = tmp_path / "tokens.json", FakeClock(), "key.of-ada.with-two-dots"
    file.write_text(json.dumps({"ada": dotted}))
    door = issued(clock, tokens_file=file)
    door.verify(signed())
    assert door.verify(dotted).principal.name == "ada"
    file.write_text(json.dumps({"bob": "another-of-bob"}))
    await clock.advance(LOOK)
    await door.refresh()
    assert reason(door, dotted) == "malformed"


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"[]", b'{"ada": 5}'])
def test_a_file_of_keys_must_be_one_at_the_beginning(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "tokens").write_bytes(raw)
    with pytest.raises(ConfigurationError):
        at(FakeClock(), tokens_file=tmp_path / "tokens")


async def test_keys_and_signed_tokens_are_taken_side_by_side() -> None:
    door = issued(FakeClock(), tokens=json.dumps({"ada": ADA}))
    assert door.verify(ADA).principal.name == "ada"
    assert door.verify(signed()).principal.name == "jwt:ada"
    assert reason(door, "nobodys") == "unknown"
    assert reason(door, "a.b.c") == "malformed"
    assert reason(at(FakeClock(), tokens=ADA), signed()) == "unknown", "where there is no issuer"
    assert repr(door) == "<Authentication>"


async def test_a_checked_token_is_believed_for_a_while_and_never_beyond_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from holdfast.access import jwt as tokens

    count, verify = 0, tokens.verify

    def counting(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return verify(*arguments)

    monkeypatch.setattr(tokens, "verify", counting)
    clock = FakeClock()
    door = issued(clock)
    long, short = signed(), signed(claims(exp=NOW + 10))
    for _ in range(5):
        credential = door.verify(long)
        brief = door.verify(short)
    assert count == 2
    await clock.advance(10)
    assert (door.holds(credential), door.holds(brief)) == (True, False)
    assert reason(door, short) == "expired"
    await clock.advance(BELIEVED - 10)
    door.verify(long)
    assert count == 4, "the end of the short one, and the long one once more"
    assert door.known(long)
    assert not door.known(short)
    await clock.advance(300)
    assert reason(door, long) == "expired"
    assert not door.holds(credential)


async def test_only_so_many_checked_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED", 3)
    door = issued(FakeClock())
    tokens = [signed(claims(sub=f"s{n}"), key=ed_key(), alg="EdDSA", kid="ed") for n in range(9)]
    for token in tokens:
        door.verify(token)
    assert [door.known(token) for token in tokens] == [False] * 6 + [True] * 3


@pytest.mark.parametrize("later", [0.0, BELIEVED], ids=["believed", "checked again"])
async def test_the_tokens_that_are_remembered_are_those_that_were_used_last(
    later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED", 3)
    clock = FakeClock()
    door = issued(clock)
    tokens = [signed(claims(sub=f"s{n}"), key=ed_key(), alg="EdDSA", kid="ed") for n in range(4)]
    for token in tokens[:3]:
        door.verify(token)
    await clock.advance(later)
    assert door.holds(door.verify(tokens[0])), "used again"
    door.verify(tokens[3])
    assert [door.known(token) for token in tokens] == [True, False, True, True]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as found:
        yield found


async def test_keys_are_fetched_when_they_are_needed_and_rotated_with_the_issuer(publisher: Publisher) -> None:
    clock = FakeClock()
    publisher.pages["/keys"] = key_set(jwk(rsa_key(), kid="rsa"))
    door = issued(clock, jwks=f"{publisher.url}/keys")
    with pytest.raises(Unready):
        door.verify(signed())
    await door.refresh()
    assert door.verify(signed()).principal.name == "jwt:ada"
    newer = signed(key=ec_key(), alg="ES256", kid="ec")
    publisher.pages["/keys"] = key_set(jwk(ec_key(), kid="ec"))
    assert reason(door, newer) == "key", "asked a moment ago"
    await clock.advance(RETRY)
    with pytest.raises(Unready):
        door.verify(newer)
    await door.refresh()
    assert door.verify(newer)
    assert reason(door, signed()) == "key", "what the issuer has taken back is not believed any longer"
    for number in range(50):
        assert reason(door, signed(kid=f"made-up-{number}")) == "key"
        await door.refresh()
    assert publisher.asked == ["/keys"] * 2
    await door.close()


async def test_an_issuers_own_metadata_is_enough_to_find_its_keys(publisher: Publisher) -> None:
    publisher.pages["/.well-known/oauth-authorization-server"] = json.dumps(
        {"issuer": publisher.url, "jwks_uri": f"{publisher.url}/keys"}
    )
    publisher.pages["/keys"] = usual_keys()
    door = at(FakeClock(), issuer=publisher.url, resource=RESOURCE)
    await door.refresh()
    assert door.verify(signed(claims(iss=publisher.url))).principal.name == "jwt:ada"
    await door.close()


async def test_closing_ends_a_fetch_that_is_under_way(publisher: Publisher) -> None:
    publisher.gate.clear()
    door = issued(FakeClock(), jwks=f"{publisher.url}/keys")
    asking = asyncio.create_task(door.refresh())
    await asyncio.sleep(0)
    await door.close()
    publisher.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_where_there_is_no_issuer_none_is_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bobs = new_key()
    (tmp_path / "tokens").write_text(json.dumps({"bob": bobs.entry}))
    door = at(FakeClock(), SecretRegistry(), tokens=json.dumps({"ada": ADA}), tokens_file=tmp_path / "tokens")
    assert [door.verify(key).principal.name for key in (ADA, bobs.key)] == ["ada", "bob"], "keys of both are known"
    await door.refresh()
    await door.close()
    assert caplog.text == "", "nor is there anything to warn of"


def test_an_audience_that_is_set_stands_in_place_of_the_resource() -> None:
    door = issued(FakeClock(), audience=("api://mcp",))
    assert door.verify(signed(claims(aud="api://mcp"))).principal.name == "jwt:ada"
    assert reason(door, signed()) == "audience"


async def test_without_keys_nobody_comes_in_and_nobody_is_called_wrong(publisher: Publisher) -> None:
    clock = FakeClock()
    door = issued(clock, jwks=f"{publisher.url}/keys")
    for _ in range(3):
        with pytest.raises(Unready):
            door.verify(signed())
        await door.refresh()
    assert publisher.asked == ["/keys"]
    publisher.pages["/keys"] = usual_keys()
    await clock.advance(RETRY)
    await door.refresh()
    assert door.verify(signed(claims(exp=NOW + 100_000)))
    del publisher.pages["/keys"]
    await clock.advance(STALE)
    with pytest.raises(Unready):
        door.verify(signed(claims(exp=NOW + 100_000)))
    await door.close()


async def test_keys_in_a_file_are_read_again(tmp_path: Path) -> None:
    file, clock = tmp_path / "jwks.json", FakeClock()
    file.write_text(key_set(jwk(rsa_key(), kid="rsa")))
    door = issued(clock, jwks=str(file))
    assert door.verify(signed())
    file.write_text(key_set(jwk(ec_key(), kid="the-other-key")))
    await clock.advance(LOOK)
    with pytest.raises(Unready):
        door.verify(signed())
    await door.refresh()
    assert reason(door, signed()) == "key"


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"issuer": ISSUER}, "need an audience"),
        ({"issuer": ISSUER, "audience": ("",)}, "need an audience"),
        ({"issuer": "http://issuer.example", "resource": RESOURCE}, "HOLDFAST_AUTH__ISSUER is an https URL"),
        ({"issuer": "", "resource": RESOURCE}, "HOLDFAST_AUTH__ISSUER is an https URL"),
        ({"issuer": ISSUER, "resource": RESOURCE, "algorithms": ()}, "names no algorithm"),
        ({"issuer": ISSUER, "resource": RESOURCE, "jwks": "http://x.example/k"}, "HOLDFAST_AUTH__JWKS is an https URL"),
        ({"issuer": ISSUER, "resource": RESOURCE, "jwks": '{"keys": []}'}, "no key of the key set"),
        ({"issuer": ISSUER, "resource": RESOURCE, "jwks": "/nowhere/keys.json"}, "cannot be opened"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        at(FakeClock(), **settings)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "RS1", "rs256"])
def test_only_signatures_with_a_public_key_can_be_chosen(algorithm: str) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        AuthSettings(algorithms=(algorithm,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings, asked",
    [
        ({}, False),
        ({"tokens": ADA}, True),
        ({"tokens_file": Path("x")}, True),
        ({"issuer": ISSUER}, True),
        ({"issuer": ISSUER, "required": False}, False),
        ({"tokens": ADA, "required": True}, True),
    ],
)
def test_a_token_is_asked_for_when_there_are_any(settings: dict[str, Any], asked: bool) -> None:
    assert asked_for(AuthSettings(**settings)) is asked


def test_asking_for_tokens_that_nobody_has_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no tokens are set"):
        asked_for(AuthSettings(required=True))


async def test_keys_that_stand_plainly_in_the_file_are_redacted_also_after_it_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock, secrets = tmp_path / "tokens.json", FakeClock(), SecretRegistry()
    hashed = new_key()
    file.write_text(json.dumps({"ada": [ADA, hashed.entry], "bob": {"token": "of-bob-plainly", "id": "key-of-bob"}}))
    door = at(clock, secrets, tokens_file=file)
    assert secrets.redact(f"{ADA} of-bob-plainly key-of-bob").text.split() == [
        "[redacted:auth.tokens_file]", "[redacted:auth.tokens_file]", "key-of-bob",
    ]  # fmt: skip
    assert "2 kept plain" in caplog.text
    assert "token-of-ada" not in caplog.text
    file.write_text(json.dumps({"ada": "another-of-ada-9", "eve": "abc"}))
    await clock.advance(LOOK)
    await door.refresh()
    assert secrets.redact("another-of-ada-9").hits == ("auth.tokens_file",)
    assert secrets.redact(ADA).hits == ("auth.tokens_file",), "a key that is gone stays unsaid for a while"
    assert "1 too short to be redacted" in caplog.text
    file.write_text("{")
    await clock.advance(LOOK)
    await door.refresh()
    assert secrets.redact("another-of-ada-9").hits == ("auth.tokens_file",), "a broken file is no reason to say it"


def test_plain_keys_are_kept_out_before_anybody_is_asked_for_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, secrets, clock = tmp_path / "tokens", SecretRegistry(), FakeClock()
    just = "k" * MIN_LENGTH
    file.write_text(json.dumps({"ada": ADA, "bob": just}))
    keep_plain_keys(AuthSettings(tokens_file=file), clock, secrets)
    assert secrets.redact(f"{ADA} {just}").text == "[redacted:auth.tokens_file] [redacted:auth.tokens_file]"
    assert "too short" not in caplog.text
    for useless in (AuthSettings(), AuthSettings(tokens_file=tmp_path / "missing")):
        keep_plain_keys(useless, clock, secrets)
    assert secrets.redact(ADA).hits == ("auth.tokens_file",)


async def test_a_file_of_more_plain_keys_than_can_be_redacted_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps([f"plain-key-{number:05}" for number in range(MAX_VALUES + 1)]))
    with pytest.raises(ConfigurationError, match="keep API keys hashed"):
        at(FakeClock(), SecretRegistry(), tokens_file=file)
