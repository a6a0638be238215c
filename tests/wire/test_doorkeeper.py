"""The doorkeeper: failures are counted by address, told and audited without the token, and neighbours keep working."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.issuing import ISSUER, NOW, RESOURCE, claims, signed, usual_keys

from holdfast.access.authentication import Unready
from holdfast.core.config import Settings
from holdfast.observe.metrics import Metrics
from holdfast.safe.secrets import SecretRegistry
from holdfast.testing import FakeClock
from holdfast.wire.doorkeeper import Doorkeeper, _network, doorkeeper_for
from holdfast.wire.httpanswers import Challenge, Refused

ADA, EVE = b"Bearer token-of-ada-0001", b"Bearer token-of-eve-0002"
TOKENS = {"ada": "token-of-ada-0001", "eve": {"token": "token-of-eve-0002", "scopes": ["read"]}}


class Told:
    """A plant that notes what it is told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.secrets = SecretRegistry()
        self.lines: list[dict[str, Any]] = []
        self.log = self
        self.parts: Any = SimpleNamespace(audit=None)

    def warning(self, event: str, **said: Any) -> None:
        """Note it."""
        self.lines.append({"event": event, **said})


def at(plant: Told, *, challenge: Challenge | None = None, **auth: Any) -> Doorkeeper:
    settings = Settings.model_validate({"auth": {"tokens": TOKENS, **auth}})
    live: Any = SimpleNamespace(plant=plant)
    found = doorkeeper_for(settings, live, challenge or Challenge(None, ()))
    assert found is not None
    return found


def status(door: Doorkeeper, sent: bytes, peer: str = "10.0.0.1") -> int:
    try:
        door.admit(sent, peer)
    except Refused as refused:
        return refused.status
    return 200


def test_a_failure_is_told_counted_and_put_on_the_record_without_the_token() -> None:
    plant = Told()
    door = at(plant)
    with pytest.raises(Refused) as refused:
        door.admit(b"Bearer canary-token-of-nobody", "10.0.0.1")
    assert plant.lines == [{"event": "auth.refused", "code": "auth.unknown", "peer": "10.0.0.1"}]
    record = {"event": "auth.refused", "code": "auth.unknown", "peer": "10.0.0.1", "outcome": "refused"}
    assert refused.value.record == record
    assert plant.metrics.refusals.items() == {("authenticate", "auth.unknown"): 1}
    assert "canary" not in repr(refused.value.__dict__)


def test_asking_without_a_token_is_how_clients_learn_and_no_failure() -> None:
    plant = Told()
    door = at(plant, failures=3)
    for _ in range(50):
        assert status(door, b"") == 401
    assert plant.lines == []
    assert status(door, b"Bearer wrong") == 401


async def test_whoever_fails_too_often_is_turned_away_for_a_while_and_neighbours_are_not() -> None:
    plant = Told()
    door = at(plant, failures=5)
    assert status(door, ADA) == 200
    assert [status(door, b"Bearer wrong-%d" % n) for n in range(20)] == [401] * 5 + [429] * 15
    assert len(plant.lines) == 6, "a flood does not fill the log: the last line says that it is one"
    assert plant.lines[-1]["code"] == "auth.throttled"
    assert status(door, ADA) == 200, "who works behind the same address goes on working"
    assert status(door, EVE) == 429, "but nobody can try new tokens from there"
    assert status(door, EVE, "10.0.0.2") == 200
    assert status(door, b"Bearer wrong", "10.0.0.2") == 401
    with pytest.raises(Refused) as refused:
        door.admit(b"Bearer wrong", "10.0.0.1")
    assert dict(refused.value.headers)[b"retry-after"] == b"60"
    await plant.clock.advance(61)
    assert status(door, b"Bearer wrong") == 401
    assert plant.metrics.refusals.items()[("authenticate", "auth.throttled")] == 17


def test_the_addresses_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from holdfast.wire import doorkeeper

    monkeypatch.setattr(doorkeeper, "MAX_PEERS", 4)
    door = at(Told(), failures=1)
    for number in range(20):
        for _ in range(3):
            status(door, b"Bearer wrong", f"10.0.1.{number}")
        assert len(door._shut) <= 4
        assert len(door._failures) <= 4


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "", True),
        ("not:an:address", "not:another", False),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(one: str, other: str, same: bool) -> None:
    assert (_network(one) == _network(other)) is same


@pytest.mark.parametrize(
    "sent", [b"Bearer", b"Bearer ", b"Basic YTpi", b"token-of-ada-0001", b"Bearer\ttoken-of-ada-0001"]
)
def test_only_a_bearer_token_is_looked_at(sent: bytes) -> None:
    plant = Told()
    assert status(at(plant), sent) == 401
    assert plant.lines[0]["code"] == "auth.scheme"


def test_a_token_without_a_scope_that_all_need_is_known_and_not_allowed() -> None:
    door = at(Told(), challenge=Challenge("https://mcp.example/meta", ("mcp", "use")), scopes=("mcp", "use"))
    assert status(door, ADA) == 200
    with pytest.raises(Refused) as refused:
        door.admit(EVE, "10.0.0.1")
    assert refused.value.status == 403
    assert dict(refused.value.headers) == {
        b"www-authenticate": b'Bearer error="insufficient_scope", scope="mcp use", '
        b'resource_metadata="https://mcp.example/meta"'
    }


async def test_a_stream_is_over_when_its_token_is() -> None:
    plant = Told()
    door = at(plant, tokens=None, issuer=ISSUER, resource=RESOURCE, jwks=usual_keys())
    credential = door.admit(b"Bearer " + signed(claims(exp=NOW + 100)).encode(), "10.0.0.1")
    import asyncio

    over = asyncio.ensure_future(door.over(credential))
    await plant.clock.advance(99)
    assert not over.done()
    await plant.clock.advance(2)
    assert over.done()
    await door.close()


async def test_without_the_issuers_keys_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Told()
    door = at(plant, tokens=None, issuer=ISSUER, resource=RESOURCE, jwks="http://127.0.0.1:9/keys")
    for _ in range(2):
        with pytest.raises(Unready):
            door.admit(b"Bearer " + signed().encode(), "10.0.0.1")
        await door.refresh()
    answer = door.unavailable()
    assert (answer.status, dict(answer.headers)) == (503, {b"retry-after": b"5"})
    await door.close()
