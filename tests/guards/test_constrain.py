"""Constraints are checked on what the tool gets: normalised handles, defaults, and numbers read from text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, audited, code, living, server_in, text

from holdfast import ReadPath, Server, Tool, ToolInput
from holdfast.errors import ProtocolError, UnknownName
from holdfast.testing import FakeClock, principal


def guarded(base: Path, where: dict[str, Any], **more: Any) -> Server:
    root = base / "workspace"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "a.txt").write_text("a")
    (root / "b.txt").write_text("b")
    grants = {"ada": [{"tools": "*", "resources": "*", "prompts": "*", "where": where, **more}]}
    server = server_in(base, workspace=root, access__grants=grants)

    @server.tool
    async def read(file: ReadPath, times: int = 1) -> str:
        return (await file.read_text()) * times

    @server.resource("number://{times}")
    async def number(times: int) -> str:
        return str(times)

    @server.prompt
    async def again(times: int = 5) -> str:
        return "again " * times

    class Nested(Tool):
        """Take an object."""

        class Input(ToolInput):
            """With another in it."""

            options: dict[str, int]

        async def run(self, args: Input, ctx: Any) -> str:
            return "ran"

    server.add(Nested)
    return server


@pytest.mark.parametrize(
    "file, refused",
    [
        ("docs/a.txt", ""),
        ("docs/x/../a.txt", ""),
        ("./docs//a.txt", ""),
        ("docs/../b.txt", "access.constraint"),
        ("b.txt", "access.constraint"),
        ("../docs/a.txt", "path.outside"),
    ],
)
async def test_a_path_is_judged_by_where_it_leads_and_not_by_its_spelling(
    tmp_path: Path, file: str, refused: str
) -> None:
    async with living(guarded(tmp_path, {"file": "docs/**"})) as live:
        answer = await ask(live, "read", {"file": file}, who=principal("ada"))
        assert (code(answer), text(answer) == "a") == (refused, not refused)
        assert "docs" not in text(answer)


async def test_defaults_and_numbers_that_came_as_text_are_judged_as_what_they_are(tmp_path: Path) -> None:
    ada = principal("ada")
    async with living(guarded(tmp_path, {"times": {"min": 1, "max": 4}})) as live:
        assert code(await ask(live, "read", {"file": "b.txt"}, who=ada)) == ""
        assert code(await ask(live, "read", {"file": "b.txt", "times": 5}, who=ada)) == "access.constraint"
        assert (await ask(live, "number://4", who=ada, kind="resource")).body["contents"][0]["text"] == "4"
        for kind, name in (("resource", "number://5"), ("prompt", "again")):
            with pytest.raises(ProtocolError, match="does not cover these arguments") as refused:
                await ask(live, name, who=ada, kind=kind)  # type: ignore[arg-type]
            assert not isinstance(refused.value, UnknownName)
        assert await ask(live, "again", {"times": "2"}, who=ada, kind="prompt")
    assert {record["code"] for record in audited(tmp_path) if "code" in record} == {"access.constraint"}


async def test_an_argument_in_an_object_is_named_by_its_path(tmp_path: Path) -> None:
    async with living(guarded(tmp_path, {"options.depth": {"max": 3}})) as live:
        for options, refused in (({"depth": 3}, ""), ({"depth": 4}, "access.constraint"), ({}, "access.constraint")):
            assert code(await ask(live, "nested", {"options": options}, who=principal("ada"))) == refused


async def test_a_grant_that_ends_ends_for_the_next_call_and_for_the_lists(tmp_path: Path) -> None:
    clock = FakeClock()
    server = guarded(tmp_path, {"file": "docs/**"}, until="1970-01-01T00:00:00Z")
    ada = principal("ada")
    async with living(server, clock) as live:
        assert code(await ask(live, "read", {"file": "docs/a.txt"}, who=ada)) == "access.expired"
        assert live.listed("tools", ada) == []
        with pytest.raises(UnknownName):
            await ask(live, "read", {"file": "docs/a.txt"}, who=principal("bob"))


async def test_what_is_half_typed_is_held_to_no_constraint_once_somebody_may_complete(tmp_path: Path) -> None:
    few = {"prompts": "again", "where": {"times": {"max": 4}}}
    server = server_in(tmp_path, access__grants={"ada": [few, {"prompts": "again", "actions": "complete"}]})

    @server.prompt
    async def again(times: int) -> str:
        return "again " * times

    @server.completion("again", "times")
    async def times(value: str) -> list[str]:
        return ["1", "2"]

    async with living(server) as live:
        who = principal("ada")
        answer = await ask(live, "again times", {"value": "1"}, kind="completion", who=who)
        assert answer.body["completion"]["values"] == ["1", "2"]
        with pytest.raises(ProtocolError, match="does not cover these arguments"):
            await ask(live, "again", {"times": "5"}, kind="prompt", who=who)
