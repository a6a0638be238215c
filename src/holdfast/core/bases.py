"""Ready bases for the common dangerous work: files, databases, programs and the web."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.core.output import ToolOutput
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError, InvalidArguments, ToolError
from holdfast.safe.expressions import Pattern

if TYPE_CHECKING:
    from holdfast.core.context import Context
    from holdfast.safe.commands import Program
    from holdfast.safe.fetching import Fetched
    from holdfast.safe.paths import DirPath
    from holdfast.safe.sql import ReadQuery
    from holdfast.safe.urls import PublicUrl

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

    async def search(self, folder: DirPath, pattern: str | Pattern, *, glob: str | None = None) -> Finds:
        """Lines that match ``pattern`` in the text files beneath ``folder``. Raises ``ToolError`` for a bad pattern.

        A file that is too long for so costly a pattern is searched from its beginning, and the answer is truncated.
        """
        matcher = pattern if isinstance(pattern, Pattern) else compiled(pattern)
        lines, truncated = await folder.search(matcher, glob, self.max_matches)
        return Finds(
            matches=[Found(path=line.path, line=line.number, text=line.text) for line in lines], truncated=truncated
        )


def compiled(pattern: str) -> Pattern:
    """A regular expression from a caller, as RE2 takes it: it cannot be made to run for ever (CVE-2026-0621).

    Raises ``ToolError``. A tool that takes a ``Pattern`` as its argument has it compiled already.
    """
    try:
        return Pattern.from_text(pattern)
    except InvalidArguments as refusal:
        raise ToolError(refusal.message) from None


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
    """Base of tools that run one declared ``program`` in the workspace: never a shell, never an undeclared flag.

    The workspace's rules hold for the program too: a path among the operands is judged by them (and, if the program
    opens it, opened first), and a program that can leave files out (git, ripgrep) is told what the deny rules hide.
    """

    needs = ("workspace",)
    program: Program

    def __init__(self) -> None:
        super().__init__()
        if getattr(self, "program", None) is None:
            raise ConfigurationError(f"tool {self.name}: a CommandTool declares its program = Program(...)")

    async def execute(
        self, ctx: Context, subcommand: str, flags: Mapping[str, object] | None = None, operands: Sequence[object] = ()
    ) -> str:
        """Run to the end and return the output as text. Raises ``UnsafeCommand`` when refused, failed or too slow.

        Raises ``UnsafePath`` for a path that the workspace does not show.
        """
        root = ctx.workspace
        command = self.program.argv(subcommand, flags or {}, operands, hidden=root.deny.patterns)
        for text, opened in command.paths:
            if root.dir(text).text != "." and opened:
                await root.read(text).stat()
        async with await root.dir().open_fd() as folder:
            completed = await command.run(cwd=folder)
        return completed.text()


class HttpTool(Tool):
    """Base of tools that fetch from the web; take a ``PublicUrl``.

    One that ``send``s says so with ``read_only = False``: its method and its body are the author's word.
    """

    read_only = True
    open_world = True

    async def get(self, url: PublicUrl, **options: Any) -> Fetched:
        """Fetch a ``PublicUrl``. Raises ``UnsafeUrl`` when refused, and ``ToolError`` when the answer is an error."""
        return _succeeded(await url.fetch(**options))

    async def send(self, url: PublicUrl, body: object, **options: Any) -> Fetched:
        """Send to a ``PublicUrl`` (POST unless ``method`` says otherwise). Raises as ``get`` does."""
        if self.read_only:
            raise ConfigurationError(f"{type(self).__name__} sends something: declare read_only = False")
        return _succeeded(await url.send(body, **options))


def _succeeded(fetched: Fetched) -> Fetched:
    if fetched.status >= 400:
        raise ToolError(f"the server answered with status {fetched.status}", retryable=fetched.status >= 500)
    return fetched
