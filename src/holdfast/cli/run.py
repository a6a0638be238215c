"""``holdfast run``: serve the server of a file over stdio or HTTP."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.options import ConfigOption, DebugFlag, EnvFileOption, TargetArgument
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.cli.discovery import Sources, Target

HttpFlag = Annotated[bool, typer.Option("--http", help="Serve over HTTP in place of stdio.")]
HostOption = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Address to bind (default: 127.0.0.1); with --http.")
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="Port to bind (default: 8000); 0 takes a free one; with --http.",
        metavar="PORT",
    ),
]
AuthFlag = Annotated[
    bool, typer.Option("--auth", help="Ask callers for a token of HOLDFAST_AUTH__TOKENS; with --http.")
]
ReloadFlag = Annotated[
    bool, typer.Option("--reload", help="Load the server anew whenever a Python file beside it changes.")
]


def run(  # noqa: PLR0913 - each parameter is an option of the command
    target: TargetArgument,
    http: HttpFlag = False,
    host: HostOption = None,
    port: PortOption = None,
    auth: AuthFlag = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = None,
    reload: ReloadFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Serve a server over stdio or HTTP. Over HTTP it answers at /mcp, with /health and /metrics beside it."""
    from holdfast.cli.discovery import Sources, Target
    from holdfast.cli.serving import serve

    refuse_without_http(http, {"--host": host, "--port": port, "--auth": auth or None})
    chosen, sources = Target.parse(target), Sources(config, env_file, debug)
    overrides = {"http__host": host, "http__port": port, "auth__required": auth or None}
    options = {"--host": host, "--port": port, "--auth": auth, "--debug": debug}
    serve(chosen, sources, http, overrides, partial(start_again, chosen, sources, http, options) if reload else None)


def start_again(target: Target, sources: Sources, http: bool, options: dict[str, Any]) -> int:
    """``--reload`` where there is no supervisor: the port is closed for a moment whenever a file changes. Returns the
    exit status; raises ``ConfigurationError`` over stdio, where the client would lose its connection."""
    if not http:
        raise ConfigurationError("--reload needs a supervisor, which this server has to do without: see the line above")
    from holdfast.cli.reload import supervise, words

    return supervise(words(target, sources, options), target.file.parent, [sources.config, sources.env_file])


def refuse_without_http(http: bool, given: dict[str, Any]) -> None:
    """Raise ``ConfigurationError`` that names the first option which makes sense over HTTP only."""
    name = next((name for name, value in given.items() if value is not None), None)
    if not http and name is not None:
        raise ConfigurationError(f"{name} needs --http: a stdio server talks to the one client that started it")
