"""Arguments are counted before they are converted, strictly typed, and never repeated in a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, code, living, server_in, text

from holdfast import Limits, ReadPath

SECRET = "s3cret-canary"


@pytest.mark.parametrize(
    "limits, arguments",
    [
        (Limits(input=50), {"data": ["x" * 60]}),
        (Limits(), {"data": [[[[[[[[[[]]]]]]]]]]}),
        (Limits(), {"data": list(range(30))}),
    ],
    ids=["bytes", "depth", "elements"],
)
async def test_what_is_too_large_deep_or_numerous_never_reaches_the_tool(
    tmp_path: Path, limits: Limits, arguments: dict[str, Any]
) -> None:
    server, ran = server_in(tmp_path, limits__depth=8, limits__elements=20), []

    @server.tool(read_only=True, limits=limits)
    async def tool(data: list[Any]) -> str:
        ran.append(data)
        return "ran"

    async with living(server) as live:
        refused = await ask(live, "tool", arguments)
        assert code(refused) == "input.too_large"
        assert text(await ask(live, "tool", {"data": [1]})) == "ran"
    assert ran == [[1]]


@pytest.mark.parametrize(
    "arguments",
    [{"n": "5"}, {"n": 5.5}, {"n": True}, {"n": None}, {}, {"n": 5, "m": SECRET}, {SECRET: 1}, {"n": SECRET}],
)
async def test_what_does_not_fit_is_refused_without_being_repeated(tmp_path: Path, arguments: dict[str, Any]) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def tool(n: int) -> int:
        return n

    async with living(server) as live:
        refused = await ask(live, "tool", arguments)
    assert code(refused) == "arguments.invalid"
    assert SECRET not in text(refused)


async def test_a_handle_is_made_from_the_servers_own_sandbox(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "note.txt").write_text("inside")
    server = server_in(tmp_path, workspace=workspace)

    @server.tool(read_only=True)
    async def read(path: ReadPath) -> str:
        return await path.read_text()

    async with living(server) as live:
        assert text(await ask(live, "read", {"path": "note.txt"})) == "inside"
        refused = await ask(live, "read", {"path": "../outside.txt"})
    assert code(refused).startswith("path.")
    assert str(tmp_path) not in text(refused)


async def test_the_bytes_that_came_are_counted(tmp_path: Path) -> None:
    from support.calls import logged

    server = server_in(tmp_path)

    @server.tool(read_only=True)
    async def tool(text: str) -> str:
        return "ran"

    async with living(server) as live:
        await ask(live, "tool", {"text": "x" * 100})
    (line,) = [line for line in logged(tmp_path) if line["event"] == "call"]
    assert 100 < line["bytes_in"] < 150
