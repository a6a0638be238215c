"""The door of a live server: what is found behind it, what changes while it is open, what is said when it closes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import field_validator
from support.calls import Client, ask, code, living, logged, server_in, text

from holdfast import Context, Limits, Server, ToolInput
from holdfast.core.pipeline import META
from holdfast.errors import ConfigurationError, ProtocolError, UnknownName
from holdfast.testing import principal


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Something of every kind."""
    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def add(a: int, b: int) -> int:
        return a + b

    @server.resource("note://static", mime_type="text/plain")
    async def static() -> str:
        return "static"

    @server.resource("note://{user}/{number}")
    async def note(user: str, number: str) -> list[str]:
        return [user, number]

    @server.resource("blob://{name}")
    async def blob(name: str) -> bytes:
        return name.encode()

    @server.resource("broken://here")
    async def broken() -> str:
        raise RuntimeError("a secret")

    @server.prompt
    async def greeting(name: str, times: int = 1) -> str:
        return f"hello {name} {times} times"

    @server.completion("greeting", "name")
    async def names(value: str) -> list[str]:
        return [name for name in ("Ada", "Alan") if name.startswith(value)]

    @server.completion("note://{user}/{number}", "user")
    async def users(value: str, context: dict[str, str]) -> list[str]:
        return [f"{value}{context.get('number', '')}"]

    return server


async def test_resources_are_found_by_their_uri_and_by_template_and_answered_under_it(server: Server) -> None:
    async with living(server) as live:
        static = await ask(live, "note://static", kind="resource")
        note = await ask(live, "note://ada/7", kind="resource")
        blob = await ask(live, "blob://x%20y", kind="resource")
    assert static.body["contents"] == [{"uri": "note://static", "mimeType": "text/plain", "text": "static"}]
    assert note.body["contents"] == [{"uri": "note://ada/7", "text": '["ada","7"]'}]
    assert blob.body["contents"] == [{"uri": "blob://x%20y", "blob": "eCB5"}]


@pytest.mark.parametrize("uri", ["note://nobody", "note://a/b/c", "nope://x", "", "note://..%2f/x", "x" * 5_000])
async def test_an_unknown_resource_is_an_error_that_gives_its_uri_back_cleaned_and_short(
    server: Server, uri: str
) -> None:
    async with living(server) as live:
        with pytest.raises(UnknownName) as raised:
            await ask(live, uri + "\x1b[31m", kind="resource")
    assert raised.value.rpc_code == -32602
    assert raised.value.data is not None
    assert raised.value.data["uri"] == uri[:2_048]
    assert uri not in raised.value.message or not uri


@pytest.mark.parametrize(
    "kind, name, said",
    [
        ("tool", "nope", "unknown tool"),
        ("prompt", "nope", "unknown prompt"),
        ("completion", "nope x", "unknown prompt"),
    ],
)
async def test_other_unknown_names_are_errors_that_say_what_to_list(
    server: Server, kind: Any, name: str, said: str
) -> None:
    async with living(server) as live:
        with pytest.raises(UnknownName, match=said):
            await ask(live, name, kind=kind)


async def test_completions_suggest_for_prompts_and_templates_and_nothing_where_there_is_none(server: Server) -> None:
    async def suggested(name: str, value: str, **context: str) -> list[str]:
        answer = await ask(live, name, {"value": value, "context": context}, kind="completion")
        found: list[str] = answer.body["completion"]["values"]
        return found

    async with living(server) as live:
        assert await suggested("greeting name", "Al") == ["Alan"]
        assert await suggested("greeting times", "1") == []
        assert await suggested("note://{user}/{number} user", "x", number="7") == ["x7"]
        assert await suggested("blob://{name} name", "x") == []


async def test_prompts_understand_numbers_sent_as_text(server: Server) -> None:
    async with living(server) as live:
        answer = await ask(live, "greeting", {"name": "Ada", "times": "3"}, kind="prompt")
        with pytest.raises(ProtocolError) as raised:
            await ask(live, "greeting", {"times": "3"}, kind="prompt")
    assert answer.body["messages"][0]["content"]["text"] == "hello Ada 3 times"
    assert raised.value.rpc_code == -32602


async def test_a_failing_resource_is_an_error_with_an_incident_and_without_its_text(
    server: Server, tmp_path: Path
) -> None:
    async with living(server) as live:
        with pytest.raises(ProtocolError) as raised:
            await ask(live, "broken://here", kind="resource")
    assert raised.value.rpc_code == -32603
    assert raised.value.data is not None
    assert "secret" not in raised.value.message
    incident = raised.value.data[f"{META}incident"]
    assert [line["incident"] for line in logged(tmp_path) if line.get("outcome") == "failed"] == [incident]


class Odd(ToolInput):
    """Arguments whose check does what no check should."""

    how: str

    @field_validator("how")
    @classmethod
    def _end_everything(cls, how: str) -> str:
        raise {"exit": SystemExit(3), "odd": Weird(), "fault": KeyError("x")}[how]


class Weird(BaseException):
    """Something that ``except Exception`` does not catch."""


@pytest.mark.parametrize("how", ["exit", "odd", "fault"])
async def test_an_authors_check_that_tries_to_end_the_server_fails_its_call(tmp_path: Path, how: str) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def tool(it: Odd) -> str:
        return ""

    async with living(server) as live:
        answer = await ask(live, "tool", {"it": {"how": how}})
    assert code(answer) == "tool.failed"
    assert answer.meta[f"{META}incident"]


async def test_lists_and_schemas_come_from_the_snapshot(server: Server) -> None:
    async with living(server) as live:
        assert [entry["name"] for entry in live.listed("tools", principal())] == ["add"]
        assert [entry["uri"] for entry in live.listed("resources", principal())] == ["note://static", "broken://here"]
        assert [entry["uriTemplate"] for entry in live.listed("templates", principal())] == [
            "note://{user}/{number}",
            "blob://{name}",
        ]
        assert live.listed("prompts", principal())[0]["arguments"][0] == {"name": "name", "required": True}
        schema = live.input_schema("add", principal())
        assert schema is not None
        assert list(schema["properties"]) == ["a", "b"]
        assert live.input_schema("nope", principal()) is None
        assert live.offered == {"tools", "resources", "prompts", "completions"}
    async with living(Server("bare", settings=dict(server._overrides))) as live:  # type: ignore[arg-type]
        assert live.offered == {"tools"}


async def test_descriptions_are_cleaned_before_they_are_listed(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(description="Add\x1b[31m two\u202e numbers")
    async def add() -> str:
        return ""

    async with living(server) as live:
        assert live.listed("tools", principal())[0]["description"] == "Add two numbers"


async def test_a_call_under_way_ends_on_what_it_began_with_and_counts_are_kept_over_changes(tmp_path: Path) -> None:
    server, begun, go = server_in(tmp_path), asyncio.Event(), asyncio.Event()

    @server.tool
    async def slow() -> str:
        begun.set()
        await go.wait()
        return "done"

    @server.tool(limits=Limits(rate="1/hour"))
    async def once() -> str:
        return "once"

    async def another() -> str:
        return "another"

    async with server.serving() as live:
        assert text(await ask(live, "once")) == "once"
        call = asyncio.ensure_future(ask(live, "slow"))
        await begun.wait()
        server.remove("tool", "slow")
        server.tool(another)
        assert code(await ask(live, "once")) == "rate.limited", "it keeps its chain"
        go.set()
        assert text(await call) == "done"
        assert text(await ask(live, "another")) == "another"


class Told:
    """Stands for the wire's publisher."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.heard = asyncio.Event()

    async def changed(self, kind: str) -> None:
        """A list changed."""
        self.kinds.append(kind)
        self.heard.set()


async def test_clients_are_told_which_lists_changed_from_whatever_thread(server: Server) -> None:
    async def more() -> str:
        return "more"

    async with server.serving() as live:
        server.tool(name="unheard")(more)
        told = live.publisher = Told()
        server.resource("more://here")(more)
        await told.heard.wait()
        told.heard.clear()
        thread = threading.Thread(target=lambda: server.tool(name="heard")(more))
        thread.start()
        await told.heard.wait()
        thread.join()
        told.heard.clear()
        server.prompt(name="said")(more)
        await told.heard.wait()
        server.completion("greeting", "times")(nothing)
        for _ in range(5):
            await asyncio.sleep(0)
    assert told.kinds == ["resources", "tools", "prompts"], "and completions are in no list"


async def nothing(value: str) -> list[str]:
    return []


async def test_a_draining_server_takes_no_new_calls_and_says_when_to_come_back(server: Server) -> None:
    async with living(server) as live:
        live.drain()
        answer = await ask(live, "add", {"a": 1, "b": 2})
        assert code(answer) == "server.draining"
        assert answer.meta[f"{META}retryAfter"] > 0
        with pytest.raises(ProtocolError) as raised:
            await ask(live, "note://static", kind="resource")
        assert raised.value.data is not None
        assert raised.value.data[f"{META}code"] == "server.draining"
        assert not live.plant.health.ready
        assert live.plant.health.reason == "draining"


async def test_every_call_has_a_number_of_its_own_and_a_log_bound_to_it(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def say(ctx: Context) -> str:
        ctx.log.info("said", what="something")
        return ctx.request_id

    async with living(server) as live:
        ids = [text(await ask(live, "say")) for _ in range(2)]
    lines = [line for line in logged(tmp_path) if line["event"] == "said"]
    assert [line["request_id"] for line in lines] == ids
    assert len(set(ids)) == 2
    assert {line["tool"] for line in lines} == {"say"}


async def test_a_call_can_tell_its_client_things_cleaned_on_their_way(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def chatty(ctx: Context) -> str:
        token = ctx.secret("a-token-learned-in-the-call")
        await ctx.report_progress(1, 2, f"half\x1b[31m with {token}")
        await ctx.notify_log("info", {"token": token})
        await ctx.close_stream()
        return f"{ctx.era} {ctx.offers('roots')}"

    client = Client("roots")
    async with living(server) as live:
        assert text(await ask(live, "chatty", client=client)) == "modern True"
    assert "a-token-learned" not in str(client.told)
    assert [told[0] for told in client.told] == ["progress", "log", "close"]
    assert client.told[0][3].startswith("half with ")


async def test_a_secret_that_one_call_learned_leaves_through_no_other(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def learn(ctx: Context) -> str:
        return ctx.secret("a-token-learned-in-the-call", "learned")

    @server.tool
    async def repeat() -> str:
        return "a-token-learned-in-the-call"

    async with living(server) as live:
        assert "learned-in" not in text(await ask(live, "learn"))
        assert "learned-in" not in text(await ask(live, "repeat"))


async def test_what_is_asked_of_a_client_that_cannot_is_an_error_of_the_protocol(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def where(ctx: Context) -> str:
        return str(await ctx.roots())

    async with living(server) as live:
        with pytest.raises(ProtocolError) as raised:
            await ask(live, "where")
    assert raised.value.rpc_code == -32021
    assert raised.value.data == {"requiredCapabilities": {"roots": {}}}


def test_a_server_that_would_hold_what_no_server_can_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes tools, resources and prompts"):
        Server("odd").add(object())  # type: ignore[type-var]


async def test_a_grant_that_fits_nothing_is_told_at_the_start(tmp_path: Path) -> None:
    server = server_in(tmp_path, access__grants={"ada": [{"tools": "tool"}, {"tools": "tol"}]})

    @server.tool
    async def tool() -> str:
        return ""

    async with server.serving():
        pass
    told = [line["finding"] for line in logged(tmp_path) if line["event"] == "grants"]
    assert len(told) == 1
    assert "ada, grant 2" in told[0]
