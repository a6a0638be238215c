"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TargetArgument = Annotated[
    str, typer.Argument(metavar="FILE[:NAME]", help="The server's file, and its name there when it holds several.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="TOML", help="Settings file (default: holdfast.toml beside the server's file)."),
]
EnvFileOption = Annotated[
    Path | None, typer.Option("--env-file", metavar="FILE", help="File of HOLDFAST_* variables to read as well.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show the traceback when the file cannot be imported.")]
