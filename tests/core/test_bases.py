"""The ready bases, over real files, a real database, a real program and a real server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.bases import (
    MAX_LINE,
    CommandTool,
    DatabaseTool,
    FileTool,
    Finds,
    HttpTool,
    Table,
    compiled,
)
from holdfast.core.tool import ToolInput
from holdfast.errors import (
    ConfigurationError,
    InvalidArguments,
    Refusal,
    ToolError,
    UnsafeCommand,
    UnsafePath,
    UnsafeQuery,
    UnsafeUrl,
)
from holdfast.safe.commands import Operand, Program, Subcommand
from holdfast.safe.expressions import MAX_PATTERN, Pattern
from holdfast.safe.paths import DirPath, Root
from holdfast.safe.programs import git
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.sql import Database, ReadQuery
from holdfast.safe.urls import PublicUrl, UrlPolicy
from holdfast.testing import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@dataclass
class Here:
    """As much of a context as the bases use."""

    workspace: Root


# -- files -----------------------------------------------------------------------------------------------------------


class Search(FileTool):
    max_matches = 3

    class Input(ToolInput):
        folder: DirPath = "."  # type: ignore[assignment]
        pattern: str
        glob: str | None = None

    async def run(self, args: Input, ctx: Any) -> Finds:
        return await self.search(args.folder, args.pattern, glob=args.glob)


async def found(workspace: Workspace, **sent: Any) -> Finds:
    root = Root(workspace.path)
    try:
        tool = Search()
        return await tool.run(tool.arguments.check(sent, Sandbox(workspace=root)), None)
    finally:
        root.close()


async def test_lines_are_found_with_their_file_and_number(workspace: Workspace) -> None:
    workspace.write("a.txt", "one\ntwo Ada\nthree")
    workspace.write("sub/b.md", "Ada\n")
    finds = await found(workspace, pattern="A[a-z]a")
    assert [(find.path, find.line, find.text) for find in finds.matches] == [
        ("a.txt", 2, "two Ada"), ("sub/b.md", 1, "Ada"),
    ]  # fmt: skip
    assert not finds.truncated
    assert [find.path for find in (await found(workspace, pattern="Ada", glob="*.md")).matches] == ["sub/b.md"]
    assert [find.path for find in (await found(workspace, pattern="Ada", folder="sub")).matches] == ["sub/b.md"]


@pytest.mark.parametrize("lines, shown, truncated", [(3, 3, False), (4, 3, True), (500, 3, True)])
async def test_finds_are_bounded_and_what_was_cut_is_said(
    workspace: Workspace, lines: int, shown: int, truncated: bool
) -> None:
    workspace.write("a.txt", "x\n" * lines)
    finds = await found(workspace, pattern="x")
    assert (len(finds.matches), finds.truncated) == (shown, truncated)


async def test_a_long_line_is_cut(workspace: Workspace) -> None:
    workspace.write("a.txt", "x" * 10_000)
    (find,) = (await found(workspace, pattern="x")).matches
    assert find.text == "x" * MAX_LINE


async def test_files_that_are_no_text_hidden_or_linked_from_outside_are_passed_over(workspace: Workspace) -> None:
    workspace.write("binary", b"Ada\xff\xfe")
    workspace.write(".git/config", "Ada")
    workspace.path.parent.joinpath("outside").write_text("Ada")
    os.symlink(workspace.path.parent / "outside", workspace.path / "link")
    os.link(workspace.path.parent / "outside", workspace.path / "hard")
    assert (await found(workspace, pattern="Ada")).matches == []


async def test_a_pattern_that_is_an_argument_is_searched_for_and_one_that_costs_too_much_is_told(
    workspace: Workspace,
) -> None:
    class SearchFor(FileTool):
        class Input(ToolInput):
            folder: DirPath = "."  # type: ignore[assignment]
            pattern: Pattern

        async def run(self, args: Input, ctx: Any) -> Finds:
            return await self.search(args.folder, args.pattern)

    workspace.write("a.txt", "b\n" + "a\n" * 100_000)
    root, tool = Root(workspace.path), SearchFor()
    try:
        for pattern, truncated in (("^b$", False), ("(((a?){10}){10}){9}b", True)):
            sent = tool.arguments.check({"pattern": pattern}, Sandbox(workspace=root))
            finds = await tool.run(sent, None)
            assert ([find.line for find in finds.matches], finds.truncated) == ([1], truncated)
    finally:
        root.close()


@pytest.mark.parametrize("folder", ["..", "/etc", ".git", "a/../..", "a\0b"])
async def test_a_search_cannot_leave_the_workspace(workspace: Workspace, folder: str) -> None:
    with pytest.raises((InvalidArguments, UnsafePath)):
        await found(workspace, pattern="x", folder=folder)


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "a{1000}{1000}", "x" * (MAX_PATTERN + 1)])
def test_a_pattern_that_re2_does_not_take_is_refused_for_the_model_to_mend(pattern: str) -> None:
    with pytest.raises(ToolError) as refused:
        compiled(pattern)
    assert "RE2" in refused.value.message or str(MAX_PATTERN) in refused.value.message


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*x", "a?" * 100 + "a" * 100])
def test_cve_2026_0621_no_pattern_can_run_for_ever(pattern: str) -> None:
    begun = time.process_time()
    compiled(pattern).search("a" * 50_000 + "!")
    assert time.process_time() - begun < 2.0


# -- a database ------------------------------------------------------------------------------------------------------


class Select(DatabaseTool):
    Output = Table

    class Input(ToolInput):
        query: ReadQuery

    async def run(self, args: Input, ctx: Any) -> Table:
        return await self.select(args.query)


async def selected(workspace: Workspace, query: str, **caps: Any) -> Any:
    workspace.table("pet", "name TEXT, age INTEGER, photo BLOB", [("Rex", 3, b"\xff"), ("Tom", None, None)])
    tool = Select()
    sandbox = Sandbox(database=Database(str(workspace.database), **caps))
    answer = tool.present(await tool.run(tool.arguments.check({"query": query}, sandbox), None))
    return answer.body["structuredContent"]


async def test_rows_come_as_a_table_that_json_can_hold(workspace: Workspace) -> None:
    assert await selected(workspace, "SELECT name, age, photo FROM pet ORDER BY name") == {
        "columns": ["name", "age", "photo"],
        "rows": [["Rex", 3, "base64:/w=="], ["Tom", None, None]],
        "truncated": False,
    }


async def test_rows_past_the_bound_are_cut_and_that_is_said(workspace: Workspace) -> None:
    table = await selected(workspace, "SELECT name FROM pet", max_rows=1)
    assert (len(table["rows"]), table["truncated"]) == (1, True)


@pytest.mark.parametrize("query", ["DELETE FROM pet", "SELECT 1; SELECT 2", "ATTACH 'x' AS y", "PRAGMA user_version"])
async def test_anything_but_one_select_is_refused(workspace: Workspace, query: str) -> None:
    with pytest.raises((InvalidArguments, UnsafeQuery)):
        await selected(workspace, query)


# -- a program -------------------------------------------------------------------------------------------------------


class Git(CommandTool):
    program = git()

    async def run(self, args: Any, ctx: Any) -> str:
        return await self.execute(ctx, "log", {"--oneline": True})


class Print(CommandTool):
    program = Program(
        "printf", prefix=("%s",), subcommands=[Subcommand("", operands=(Operand("word"),), separator=None)]
    )

    async def run(self, args: Any, ctx: Any) -> str:
        return await self.execute(ctx, "", operands=[args])


def repository(workspace: Workspace) -> None:
    workspace.write("a.txt", "a")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for words in (["init", "-q"], ["add", "a.txt"], [*identity, "commit", "-q", "-m", "The first"]):
        subprocess.run(["git", *words], cwd=workspace.path, check=True, capture_output=True)


async def test_git_runs_in_the_workspace(workspace: Workspace) -> None:
    repository(workspace)
    root = Root(workspace.path)
    try:
        assert (await Git().run(None, Here(root))).strip().endswith("The first")
    finally:
        root.close()


async def test_a_program_that_fails_is_a_refusal_that_does_not_repeat_its_complaint(workspace: Workspace) -> None:
    root = Root(workspace.path)
    try:
        with pytest.raises(UnsafeCommand) as refused:
            await Git().run(None, Here(root))
        assert str(workspace.path) not in refused.value.message
    finally:
        root.close()


async def test_an_undeclared_subcommand_flag_or_operand_is_refused(workspace: Workspace) -> None:
    root = Root(workspace.path)
    try:
        for words in (("push",), ("log", {"--exec": "x"}), ("log", {}, ["--output=x"])):
            with pytest.raises(Refusal):
                await Git().execute(Here(root), *words)  # type: ignore[arg-type]
        assert await Print().run("$(id)", Here(root)) == "$(id)"
    finally:
        root.close()


# -- the web ---------------------------------------------------------------------------------------------------------


class Get(HttpTool):
    class Input(ToolInput):
        url: PublicUrl

    async def run(self, args: Input, ctx: Any) -> str:
        return (await self.get(args.url)).text()


@asynccontextmanager
async def serving(status: str) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def fetched(port: int, *, allowed: bool = True) -> str:
    pair = f"127.0.0.1:{port}"
    policy = UrlPolicy(allow=frozenset({pair} if allowed else ()), ports=frozenset({port}), timeout=5.0)
    tool = Get()
    return await tool.run(tool.arguments.check({"url": f"http://{pair}/"}, Sandbox(urls=policy)), None)


async def test_a_page_is_fetched() -> None:
    async with serving("200 OK") as port:
        assert await fetched(port) == "hello"


@pytest.mark.parametrize("status, retryable", [("404 Not Found", False), ("503 Busy", True)])
async def test_a_server_that_answers_with_an_error_is_told_by_its_status(status: str, retryable: bool) -> None:
    async with serving(status) as port:
        with pytest.raises(ToolError, match=f"status {status[:3]}") as failed:
            await fetched(port)
    assert failed.value.retryable is retryable


async def test_a_tool_that_sends_says_that_it_does() -> None:
    class Post(Get):
        read_only = False

    async with serving("200 OK") as port:
        policy = UrlPolicy(allow=frozenset({f"127.0.0.1:{port}"}))
        url = PublicUrl.from_text(f"http://127.0.0.1:{port}/", Sandbox(urls=policy))
        assert (await Post().send(url, {"a": 1})).text() == "hello"
        with pytest.raises(ConfigurationError, match="read_only"):
            await Get().send(url, {"a": 1})
    async with serving("500 Broken") as port:
        with pytest.raises((ToolError, UnsafeUrl)):
            await Post().send(url, {"a": 1})


async def test_an_address_that_is_not_public_is_refused() -> None:
    async with serving("200 OK") as port:
        with pytest.raises((UnsafeUrl, InvalidArguments)):
            await fetched(port, allowed=False)
