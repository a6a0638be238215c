"""The same conversations in both eras, over a real pipe and a real socket: what a tool can ask and tell."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.peers import ENVELOPE, MODERN, HttpPeer, StdioPeer, code_of, text_of
from support.talks import CAPABILITIES, HandshakeHttpTalk, ModernHttpTalk, StdioTalk, Talk, call

SERVER = Path(__file__).parent / "servers" / "talking.py"
SECRET = "canary-learned-while-talking-0123"
HANDSHAKE = "2025-11-25"
SETTINGS = {"HOLDFAST_LIMITS__RATE": "100000/second"}
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
CLIENT = "io.modelcontextprotocol/clientCapabilities"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    """One server over HTTP, for both eras."""
    with HttpPeer(SERVER, tmp_path_factory.mktemp("web") / "state", **SETTINGS) as peer:
        yield peer


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, StdioPeer]]:
    """One server over stdio for each era, since the first request decides it."""
    state = tmp_path_factory.mktemp("pipes")
    with StdioPeer(SERVER, state / "old", **SETTINGS) as old, StdioPeer(SERVER, state / "new", **SETTINGS) as new:
        old.initialize(HANDSHAKE)
        new.initialize(MODERN)
        yield {HANDSHAKE: old, MODERN: new}


@pytest.fixture(params=["stdio handshake", "stdio modern", "http handshake", "http modern"])
def talk(request: pytest.FixtureRequest, web: HttpPeer, pipes: dict[str, StdioPeer]) -> Talk:
    """A client of each kind."""
    transport, era = request.param.split()
    if transport == "http":
        return ModernHttpTalk(web) if era == "modern" else HandshakeHttpTalk(web)
    version = MODERN if era == "modern" else HANDSHAKE
    return StdioTalk(pipes[version], version)


def accepted(**content: Any) -> dict[str, Any]:
    return {"action": "accept", "content": content}


PETS = {"elicitation/create": [accepted(name="Rex", age=3), accepted(name="Tom", age=1, kind="dog")]}


def test_one_question_is_answered_by_the_user(talk: Talk) -> None:
    assert text_of(call(talk, "adopt", PETS)) == "Rex 3 cat"
    (asked,) = talk.asked
    assert asked["params"]["message"] == "Which pet?"
    assert asked["params"]["requestedSchema"]["required"] == ["name", "age"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_user_may_decline_or_close_the_form(talk: Talk, action: str) -> None:
    assert text_of(call(talk, "adopt", {"elicitation/create": [{"action": action}]})) == action


@pytest.mark.parametrize("content", [{"name": "Rex"}, {"name": "Rex", "age": -1}, {"name": 5, "age": 3}, {}])
def test_an_answer_that_does_not_fit_the_form_is_refused_without_being_repeated(
    talk: Talk, content: dict[str, Any]
) -> None:
    refused = call(talk, "adopt", {"elicitation/create": [accepted(**content)]})
    assert code_of(refused) in ("arguments.invalid", "tool.error")
    assert "Rex" not in text_of(refused)


def test_questions_one_after_the_other_are_each_asked_once(talk: Talk) -> None:
    assert text_of(call(talk, "adopt_two", PETS)) == "Rex and Tom"
    assert [asked["params"]["message"] for asked in talk.asked] == ["Which pet?", "And besides Rex?"]


def test_questions_at_once_are_all_answered(talk: Talk) -> None:
    assert sorted(text_of(call(talk, "adopt_both", PETS)).split(" and ")) == ["Rex", "Tom"]
    assert len(talk.asked) == 2


def test_a_tool_in_a_thread_asks_like_any_other(talk: Talk) -> None:
    assert text_of(call(talk, "threaded", PETS)) == "Rex"


def test_the_clients_model_writes(talk: Talk) -> None:
    answer = {"role": "assistant", "content": {"type": "text", "text": "a thought"}, "model": "m"}
    assert text_of(call(talk, "dream", {"sampling/createMessage": [answer]})) == "a thought"
    assert talk.asked[0]["params"]["systemPrompt"] == "Be brief."


def test_the_clients_folders_are_listed(talk: Talk) -> None:
    roots = {"roots": [{"uri": "file:///home/ada", "name": "ada"}]}
    assert text_of(call(talk, "where", {"roots/list": [roots]})) == "file:///home/ada"


def test_what_the_client_did_not_declare_is_not_asked(talk: Talk) -> None:
    answer = talk.ask("tools/call", {"name": "pay", "arguments": {}})
    assert answer["error"]["code"] == -32021
    assert answer["error"]["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}
    assert talk.asked == []


def test_a_page_is_opened_by_a_client_that_can(web: HttpPeer) -> None:
    capable = {**CAPABILITIES, "elicitation": {"form": {}, "url": {}}}
    asked = {"elicitation/create": [{"action": "accept"}]}
    old = HandshakeHttpTalk(web, capable)
    assert text_of(call(old, "pay", asked)) == "accept"
    new = ModernHttpTalk(web)
    answer = new.ask("tools/call", {"name": "pay", "arguments": {}}, asked, **{CLIENT: capable})
    assert text_of(answer["result"]) == "accept"
    for asker in (old, new):
        assert asker.asked[0]["params"]["url"] == "https://pay.example/1"


def test_a_client_that_can_nothing_is_told_what_is_missing(web: HttpPeer) -> None:
    old = HandshakeHttpTalk(web, {})
    new = ModernHttpTalk(web)
    for tool, needed in (("adopt", "elicitation"), ("dream", "sampling"), ("where", "roots")):
        for answer in (
            old.ask("tools/call", {"name": tool, "arguments": {}}),
            new.ask("tools/call", {"name": tool, "arguments": {}}, **{CLIENT: {}}),
        ):
            assert answer["error"]["code"] == -32021
            assert answer["error"]["data"] == {"requiredCapabilities": {needed: {}}}


def test_a_client_that_answers_with_errors_harms_only_its_own_call(web: HttpPeer) -> None:
    old = HandshakeHttpTalk(web)
    broken = {"elicitation/create": [{"error": {"code": -32603, "message": "no window"}}]}
    nonsense = {"elicitation/create": [{"result": {"action": "explode"}}]}
    codes = {code_of(call(old, "adopt", answers)) for answers in (broken, nonsense) for _ in range(15)}
    assert codes == {"tool.error"}
    assert text_of(call(old, "adopt", PETS)) == "Rex 3 cat", "and the tool's breaker is closed"


def first_round(talk: ModernHttpTalk, tool: str = "adopt_two", **arguments: Any) -> dict[str, Any]:
    message = talk.once("tools/call", {"name": tool, "arguments": arguments}, {})
    result: dict[str, Any] = message["result"]
    assert result["resultType"] == "input_required"
    return result


def retried(talk: ModernHttpTalk, state: Any, tool: str = "adopt_two", **responses: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": {}, "inputResponses": responses, "requestState": state}
    return talk.once("tools/call", params, {})


def test_what_a_client_carries_between_rounds_is_sealed_and_bound_to_its_call(web: HttpPeer) -> None:
    talk = ModernHttpTalk(web)
    question = first_round(talk)
    (key,) = question["inputRequests"]
    second = retried(talk, question["requestState"], **{key: accepted(name="Rex", age=3)})["result"]
    state = second["requestState"]
    assert "Rex" not in json.dumps(second["requestState"]), "it cannot be read"
    for wrong in (state[:-2] + ("AA" if state[-2:] != "AA" else "BB"), "", "v1.x", 5, ["x"], state[::-1]):
        answer = retried(talk, wrong, q2=accepted(name="Tom", age=1))
        assert answer["error"]["code"] == -32602
    other = retried(talk, state, "adopt", q2=accepted(name="Tom", age=1))
    assert other["error"]["code"] == -32602, "another tool cannot be given it"
    assert text_of(retried(talk, state, q2=accepted(name="Tom", age=1))["result"]) == "Rex and Tom"


def test_too_many_answers_are_refused(web: HttpPeer) -> None:
    talk = ModernHttpTalk(web)
    question = first_round(talk)
    responses = {f"k{number}": accepted(name="Rex", age=3) for number in range(40)}
    assert retried(talk, question["requestState"], **responses)["error"]["code"] == -32602


def test_answers_that_are_no_answers_are_asked_for_again(web: HttpPeer) -> None:
    talk = ModernHttpTalk(web)
    question = first_round(talk, "adopt")
    for wrong in ("Rex", 5, None, ["x"]):
        answer = retried(talk, question["requestState"], "adopt", q1=wrong)
        assert answer.get("result", {}).get("resultType") == "input_required" or answer["error"]["code"] == -32602


@pytest.mark.parametrize("token", ["p-1", 7])
def test_progress_is_reported_to_whoever_asked_for_it_and_cleaned(talk: Talk, token: Any) -> None:
    answer = talk.ask("tools/call", {"name": "steps", "arguments": {}}, progressToken=token)
    assert text_of(answer["result"]) == "done"
    steps = [note["params"] for note in talk.notes if note["method"] == "notifications/progress"]
    told = [(step["progressToken"], step["progress"], step["total"]) for step in steps]
    assert told == [(token, n, 3) for n in (1, 2, 3)]
    assert all(step["message"].startswith(f"step {n + 1} ") for n, step in enumerate(steps))
    assert SECRET not in json.dumps(steps)


def test_progress_is_not_reported_to_who_did_not_ask(talk: Talk) -> None:
    assert text_of(call(talk, "steps")) == "done"
    assert [note for note in talk.notes if note["method"] == "notifications/progress"] == []


def test_a_client_hears_the_log_from_the_level_that_it_chose(talk: Talk) -> None:
    meta = {LOG_LEVEL: "warning"} if talk.era == MODERN else {}
    if talk.era != MODERN:
        assert "result" in talk.ask("logging/setLevel", {"level": "warning"})
        assert "error" in talk.ask("logging/setLevel", {"level": "loud"})
    talk.ask("tools/call", {"name": "levels", "arguments": {}}, **meta)
    said = [note["params"] for note in talk.notes if note["method"] == "notifications/message"]
    assert [note["level"] for note in said] == ["warning", "error"]
    assert [note["data"]["say"] for note in said] == ["warning", "error"], "cleaned"
    assert {note["logger"] for note in said} == {"talking"}
    assert SECRET not in json.dumps(said)


def test_in_the_modern_era_nobody_hears_a_log_without_asking(web: HttpPeer, pipes: dict[str, StdioPeer]) -> None:
    for talk in (ModernHttpTalk(web), StdioTalk(pipes[MODERN], MODERN)):
        call(talk, "levels")
        assert [note for note in talk.notes if note["method"] == "notifications/message"] == []


def test_every_kind_of_content_arrives_as_itself(talk: Talk) -> None:
    blocks = call(talk, "everything")["content"]
    assert [block["type"] for block in blocks] == ["text", "image", "audio", "resource", "resource", "resource_link"]
    assert (blocks[1]["data"], blocks[1]["mimeType"]) == ("iVBORw==", "image/png")
    assert blocks[3]["resource"]["text"] == "embedded"
    assert blocks[4]["resource"]["blob"] == "AAE="
    assert (blocks[5]["uri"], blocks[5]["size"]) == ("note://3", 5)


def test_structures_are_declared_sent_and_repeated_as_text(talk: Talk) -> None:
    result = call(talk, "add", parts=[1, 2, 3])
    assert result["structuredContent"] == {"total": 6, "parts": [1, 2, 3]}
    assert json.loads(text_of(result)) == result["structuredContent"]
    (tool,) = [tool for tool in talk.ask("tools/list")["result"]["tools"] if tool["name"] == "add"]
    assert tool["outputSchema"]["required"] == ["total", "parts"]
    assert tool["annotations"]["readOnlyHint"] is True


def test_a_mounted_servers_tools_are_there(talk: Talk) -> None:
    assert text_of(call(talk, "child_inner")) == "inner"


def test_the_lifespans_state_reaches_the_tools(talk: Talk) -> None:
    assert text_of(call(talk, "state")) == "an open pool"


def test_resources_prompts_and_completions_are_served(talk: Talk) -> None:
    read = talk.ask("resources/read", {"uri": "note://ada"})["result"]
    assert read["contents"][0]["text"] == "note of ada"
    listed = talk.ask("resources/list")["result"]["resources"]
    assert "note://static" in [resource["uri"] for resource in listed]
    templates = talk.ask("resources/templates/list")["result"]["resourceTemplates"]
    assert [template["uriTemplate"] for template in templates] == ["note://{user}"]
    said = talk.ask("prompts/get", {"name": "greeting", "arguments": {"name": "Ada"}})["result"]
    assert said["messages"][0]["content"]["text"] == "hello Ada"
    assert "greeting" in [prompt["name"] for prompt in talk.ask("prompts/list")["result"]["prompts"]]
    reference = {"type": "ref/prompt", "name": "greeting"}
    found = talk.ask("completion/complete", {"ref": reference, "argument": {"name": "name", "value": "Al"}})["result"]
    assert found["completion"]["values"] == ["Alan"]
    template = {"type": "ref/resource", "uri": "note://{user}"}
    none = talk.ask("completion/complete", {"ref": template, "argument": {"name": "user", "value": "x"}})["result"]
    assert none["completion"]["values"] == []


def test_a_list_comes_whole_and_a_cursor_is_none_of_ours(talk: Talk) -> None:
    assert "nextCursor" not in talk.ask("tools/list")["result"]
    assert talk.ask("tools/list", {"cursor": "made-up"})["error"]["code"] == -32602


def test_where_a_call_has_no_stream_of_its_own_there_is_none_to_end(pipes: dict[str, StdioPeer]) -> None:
    for peer in pipes.values():
        assert text_of(peer.call("hang_up")) == "still here"


def test_a_scripts_own_function_runs_in_a_process_of_its_own(
    talk: Talk, pipes: dict[str, StdioPeer], web: HttpPeer
) -> None:
    process, sum_of = text_of(call(talk, "elsewhere", number=41)).split()
    assert (process != text_of(call(talk, "pid")), sum_of) == (True, "42")
    assert [peer.garbage for peer in pipes.values()] == [[], []]


def test_an_exit_in_a_task_of_the_tools_own_ends_nothing(talk: Talk) -> None:
    assert code_of(call(talk, "exit_in_a_task")) == "tool.failed"
    assert text_of(call(talk, "state")) == "an open pool"


def test_a_dependency_is_closed_after_its_call(pipes: dict[str, StdioPeer]) -> None:
    for peer in pipes.values():
        assert text_of(peer.call("use")) == "connection"
        peer.logged("CLOSED")
        marks = [line for line in peer.stderr().splitlines() if line in ("OPENED", "USED", "CLOSED")]
        assert marks == ["OPENED", "USED", "CLOSED"]


@pytest.mark.parametrize("era", [HANDSHAKE, MODERN])
def test_cancelling_reaches_the_tool_and_is_never_answered(pipes: dict[str, StdioPeer], era: str) -> None:
    peer = pipes[era]
    before = peer.stderr().count("CANCELLED-IN-TOOL")
    number = peer.request("tools/call", {"name": "wait", "arguments": {}})
    peer.logged("WAITING")
    reason = {"requestId": number, "reason": "enough"}
    peer.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": reason})
    for _ in range(50):
        if peer.stderr().count("CANCELLED-IN-TOOL") > before:
            break
        text_of(peer.call("state"))
    assert peer.stderr().count("CANCELLED-IN-TOOL") == before + 1
    assert text_of(peer.call("state")) == "an open pool"
    assert number not in peer._replies
    for unknown in (10_000, "nope", None, True):
        peer.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": unknown}})
    assert text_of(peer.call("state")) == "an open pool"


def test_cancelling_over_http_ends_the_stream_of_the_call(web: HttpPeer) -> None:
    talk = HandshakeHttpTalk(web)
    with talk.open("tools/call", {"name": "wait", "arguments": {}}) as stream:
        talk.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": talk.number}})
        assert [message for message in stream if "result" in message] == []


def test_a_modern_client_that_hangs_up_cancels_its_call(web: HttpPeer) -> None:
    cancelled, waiting = (web.stderr().count(mark) for mark in ("CANCELLED-IN-TOOL", "WAITING"))
    params = {"name": "wait", "arguments": {}, "_meta": ENVELOPE}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        connection.sendall(
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\n"
            f"Mcp-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: wait\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: web.stderr().count("WAITING") > waiting)
    until(lambda: web.stderr().count("CANCELLED-IN-TOOL") > cancelled)


def until(condition: Any) -> None:
    """Wait for something that must come."""
    waiting = threading.Event()
    for _ in range(1_000):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it does not come")


@pytest.mark.parametrize("kind", ["tool", "resource", "prompt"])
def test_what_is_added_while_serving_is_told_and_offered(talk: Talk, kind: str, request: pytest.FixtureRequest) -> None:
    name = "grown-" + request.node.name.translate(str.maketrans("[] ", "---")).rpartition("test_")[2][-30:]
    method = f"notifications/{kind}s/list_changed"
    news = subscribed(talk, method)
    assert text_of(call(talk, "grow", kind=kind, name=name)) == "grown"
    assert next(news)["method"] == method
    if kind == "tool":
        assert text_of(call(talk, name)) == "grown"
    elif kind == "resource":
        assert talk.ask("resources/read", {"uri": f"grown://{name}"})["result"]["contents"][0]["text"] == "grown"
    else:
        assert talk.ask("prompts/get", {"name": name})["result"]["messages"]
    news.close()


LISTEN = {
    "notifications/tools/list_changed": {"toolsListChanged": True},
    "notifications/resources/list_changed": {"resourcesListChanged": True},
    "notifications/prompts/list_changed": {"promptsListChanged": True},
    "notifications/resources/updated": {"resourceSubscriptions": ["note://static"]},
}


def subscribed(talk: Talk, method: str) -> Any:
    """The news of one kind, once the server has acknowledged that they are wanted."""
    news = listening(talk, method)
    next(news)
    return news


def listening(talk: Talk, method: str) -> Iterator[dict[str, Any]]:
    wanted = {"notifications": LISTEN[method]}
    if isinstance(talk, ModernHttpTalk):
        with talk.open("subscriptions/listen", wanted) as stream:
            yield from stream
    elif isinstance(talk, HandshakeHttpTalk):
        if method == "notifications/resources/updated":
            assert "result" in talk.ask("resources/subscribe", {"uri": "note://static"})
        with talk.listen() as stream:
            yield {}
            yield from stream
    elif isinstance(talk, StdioTalk):
        if talk.era == MODERN:
            talk.peer.request("subscriptions/listen", wanted)
            yield talk.peer.note("notifications/subscriptions/acknowledged")
        else:
            if method == "notifications/resources/updated":
                assert "result" in talk.ask("resources/subscribe", {"uri": "note://static"})
            yield {}
        while True:
            yield talk.peer.note(method)


def test_a_followed_resource_is_told_of_when_it_changes(talk: Talk) -> None:
    news = subscribed(talk, "notifications/resources/updated")
    assert text_of(call(talk, "touch")) == "touched"
    note = next(news)
    assert (note["method"], note["params"]["uri"]) == ("notifications/resources/updated", "note://static")
    if talk.era != MODERN:
        assert "result" in talk.ask("resources/unsubscribe", {"uri": "note://static"})
    news.close()


def test_one_caller_cannot_have_all_subscriptions(web: HttpPeer) -> None:
    talk, held = ModernHttpTalk(web), []
    try:
        for _ in range(200):
            held.append(talk.open("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
            first = next(iter(held[-1]))
            if "error" in first:
                break
        assert "too many of your subscriptions" in first["error"]["message"]
        assert 100 <= len(held) <= 129
    finally:
        for stream in held:
            stream.close()
    until(lambda: "error" not in once_listened(talk))


def once_listened(talk: ModernHttpTalk) -> dict[str, Any]:
    with talk.open("subscriptions/listen", {"notifications": {"toolsListChanged": True}}) as stream:
        return next(iter(stream))
