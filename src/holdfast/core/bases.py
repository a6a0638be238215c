"""Ready bases for the common dangerous work: files, databases, programs and the web."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.core.output import ToolOutput
from holdfast.core.tool import Tool
from holdfast.errors import ToolError

if TYPE_CHECKING:
    from holdfast.core.context import Context
    from holdfast.safe.commands import Program
    from holdfast.safe.fetching import Fetched
    from holdfast.safe.paths import DirPath
    from holdfast.safe.sql import ReadQuery

MAX_PATTERN = 1_000
"""Characters of a search pattern."""
MAX_LINE = 500
"""Characters of a found line that are shown, around what was found; the rest would crowd out other finds."""


class Found(ToolOutput):
    """One line that a search found."""

    path: str
    line: int
    text: str


class Finds(ToolOutput):
    """What a search found; ``truncated`` when there was more."""

    matches: list[Found]
    truncated: bool


class FileTool(Tool):
    """Base of tools over files of the workspace. Take ``ReadPath``, ``WritePath`` or ``DirPath`` as arguments.

    ``search`` looks for a regular expression in files, in linear time (RE2), whoever wrote it.
    """

    needs = ("workspace",)
    open_world = False
    max_matches: int = 200

    async def search(self, folder: DirPath, pattern: str, *, glob: str | None = None) -> Finds:
        """Lines that match ``pattern`` in the text files beneath ``folder``. Raises ``ToolError`` for a bad pattern."""
        lines, truncated = await folder.search(compiled(pattern), glob, self.max_matches)
        return Finds(
            matches=[Found(path=line.path, line=line.number, text=line.text) for line in lines], truncated=truncated
        )


def compiled(pattern: str) -> Any:
    """A regular expression from a caller, as RE2 takes it: it cannot be made to run for ever (CVE-2026-0621)."""
    import re2

    if len(pattern) > MAX_PATTERN:
        raise ToolError(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 * 1024 * 1024
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise ToolError("the pattern is not one that RE2 takes (no look-around, no back-references)") from None


class Table(ToolOutput):
    """Rows of a query; ``truncated`` when there were more."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class DatabaseTool(Tool):
    """Base of tools that read the database of ``HOLDFAST_DATABASE``; take a ``ReadQuery`` as an argument."""

    needs = ("database",)
    read_only = True
    open_world = False

    async def select(self, query: ReadQuery, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Table:
        """Run one read-only statement within its row, byte and time limits."""
        rows = await query.rows(parameters)
        return Table(columns=list(rows.columns), rows=[list(row) for row in rows.rows], truncated=rows.truncated)


class CommandTool(Tool):
    """Base of tools that run one declared ``program`` in the workspace: never a shell, never an undeclared flag."""

    needs = ("workspace",)
    program: Program

    async def execute(
        self, ctx: Context, subcommand: str, flags: Mapping[str, object] | None = None, operands: Sequence[str] = ()
    ) -> str:
        """Run to the end and return the output as text. Raises ``UnsafeCommand`` when refused, failed or too slow."""
        command = self.program.argv(subcommand, flags or {}, operands)
        async with await ctx.workspace.dir().open_fd() as folder:
            completed = await command.run(cwd=folder)
        return completed.text()


class HttpTool(Tool):
    """Base of tools that fetch from the web; take a ``PublicUrl``."""

    read_only = True
    open_world = True

    async def get(self, url: Any, **options: Any) -> Fetched:
        """Fetch a ``PublicUrl``. Raises ``UnsafeUrl`` when refused, and ``ToolError`` when the answer is an error."""
        fetched: Fetched = await url.fetch(**options)
        if fetched.status >= 400:
            raise ToolError(f"the server answered with status {fetched.status}", retryable=fetched.status >= 500)
        return fetched
