"""One message from raw bytes: what it is, what is refused, and under which id the refusal goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.core.config import LimitSettings
from holdfast.wire.messages import INVALID_REQUEST, PARSE_ERROR, Malformed, guess_id, message_bounds, parse, same_id

BOUNDS = message_bounds(LimitSettings(message=100_000, depth=20, elements=1_000))


def refused(raw: bytes) -> Malformed:
    with pytest.raises(Malformed) as raised:
        parse(raw, BOUNDS)
    return raised.value


@pytest.mark.parametrize(
    "more, kind",
    [
        ({"id": 1, "method": "ping"}, "request"),
        ({"id": "a", "method": "ping", "params": {}}, "request"),
        ({"id": -3, "method": "ping"}, "request"),
        ({"id": "", "method": "ping"}, "request"),
        ({"method": "notifications/initialized"}, "notification"),
        ({"id": 1, "result": {}}, "response"),
        ({"id": 1, "error": {"code": 1, "message": "x"}}, "error"),
        ({"id": None, "error": {"code": 1, "message": "x"}}, "error"),
    ],
)
def test_a_well_formed_message_is_known_for_what_it_is(more: dict[str, Any], kind: str) -> None:
    message = parse(json.dumps({"jsonrpc": "2.0", **more}).encode(), BOUNDS)
    assert (message.kind, message.body) == (kind, {"jsonrpc": "2.0", **more})


@pytest.mark.parametrize(
    "more, under",
    [
        ({"id": None, "method": "ping"}, None),
        ({"id": 1.5, "method": "ping"}, None),
        ({"id": True, "method": "ping"}, None),
        ({"id": {}, "method": "ping"}, None),
        ({"id": [1], "method": "ping"}, None),
        ({"id": "x" * 513, "method": "ping"}, None),
        ({"id": 7, "method": 5}, 7),
        ({"id": 7, "method": None}, 7),
        ({"id": 7, "method": "ping", "params": [1]}, 7),
        ({"id": 7, "method": "ping", "params": None}, 7),
        ({"id": 7}, 7),
        ({"id": 7, "result": 5}, 7),
        ({"id": 7, "error": "x"}, 7),
        ({}, None),
        ({"result": {}}, None),
        ({"error": {}}, None),
    ],
)
def test_a_message_that_is_not_one_is_an_invalid_request_under_its_id(more: dict[str, Any], under: Any) -> None:
    error = refused(json.dumps({"jsonrpc": "2.0", **more}).encode())
    assert (error.code, error.id) == (INVALID_REQUEST, under)
    assert error.reply() == {
        "jsonrpc": "2.0",
        "id": under,
        "error": {"code": INVALID_REQUEST, "message": error.message},
    }


@pytest.mark.parametrize(
    "raw", [b"[]", b"[1]", b"1", b'"x"', b"null", b"true", b'{"id": 1, "method": "x"}', b'{"jsonrpc": "1.0", "id": 1}']
)
def test_what_is_no_object_of_this_protocol_is_an_invalid_request(raw: bytes) -> None:
    assert refused(raw).code == INVALID_REQUEST


@pytest.mark.parametrize(
    "raw",
    [b"", b"   ", b"{", b"garbage", b"\xff", b'{"jsonrpc": "2.0", "id": 9, "method": "x", "params": {"a": NaN}}',
     b'{"jsonrpc": "2.0", "id": 9, "id": 9, "method": "x"}', b"[" * 50 + b"]" * 50, b"[" + b"1," * 5_000 + b"1]",
     b'{"x": "' + b"y" * 100_001 + b'"}'],
)  # fmt: skip
def test_what_is_no_json_or_too_much_of_it_is_a_parse_error(raw: bytes) -> None:
    error = refused(raw)
    assert error.code == PARSE_ERROR
    assert "yyy" not in error.message


def head_and_tail(raw: bytes) -> tuple[bytes, bytes]:
    return raw[:1_024], raw[-1_024:]


LONG = "x" * 3_000


@pytest.mark.parametrize(
    "raw, found",
    [
        (f'{{"jsonrpc":"2.0","id":5,"method":"x","params":{{"a":"{LONG}"}}}}', 5),
        (f'  {{ "id" : "five" , "jsonrpc" : "2.0", "params":{{"a":"{LONG}"}}}}', "five"),
        (f'{{"method":"x","id":-5,"params":{{"a":"{LONG}"}}}}', -5),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"a":"{LONG}"}},"id":5}}', 5),
        (f'{{"params":{{"a":"{LONG}"}},"id":"five","jsonrpc":"2.0","method":"x"}}  ', "five"),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"a":"{LONG}","id":5}}}}', None),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"id":5,"a":"{LONG}"}}}}', None),
        (f'{{"params":{{"id":5,"a":"{LONG}"}},"method":"x","jsonrpc":"2.0"}}', None),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"arguments":{{"a":"{LONG}","id":5}}}}}}', None),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"a":"{LONG}\\"id\\":5}}"}}}}', None),
        (f'{{"jsonrpc":"2.0","method":"x","params":{{"a":"\\",\\"id\\":5,{LONG}"}}}}', None),
        (f'{{"id":1.5,"jsonrpc":"2.0","params":{{"a":"{LONG}"}}}}', None),
        (f'{{"id":{{"id":5}},"jsonrpc":"2.0","params":{{"a":"{LONG}"}}}}', None),
        (f'{{"id":{"9" * 40},"params":{{"a":"{LONG}"}}}}', None),
        (f'{{"id":"{"9" * 600}","params":{{"a":"{LONG}"}}}}', None),
        (f'{{"id":"a\\u0062","params":{{"a":"{LONG}"}}}}', None),
    ],
)
def test_an_id_is_guessed_where_it_stands_first_or_last_and_never_out_of_the_arguments(raw: str, found: Any) -> None:
    assert guess_id(*head_and_tail(raw.encode())) == found


def test_an_id_that_looks_like_one_and_is_none_is_not_guessed() -> None:
    assert guess_id(b'{"id": -', b"") is None
    assert guess_id(b'{"id": 007, "method": "x"', b"") is None, "no JSON number begins like that"
    assert guess_id(b'{"id": "\xff", ', b"") is None


@pytest.mark.parametrize(
    "one, other, same",
    [
        (8, "8", True), (8, "+8", True), (8, " 8 ", True), (8, "0_8", True), (8, "08", True), (8, "٨", True),
        (8, 9, False), ("a", "a", True), ("a", "b", False), (1, "1.0", False), (1, "", False), (-1, "-1", True),
        ("9" * 512, "0" + "9" * 511, False),
    ],
)  # fmt: skip
def test_ids_are_one_when_the_dispatcher_takes_them_for_one(one: Any, other: Any, same: bool) -> None:
    from mcp.shared.dispatcher import coerce_request_id

    assert (same_id(one) == same_id(other)) is same
    assert (coerce_request_id(one) == coerce_request_id(other)) is same


def test_a_message_may_hold_a_tools_largest_arguments_and_their_envelope() -> None:
    limits = LimitSettings()
    bounds = message_bounds(limits)
    assert bounds.bytes == bounds.string == limits.message
    assert bounds.depth > limits.depth
    assert bounds.elements > limits.elements
