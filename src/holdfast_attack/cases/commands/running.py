"""Programs and environments that a caller names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.commands.injection import SETTLE
from holdfast_attack.cases.commands.openness import is_open_shell
from holdfast_attack.cases.trying import Shot, fire, fired
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import advisory, taste
from holdfast_attack.tools import Parameter, Role
from holdfast_attack.tools.roles import types_of
from holdfast_attack.tools.words import singular, words_of

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

ENVIRONMENT = frozenset({"env", "environment", "environ", "envvar", "variable"})
PROGRAMS = ("git", "ls", "cat", "echo", "sh", "bash", "python", "python3", "node", "grep", "rg", "find", "true", "env")
"""Names that a trap has, for a server that takes PATH from its caller."""


async def program(probe: Probe) -> int:
    """A program that is none of a tool's business."""
    targets = [aim for aim in aims(probe, Role.COMMAND) if not is_open_shell(aim)]
    if not targets:
        raise NotApplicable("the tools that take commands say that they run any (see commands.open-shell)")
    return await fire(probe, _programs(probe, targets), fired, settle=SETTLE)


async def open_shell(probe: Probe) -> int:
    """The same for tools that say that they run anything."""
    targets = [aim for aim in aims(probe, Role.COMMAND) if is_open_shell(aim)]
    if not targets:
        raise NotApplicable("no tool says that it runs any command")
    return await fire(probe, _programs(probe, targets), fired, settle=SETTLE)


def _programs(probe: Probe, targets: list[Aim]) -> Iterator[Shot]:
    """``touch`` in one line, by its full name, by a shell, and as a program with its words beside it."""
    for aim in targets:
        for form in ("touch {}", "/usr/bin/touch {}", "sh -c 'touch {}'"):
            marker = probe.arena.marker()
            yield Shot(aim, aim.holding(form.format(marker)), marker)
        marker = probe.arena.marker()
        for beside in _words_beside(aim):
            yield Shot(aim, beside.put(aim.holding("touch"), str(marker)), marker)


def _words_beside(aim: Aim) -> list[Parameter]:
    """Parameters for the words of the program, which are a list."""
    return [one for one in aim.tool.parameters if one.name != aim.parameter.name and one.steps == (0,)][:2]


async def environment(probe: Probe) -> int:
    """Variables with which programs run others."""
    targets = [
        aim
        for aim in aims(probe, Role.OTHER, Role.TEXT)
        if "object" in types_of(aim.parameter.schema) and ENVIRONMENT & set(map(singular, words_of(aim.parameter.name)))
    ]
    if not targets:
        raise NotApplicable("no tool takes variables of an environment")
    return await fire(probe, _environments(probe, targets), fired, settle=SETTLE)


def _environments(probe: Probe, targets: list[Aim]) -> Iterator[Shot]:
    for aim in targets:
        marker = probe.arena.marker()
        yield Shot(aim, aim.parameter.put(aim.arguments, variables(probe.arena, marker)), marker)


def variables(arena: Arena, marker: Path) -> dict[str, str]:
    """What makes shells, git, Python and others run a trap; a folder of traps comes first on PATH."""
    folder = arena.places.traps / marker.name
    folder.mkdir()
    act = f"touch {shlex.quote(str(marker))}"
    for name in (*PROGRAMS, "trap.sh"):
        (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin {act}\n")
        (folder / name).chmod(0o755)
    (folder / "trap.py").write_text(f"open({str(marker)!r}, 'w')\n")
    (folder / "sitecustomize.py").write_text(f"open({str(marker)!r}, 'w')\n")
    (folder / "trap.js").write_text(f"require('fs').writeFileSync({str(marker)!r}, '')\n")
    script = str(folder / "trap.sh")
    by_git = dict.fromkeys(("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_PAGER", "GIT_EDITOR", "GIT_ASKPASS"), script)
    by_python: dict[str, Any] = {"PYTHONPATH": str(folder), "PYTHONSTARTUP": str(folder / "trap.py")}
    by_others = {"BASH_ENV": script, "ENV": script, "PAGER": script, "EDITOR": script}
    by_node = {"NODE_OPTIONS": f"--require={folder / 'trap.js'}"}
    return {"PATH": f"{folder}:/usr/bin:/bin", **by_git, **by_python, **by_others, **by_node}


CASES = (
    Case(
        id="commands.program",
        title="A caller cannot choose the program",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="a program that makes a file, to tools that run commands and do not say that they run any",
        sound="refuses; the file does not come to be",
        reference=advisory("CVE-2026-42271 (LiteLLM: a caller sends the program itself), CVE-2026-55580 (mcp-shell)"),
        remedy="name the programs, their subcommands and flags on the server's side, and refuse any other",
        advisories=("CVE-2026-42271", "CVE-2026-55580"),
        play=program,
    ),
    Case(
        id="commands.open-shell",
        title="A tool that runs any command is there on purpose",
        severity=Severity.ADVICE,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="a program that makes a file, to tools that say that they run any command",
        sound="such a tool runs in a sandbox, or is not there by default",
        reference=taste("whoever reaches such a tool has the rights of the server's user; the tool says so itself"),
        remedy="offer named programs instead; else run it in a container, and off by default",
        play=open_shell,
    ),
    Case(
        id="commands.environment",
        title="A caller's variables do not run programs",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="an environment with PATH, GIT_EXTERNAL_DIFF, BASH_ENV, PYTHONPATH, NODE_OPTIONS and the like",
        sound="refuses these variables; the file that their programs make does not come to be",
        reference=advisory("CVE-2026-73601 (Flowise: environment variables and a working directory that run code)"),
        remedy="build the environment of programs from a list of names that may be set",
        advisories=("CVE-2026-73601",),
        play=environment,
    ),
)
