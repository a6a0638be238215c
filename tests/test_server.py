"""What an author does with a server: adds, removes, mounts, runs, and what it refuses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, code, living, logged, server_in, text

from holdfast import Context, ReadPath, Server, Settings, Tool, ToolInput
from holdfast.core.config import AuthSettings, LimitSettings
from holdfast.core.prompt import Prompt
from holdfast.errors import ConfigurationError, DuplicateName, MissingSetting, UnknownName
from holdfast.observe.finding import Finding
from holdfast.testing import principal, settings_for


class Greet(Tool):
    """Greet somebody."""

    class Input(ToolInput):
        """Whom."""

        name: str

    async def run(self, args: Input, ctx: Context) -> str:
        return f"hello {args.name}"


async def test_a_tool_may_be_a_function_a_decorated_function_a_class_or_an_instance(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool
    async def bare() -> str:
        return "bare"

    @server.tool(read_only=True, name="named")
    async def decorated() -> str:
        return "decorated"

    class Other(Greet):
        """Another."""

        name = "instance"

    assert server.add(Greet) is Greet
    other = Other()
    assert server.add(other) is other
    async with living(server) as live:
        assert [text(await ask(live, name)) for name in ("bare", "named")] == ["bare", "decorated"]
        assert [text(await ask(live, name, {"name": "Ada"})) for name in ("greet", "instance")] == ["hello Ada"] * 2
    assert await bare() == "bare", "the function itself is as it was"


async def test_prompts_and_resources_can_be_added_without_decorators_too(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.prompt(title="A greeting")
    async def greeting(name: str) -> str:
        return f"say hello to {name}"

    @server.prompt
    async def farewell() -> str:
        return "say goodbye"

    async def third() -> str:
        return "third"

    server.add(Prompt(third))
    async with living(server) as live:
        assert [entry["name"] for entry in live.listed("prompts", principal())] == ["greeting", "farewell", "third"]
        said = await ask(live, "greeting", {"name": "Ada"}, kind="prompt")
    assert said.body["messages"][0]["content"]["text"] == "say hello to Ada"


def test_two_owners_of_one_name_are_an_error_that_names_both() -> None:
    server = Server("twice")
    server.add(Greet)
    with pytest.raises(DuplicateName, match="Greet"):
        server.tool(name="greet")(test_two_owners_of_one_name_are_an_error_that_names_both)


def test_what_a_server_shows_of_itself_is_checked() -> None:
    server = Server("shown", title="Shown", website_url="https://example.org", instructions="Be kind.")
    assert server.identity["title"] == "Shown"
    with pytest.raises(ConfigurationError, match="a server shows"):
        Server("hidden", colour="red")


def test_it_says_what_it_is() -> None:
    server = Server("notes")
    server.add(Greet)
    assert repr(server) == "<Server notes: <Registry 1 tools, 0 resources, 0 prompts>>"


async def test_what_is_removed_is_gone_and_what_was_never_there_is_an_error(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    server.add(Greet)
    async with living(server) as live:
        pass
    async with server.serving() as live:
        assert text(await ask(live, "greet", {"name": "Ada"})) == "hello Ada"
        server.remove("tool", "greet")
        with pytest.raises(UnknownName):
            await ask(live, "greet", {"name": "Ada"})
        with pytest.raises(ConfigurationError, match="there is no tool called greet"):
            server.remove("tool", "greet")


async def test_what_cannot_be_served_is_not_added_and_the_next_addition_works(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    async def reads(path: ReadPath) -> str:
        return await path.read_text()

    async def fine() -> str:
        return "fine"

    async with server.serving() as live:
        with pytest.raises(MissingSetting, match="HOLDFAST_WORKSPACE"):
            server.tool(reads)
        with pytest.raises(ConfigurationError, match="read_only"):
            server.tool(name="cached", cacheable=True)(fine)
        assert list(server.registry) == []
        server.tool(fine)
        assert text(await ask(live, "fine")) == "fine"


async def test_a_mounted_server_is_offered_under_its_namespace(tmp_path: Path) -> None:
    parent, child, grandchild = server_in(tmp_path), Server("child"), Server("grandchild")

    @grandchild.tool
    async def deep() -> str:
        return "deep"

    @child.tool
    async def work(ctx: Context) -> str:
        return ctx.tool

    @child.resource("note://{user}")
    async def note(user: str) -> str:
        return f"note of {user}"

    @child.resource("plain:note")
    async def plain() -> str:
        return "plain"

    @child.prompt
    async def greeting(name: str) -> str:
        return f"hello {name}"

    @child.completion("greeting", "name")
    async def names(value: str) -> list[str]:
        return [value, "Ada"]

    @child.completion("note://{user}", "user")
    async def users(value: str) -> list[str]:
        return ["ada"]

    child.mount(grandchild, namespace="g")
    parent.mount(child, namespace="c")
    async with living(parent) as live:
        assert text(await ask(live, "c_work")) == "c_work"
        assert text(await ask(live, "c_g_deep")) == "deep"
        read = await ask(live, "note://c/ada", kind="resource")
        assert read.body["contents"][0] == {"uri": "note://c/ada", "text": "note of ada"}
        assert (await ask(live, "c:plain:note", kind="resource")).body["contents"][0]["text"] == "plain"
        assert (await ask(live, "c_greeting", {"name": "A"}, kind="prompt")).body["messages"]
        for owner, argument, found in (("c_greeting", "name", ["A", "Ada"]), ("note://c/{user}", "user", ["ada"])):
            answer = await ask(live, f"{owner} {argument}", {"value": "A", "context": {}}, kind="completion")
            assert answer.body["completion"]["values"] == found
    assert parent.everything_mounted() == [child, grandchild]


async def test_what_is_added_to_a_mounted_server_while_serving_appears_on_the_parent(tmp_path: Path) -> None:
    parent, child = server_in(tmp_path), Server("child")
    parent.mount(child, namespace="c")
    async with parent.serving() as live:
        child.add(Greet)
        assert text(await ask(live, "c_greet", {"name": "Ada"})) == "hello Ada"


def test_mounting_what_cannot_be_mounted_leaves_the_parent_as_it_was() -> None:
    parent, child, clash = Server("parent"), Server("child"), Server("clash")
    child.add(Greet)

    @parent.tool
    async def c_greet() -> str:
        return ""

    with pytest.raises(DuplicateName, match="c_greet"):
        parent.mount(child, namespace="c")
    with pytest.raises(ConfigurationError, match="namespace"):
        parent.mount(child, namespace="not a namespace")
    assert parent.everything_mounted() == []
    parent.mount(clash, namespace="c")
    child.mount(parent, namespace="p")
    for wrong in (parent, child):
        with pytest.raises(ConfigurationError, match="already holds it"):
            parent.mount(wrong, namespace="x")
    assert list(parent.whole().tools) == ["c_greet"]


def lifespan(life: list[str], name: str) -> Any:
    @asynccontextmanager
    async def around(server: Server) -> AsyncIterator[str]:
        life.append(f"{name} begins")
        try:
            yield f"state of {name}"
        finally:
            life.append(f"{name} ends")

    return around


async def test_each_servers_lifespan_surrounds_the_serving_and_its_state_reaches_its_own_tools(
    tmp_path: Path,
) -> None:
    life: list[str] = []
    parent = Server("parent", settings=settings_for(tmp_path), lifespan=lifespan(life, "parent"))
    child = Server("child", lifespan=lifespan(life, "child"))
    stateless = Server("stateless")

    async def state(ctx: Context) -> str:
        return str(ctx.state)

    for server in (parent, child, stateless):
        server.tool(state)
    parent.mount(child, namespace="c")
    parent.mount(child, namespace="again")
    parent.mount(stateless, namespace="s")
    async with parent.serving() as live:
        assert life == ["child begins", "parent begins"], "once, though it is mounted twice"
        found = [text(await ask(live, name)) for name in ("state", "c_state", "again_state", "s_state")]
    assert found == ["state of parent", "state of child", "state of child", "state of parent"]
    assert life[2:] == ["parent ends", "child ends"]


async def test_a_lifespan_that_fails_ends_the_start_and_what_was_begun_is_ended(tmp_path: Path) -> None:
    life: list[str] = []

    @asynccontextmanager
    async def broken(server: Server) -> AsyncIterator[None]:
        raise ConfigurationError("no database")
        yield

    parent = Server("parent", settings=settings_for(tmp_path), lifespan=broken)
    parent.mount(Server("child", lifespan=lifespan(life, "child")), namespace="c")
    with pytest.raises(ConfigurationError, match="no database"):
        async with parent.serving():
            raise AssertionError("it serves")
    assert life == ["child begins", "child ends"]
    assert parent._serving == []


async def test_subscribers_hear_of_the_servers_life_and_of_its_tools(tmp_path: Path) -> None:
    server, child, heard = server_in(tmp_path), Server("child"), []
    child.add(Greet)
    server.mount(child, namespace="c")

    @server.on("*")
    def everything(event: Any) -> None:
        heard.append(event.name)

    server.on("server.*", lambda event: heard.append(f"again {event.name}"))
    child.on("tool.completed", lambda event: heard.append(f"child {event.fields['tool']}"))
    async with server.serving() as live:
        await ask(live, "c_greet", {"name": "Ada"})
        live.drain()
        live.drain()
    assert [name for name in heard if name.startswith("server")] == [
        "server.started",
        "server.draining",
        "server.stopped",
    ]
    assert {"tool.started", "tool.completed", "child c_greet", "again server.stopped"} <= set(heard)
    assert callable(everything)


async def test_health_checks_of_the_author_are_part_of_the_report(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    server.check("backend", lambda: Finding("failed", "no answer"), critical=False)
    async with server.serving() as live:
        report = await live.plant.health.report()
        assert live.plant.health.ready
    assert (report.status, report.checks["backend"].detail) == ("degraded", "no answer")


async def test_a_server_serves_at_once_and_is_ready_when_its_critical_checks_have_passed(tmp_path: Path) -> None:
    server, up = server_in(tmp_path), asyncio.Event()
    server.add(Greet)

    async def backend() -> Finding:
        return Finding("ok") if up.is_set() else Finding("failed", "no answer from canary")

    server.check("backend", backend)
    async with server.serving() as live:
        health = live.plant.health
        assert (health.ready, health.reason) == (False, "starting; waits for backend")
        assert text(await ask(live, "greet", {"name": "Ada"})) == "hello Ada"
        up.set()
        while not health.ready:
            await asyncio.sleep(0.02)
    told = [line for line in logged(tmp_path) if line["event"] in ("not ready", "ready")]
    assert [(line["event"], line.get("waits_for")) for line in told] == [
        ("not ready", "backend: no answer from canary"),
        ("ready", None),
    ]


def test_settings_may_be_a_mapping_or_the_model_and_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOLDFAST_LIMITS__TIMEOUT",):
        monkeypatch.setenv(name, "3")
    model = Settings(limits=LimitSettings(concurrency=2), auth=AuthSettings(tokens="a-secret-token"))
    server = Server("model", settings=model)
    loaded = server.load_settings(http__port=1234, http__host=None)
    assert (loaded.settings.limits.concurrency, loaded.settings.limits.timeout) == (2, 3)
    assert loaded.settings.auth.tokens is not None
    assert loaded.settings.auth.tokens.get_secret_value() == "a-secret-token"
    assert (loaded.settings.http.port, loaded.settings.http.host) == (1234, "127.0.0.1")
    assert Server("map", settings={"limits.timeout": 9}).load_settings().settings.limits.timeout == 9


def test_the_settings_file_beside_the_authors_module_is_read_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "holdfast.toml").write_text("[limits]\ntimeout = 1\n")
    monkeypatch.chdir(elsewhere)
    (tmp_path / "holdfast.toml").write_text("[limits]\ntimeout = 2\n")
    module = tmp_path / "author.py"
    module.write_text("from holdfast import Server\nserver = Server('author')\n")
    import runpy

    server = runpy.run_path(str(module))["server"]
    assert server.load_settings().settings.limits.timeout == 2
    assert Server("here").sources["file"] is None
    assert eval("Server('typed')", {"Server": Server}).sources["file"] is None  # noqa: S307 - no file to be beside


@pytest.mark.parametrize(
    "words, transport, options",
    [
        ([], "stdio", {"host": None, "port": None, "auth": None}),
        (["http", "81", "--host", "::1", "--auth"], "http", {"host": "::1", "port": 81, "auth": True}),
    ],
)
def test_a_script_takes_its_transport_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, words: list[str], transport: str, options: dict[str, Any]
) -> None:
    import holdfast.wire.serve

    ran: list[Any] = []
    monkeypatch.setattr(holdfast.wire.serve, "run", lambda *given: ran.append(given))
    server = Server("script")
    server.main(words)
    monkeypatch.setattr(sys, "argv", ["script.py", *words])
    server.main()
    overrides = {"http__host": options["host"], "http__port": options["port"], "auth__required": options["auth"]}
    assert ran == [(server, transport, overrides)] * 2


async def test_a_servers_loop_can_be_used_as_before_once_it_has_ended(tmp_path: Path) -> None:
    server = server_in(tmp_path)
    async with server.serving():
        assert await asyncio.to_thread(lambda: 1) == 1
    assert await asyncio.to_thread(lambda: 2) == 2


async def test_two_servers_in_one_loop_do_not_take_each_others_threads(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("inside")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = server_in(tmp_path / "a", workspace=tmp_path), server_in(tmp_path / "b", workspace=tmp_path)

    async def read(path: ReadPath) -> str:
        return await path.read_text()

    first.tool(read_only=True)(read)
    async with first.serving() as live:
        async with second.serving():
            pass
        answer = await ask(live, "read", {"path": "note.txt"})
    assert (text(answer), code(answer)) == ("inside", "")
