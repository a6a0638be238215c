"""``holdfast attack``: a hostile client that judges any MCP server of the user's own, and says how to mend it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

FOUND = 1
"""Exit status when a case failed at the level of ``--fail-on``."""
NOT_STARTED = 3
"""Exit status when the server could not be started, or does not speak the protocol."""


class FailOn(StrEnum):
    """The least severity of a failed case that makes the exit status 1."""

    low = "low"
    medium = "medium"
    high = "high"
    critical = "critical"


class Era(StrEnum):
    """Versions of the protocol: with a handshake, or without."""

    legacy = "legacy"
    modern = "modern"


_REPORTS = "Reports"
_SERVER = "The server"
_CASES = "What is played"

CommandOption = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="-- COMMAND...",
        help="How the server is started. {workspace}, {database} and {port} are filled in.",
        show_default=False,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="A server on this machine over HTTP; with a command, {port} is a free port.",
        rich_help_panel=_SERVER,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="MCP_ATTACK_TOKEN",
        help="Bearer token for --url (other users see the words of a command; the variable they do not).",
        rich_help_panel=_SERVER,
    ),
]
EnvOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="Also give the server this variable; without a value, yours. It gets few of yours by default.",
        rich_help_panel=_SERVER,
    ),
]
CwdOption = Annotated[
    Path | None,
    typer.Option(
        "--cwd",
        exists=True,
        file_okay=False,
        help="Where the server runs (default: a temporary folder with canary files).",
        rich_help_panel=_SERVER,
    ),
]
StartOption = Annotated[
    float,
    typer.Option("--start-timeout", min=1, help="Seconds that the server may take to start.", rich_help_panel=_SERVER),
]
WritesFlag = Annotated[
    bool,
    typer.Option(
        "--allow-writes",
        help="Also call tools that are not read-only, by annotation or else by name; they run for real.",
        rich_help_panel=_CASES,
    ),
]
CaseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--case", metavar="ID|CLASS", help="Only this case or class; may be repeated.", rich_help_panel=_CASES
    ),
]
FullFlag = Annotated[
    bool,
    typer.Option("--full", help="Also what takes long: up to 15 minutes, not 3.", rich_help_panel=_CASES),
]
EraOption = Annotated[Era | None, typer.Option("--era", help="Only this era of the protocol.", rich_help_panel=_CASES)]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed plays the same bytes.", rich_help_panel=_CASES)]
LimitOption = Annotated[
    float | None,
    typer.Option(
        "--time-limit", min=5, help="Seconds that everything may take (300; with --full 1500).", rich_help_panel=_CASES
    ),
]
DeadlineOption = Annotated[
    float | None,
    typer.Option(
        "--call-deadline",
        min=0.1,
        help="Seconds that you promise any call takes at most (35).",
        rich_help_panel=_CASES,
    ),
]
ListFlag = Annotated[bool, typer.Option("--list", help="Print every case and leave.", rich_help_panel=_CASES)]
ExplainOption = Annotated[
    str | None, typer.Option("--explain", metavar="ID", help="Print all about a case.", rich_help_panel=_CASES)
]
CompareOption = Annotated[
    list[str] | None,
    typer.Option("--compare", metavar='"NAME=COMMAND"', help="Judge several servers, side by side in a table."),
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", rich_help_panel=_REPORTS)]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", rich_help_panel=_REPORTS)]
SarifOption = Annotated[Path | None, typer.Option("--sarif", metavar="FILE", rich_help_panel=_REPORTS)]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="One page, with a picture.", rich_help_panel=_REPORTS)
]
FailOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on", help="The least severity of a failed case that makes the exit status 1.", rich_help_panel=_REPORTS
    ),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="Findings that are accepted.", rich_help_panel=_REPORTS),
]
WriteBaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--write-baseline", metavar="FILE", help="Accept what this run finds from now on.", rich_help_panel=_REPORTS
    ),
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]


def attack(  # noqa: PLR0913 - each parameter is an option of the command
    context: typer.Context,
    command: CommandOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    env: EnvOption = None,
    cwd: CwdOption = None,
    start_timeout: StartOption = 30.0,
    case: CaseOption = None,
    full: FullFlag = False,
    era: EraOption = None,
    seed: SeedOption = 0,
    allow_writes: WritesFlag = False,
    time_limit: LimitOption = None,
    call_deadline: DeadlineOption = None,
    list_: ListFlag = False,
    explain: ExplainOption = None,
    compare: CompareOption = None,
    json: JsonOption = None,
    junit: JunitOption = None,
    sarif: SarifOption = None,
    html: HtmlOption = None,
    baseline: BaselineOption = None,
    write_baseline: WriteBaselineOption = None,
    fail_on: FailOption = FailOn.low,
    quiet: QuietFlag = False,
) -> None:
    """Play a hostile and an unlucky client against an MCP server of yours, and say what went wrong and how to mend it.

    Exit status: 0 no case failed, 1 one did (--fail-on), 2 usage, 3 the server could not be started.
    """
    from holdfast.cli import attacking

    if list_ or explain is not None:
        attacking.show(explain)
    elif status := attacking.run(attacking.Asked.of(context.params)):
        raise typer.Exit(status)
