"""``holdfast call``: one call of a tool through its whole chain, in memory, without a client."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.options import ConfigOption, DebugFlag, EnvFileOption, TargetArgument
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded
    from holdfast.server import Server

FAILED = 1
"""Exit status when the tool refused or failed."""
TERMINATED = 143
"""Exit status after SIGTERM: 128 and its number (POSIX shells)."""

ToolArgument = Annotated[str, typer.Argument(metavar="TOOL", help="The tool's name, as holdfast list shows it.")]
PairsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Arguments, one by one.", show_default=False)
]
ArgumentsOption = Annotated[
    str | None, typer.Option("--json", metavar="ARGS", help="Arguments: a JSON object, @FILE, or - for standard input.")
]
RawFlag = Annotated[bool, typer.Option("--raw", help="Print the whole result as JSON.")]


def call(  # noqa: PLR0913 - each parameter is an option of the command
    target: TargetArgument,
    tool: ToolArgument,
    pairs: PairsArgument = None,
    arguments: ArgumentsOption = None,
    raw: RawFlag = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = None,
    debug: DebugFlag = False,
) -> None:
    """Call a tool through every guard and print its answer. Exit status 1 means that it refused or failed."""
    from holdfast.cli.answers import show
    from holdfast.cli.discovery import Sources, Target, find
    from holdfast.cli.streams import diverted
    from holdfast.cli.words import read_arguments
    from holdfast.wire.serve import finish, run_loop

    chosen = Target.parse(target)
    given = sys.stdin.read() if arguments == "-" else arguments
    with diverted():
        server = find(chosen, Sources(config, env_file, debug))
        known = server.whole().tools
        if tool not in known:
            raise ConfigurationError(f"{server.name} has no tool of that name; it has: {', '.join(known) or 'none'}")
        wanted = read_arguments(given, pairs or (), known[tool].arguments.schema)
        result: dict[str, Any] = {}
        status = run_loop(_finished(result, answer(server, tool, wanted)))
    if raw and result:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    elif result:
        show(result)
    finish(status)  # a tool that hangs in a thread must not hold up the end


async def _finished(into: dict[str, Any], answer: Awaitable[dict[str, Any]]) -> int:
    """The exit status. A signal cancels the call: raised as an exception in a tool, it would be the tool's fault."""
    from holdfast.wire.serve import Signals

    task = asyncio.ensure_future(answer)

    def stop() -> None:
        task.cancel()

    with Signals(stop) as signals:
        try:
            into.update(await task)
        except asyncio.CancelledError:
            return 128 + signals.number if signals.number else TERMINATED
    return FAILED if into.get("isError") else 0


async def answer(server: Server, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result as it goes on the wire. Raises ``ConfigurationError`` when the server cannot start."""
    from holdfast.wire.memory import connect

    async with connect(_Quiet(server, server.name), "auto", {}) as client:
        try:
            found = await client.call_tool(tool, arguments)
        except Exception as error:  # boundary: the protocol's errors are types of the SDK, which only wire/ knows
            return {"content": [{"type": "text", "text": str(error)}], "isError": True}
    result: dict[str, Any] = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    return result


_QUIET = {"log.level": "warning", "watchdog.lag": 1.0}
"""What a single call changes where nobody set it: the answer is what was asked for, not a log of it; and the client's
own first imports hold the loop for 0.13 s (measured), which would be reported as a tool's fault."""


@dataclass(slots=True)
class _Quiet:
    """A server with the settings for a single call."""

    server: Server
    name: str

    def load_settings(self, **overrides: Any) -> Loaded:
        origins = self.server.load_settings(**overrides).origins
        quiet = {key.replace(".", "__"): value for key, value in _QUIET.items() if key not in origins}
        return self.server.load_settings(**overrides, **quiet)

    @asynccontextmanager
    async def serving(self, loaded: Loaded | None = None) -> AsyncIterator[Any]:
        async with self.server.serving(loaded or self.load_settings()) as live:
            yield live
