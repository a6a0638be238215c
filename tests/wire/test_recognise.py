"""Plain messages, and whatever is unusual in any way: the SDK must take all that is taken for plain here."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as some
from mcp_types.methods import validate_client_request
from support.peers import ENVELOPE, MODERN
from support.wires import hello

from holdfast.wire.recognise import (
    Envelope,
    ModernEnvelopes,
    bare,
    call_of,
    handshake_envelope,
    modern_envelope,
    offers,
    opening,
)

PREFIX = "io.modelcontextprotocol/"
ODD = [None, 5, 1.5, True, "x", [], [1], {}, {"x": 1}, {"x": {}}, {"form": 5}, {"listChanged": 1}]


def meta(**more: Any) -> dict[str, Any]:
    """Parameters with the envelope, changed."""
    changed = ENVELOPE | {f"{PREFIX}{name}": value for name, value in more.items() if name != "progressToken"}
    return {"_meta": changed | ({"progressToken": more["progressToken"]} if "progressToken" in more else {})}


def test_a_plain_opening_is_one() -> None:
    assert opening(hello())
    assert opening(hello("1999-01-01", capabilities={}, clientInfo={"name": "", "version": "", "title": "T"}))
    full = {
        "elicitation": {"form": {}, "url": {}}, "sampling": {"context": {}, "tools": {}}, "experimental": {},
        "extensions": {}, "roots": {"listChanged": False},
    }  # fmt: skip
    assert opening(hello(capabilities=full))


@pytest.mark.parametrize(
    "params",
    [None, 5, {}, hello(extra=1), hello(_meta={}), hello(protocolVersion=5), hello(capabilities=None),  # type: ignore[arg-type]
     hello(clientInfo=None), hello(clientInfo={"name": "x"}), hello(clientInfo={"version": "x"}),
     hello(clientInfo={"name": "x", "version": 1}), hello(clientInfo={"name": "x", "version": "1", "icons": []}),
     hello(clientInfo={"name": "x", "version": "1", "title": None})],
)  # fmt: skip
def test_an_opening_with_anything_unusual_is_not_plain(params: Any) -> None:
    assert not opening(params)


@pytest.mark.parametrize("name", ["elicitation", "sampling", "roots", "experimental", "extensions", "tasks", "x"])
@pytest.mark.parametrize("value", ODD)
def test_a_capability_that_is_plain_is_one_to_the_sdk_too(name: str, value: Any) -> None:
    if opening(hello(capabilities={name: value})):
        sdk_takes("initialize", "2025-11-25", hello(capabilities={name: value}))
    if modern_envelope(meta(clientCapabilities={name: value})) is not None:
        sdk_takes("server/discover", MODERN, meta(clientCapabilities={name: value}))


def sdk_takes(method: str, version: str, params: dict[str, Any]) -> None:
    validate_client_request(method, version, params)
    if method == "initialize":
        types.InitializeRequestParams.model_validate(params, by_name=False)


KEYS = some.sampled_from(
    ["elicitation", "form", "url", "sampling", "roots", "listChanged", "experimental", "tools", "context", "name",
     "version", "title", "progressToken", "_meta", "x", f"{PREFIX}protocolVersion", f"{PREFIX}clientCapabilities"]
)  # fmt: skip
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=2) | some.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(capabilities=VALUES, info=VALUES, version=VALUES)
def test_whatever_opening_is_taken_for_plain_the_sdk_takes_too(capabilities: Any, info: Any, version: Any) -> None:
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
    if opening(params):
        sdk_takes("initialize", "2025-11-25", params)


@given(capabilities=VALUES, info=VALUES, level=VALUES, token=VALUES)
def test_whatever_envelope_is_taken_for_plain_the_sdk_takes_too(
    capabilities: Any, info: Any, level: Any, token: Any
) -> None:
    params = meta(clientCapabilities=capabilities, clientInfo=info, logLevel=level, progressToken=token)
    if modern_envelope(params) is not None:
        sdk_takes("tools/call", MODERN, params | {"name": "x", "arguments": {}})
    if handshake_envelope({"_meta": {"progressToken": token}}) is not None:
        sdk_takes("tools/call", "2025-11-25", {"name": "x", "_meta": {"progressToken": token}})


@given(VALUES)
def test_no_parameters_are_too_odd_to_be_looked_at(value: Any) -> None:
    for params in (value, {"_meta": value}, {"name": value, "arguments": value}, {"arguments": value, "name": "x"}):
        if isinstance(params, dict):
            handshake_envelope(params)
            modern_envelope(params)
            bare(params)
            call_of(params)
    opening(value)


@pytest.mark.parametrize("params", [None, {}, {"name": "x"}, {"_meta": {}}])
def test_a_handshakes_request_without_more_says_nothing(params: Any) -> None:
    assert handshake_envelope(params) == Envelope()


def test_a_handshakes_request_may_want_progress() -> None:
    assert handshake_envelope({"_meta": {"progressToken": "a"}}) == Envelope(None, "a")
    assert handshake_envelope({"_meta": {"progressToken": 0}}) == Envelope(None, 0)


@pytest.mark.parametrize(
    "value", [None, 5, [], "x", ENVELOPE, {"x": 1}, {"progressToken": None}, {"progressToken": True},
              {"progressToken": 1.0}, {"progressToken": 1, "x": 1}],
)  # fmt: skip
def test_any_other_meta_of_a_handshakes_request_is_unusual(value: Any) -> None:
    assert handshake_envelope({"_meta": value}) is None


def test_the_envelope_says_what_its_sender_can_and_wants() -> None:
    found = modern_envelope(meta(logLevel="error", progressToken=7))
    assert found == Envelope(ENVELOPE[f"{PREFIX}clientCapabilities"], 7, "error")
    assert modern_envelope({"_meta": {f"{PREFIX}protocolVersion": MODERN, f"{PREFIX}clientCapabilities": {}}})


@pytest.mark.parametrize(
    "params",
    [None, {}, {"_meta": None}, {"_meta": []}, {"_meta": {}}, meta(protocolVersion="2025-11-25"),
     meta(protocolVersion=None), meta(clientCapabilities=None), meta(clientInfo=None), meta(clientInfo={"name": "x"}),
     meta(logLevel=None), meta(logLevel="loud"), meta(logLevel=[]), meta(progressToken=None), meta(progressToken=True),
     meta(progressToken=[]), {"_meta": ENVELOPE | {"x": 1}}],
)  # fmt: skip
def test_an_envelope_with_anything_unusual_is_not_plain(params: Any) -> None:
    assert modern_envelope(params) is None


def test_a_plain_call_has_a_name_and_arguments() -> None:
    assert call_of({"name": "x", "arguments": {"a": 1}, "_meta": 5}) == ("x", {"a": 1})
    assert call_of({"name": ""}) == ("", {})
    first, second = call_of({"name": "x"}), call_of({"name": "x"})
    assert first is not None
    assert second is not None
    assert first[1] is not second[1], "no two calls share their arguments"


def test_the_same_envelope_is_looked_at_once_and_no_other_is_taken_for_it() -> None:
    reader = ModernEnvelopes()
    plain = meta(clientCapabilities={"roots": {}, "sampling": {}})
    first = reader.read(plain)
    assert first == modern_envelope(plain)
    assert reader.read(meta(clientCapabilities={"roots": {}, "sampling": {}})) is first
    for other in (
        None, {}, {"_meta": None}, {"_meta": []}, meta(), meta(protocolVersion="2025-11-25"), meta(logLevel="info"),
        meta(clientCapabilities={"roots": []}), meta(clientCapabilities={"roots": {}, "sampling": 0}),
        meta(clientInfo={"name": "peer", "version": 1}), meta(clientCapabilities={"roots": {}}, progressToken=True),
    ):  # fmt: skip
        assert reader.read(other) == modern_envelope(other)


def test_what_could_equal_something_else_or_is_long_is_not_remembered() -> None:
    reader = ModernEnvelopes()
    for plain, other in (
        (
            meta(clientCapabilities={"roots": {"listChanged": True}}),
            meta(clientCapabilities={"roots": {"listChanged": 1}}),
        ),
        (meta(clientCapabilities={}, progressToken=1), meta(clientCapabilities={}, progressToken=True)),
    ):
        assert reader.read(plain) is not None
        assert reader.read(other) is None
    long = meta(clientCapabilities={}, clientInfo={"name": "x" * 2_000, "version": "1"})
    assert reader.read(long) is not reader.read(long)


@pytest.mark.parametrize(
    "params",
    [None, {}, {"name": 5}, {"name": None}, {"arguments": {}}, {"name": "x", "arguments": None},
     {"name": "x", "arguments": []}, {"name": "x", "task": None}, {"name": "x", "requestState": "s"},
     {"name": "x", "inputResponses": {}}],
)  # fmt: skip
def test_a_call_with_anything_more_is_not_plain(params: Any) -> None:
    assert call_of(params) is None


def test_nothing_but_meta_is_bare() -> None:
    assert bare(None)
    assert bare({})
    assert bare({"_meta": 5})
    assert not bare({"cursor": None})


@pytest.mark.parametrize(
    "elicitation, forms, urls",
    [({}, True, False), ({"form": {}}, True, False), ({"url": {}}, False, True), ({"form": {}, "url": {}}, True, True)],
)
def test_elicitation_without_more_means_forms(elicitation: dict[str, object], forms: bool, urls: bool) -> None:
    known = {"elicitation": elicitation, "roots": {}}
    assert offers(known, "elicitation") is forms
    assert offers(known, "elicitation.url") is urls
    assert offers(known, "roots")
    assert not offers(known, "sampling")
    assert not offers({}, "elicitation")
    assert not offers({}, "elicitation.url")
