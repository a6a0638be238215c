"""What is answered without the SDK, what is served, what is left to it, and what it has to hear when it joins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from support.calls import living, server_in
from support.peers import ENVELOPE, MODERN
from support.wires import called, hello

from holdfast import Server
from holdfast.core.config import LimitSettings
from holdfast.core.pipeline import Answer
from holdfast.core.principal import Principal
from holdfast.errors import UnknownName
from holdfast.wire.direct import Answers, Direct, DirectCall, Sender, served
from holdfast.wire.messages import REPEATED, Malformed, message_bounds, parse

BOUNDS = message_bounds(LimitSettings())
META = {"_meta": ENVELOPE}


class Deaf:
    """A channel that nobody hears."""

    level = "debug"

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Nothing."""

    async def request(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Nothing."""
        return {}


def tooled(base: Path) -> Server:
    server = server_in(base)

    @server.tool(read_only=True)
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @server.resource("note://a")
    async def note() -> str:
        """A note."""
        return "a"

    return server


def request(method: str, params: Any = None, number: Any = 1) -> dict[str, Any]:
    """The body of a request."""
    body = {"jsonrpc": "2.0", "id": number, "method": method}
    return body if params is None else body | {"params": params}


def result(raw: Any) -> dict[str, Any]:
    """The result in an answer."""
    assert isinstance(raw, bytes)
    found: dict[str, Any] = json.loads(raw)["result"]
    return found


async def test_a_handshake_decides_the_connection(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        assert direct.beginning() == []
        assert result(direct.take(request("initialize", hello("2024-11-05"))))["protocolVersion"] == "2024-11-05"
        assert (direct.era, direct.off, direct.stamp) == ("handshake", False, None)
        assert result(direct.take(request("ping"))) == {}
        assert [tool["name"] for tool in result(direct.take(request("tools/list", {})))["tools"]] == ["add"]
        assert result(direct.take(request("resources/templates/list", {"_meta": {}}))) == {"resourceTemplates": []}
        call = direct.take({"jsonrpc": "2.0", **called("a", "add", {"progressToken": 1}, a=1, b=2)})
        assert isinstance(call, DirectCall)
        assert (call.id, call.request.name, call.request.arguments) == ("a", "add", {"a": 1, "b": 2})
        assert call.request.principal == live.local
        assert call.session.offers("elicitation")


@pytest.mark.parametrize(
    "body",
    [
        request("server/discover"),
        request("prompts/list"),
        request("prompts/get"),
        request("tools/list", {"cursor": "x"}),
        request("tools/list", {"_meta": 5}),
        request("tools/call"),
        request("tools/call", {"name": 5}),
        request("tools/call", {"name": "add", "task": {}}),
        request("ping", META),
        request("x/y"),
        request(""),
    ],
)
async def test_whatever_is_unusual_after_a_handshake_is_left_to_the_sdk(tmp_path: Path, body: dict[str, Any]) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        direct.take(request("initialize", hello()))
        assert direct.take(body) is None
        assert not direct.off
        assert isinstance(direct.take(request("ping")), bytes), "what comes after it is not"


async def test_a_second_handshake_is_left_to_the_sdk_which_refuses_it(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        direct.take(request("initialize", hello()))
        assert direct.take(request("initialize", hello())) is None
        assert not direct.off
        assert isinstance(direct.take(request("ping")), bytes), "and the first one still holds"


async def test_an_envelope_decides_it_too(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        assert result(direct.take(request("server/discover", META)))["supportedVersions"] == [MODERN]
        assert direct.era == "modern"
        assert direct.stamp is not None
        call = direct.take({"jsonrpc": "2.0", **called(1, "add", True, a=1, b=2)})
        assert isinstance(call, DirectCall)
        assert call.session.era == "modern"
        for left in (request("ping", META), request("initialize", hello()), request("tools/list"), request("x", META)):
            assert direct.take(left) is None
        assert not direct.off
        (repeated,) = direct.beginning()
        assert repeated.body == {"jsonrpc": "2.0", "id": REPEATED, "method": "server/discover", "params": META}


@pytest.mark.parametrize(
    "body",
    [
        request("ping"),
        request("initialize"),
        request("initialize", hello(extra=1)),
        request("tools/list", {"_meta": {}}),
        request("server/discover"),
        request("tools/list", {"_meta": ENVELOPE | {"x": 1}}),
    ],
)
async def test_any_other_beginning_is_the_sdks(tmp_path: Path, body: dict[str, Any]) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        assert direct.take(body) is None
        assert direct.off
        assert direct.beginning() == []
        assert direct.take(request("initialize", hello())) is None


async def test_so_is_one_with_a_notification(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        direct.noted("notifications/initialized", None)
        assert direct.off
        assert not direct.initialized


async def test_a_server_with_icons_lets_the_sdk_open(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        live.identity = {"icons": [{"src": "https://x.example/i.png"}]}
        direct = Direct(live, Deaf())
        assert direct.take(request("initialize", hello())) is None
        assert direct.off


async def test_what_an_sdk_hears_when_it_joins_is_the_opening_under_an_id_that_no_client_can_use(
    tmp_path: Path,
) -> None:
    with pytest.raises(Malformed):
        parse(json.dumps(request("ping", number=REPEATED)).encode(), BOUNDS)
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        direct.take(request("initialize", hello(), 7))
        assert [message.body["id"] for message in direct.beginning()] == [REPEATED]
        for _ in range(2):
            direct.noted("notifications/initialized", {})
        heard = direct.beginning()
        assert [message.body["method"] for message in heard] == ["initialize", "notifications/initialized"]
        assert [message.kind for message in heard] == ["request", "notification"]


async def test_what_matters_here_is_noted_as_the_sdk_would_take_it(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        direct = Direct(live, Deaf())
        direct.take(request("initialize", hello()))
        direct.noted("notifications/initialized", {"_meta": 5})
        assert not direct.initialized, "the SDK drops it"
        direct.noted("notifications/initialized", None)
        assert direct.initialized
        for params, level in ((None, "debug"), ({"level": "loud"}, "debug"), ({"level": []}, "debug"),
                              ({"level": "error", "_meta": 5}, "debug"), ({"level": "error"}, "error")):  # fmt: skip
            direct.noted("logging/setLevel", params)
            assert direct.level == level
        direct.noted("x/y", {"a": 1})


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=4) | some.floats(allow_nan=False),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from(["_meta", "name", "arguments", "x", *ENVELOPE]), inner, max_size=4)
    ),
    max_leaves=8,
)
METHODS = ["initialize", "ping", "tools/call", "tools/list", "prompts/list", "server/discover", "logging/setLevel", ""]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(some.lists(some.tuples(some.sampled_from(METHODS) | some.text(max_size=3), JSON), max_size=4), some.booleans())
def test_no_message_that_is_one_is_too_odd_to_be_taken(
    tmp_path: Path, sent: list[tuple[str, Any]], opened: bool
) -> None:
    endpoint: Any = SimpleNamespace(
        name="x", version="1", identity={}, offered=frozenset({"tools"}), local=Principal("local", frozenset()),
        listed=lambda _what, _who: [],
    )  # fmt: skip
    direct = Direct(endpoint, Deaf())
    if opened:
        direct.take(request("initialize", hello()))
    for method, params in sent:
        try:
            message = parse(json.dumps(request(method, params)).encode(), BOUNDS)
        except Malformed:
            continue
        direct.take(message.body)
        direct.noted(method, message.body.get("params"))


# -- serving -----------------------------------------------------------------------------------------------------------


def a_call(live: Any, answers: Any = None) -> DirectCall:
    sender = Sender(Principal("local", frozenset()), Deaf(), {})
    body = {"jsonrpc": "2.0", **called(5, "add", True, a=1, b=2)}
    from holdfast.wire.recognise import modern_envelope

    call = Answers(live).take(body, "modern", modern_envelope(body["params"]), sender)
    assert isinstance(call, DirectCall)
    return call


async def no_judge(call: DirectCall, answer: Answer) -> bytes:
    raise AssertionError("nothing to be judged")


async def test_a_call_is_served_and_its_session_closed(tmp_path: Path) -> None:
    async with living(tooled(tmp_path)) as live:
        call = a_call(live)
        found = json.loads(await served(live, call, None, no_judge))
        assert (found["id"], found["result"]["structuredContent"]) == (5, {"result": 3})
        assert call.session.closed


class Odd:
    """Answers as no endpoint should."""

    name, version, identity, offered = "odd", "1", {}, frozenset({"tools"})  # type: ignore[var-annotated]

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def handle(self, _request: Any) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def listed(self, _what: Any, _who: Any) -> list[Any]:
        return []


@pytest.mark.parametrize(
    "answer, code",
    [
        (UnknownName("tool"), -32602),
        (RuntimeError("secret"), -32603),
        (Answer({"content": []}, {"x": object()}), -32603),
        (None, -32603),
    ],
)
async def test_what_goes_wrong_is_an_error_of_that_call(answer: Any, code: int, caplog: Any) -> None:
    endpoint: Any = Odd(answer)
    call = a_call(endpoint)
    found = json.loads(await served(endpoint, call, None, no_judge))
    assert (found["id"], found["error"]["code"]) == (5, code)
    assert "secret" not in json.dumps(found)
    assert call.session.closed
    assert ("could not be answered" in caplog.text) is (code == -32603)


async def test_an_answer_of_another_form_is_judged(caplog: Any) -> None:
    endpoint: Any = Odd(Answer({"content": [{"type": "resource_link"}]}))

    async def judge(call: DirectCall, answer: Answer) -> bytes:
        return b"judged %d" % len(answer.body["content"])

    assert await served(endpoint, a_call(endpoint), None, judge) == b"judged 1"
    assert b'"code":-32603' in await served(endpoint, a_call(endpoint), None, no_judge), "also when that goes wrong"


async def test_a_cancelled_call_stays_cancelled() -> None:
    endpoint: Any = Odd(asyncio.CancelledError())
    call = a_call(endpoint)
    with pytest.raises(asyncio.CancelledError):
        await served(endpoint, call, None, no_judge)
    assert call.session.closed
