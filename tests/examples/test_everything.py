"""The example that offers everything: in memory in both eras, and as a script over a real pipe and a real socket."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from support.peers import ENVELOPE, MODERN, HttpPeer, StdioPeer, text_of

SCRIPT = Path(__file__).parents[2] / "examples" / "everything.py"
ERAS = ("legacy", MODERN)
TOKEN = "example-token-of-a-test"
SOON = 10.0
"""Seconds within which a notification that must come has come."""

pytestmark = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")  # sampling, roots and logging still exist


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A fresh copy of the example, since its tools change what it offers."""
    monkeypatch.setenv("HOLDFAST_STATE", str(tmp_path))
    spec = importlib.util.spec_from_file_location("everything_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def answering(**content: Any) -> Callable[..., Any]:
    """A client's user who fills in every form like this."""

    async def callback(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content=content)

    return callback


async def sampled(_context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    """A client's model that always says the same."""
    return types.CreateMessageResult(role="assistant", content=types.TextContent(text="Paris"), model="model")


async def listed(_context: Any) -> types.ListRootsResult:
    """A client that works in one folder."""
    return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])


@pytest.mark.parametrize("mode", ERAS)
async def test_sums_are_right_and_structured_in_both_eras(everything: ModuleType, mode: str) -> None:
    async with everything.server.client(mode=mode) as client:
        answer = await client.call_tool("add", {"a": 2, "b": 40})
    assert answer.content[0].text == "42"
    assert answer.structured_content == {"result": 42}


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    "tool, kinds",
    [
        ("test_simple_text", ["text"]),
        ("test_image_content", ["image"]),
        ("test_audio_content", ["audio"]),
        ("test_embedded_resource", ["resource"]),
        ("test_multiple_content_types", ["text", "image", "resource"]),
    ],
)
async def test_every_kind_of_content_arrives_as_itself(
    everything: ModuleType, mode: str, tool: str, kinds: list[str]
) -> None:
    async with everything.server.client(mode=mode) as client:
        answer = await client.call_tool(tool, {})
    assert [block.type for block in answer.content] == kinds


async def test_the_intended_error_is_shown_to_the_model(everything: ModuleType) -> None:
    async with everything.server.client() as client:
        answer = await client.call_tool("test_error_handling", {})
    assert answer.is_error
    assert "intentionally returns an error" in answer.content[0].text


@pytest.mark.parametrize("mode", ERAS)
async def test_progress_grows_from_nothing_to_all(everything: ModuleType, mode: str) -> None:
    seen: list[tuple[float, float | None]] = []

    async def progressed(done: float, total: float | None, _message: str | None) -> None:
        seen.append((done, total))

    async with everything.server.client(mode=mode) as client:
        await client.call_tool("test_tool_with_progress", {}, progress_callback=progressed)
    assert seen == [(0, 100), (50, 100), (100, 100)]


@pytest.mark.parametrize("mode, asked", [("legacy", None), (MODERN, "info")])
async def test_log_messages_reach_a_client_that_asked_for_them(
    everything: ModuleType, mode: str, asked: types.LoggingLevel | None
) -> None:
    seen: list[Any] = []

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        seen.append(params.data)

    async with everything.server.client(mode=mode, logging_callback=logged, log_level=asked) as client:
        await client.call_tool("test_tool_with_logging", {})
    assert seen == ["Tool execution started", "Tool processing data", "Tool execution completed"]


async def test_no_log_message_reaches_a_modern_client_that_did_not_ask(everything: ModuleType) -> None:
    seen: list[Any] = []

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        seen.append(params.data)

    async with everything.server.client(mode=MODERN, logging_callback=logged) as client:
        await client.call_tool("test_logging_tool", {})
    assert seen == []


async def test_a_schema_of_ones_own_is_listed_word_for_word_and_still_checked(everything: ModuleType) -> None:
    async with everything.server.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        good = await client.call_tool("json_schema_2020_12_tool", {"contactMethod": "phone", "phone": "1"})
        bad = await client.call_tool("json_schema_2020_12_tool", {"contactMethod": "phone", "email": "a@b.c"})
    assert tools["json_schema_2020_12_tool"].input_schema == everything.CONTACT
    assert good.content[0].text == "Contact by phone"
    assert bad.is_error


@pytest.mark.parametrize("mode", ERAS)
async def test_a_form_is_asked_and_answered_in_both_eras(everything: ModuleType, mode: str) -> None:
    user = answering(username="ada", email="ada@example.org", name="Ada")
    async with everything.server.client(mode=mode, elicitation_callback=user) as client:
        form = await client.call_tool("test_elicitation", {"message": "Who are you?"})
        hello = await client.call_tool("test_input_required_result_elicitation", {})
        streamed = await client.call_tool("test_streaming_elicitation", {})
    assert form.content[0].text.startswith("User response: action=accept")
    assert "ada@example.org" in form.content[0].text
    assert hello.content[0].text == "Hello, Ada!"
    assert streamed.content[0].text == "The user's answer: accept"


@pytest.mark.parametrize("mode", ERAS)
async def test_forms_with_defaults_and_choices_are_answered(everything: ModuleType, mode: str) -> None:
    chosen = {"untitledSingle": "option1", "titledSingle": "value1", "legacyEnum": "opt1"}
    several = {"untitledMulti": ["option1", "option2"], "titledMulti": ["value1"]}
    async with everything.server.client(mode=mode, elicitation_callback=answering(**chosen, **several)) as client:
        choices = await client.call_tool("test_elicitation_sep1330_enums", {})
        profile = await client.call_tool("test_elicitation_sep1034_defaults", {})
    assert "untitled_single='option1'" in choices.content[0].text
    assert "name='John Doe'" in profile.content[0].text


async def test_a_choice_that_was_not_offered_is_refused(everything: ModuleType) -> None:
    chosen = {"untitledSingle": "option1", "titledSingle": "something else", "legacyEnum": "opt1"}
    several = {"untitledMulti": [], "titledMulti": []}
    async with everything.server.client(elicitation_callback=answering(**chosen, **several)) as client:
        answer = await client.call_tool("test_elicitation_sep1330_enums", {})
    assert answer.is_error
    assert "something else" not in answer.content[0].text


@pytest.mark.parametrize("mode", ERAS)
async def test_models_and_folders_of_the_client_are_asked_in_both_eras(everything: ModuleType, mode: str) -> None:
    callbacks = {
        "sampling_callback": sampled,
        "list_roots_callback": listed,
        "elicitation_callback": answering(name="A"),
    }
    async with everything.server.client(mode=mode, **callbacks) as client:
        said = await client.call_tool("test_sampling", {"prompt": "Which city?"})
        capital = await client.call_tool("test_input_required_result_sampling", {})
        folders = await client.call_tool("test_input_required_result_list_roots", {})
        at_once = await client.call_tool("test_input_required_result_multiple_inputs", {})
        able = await client.call_tool("test_missing_capability", {})
    assert said.content[0].text == "LLM response: Paris"
    assert capital.content[0].text == "The model says: Paris"
    assert folders.content[0].text == "The client works in: file:///work"
    assert at_once.content[0].text == "Answered: user_name, greeting, client_roots"
    assert able.content[0].text == "The client can sample."


@pytest.mark.parametrize("mode", ERAS)
async def test_questions_one_after_the_other_are_all_answered(everything: ModuleType, mode: str) -> None:
    user = answering(name="Ada", color="blue", ok=True, context="tests")
    async with everything.server.client(mode=mode, elicitation_callback=user) as client:
        rounds = await client.call_tool("test_input_required_result_multi_round", {})
        state = await client.call_tool("test_input_required_result_request_state", {})
        whole = await client.call_tool("test_input_required_result_tampered_state", {})
        prompt = await client.get_prompt("test_input_required_result_prompt")
    assert rounds.content[0].text == "Name: accept, color: accept"
    assert state.content[0].text == "state-ok: accept"
    assert whole.content[0].text == "state-ok: accept"
    assert prompt.messages[0].content.text == "Context: tests"


@pytest.mark.parametrize("tool", ["test_sampling", "test_input_required_result_list_roots", "test_missing_capability"])
@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_that_cannot_answer_is_told_which_capability_it_lacks(
    everything: ModuleType, mode: str, tool: str
) -> None:
    arguments = {"prompt": "?"} if tool == "test_sampling" else {}
    async with everything.server.client(mode=mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool(tool, arguments)
    assert refused.value.error.code == -32021
    assert set(refused.value.error.data["requiredCapabilities"]) <= {"sampling", "roots"}


async def test_only_what_the_client_can_answer_is_asked(everything: ModuleType) -> None:
    async with everything.server.client(sampling_callback=sampled) as client:
        some = await client.call_tool("test_input_required_result_capabilities", {})
    async with everything.server.client() as client:
        none = await client.call_tool("test_input_required_result_capabilities", {})
    assert some.content[0].text == "Answered: greeting"
    assert none.content[0].text == "Answered: nothing was asked"


@pytest.mark.parametrize("mode", ERAS)
async def test_resources_are_read_by_their_own_uri(everything: ModuleType, mode: str) -> None:
    async with everything.server.client(mode=mode) as client:
        text = await client.read_resource("test://static-text")
        picture = await client.read_resource("test://static-binary")
        data = await client.read_resource("test://template/123/data")
        with pytest.raises(MCPError) as unknown:
            await client.read_resource("test://nowhere")
    assert text.contents[0].text == "This is the content of the static text resource."
    assert picture.contents[0].mime_type == "image/png"
    assert data.contents[0].uri == "test://template/123/data"
    assert json.loads(data.contents[0].text)["id"] == "123"
    assert (unknown.value.error.code, unknown.value.error.data) == (-32602, {"uri": "test://nowhere"})


async def test_prompts_carry_arguments_resources_and_pictures(everything: ModuleType) -> None:
    async with everything.server.client() as client:
        simple = await client.get_prompt("test_simple_prompt")
        filled = await client.get_prompt("test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"})
        embedded = await client.get_prompt("test_prompt_with_embedded_resource", {"resourceUri": "test://some"})
        picture = await client.get_prompt("test_prompt_with_image")
    assert simple.messages[0].content.text == "This is a simple prompt for testing."
    assert filled.messages[0].content.text == "Prompt with arguments: arg1='hello', arg2='world'"
    assert embedded.messages[0].content.resource.uri == "test://some"
    assert [message.content.type for message in picture.messages] == ["image", "text"]


async def test_an_argument_is_completed_as_it_begins(everything: ModuleType) -> None:
    reference = types.PromptReference(name="test_prompt_with_arguments")
    async with everything.server.client() as client:
        answer = await client.complete(reference, {"name": "arg1", "value": "park"})
    assert answer.completion.values == ["park"]


@pytest.mark.parametrize("what", ["tool", "prompt"])
async def test_a_list_that_changes_is_news_to_connected_clients(everything: ModuleType, what: str) -> None:
    news: asyncio.Queue[str] = asyncio.Queue()

    async def heard(message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification | types.PromptListChangedNotification):
            news.put_nowait(message.method)

    async with everything.server.client(mode="legacy", message_handler=heard) as client:
        for times in (1, 2):
            await client.call_tool(f"test_trigger_{what}_change", {})
            assert await asyncio.wait_for(news.get(), SOON) == f"notifications/{what}s/list_changed"
            offered = (await client.list_tools()).tools if what == "tool" else (await client.list_prompts()).prompts
            assert ("now_and_then" in {item.name for item in offered}) is (times == 1)
    assert news.empty()


async def test_who_follows_a_resource_hears_that_it_changed(everything: ModuleType) -> None:
    news: asyncio.Queue[str] = asyncio.Queue()

    async def heard(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            news.put_nowait(message.params.uri)

    async with everything.server.client(mode="legacy", message_handler=heard) as client:
        await client.subscribe_resource("test://watched-resource")
        watched = await client.read_resource("test://watched-resource")
        await client.call_tool("test_trigger_resource_update", {})
        assert await asyncio.wait_for(news.get(), SOON) == watched.contents[0].uri


async def test_a_call_without_a_stream_to_drop_just_ends(everything: ModuleType) -> None:
    async with everything.server.client() as client:
        answer = await client.call_tool("test_reconnection", {})
    assert answer.content[0].text == "Reconnection test completed successfully."


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
def test_the_script_serves_stdio(tmp_path: Path, version: str) -> None:
    with StdioPeer(SCRIPT, tmp_path / "state") as peer:
        peer.initialize(version)
        assert text_of(peer.call("add", a=2, b=40)) == "42"
        assert peer.garbage == []


def test_the_script_serves_http_and_asks_for_a_token(tmp_path: Path) -> None:
    known = {"authorization": f"Bearer {TOKEN}"}
    with HttpPeer(SCRIPT, tmp_path / "state", "--auth", HOLDFAST_AUTH__TOKENS=TOKEN) as peer:
        assert text_of(peer.call("add", known, a=2, b=40)) == "42"
        assert (
            text_of(peer.call("test_header_parameter", {**known, "mcp-param-region": "eu"}, region="eu"))
            == "Region: eu"
        )
        assert peer.call("test_header_parameter", known, region="eu")["error"]["code"] == -32020
        assert peer.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": ENVELOPE}})[0] == 401
