"""Files, a database, a git repository and the web beneath one workspace: every dangerous kind of tool, guarded.

HOLDFAST_WORKSPACE is the folder, HOLDFAST_DATABASE the SQLite file.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdfast import (
    CommandTool,
    Context,
    DatabaseTool,
    DirPath,
    FileTool,
    HttpTool,
    PublicUrl,
    ReadPath,
    ReadQuery,
    Server,
    ToolInput,
    ToolOutput,
    WritePath,
)
from holdfast.core.bases import Finds, Table
from holdfast.safe.programs import git

server = Server("workspace", instructions="Paths are relative to the workspace folder.")


@server.add
class ReadFile(FileTool):
    """Return the text of a file."""

    read_only = True

    class Input(ToolInput):
        path: ReadPath

    async def run(self, args: Input, ctx: Context) -> str:
        return await args.path.read_text()


@server.add
class WriteFile(FileTool):
    """Write text to a file, replacing what it held; folders on the way are made."""

    idempotent = True

    class Input(ToolInput):
        path: WritePath
        text: str

    class Output(ToolOutput):
        bytes: int

    async def run(self, args: Input, ctx: Context) -> Output:
        return self.Output(bytes=await args.path.write_text(args.text, make_parents=True))


class Listed(ToolOutput):
    """One entry of a folder; ``size`` in bytes."""

    name: str
    kind: str
    size: int


@server.add
class ListDir(FileTool):
    """List a folder: the names, kinds and sizes of what is in it."""

    read_only = True

    class Input(ToolInput):
        path: DirPath = "."  # type: ignore[assignment]  # a handle's default is written as text and guarded too

    async def run(self, args: Input, ctx: Context) -> list[Listed]:
        return [Listed(name=entry.name, kind=entry.kind, size=entry.size) for entry in await args.path.list()]


@server.add
class SearchText(FileTool):
    """Find the lines that match a regular expression (RE2 syntax) in the text files beneath a folder."""

    read_only = True

    class Input(ToolInput):
        pattern: Annotated[str, Field(min_length=1, max_length=1_000)]
        path: DirPath = "."  # type: ignore[assignment]  # as above

    async def run(self, args: Input, ctx: Context) -> Finds:
        return await self.search(args.path, args.pattern)


@server.add
class GitLog(CommandTool):
    """Show the latest commits of the workspace's git repository."""

    read_only = True
    program = git()

    class Input(ToolInput):
        ref: Annotated[str, Field(min_length=1, max_length=200)] = "HEAD"
        count: Annotated[int, Field(ge=1, le=100)] = 10

    async def run(self, args: Input, ctx: Context) -> str:
        return await self.execute(ctx, "log", {"--max-count": args.count, "--oneline": True}, [args.ref])


@server.add
class Query(DatabaseTool):
    """Run one read-only SELECT statement over the database."""

    class Input(ToolInput):
        sql: ReadQuery

    async def run(self, args: Input, ctx: Context) -> Table:
        return await self.select(args.sql)


@server.add
class FetchUrl(HttpTool):
    """Fetch a public web page or document as text."""

    class Input(ToolInput):
        url: PublicUrl

    async def run(self, args: Input, ctx: Context) -> str:
        return (await self.get(args.url)).text()


if __name__ == "__main__":
    server.main()
