"""Headers of honest requests in both eras, and what a hostile one makes of them."""

from __future__ import annotations

import base64

import pytest

from holdfast_attack.link.httpheaders import encoded_value, head_of, mirrored, mirrors_of, overridden, usual

REGION = {"type": "string", "x-mcp-header": "Region"}
TOOL = {
    "name": "regional",
    "inputSchema": {
        "properties": {"region": REGION, "deep": {"properties": {"on": {"type": "boolean", "x-mcp-header": "On"}}}}
    },
}


def test_the_era_with_a_handshake_names_its_session_and_the_other_has_none() -> None:
    old = usual("127.0.0.1:1", "2025-11-25", "t", "s")
    assert (old["authorization"], old["mcp-session-id"]) == ("Bearer t", "s")
    new = usual("127.0.0.1:1", "2026-07-28", None, "s")
    assert {"mcp-session-id", "authorization"}.isdisjoint(new)
    assert new["mcp-protocol-version"] == "2026-07-28"


@pytest.mark.parametrize("value", ["plain", "with space", "=?x?="])
def test_what_a_header_can_carry_is_carried(value: str) -> None:
    assert encoded_value(value) == value


@pytest.mark.parametrize("value", ["", " ", "ä", "a\nb", " a", "=?base64?YQ==?=", "\ud800"])
def test_what_a_header_cannot_carry_is_encoded(value: str) -> None:
    if value == "":
        assert encoded_value(value) == ""
        return
    found = encoded_value(value)
    assert found.startswith("=?base64?")
    assert base64.b64decode(found[9:-2]).decode("utf-8", "surrogatepass") == value


def test_headers_repeat_the_method_the_name_and_what_a_tool_wants() -> None:
    mirrors = mirrors_of([TOOL, {"name": "plain", "inputSchema": {}}, "nonsense", {"inputSchema": {}}])
    assert list(mirrors) == ["regional"]
    params = {"name": "regional", "arguments": {"region": "eu", "deep": {"on": True}}}
    assert mirrored({"method": "tools/call", "params": params}, mirrors) == {
        "mcp-method": "tools/call",
        "mcp-name": "regional",
        "mcp-param-Region": "eu",
        "mcp-param-On": "true",
    }
    without = {"name": "regional", "arguments": {"region": None}}
    assert "mcp-param-Region" not in mirrored({"method": "tools/call", "params": without}, mirrors)
    number = {"name": "regional", "arguments": {"region": 7, "deep": 1}}
    assert mirrored({"method": "tools/call", "params": number}, mirrors)["mcp-param-Region"] == "7"
    assert mirrored({"method": "resources/read", "params": {"uri": "a://b"}}, {})["mcp-name"] == "a://b"


@pytest.mark.parametrize("message", [None, [], 1, {"method": 5}, {}, {"method": "tools/call", "params": []}])
def test_what_is_no_message_has_headers_too(message: object) -> None:
    assert mirrored(message, {})["mcp-method"]


@pytest.mark.parametrize("listed", [None, {}, [{"name": "x", "inputSchema": {"properties": {"a": 1}}}], [{"name": 3}]])
def test_lists_of_tools_that_are_none_want_nothing(listed: object) -> None:
    assert mirrors_of(listed) == {}


def test_headers_are_changed_and_left_out_whatever_their_case() -> None:
    assert overridden({"host": "a", "accept": "b"}, {"Host": "c", "Accept": None, "X": "d"}) == {"host": "c", "x": "d"}


def test_a_head_is_written_as_it_is_given() -> None:
    assert head_of("GET", "/x", {"a": "ä"}) == b"GET /x HTTP/1.1\r\na: \xe4\r\n\r\n"
