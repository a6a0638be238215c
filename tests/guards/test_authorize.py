"""Scopes are asked for before anything about the call is looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, audited, code, living, server_in, text

from holdfast import Server
from holdfast.core.principal import Principal
from holdfast.errors import ProtocolError
from holdfast.live import Live
from holdfast.testing import principal


@pytest.mark.parametrize(
    "held, allowed",
    [(("*",), True), (("notes:read",), False), (("notes:read", "notes:write"), True), (("notes", "write"), False)],
)
async def test_a_principal_needs_every_scope_of_the_operation(
    tmp_path: Path, held: tuple[str, ...], allowed: bool
) -> None:
    server = server_in(tmp_path)

    @server.tool(scopes={"notes:read", "notes:write"})
    async def write() -> str:
        return "written"

    async with living(server) as live:
        answer = await ask(live, "write", who=principal("ada", *held))
    assert code(answer) == ("" if allowed else "access.denied")
    assert ("notes:read, notes:write" in text(answer)) is not allowed


async def test_who_may_not_call_learns_nothing_about_its_arguments_and_is_on_record(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True, scopes={"secret"})
    async def look(where: int) -> str:
        return "found"

    async with living(server) as live:
        answer = await ask(live, "look", {"where": "s3cret", "what": 1}, who=principal("eve", "other"))
    assert code(answer) == "access.denied"
    assert "where" not in text(answer)
    (record,) = audited(tmp_path)
    assert (record["principal"], record["outcome"], record["code"]) == ("eve", "refused", "access.denied")
    assert "s3cret" not in str(record)


GRANTS = {"ada": [{"tools": "*", "prompts": "*", "resources": "*"}], "*": [{"tools": "open"}]}
EVE = Principal("eve", frozenset({"*"}))


def granted(base: Path, **settings: Any) -> Server:
    server = server_in(base, access__grants=GRANTS, **settings)

    @server.tool
    async def closed() -> str:
        return "ran"

    @server.prompt(scopes={"poet"})
    async def poem(name: str) -> str:
        return name

    @server.completion("poem", "name")
    async def names(value: str) -> list[str]:
        return ["a name"]

    return server


async def unknown(live: Live, kind: Any, name: str, who: Principal) -> tuple[int, str]:
    with pytest.raises(ProtocolError) as raised:
        await ask(live, name, {"value": "x"} if kind == "completion" else {}, kind=kind, who=who)
    return raised.value.rpc_code, raised.value.message


async def test_what_was_never_granted_is_unknown_also_when_the_server_ends_and_when_nothing_can_be_recorded(
    tmp_path: Path,
) -> None:
    async with living(granted(tmp_path)) as live:
        nothing = {kind: await unknown(live, kind, "nowhere x", EVE) for kind in ("tool", "prompt", "completion")}
        for kind, name in (("tool", "closed"), ("prompt", "poem"), ("completion", "poem name")):
            assert await unknown(live, kind, name, EVE) == nothing[kind]
        assert await unknown(live, "completion", "poem other", EVE) == nothing["completion"]
        live.drain()
        assert await unknown(live, "tool", "closed", EVE) == nothing["tool"]
    (tmp_path / "other").mkdir()
    async with living(granted(tmp_path / "other")) as live:
        assert live.plant.parts.audit is not None
        live.plant.parts.audit.working = False
        assert await unknown(live, "tool", "closed", EVE) == nothing["tool"]


async def test_a_completion_asks_for_what_its_prompt_asks_for(tmp_path: Path) -> None:
    async with living(granted(tmp_path)) as live:
        with pytest.raises(ProtocolError, match="this needs the scope poet"):
            await ask(live, "poem name", {"value": "x"}, kind="completion", who=Principal("ada"))
        poet = Principal("ada", frozenset({"poet"}))
        answer = await ask(live, "poem name", {"value": "x"}, kind="completion", who=poet)
        assert answer.body["completion"]["values"] == ["a name"]


async def test_a_change_is_told_to_those_who_see_it(tmp_path: Path) -> None:
    server = granted(tmp_path)
    told: list[Any] = []

    class News:
        async def changed(self, kind: str, whom: Any = None) -> None:
            told.append((kind, whom(Principal("ada")), whom(EVE)))

    async with living(server) as live:
        live.publisher = News()

        @server.tool
        async def new() -> str:
            return ""

        live.swap(server.whole())
        while not told:
            await asyncio.sleep(0)
    assert told == [("tools", True, False)]


async def test_a_completion_belongs_to_its_prompt_whatever_that_is_called(tmp_path: Path) -> None:
    server = server_in(tmp_path, access__grants={"ada": [{"resources": "*"}], "bob": [{"prompts": "*"}]})

    @server.prompt(name="say {what}")
    async def say(what: str) -> str:
        return what

    @server.completion("say {what}", "what")
    async def words(value: str) -> list[str]:
        return ["a word"]

    async with living(server) as live:
        asked = ("say {what} what", {"value": "a", "context": {}})
        with pytest.raises(ProtocolError):
            await ask(live, *asked, kind="completion", who=Principal("ada"))
        answer = await ask(live, *asked, kind="completion", who=Principal("bob"))
        assert answer.body["completion"]["values"] == ["a word"]


async def test_whoever_may_use_a_prompt_may_not_complete_it_for_that(tmp_path: Path) -> None:
    grants = {"ada": [{"prompts": "poem", "actions": ["call"]}], "bob": [{"prompts": "poem"}]}
    server = server_in(tmp_path, access__grants=grants)

    @server.prompt
    async def poem(name: str) -> str:
        return name

    @server.completion("poem", "name")
    async def names(value: str) -> list[str]:
        return ["a name"]

    async with living(server) as live:
        assert await ask(live, "poem", {"name": "x"}, kind="prompt", who=Principal("ada"))
        with pytest.raises(ProtocolError, match="leave to complete it"):
            await ask(live, "poem name", {"value": "x"}, kind="completion", who=Principal("ada"))
        assert await ask(live, "poem name", {"value": "x"}, kind="completion", who=Principal("bob"))
