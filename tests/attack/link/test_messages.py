"""Messages as both eras want them."""

from __future__ import annotations

import json

import pytest

from holdfast_attack.link.messages import LEGACY, MODERN, answer, decoded, encoded, is_message, is_modern, key, request


def test_only_the_era_without_a_handshake_says_who_it_is_each_time() -> None:
    assert "params" not in request(LEGACY[0], "tools/list", None, 1)
    meta = request(MODERN, "tools/list", None, 1)["params"]["_meta"]
    assert meta["io.modelcontextprotocol/protocolVersion"] == MODERN
    assert is_modern(MODERN)
    assert not any(map(is_modern, LEGACY))


def test_a_token_for_progress_stays_beside_the_envelope() -> None:
    meta = request(MODERN, "tools/call", {"_meta": {"progressToken": 5}}, 1)["params"]["_meta"]
    assert meta["progressToken"] == 5
    assert len(meta) == 4


def test_eight_and_its_spelling_are_two_ids_and_so_are_one_and_true() -> None:
    assert len({key(8), key("8"), key(1), key(True), key(1.0), key(None), key([1])}) == 7


@pytest.mark.parametrize(
    "value, is_one",
    [
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, True),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}}, True),
        ({"jsonrpc": "2.0", "method": "notifications/x"}, True),
        ({"jsonrpc": "2.0", "id": 1}, False),
        ({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}, False),
        ({"id": 1, "result": {}}, False),
        ([1], False),
        ("hello", False),
        (None, False),
    ],
)
def test_what_is_a_message_and_what_is_junk(value: object, is_one: bool) -> None:
    assert is_message(value) is is_one


def test_what_cannot_be_read_says_nothing() -> None:
    assert decoded(b"{") is None
    assert decoded(b"\xff\xfe") is None
    assert decoded(b"[" * 200_000) is None


def test_any_text_can_be_sent() -> None:
    assert json.loads(encoded({"text": "\x00\u2028"})) == {"text": "\x00\u2028"}
    assert encoded("\ud800") == b'"\xed\xa0\x80"'


def test_a_ping_is_answered_and_everything_else_is_not_supported() -> None:
    assert answer({"id": 4, "method": "ping"}) == {"jsonrpc": "2.0", "id": 4, "result": {}}
    assert answer({"id": 5, "method": "roots/list"})["error"]["code"] == -32601
