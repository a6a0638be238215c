"""Verdicts over header lists: which are kept, and that keeping them changes no verdict."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.config import Settings
from holdfast.observe.metrics import Metrics
from holdfast.safe.secrets import SecretRegistry
from holdfast.testing import FakeClock
from holdfast.wire import admission
from holdfast.wire.admission import KEPT, Admission, Admitted
from holdfast.wire.doorkeeper import doorkeeper_for
from holdfast.wire.httpanswers import Challenge, Refused

HOST = (b"host", b"127.0.0.1:8000")
HOSTS = frozenset({"127.0.0.1:8000"})
PLAIN = [
    HOST,
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
    (b"content-length", b"20"),
    (b"mcp-protocol-version", b"2026-07-28"),
]
TOKEN = "token-of-ada-0001"


def at(**settings: Any) -> Admission:
    """The door of a server with these settings."""
    chosen = Settings.model_validate(settings)
    log = SimpleNamespace(warning=lambda *_, **__: None)
    plant = SimpleNamespace(clock=FakeClock(), metrics=Metrics(), log=log, secrets=SecretRegistry())
    live: Any = SimpleNamespace(plant=plant)
    return Admission(chosen, HOSTS, doorkeeper_for(chosen, live, Challenge(None, ())))


def kept(door: Admission) -> int:
    """How many verdicts it keeps."""
    return len(door._known)


def test_a_list_that_comes_again_has_the_same_verdict() -> None:
    door = at()
    first = door.admit(list(PLAIN))
    assert door.admit(list(PLAIN)) is first
    assert (first.pairs, first.length, first.leaves, first.session) == (PLAIN, 20, True, None)
    assert first.principal.name == "anonymous"
    assert first.plain is not None
    assert first.plain.modern
    assert kept(door) == 1


@pytest.mark.parametrize(
    "sent, status",
    [
        ([], 403),
        ([(b"host", b"evil.example")], 403),
        ([HOST, (b"origin", b"https://evil.example")], 403),
        ([HOST, HOST], 400),
        ([*PLAIN, (b"content-length", b"20")], 400),
        ([*PLAIN, (b"transfer-encoding", b"chunked")], 400),
    ],
)
def test_a_refused_list_is_refused_each_time_and_never_kept(sent: Any, status: int) -> None:
    door = at()
    for _ in range(2):
        door.admit(list(PLAIN))
        with pytest.raises(Refused) as refused:
            door.admit(list(sent))
        assert refused.value.status == status
    assert kept(door) == 1


@pytest.mark.parametrize("place", range(len(PLAIN)))
def test_any_change_of_a_list_is_judged_anew(place: int) -> None:
    door = at()
    first = door.admit(list(PLAIN))
    changed = list(PLAIN)
    changed[place] = (changed[place][0], changed[place][1] + b"0")
    try:
        assert door.admit(changed) != first
    except Refused:
        assert place == 0, "the Host"


def test_whitespace_around_values_is_no_part_of_them_kept_or_not() -> None:
    door = at()
    spaced = [(name, b" " + value + b"\t ") for name, value in PLAIN]
    assert door.admit(spaced) == door.admit(list(PLAIN)) == door.admit(spaced)
    assert kept(door) == 2
    with pytest.raises(Refused):
        door.admit([*spaced, HOST])


@pytest.mark.parametrize("name", [b"authorization", b"proxy-authorization", b"cookie", b"mcp-session-id"])
def test_a_list_with_a_secret_in_it_is_not_kept(name: bytes) -> None:
    door = at()
    admitted = door.admit([*PLAIN, (name, b"Bearer x")])
    assert isinstance(admitted, Admitted)
    assert kept(door) == 0


def test_where_tokens_are_asked_for_nothing_is_kept() -> None:
    door = at(auth={"tokens": {"ada": TOKEN}})
    good = [*PLAIN, (b"authorization", f"Bearer {TOKEN}".encode())]
    for _ in range(2):
        assert door.admit(list(PLAIN), is_open=True).principal.name == "anonymous"
        with pytest.raises(Refused) as refused:
            door.admit(list(PLAIN))
        assert refused.value.status == 401
        assert door.admit(list(good)).principal.name == "ada"
    assert kept(door) == 0


def test_large_and_long_lists_are_not_kept() -> None:
    door = at()
    door.admit([*PLAIN, (b"x-large", b"x" * 2_048)])
    door.admit([*PLAIN, *[(b"x", b"")] * 30])
    assert kept(door) == 0


def test_only_so_many_are_kept() -> None:
    door = at()
    for number in range(3 * KEPT):
        assert door.admit([*PLAIN, (b"x-number", b"%d" % number)]).length == 20
        assert kept(door) <= KEPT
    assert door.admit(list(PLAIN)).pairs == PLAIN


@pytest.mark.parametrize("length, meant", [(b"5", 5), (b"9" * 40, int("9" * 20)), (b"x", 0), (b"-1", 0), (b"", 0)])
def test_an_odd_length_announces_nothing(length: bytes, meant: int) -> None:
    assert at().admit([HOST, (b"content-length", length)]).length == meant


@pytest.mark.parametrize(
    "version, leaves", [(None, False), (b"2025-11-25", False), (b"2026-07-28", True), (b"2099-01-01", True)]
)
def test_a_client_that_leaves_ends_its_calls_since_2026_07_28(version: bytes | None, leaves: bool) -> None:
    sent = [HOST] if version is None else [HOST, (admission.VERSION, version)]
    assert at().admit(sent).leaves is leaves
