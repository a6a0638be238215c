"""Each hole found in the bare SDK by experiment, shown closed over a real pipe, in both eras where it matters."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.peers import MODERN, HttpPeer, StdioPeer, code_of, environment, text_of

SERVER = Path(__file__).parent / "servers" / "hostile.py"
SECRET = "s3cr3t-canary-value-0123456789"
ERAS = ("2024-11-05", "2025-11-25", MODERN)


@pytest.fixture(scope="module", params=ERAS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StdioPeer]:
    """One server for each era, hurt by one test after the other."""
    with StdioPeer(SERVER, tmp_path_factory.mktemp("peer") / "state") as peer:
        peer.initialize(request.param)
        yield peer


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StdioPeer]:
    """One server of the handshake era, hurt by one test after the other."""
    with StdioPeer(SERVER, tmp_path_factory.mktemp("legacy") / "state") as peer:
        peer.initialize()
        yield peer


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[StdioPeer]:
    """A server that the test may end."""
    with StdioPeer(SERVER, tmp_path / "state") as peer:
        peer.initialize()
        yield peer


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    """One server over HTTP."""
    with HttpPeer(SERVER, tmp_path_factory.mktemp("web") / "state") as peer:
        yield peer


def still_serves(peer: StdioPeer) -> None:
    assert text_of(peer.call("add", a=2, b=40)) == "42"


def test_an_exceptions_text_does_not_reach_the_caller_and_its_incident_stands_in_the_log(peer: StdioPeer) -> None:
    result = peer.call("boom")
    assert result["isError"] is True
    assert code_of(result) == "tool.failed"
    incident = result["_meta"]["io.holdfast/incident"]
    assert incident in text_of(result)
    assert SECRET not in json.dumps(result)
    still_serves(peer)
    assert "RuntimeError" in peer.logged(incident), "the operator finds the cause under the incident"


def test_a_tool_error_is_shown_with_when_to_try_again(peer: StdioPeer) -> None:
    result = peer.call("shown")
    assert "the pet is asleep" in text_of(result)
    assert result["_meta"]["io.holdfast/retryable"] is True
    assert result["_meta"]["io.holdfast/retryAfter"] == 2.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"a": 1},
        {"a": "41", "b": 1},
        {"a": 1.5, "b": 1},
        {"a": 1, "b": 2, "c": SECRET},
        {"a": SECRET, "b": 1},
        {"a": None, "b": 1},
        {"a": True, "b": 1},
        {"a": [1], "b": 1},
        {SECRET: 1},
    ],
)
def test_arguments_that_break_the_schema_never_reach_the_tool_and_are_not_echoed(
    legacy: StdioPeer, arguments: dict[str, object]
) -> None:
    answer = legacy.ask("tools/call", {"name": "add", "arguments": arguments})
    assert code_of(answer["result"]) == "arguments.invalid"
    assert SECRET not in json.dumps(answer)
    still_serves(legacy)


def test_missing_arguments_are_treated_as_none_given(peer: StdioPeer) -> None:
    answer = peer.ask("tools/call", {"name": "add"})
    assert code_of(answer["result"]) == "arguments.invalid"
    assert "a is required: takes an integer" in text_of(answer["result"])


def test_a_lone_surrogate_in_a_result_does_not_end_the_server(peer: StdioPeer) -> None:
    assert "ok" in text_of(peer.call("surrogate"))
    assert text_of(peer.call("surrogate_text")).startswith("caf")
    still_serves(peer)


def test_a_number_that_json_cannot_hold_is_refused_as_output(peer: StdioPeer) -> None:
    assert code_of(peer.call("not_a_number")) == "output.invalid"
    still_serves(peer)


def test_a_result_that_does_not_fit_the_output_schema_is_refused(peer: StdioPeer) -> None:
    result = peer.call("wrong_shape")
    assert code_of(result) == "output.invalid"
    assert "many" not in json.dumps(result)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": NaN, "b": 1}',
        b'{"a": 1e999, "b": 1}',
        b'{"a": 1, "a": 2, "b": 1}',
        b'{"a": Infinity, "b": 1}',
        b'{"a": 1' + b"0" * 5_000 + b', "b": 1}',
        b'{"a": ' + b"[" * 5_000 + b"]" * 5_000 + b', "b": 1}',
        b'{"a": "\xff", "b": 1}',
    ],
    ids=["NaN", "1e999", "duplicate key", "Infinity", "5,000 digits", "deep", "invalid UTF-8"],
)
def test_json_that_is_no_json_is_answered_with_an_error_under_its_id(legacy: StdioPeer, raw: bytes) -> None:
    head = b'{"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": "add", "arguments": '
    line = head + raw + b"}}\n"
    legacy.send_raw(line)
    answer = legacy.reply(77)
    assert answer["error"]["code"] == -32700
    still_serves(legacy)


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb"])
def test_a_lone_surrogate_argument_does_not_reach_the_tool(legacy: StdioPeer, text: str) -> None:
    head = '{"jsonrpc": "2.0", "id": 78, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "'
    legacy.send_raw(f'{head}{text}"}}}}}}\n'.encode())
    answer = legacy.reply(78)
    assert "error" in answer or answer["result"]["isError"]
    still_serves(legacy)


def test_a_lone_surrogate_argument_over_http_does_not_reach_the_tool(web: HttpPeer) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\\ud800"}}}'
    status, _, answer = web.post(body)
    assert status == 400
    assert b"-32700" in answer


def test_a_blocked_event_loop_is_freed_at_the_deadline(peer: StdioPeer) -> None:
    begun = time.monotonic()
    result = peer.call("block", seconds=8)
    assert code_of(result) == "deadline.exceeded"
    assert time.monotonic() - begun < 3
    still_serves(peer)


def test_neighbours_of_a_blocking_tool_are_answered_once_it_is_interrupted(legacy: StdioPeer) -> None:
    begun = time.monotonic()
    blocked = legacy.request("tools/call", {"name": "block", "arguments": {"seconds": 8}})
    neighbour = legacy.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}})
    assert text_of(legacy.reply(neighbour)["result"]) == "2"
    assert time.monotonic() - begun < 3
    assert code_of(legacy.reply(blocked)["result"]) == "deadline.exceeded"


def test_end_of_input_ends_the_server_although_a_tool_blocks_the_loop(mortal: StdioPeer) -> None:
    mortal.request("tools/call", {"name": "block", "arguments": {"seconds": 20}})
    mortal.end_input()
    begun = time.monotonic()
    assert mortal.wait() == 0
    assert time.monotonic() - begun < 5


def test_a_tool_that_swallows_cancellation_is_answered_on_time(peer: StdioPeer) -> None:
    begun = time.monotonic()
    result = peer.call("swallow")
    assert code_of(result) == "deadline.exceeded"
    assert time.monotonic() - begun < 2
    still_serves(peer)


def test_a_tool_that_waits_for_a_thread_is_answered_on_time(peer: StdioPeer) -> None:
    begun = time.monotonic()
    assert code_of(peer.call("in_thread")) == "deadline.exceeded"
    assert time.monotonic() - begun < 1.5


def test_thirty_nine_sleeping_sync_tools_hold_up_nobody_else(legacy: StdioPeer) -> None:
    sleeping = [legacy.request("tools/call", {"name": "sync_sleep", "arguments": {"seconds": 5.0}}) for _ in range(39)]
    begun = time.monotonic()
    still_serves(legacy)
    assert "result" in legacy.ask("ping")
    assert time.monotonic() - begun < 2
    assert {code_of(legacy.reply(number)["result"]) for number in sleeping} == {"deadline.exceeded"}


def test_a_flood_of_calls_that_never_return_is_refused_and_the_server_ends_in_time(mortal: StdioPeer) -> None:
    numbers = [mortal.request("tools/call", {"name": "never", "arguments": {}}) for _ in range(2_000)]
    refused = [mortal.reply(number)["result"] for number in numbers[200:]]
    assert {code_of(result) for result in refused} == {"busy"}
    assert all(result["_meta"]["io.holdfast/retryable"] for result in refused)
    still_serves(mortal)
    begun = time.monotonic()
    mortal.end_input()
    assert mortal.wait() == 0
    assert time.monotonic() - begun < 4


def test_a_tool_that_exits_or_cancels_itself_fails_alone(peer: StdioPeer) -> None:
    assert code_of(peer.call("leave")) == "tool.failed"
    assert code_of(peer.call("cancel_self")) == "tool.failed"
    still_serves(peer)
    assert peer.process.poll() is None


def test_prints_and_childrens_output_stay_off_the_wire(legacy: StdioPeer) -> None:
    assert text_of(legacy.call("noisy")) == "quiet"
    still_serves(legacy)
    assert legacy.garbage == []
    assert legacy.logged("child pollution")


def test_a_request_with_an_id_that_is_under_way_is_refused(legacy: StdioPeer) -> None:
    first = legacy.request("tools/call", {"name": "nap", "arguments": {"seconds": 0.8}})
    legacy.send({"jsonrpc": "2.0", "id": first, "method": "ping"})
    assert legacy.reply(None)["error"]["code"] == -32600
    legacy.send({"jsonrpc": "2.0", "id": str(first), "method": "ping"})
    assert legacy.reply(None)["error"]["code"] == -32600
    assert text_of(legacy.reply(first)["result"]) == "slept"


@pytest.mark.parametrize(
    "bad",
    [
        b"garbage",
        b"[]",
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
        b'{"id":1,"method":"ping"}',
        b"1",
        b"null",
    ],
)
def test_lines_that_are_no_messages_are_answered_with_an_error(legacy: StdioPeer, bad: bytes) -> None:
    legacy.send_raw(bad + b"\n")
    assert legacy.reply(None)["error"]["code"] in (-32700, -32600)
    still_serves(legacy)


def test_an_overlong_line_is_refused_under_its_id_without_being_held(mortal: StdioPeer) -> None:
    before = int(text_of(mortal.call("pid")))
    head = b'{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"echo","arguments":{"text":"'
    mortal.send_raw(head + b"x" * 64_000_000 + b'"}}}\n')
    assert mortal.reply(99)["error"]["code"] == -32700
    status = Path(f"/proc/{before}/status").read_text()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    assert resident < 250_000, "the line was thrown away as it came"
    still_serves(mortal)


def test_a_client_that_does_not_read_holds_the_server_up_only_while_it_stays(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(tmp_path / "state", {"HOLDFAST_LIMITS__RATE": "100000/second"}),
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def send(message: dict[str, object]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    send({"id": 0, "method": "initialize", "params": hello})
    send({"method": "notifications/initialized"})
    for number in range(1, 60):
        call = {"name": "big", "arguments": {"size": 500_000}}
        send({"id": number, "method": "tools/call", "params": call})
    process.stdin.flush()
    process.stdout.readline()
    process.stdin.close()
    begun = time.monotonic()
    assert process.wait(10) == 0
    assert time.monotonic() - begun < 6
    process.stdout.close()


def test_a_client_that_goes_away_ends_the_server(mortal: StdioPeer) -> None:
    assert mortal.process.stdout is not None
    for _ in range(20):
        mortal.request("tools/call", {"name": "big", "arguments": {"size": 100_000}})
    mortal.end_input()
    assert mortal.wait() == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_server_in_time_with_the_input_still_open(mortal: StdioPeer, name: str) -> None:
    mortal.request("tools/call", {"name": "never", "arguments": {}})
    still_serves(mortal)
    mortal.process.send_signal(getattr(signal, name))
    begun = time.monotonic()
    assert mortal.wait() == 0
    assert time.monotonic() - begun < 4, "calls get three seconds; a client that waits kills after four"


def test_text_and_blobs_that_are_too_large_are_cut_or_refused(legacy: StdioPeer) -> None:
    cut = legacy.call("big", size=3_000_000)
    assert cut["_meta"]["io.holdfast/truncated"] is True
    assert 900_000 < len(text_of(cut)) <= 1_048_576
    assert code_of(legacy.call("big_structure", size=3_000_000)) == "output.too_large"
    still_serves(legacy)


def test_hidden_text_and_learned_secrets_do_not_leave(peer: StdioPeer) -> None:
    result = peer.call("hidden")
    assert text_of(result) == "aredz"
    assert result["_meta"]["io.holdfast/altered"] is True
    assert SECRET not in json.dumps(peer.call("learns_secret"))


def test_what_a_call_left_behind_is_ended_with_it(mortal: StdioPeer) -> None:
    pid, before = int(text_of(mortal.call("pid"))), int(text_of(mortal.call("tasks")))
    assert text_of(mortal.call("leftover")) == "gone"
    assert int(text_of(mortal.call("tasks"))) <= before
    assert psutil.Process(pid).children() == []


def test_malformed_requests_over_http_are_refused_without_repeating_them(web: HttpPeer) -> None:
    bodies: list[bytes] = [
        b"{not json " + SECRET.encode(),
        json.dumps([1, SECRET]).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": {"x": SECRET}}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": SECRET}).encode(),
    ]
    for body in bodies:
        status, _, answer = web.post(body)
        assert status == 400
        assert SECRET.encode() not in answer
    assert web.call("add", a=2, b=40)["structuredContent"] == {"result": 42}


def test_wrong_params_over_stdio_are_refused_without_repeating_them(peer: StdioPeer) -> None:
    wrong = ({"name": 5, "arguments": {}}, {"name": "add", "arguments": SECRET}, {"name": SECRET, "arguments": {}}, {})
    for params in wrong:
        answer = peer.ask("tools/call", params)
        assert answer["error"]["code"] == -32602
        assert SECRET not in json.dumps(answer)
    still_serves(peer)


def test_an_unknown_cursor_prompt_or_resource_is_an_error_that_says_so(peer: StdioPeer) -> None:
    assert peer.ask("tools/list", {"cursor": "nope"})["error"]["code"] == -32602
    assert peer.ask("prompts/get", {"name": "nope"})["error"]["code"] == -32602
    assert peer.ask("resources/read", {"uri": "nope://x"})["error"]["code"] == -32602


def test_a_failing_resource_says_as_little_as_a_failing_tool(peer: StdioPeer) -> None:
    answer = peer.ask("resources/read", {"uri": "note://broken"})
    assert SECRET not in json.dumps(answer)
    assert answer["error"]["data"]["io.holdfast/code"] == "tool.failed"


@pytest.mark.parametrize("uri", ["note://..%2f..%2fetc", "note://a%2fb", "note://%2e%2e", "note://a/b", "note://%252e"])
def test_encoded_traversal_in_a_templates_parameter_matches_nothing(legacy: StdioPeer, uri: str) -> None:
    assert legacy.ask("resources/read", {"uri": uri})["error"]["code"] == -32602
