"""Headers that are plain, and those that the SDK should look at."""

from __future__ import annotations

import pytest

from holdfast.wire.httpheaders import Plain, agree, plain

MODERN = b"2026-07-28"
USUAL = {b"content-type": b"application/json", b"accept": b"application/json, text/event-stream"}


def pairs(**more: bytes | None) -> list[tuple[bytes, bytes]]:
    """Usual headers, changed."""
    changed = USUAL | {name.replace("_", "-").encode(): value for name, value in more.items()}
    return [(name, value) for name, value in changed.items() if value is not None]


def test_the_version_says_which_era_it_is() -> None:
    for version in (None, b"2024-11-05", b"2025-11-25"):
        assert plain(pairs(mcp_protocol_version=version), json_only=False) == Plain(
            False, dict(pairs(mcp_protocol_version=version))
        )
    found = plain(pairs(mcp_protocol_version=MODERN), json_only=False)
    assert found is not None
    assert found.modern
    for version in (b"", b"1999-01-01", b"2026-07-28 ", b"2026-07-28, 2026-07-28"):
        assert plain(pairs(mcp_protocol_version=version), json_only=False) is None


@pytest.mark.parametrize(
    "accept, events, json_only",
    [
        (b"application/json, text/event-stream", True, True),
        (b"text/event-stream;q=1,application/json;q=0.5", True, True),
        (b"application/json", False, True),
        (b"*/*", False, False),
        (b"text/event-stream", False, False),
        (b"Application/JSON, text/event-stream", False, False),
        (b"", False, False),
        (None, False, False),
    ],
)
def test_a_client_must_take_what_is_sent(accept: bytes | None, events: bool, json_only: bool) -> None:
    assert (plain(pairs(accept=accept), json_only=False) is not None) is events
    assert (plain(pairs(accept=accept), json_only=True) is not None) is json_only


@pytest.mark.parametrize("kind", [None, b"", b"text/plain", b"Application/JSON", b"application/jsonx", b"; x"])
def test_any_other_content_type_is_unusual(kind: bytes | None) -> None:
    assert plain(pairs(content_type=kind), json_only=True) is None


def test_parameters_of_the_content_type_are_not() -> None:
    assert plain(pairs(content_type=b"application/json ; charset=utf-8"), json_only=True) is not None


def test_a_header_that_comes_twice_or_mirrors_an_argument_is_unusual() -> None:
    for name in USUAL:
        assert plain([*pairs(), (name, USUAL[name])], json_only=True) is None
    assert plain([*pairs(), (b"mcp-param-region", b"x")], json_only=True) is None
    assert plain([*pairs(), (b"x-other", b"1"), (b"x-other", b"2")], json_only=True) is not None


def request(method: str, **params: object) -> dict[str, object]:
    """A request's body."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def headers(**found: bytes) -> Plain:
    """Headers of a request of 2026-07-28."""
    return Plain(True, {name.replace("_", "-").encode(): value for name, value in found.items()})


def test_headers_that_say_what_the_body_says_agree() -> None:
    assert agree(headers(mcp_method=b"tools/list"), {"method": "tools/list"})
    assert agree(headers(mcp_method=b"tools/call", mcp_name=b"add"), request("tools/call", name="add"))
    assert agree(headers(mcp_method=b"tools/list", mcp_name=b"what"), request("tools/list")), "it names nothing"


@pytest.mark.parametrize(
    "found, body",
    [
        (headers(), request("tools/list")),
        (headers(mcp_method=b"Tools/list"), request("tools/list")),
        (headers(mcp_method=b"t\xc3\xbc"), request("tü")),
        (headers(mcp_method=b"tools/call"), request("tools/call", name="add")),
        (headers(mcp_method=b"tools/call", mcp_name=b"Add"), request("tools/call", name="add")),
        (headers(mcp_method=b"tools/call", mcp_name=b"5"), request("tools/call", name=5)),
        (headers(mcp_method=b"tools/call", mcp_name=b"x"), request("tools/call")),
        (headers(mcp_method=b"tools/call", mcp_name=b"x"), {"method": "tools/call"}),
        (headers(mcp_method=b"tools/call", mcp_name="ü".encode()), request("tools/call", name="ü")),
        (headers(mcp_method=b"tools/call", mcp_name=b"=?base64?YQ==?="), request("tools/call", name="=?base64?YQ==?=")),
    ],
)
def test_whatever_does_not_agree_plainly_is_the_sdks_to_judge(found: Plain, body: dict[str, object]) -> None:
    assert not agree(found, body)
