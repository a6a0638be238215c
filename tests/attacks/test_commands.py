"""Attacks on programs that tools run: published ones by their id, every known way past an allow-list, and survivors.

Each trap is first shown to fire without the guard, so that a canary that does not appear means something.
Every id of the class was found in public records; none is left as not reproduced.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from holdfast.core.bases import CommandTool
from holdfast.errors import ConfigurationError, Refusal, UnsafeCommand
from holdfast.safe import descendants
from holdfast.safe.commands import Command, Flag, Operand, Program, Subcommand
from holdfast.safe.confine import Confinement, means
from holdfast.safe.descendants import Marked
from holdfast.safe.launching import Bounds, Launch, find_tool
from holdfast.safe.paths import Root
from holdfast.safe.processes import Completed, run
from holdfast.safe.programs import git, ripgrep

PYTHON = os.path.realpath(sys.executable)
RG = str(Path(sys.executable).parent / "rg")
HOSTILE_RUNS = int(os.environ.get("HOLDFAST_HOSTILE_RUNS", "24"))
"""How many hostile runs the last test makes; 1,000 take two minutes, on a busy machine more than five."""

SHOW = Program(
    "printf",
    prefix=("%s\n",),
    subcommands=[Subcommand("", operands=(Operand("word", many=True, max_length=4096),), separator=None)],
)
"""Shows the words that a program would get, one to a line."""


class Here:
    """As much of a context as the base uses."""

    def __init__(self, root: Root) -> None:
        self.workspace = root


class Git(CommandTool):
    program = git()

    async def run(self, args: Any, ctx: Any) -> str:
        return await self.execute(ctx, *args)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    work = tmp_path / "work"
    work.mkdir()
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (["init", "-q", "-b", "main"], [*identity, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=work, check=True, capture_output=True, env=clean_environment())
    (work / "a.txt").write_text("one\n")
    opened = Root(work)
    yield opened
    opened.close()


def clean_environment() -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def fires(line: str, canary: Path, **options: Any) -> None:
    """The trap works where a shell, or no guard, is."""
    subprocess.run(["/bin/sh", "-c", line], cwd=canary.parent, capture_output=True, check=False, timeout=30, **options)
    assert canary.exists(), "the trap must fire without the guard"
    canary.unlink()


# -- shell strings --


@pytest.mark.parametrize("form", ["main; touch {}", "main && touch {}", "main | touch {}", "$(touch {})", "`touch {}`"])
async def test_cve_2025_53107_a_parameter_of_git_with_shell_characters_runs_nothing(
    form: str, root: Root, tmp_path: Path
) -> None:
    """git-mcp-server before 2.1.5 put tool parameters into a line for child_process.exec: ; && | $( ) run commands."""
    canary = tmp_path / "canary"
    text = form.format(canary)
    fires(f"git -C work log {text}", canary)
    for call in (("log", {}, [text]), ("show", {}, [text]), ("diff", {}, ["HEAD", text]), ("log", {"--author": text})):
        with contextlib.suppress(Refusal):
            await Git().run(call, Here(root))
    assert (await SHOW.argv("", operands=[text]).run()).text() == f"{text}\n"
    assert not canary.exists()


def test_cve_2025_15061_a_url_with_shell_characters_stays_a_word(tmp_path: Path) -> None:
    """Framelink Figma MCP's fetchWithRetry put the URL into a line of curl for a shell: its metacharacters ran."""
    canary = tmp_path / "canary"
    url = f'https://api.example/v1/files/x" ; touch {canary} ; "$(touch {canary})'
    fires(f'printf %s "{url}"', canary)
    assert SHOW.argv("", operands=[url]).run_sync().text() == f"{url}\n"
    assert not canary.exists()


def test_cve_2025_6514_an_authorization_endpoint_with_a_command_stays_a_word(tmp_path: Path) -> None:
    """mcp-remote before 0.1.16 opened the server's authorization_endpoint by a shell: $( ) in the URL ran there."""
    canary = tmp_path / "canary"
    url = f"a:$(touch {canary})?response_type=code"
    fires(f'printf %s "{url}"', canary)
    assert SHOW.argv("", operands=[url]).run_sync().text() == f"{url}\n"
    assert not canary.exists()


def test_cve_2026_85660_an_allowed_program_with_a_substitution_runs_no_second_one(tmp_path: Path) -> None:
    """cli-mcp-server 0.2.5 checked the name echo against its list, then ran ``echo $(touch PWNED)`` with shell=True."""
    canary = tmp_path / "canary"
    echo = Program("echo", subcommands=[Subcommand("", operands=(Operand("text", many=True),), separator=None)])
    for text in (f"$(touch {canary})", f"`touch {canary}`"):
        fires(f"echo {text}", canary)
        assert echo.argv("", operands=[text]).run_sync().text() == f"{text}\n"
    assert not canary.exists()


# -- operands and flags that are read as something else --


async def test_cve_2025_68144_a_target_that_is_an_option_writes_no_file(root: Root, tmp_path: Path) -> None:
    """mcp-server-git's git_diff and git_checkout passed the target on: ``--output=/path`` overwrote any file.

    Three layers, each looked at by itself: no operand begins with a dash (and a revision has its own form), the flags
    end before the operands, and a flag is one that was declared. Behind them Landlock lets Git write nothing.
    """
    canary = tmp_path / "canary"
    fires(f"git -C work diff --output={canary}", canary)
    for target in (f"--output={canary}", "--output", "-o", f"-o{canary}"):
        for call in (("diff", {}, [target]), ("show", {}, [target]), ("log", {}, ["HEAD", target])):
            with pytest.raises(Refusal):
                await Git().run(call, Here(root))
            with pytest.raises(UnsafeCommand) as caught:
                git().argv(*call)
            assert caught.value.code == "command.operand"
    for name in ("diff", "show", "log"):
        words = git().words(name, {}, ["HEAD"])
        assert words.index("--end-of-options") < words.index("HEAD^0")
    with pytest.raises(UnsafeCommand) as caught:
        await Git().run(("diff", {"--output": str(canary)}), Here(root))
    assert caught.value.code == "command.flag"
    assert not canary.exists()


def test_cve_2026_61459_a_name_with_leading_dashes_is_no_flag(tmp_path: Path) -> None:
    """mcp-server-kubernetes before 3.9.0: resourceType and name with leading dashes became ``--server``, and the token
    went there."""
    told = tmp_path / "told"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nfor word; do case "$word" in --server*) touch {told};; esac; done\n')
    kubectl.chmod(0o755)
    fires(f"{kubectl} get --server=https://evil.example", told)
    program = Program(
        "kubectl",
        executable=str(kubectl),
        subcommands=[Subcommand("get", (Flag("--namespace", takes="text"),), (Operand("type"), Operand("name")))],
        confine="off",
    )
    evil = "--server=https://evil.example"
    for flags, operands in (
        ({}, [evil, "pod"]),
        ({}, ["pods", evil]),
        ({"--server": "https://evil.example"}, ["pods", "x"]),
        ({"--namespace=x --server": "y"}, ["pods", "x"]),
        ({}, ["pods", "\u2212\u2212server=https://evil.example"]),
    ):
        with pytest.raises(UnsafeCommand):
            program.argv("get", flags, operands)
    program.argv("get", {"--namespace": evil}, ["pods", "x"]).run_sync()
    assert program.words("get", {"--namespace": evil}, ["pods", "x"])[2] == f"--namespace={evil}"
    assert not told.exists() or told.unlink() is not None, "one word, which kubectl reads as a namespace"


@pytest.mark.parametrize(
    "name", ["--yes", "-y", "--YES", "--ye", "-yes", "--call", "-c", "--package", "--yes=true", ""]
)
def test_cve_2026_56274_another_spelling_of_a_flag_is_not_declared_either(name: str) -> None:
    """Flowise before 3.1.2 had lists of bad flags: ``npx --yes`` passed where ``-y`` did not, ``docker build`` where
    ``run`` did not."""
    npx = Program("true", prefix=("npx", "the-authors-package"), subcommands=[Subcommand("", (Flag("--verbose"),))])
    for value in (True, "x"):
        with pytest.raises(UnsafeCommand):
            npx.argv("", {name: value})
    docker = Program("true", subcommands=[Subcommand("ps"), Subcommand("images")])
    for subcommand in ("build", "run", "exec", "PS", "ps ", "ps build", "", "--config=x"):
        with pytest.raises(UnsafeCommand):
            docker.argv(subcommand, {}, [])


# -- the environment --


def test_cve_2026_73601_variables_and_the_working_directory_run_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flowise before 3.1.3: PYTHONWARNINGS with BROWSER ran a command in an allowed python3; ``/`` as the directory and
    /proc/self/environ made HOME code for node."""
    canary = tmp_path / "canary"
    evil = {"PYTHONWARNINGS": "all:0:antigravity.x:0:0", "BROWSER": f"/bin/sh -c 'touch {canary}' #%s"}
    fires(f"{sys.executable} -c pass", canary, env=evil)
    for name, value in evil.items():
        with pytest.raises(ConfigurationError):
            Program("true", subcommands=[Subcommand("")], env={name: value})
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", f"console.log(1);//{canary}")
    python = Program(
        "python",
        executable=sys.executable,
        prefix=("-c", "import os; print(os.environ['HOME'], 'BROWSER' in os.environ)"),
        subcommands=[Subcommand("", separator=None)],
        reads=(sys.prefix, sys.base_prefix),
        runs=(PYTHON,),
    )
    assert python.argv("").run_sync().text() == "/nonexistent False\n"
    assert not canary.exists()
    with pytest.raises(UnsafeCommand):
        SHOW.argv("", {"env": json.dumps(evil)}, ["x"])
    if means().landlock:
        cat = Program("cat", subcommands=[Subcommand("", operands=(Operand("file", pattern="[a-z/]+"),))])
        assert cat.argv("", operands=["/proc/self/environ"]).run_sync().returncode == 1


def test_no_variable_of_the_server_reaches_a_program(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, trap = tmp_path / "canary", tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    trap.chmod(0o755)
    (root.path / "a.txt").write_text("needle\n")
    subprocess.run(["git", "-C", root.path, "add", "-N", "a.txt"], check=True, env=clean_environment())
    config = tmp_path / "rgrc"
    config.write_text(f"--pre={trap}\n")
    traps = {
        "GIT_EXTERNAL_DIFF": (str(trap), "git -C work diff"),
        "GIT_CONFIG_PARAMETERS": (f"'core.fsmonitor'='{trap}'", "git -C work status"),
        "TAR_OPTIONS": (f"--checkpoint=1 --checkpoint-action=exec={trap}", f"tar -cf {tmp_path / 'x.tar'} work"),
        "RIPGREP_CONFIG_PATH": (str(config), f"{RG} needle work"),
    }
    if not os.access(RG, os.X_OK):
        del traps["RIPGREP_CONFIG_PATH"]
    for name, (value, line) in traps.items():
        fires(line, canary, env={**clean_environment(), name: value})
        monkeypatch.setenv(name, value)
    for name in (
        "PAGER",
        "GIT_PAGER",
        "EDITOR",
        "GIT_SSH_COMMAND",
        "GIT_ASKPASS",
        "BASH_ENV",
        "GIT_EDITOR",
        "LESSOPEN",
    ):
        monkeypatch.setenv(name, str(trap))
    monkeypatch.setenv("GIT_TRACE", str(canary))
    tar = Program("tar", prefix=("-cf", "-"), subcommands=[Subcommand("", operands=(Operand("path", path=True),))])
    calls: list[tuple[Program, tuple[Any, ...]]] = [
        (git(), ("diff",)),
        (git(), ("status",)),
        (git(), ("log",)),
        (git(), ("grep", {"-e": "needle"})),
        (replace(tar, confine="off"), ("", {}, ["a.txt"])),
    ]
    if "RIPGREP_CONFIG_PATH" in traps:
        calls.append((ripgrep(RG), ("search", {"--regexp": "needle"})))
    for program, call in calls:
        with root.dir().open_fd_sync() as folder:
            assert program.argv(*call).run_sync(cwd=folder).text(check=program.name == "git") is not None
    assert not canary.exists()


# -- a policy that is off --


async def test_cve_2026_42271_no_caller_can_send_a_program(root: Root, tmp_path: Path) -> None:
    """LiteLLM 1.74.2 to 1.83.6: test endpoints took command, args and env of a stdio server and ran them."""
    canary = tmp_path / "canary"
    sent = {"transport": "stdio", "command": "touch", "args": [str(canary)], "env": {"PATH": "/bin"}}
    for call in (
        ("touch", {}, [str(canary)]),
        (json.dumps(sent), {}, []),
        ("log", {"command": "touch", "args": [str(canary)]}),
        ("log", {"env": {"GIT_EXTERNAL_DIFF": "touch"}}),
    ):
        with pytest.raises(Refusal):
            await Git().run(call, Here(root))
    with pytest.raises(ConfigurationError, match="cannot be an argument"):
        TypeAdapter(Program)
    for kind in (Command, CommandTool):
        with pytest.raises(Exception, match="schema"):
            TypeAdapter(kind)
    assert not canary.exists()


def test_cve_2026_55580_nothing_runs_unless_declared_and_no_interpreter_can_be() -> None:
    """mcp-shell before 0.6.0: the policy was off in the bare binary, and with it on, ``/bin/bash -i`` and python3 were
    on the list."""
    for name in ("bash", "sh", "/bin/bash", "env"):
        with pytest.raises(ConfigurationError, match="code"):
            Program(name, subcommands=[Subcommand("", operands=(Operand("x"),))])
    with pytest.raises(ConfigurationError, match="prefix"):
        Program("python3", executable=sys.executable, subcommands=[Subcommand("", operands=(Operand("script"),))])
    with pytest.raises(ConfigurationError, match="subcommand"):
        Program("true", subcommands=[])

    class Undeclared(CommandTool):
        async def run(self, args: Any, ctx: Any) -> str:
            return await self.execute(ctx, "", {}, ["-i"])

    with pytest.raises(ConfigurationError, match="program"):
        Undeclared()
    for words in (["-c", "alias.pwn=!id"], ["-c", "core.pager=id"]):
        with pytest.raises(UnsafeCommand):
            git().argv(words[0], {}, words[1:])
        with pytest.raises(UnsafeCommand):
            git().argv("log", {words[0]: words[1]})


# -- every known way past an allow-list of executables --


def declared(name: str, *flags: Flag, prefix: tuple[str, ...] = (), separator: Any = "--", **options: Any) -> Program:
    operands = (Operand("path", many=True, optional=True, max_length=500),)
    made = (Subcommand("", flags, operands, separator=separator),)
    return Program(name, subcommands=made, prefix=prefix, confine="off", **options)


def ways_past() -> dict[str, tuple[str, Program | None, list[str]]]:
    """What fires without a guard, our declaration of that program, and the words that fired."""
    return {
        "tar checkpoint": (
            "tar -cf /dev/null --checkpoint=1 --checkpoint-action=exec={trap} .",
            declared("tar", prefix=("-cf", "/dev/null")),
            ["--checkpoint=1", "--checkpoint-action=exec={trap}", "work"],
        ),
        "tar compress program": (
            "tar -cf /dev/null -I{trap} .",
            declared("tar", prefix=("-cf", "-")),
            ["-I{trap}", "work"],
        ),
        "find exec": (
            "find . -maxdepth 0 -exec {trap} ;",
            declared("find", Flag("-name", takes="text"), separator=None),
            ["work", "-maxdepth", "0", "-exec", "{trap}", ";"],
        ),
        "find delete and write": (
            "find . -maxdepth 0 -fprint {canary}",
            declared("find", separator=None),
            ["work", "-maxdepth", "0", "-fprint", "{canary}"],
        ),
        "sort compress program": (
            "sort -o {canary} /dev/null",
            declared("sort"),
            ["-o", "{canary}", "/dev/null"],
        ),
        "git output": ("git -C work log --output={canary}", git(), ["--output={canary}"]),
        "git external diff": (
            "git -C work -c diff.external={trap} diff --ext-diff",
            git(),
            ["--ext-diff"],
        ),
        "git open files in pager": ("git -C work grep -O{trap} one", git(), ["-O{trap}"]),
        "git upload pack": (
            "git -C work ls-remote --upload-pack={trap} {dir}/work",
            git(),
            ["--upload-pack={trap}"],
        ),
        "git alias": ("git -C work -c alias.x=!{trap} x", git(), ["-c", "alias.x=!{trap}"]),
        "git ext protocol": (
            "git -C work -c protocol.ext.allow=always ls-remote ext::{trap}",
            git(),
            ["ext::{trap}"],
        ),
        "git no index": ("git diff --no-index --output={canary} /dev/null work/a.txt", git(), ["--no-index"]),
        "rg pre": (
            f"{RG} --pre {{trap}} one work/a.txt",
            ripgrep(RG) if os.access(RG, os.X_OK) else None,
            ["--pre={trap}"],
        ),
        "rg hostname": (
            f"{RG} --hostname-bin {{trap}} --hyperlink-format=default --color=always one work/a.txt",
            ripgrep(RG) if os.access(RG, os.X_OK) else None,
            ["--hostname-bin={trap}"],
        ),
    }


@pytest.mark.parametrize("way", ways_past())
def test_a_way_past_an_allow_list_of_executables_is_closed(way: str, root: Root, tmp_path: Path) -> None:
    line, program, words = ways_past()[way]
    if program is None:
        pytest.skip("the development wheel ripgrep is not installed")
    canary, trap = tmp_path / "canary", tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {canary}\nexit 0\n")
    trap.chmod(0o755)
    subprocess.run(["git", "-C", root.path, "add", "-N", "a.txt"], check=True, env=clean_environment())
    place = {"trap": trap, "canary": canary, "dir": tmp_path}
    subprocess.run(
        shlex.split(line.format(**place).replace(" ;", " \\;")),
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert canary.exists(), "the trap must fire without the guard"
    canary.unlink()
    sent = [word.format(**place) for word in words]
    for subcommand in (each.name for each in program.subcommands):
        attempt(program, root, subcommand, {}, sent)
        attempt(program, root, subcommand, {}, ["a.txt", *sent])
        for word in sent:
            name, _, value = word.partition("=")
            attempt(program, root, subcommand, {word: True}, ["a.txt"])
            attempt(program, root, subcommand, {name: value}, ["a.txt"])
            for flag in program.declared(subcommand).flags:
                attempt(program, root, subcommand, {flag.name: word}, ["a.txt"], starts=False)
    assert not canary.exists()


def attempt(
    program: Program, root: Root, subcommand: str, flags: dict[str, Any], operands: list[str], *, starts: bool = True
) -> None:
    """Refused, or run to its end without harm. (``starts=False``: only built, where hundreds are tried.)"""
    with contextlib.suppress(UnsafeCommand):
        command = program.argv(subcommand, flags, operands)
        if starts:
            with root.dir().open_fd_sync() as folder:
                command.run_sync(cwd=folder)


@pytest.mark.skipif(means().landlock == 0, reason="this kernel has no Landlock")
def test_even_a_careless_declaration_starts_no_second_program(root: Root, tmp_path: Path) -> None:
    """An author who declares ``-exec`` by mistake still gives no caller a program that was not declared."""
    canary = tmp_path / "work" / "canary"
    careless = Program(
        "find",
        subcommands=[Subcommand("", fixed=(".", "-maxdepth", "0", "-exec", "touch", str(canary), ";"), separator=None)],
    )
    with root.dir().open_fd_sync() as folder:
        careless.argv("").run_sync(cwd=folder)
        assert not canary.exists()
        replace(careless, confine="off").argv("").run_sync(cwd=folder)
    assert canary.exists(), "the trap must fire without the guard"


# -- the property: argv has no unintended option --

NASTY = (
    "-n5",
    "--stat",
    "--",
    "-",
    "--author=x",
    "--max-count",
    "=",
    "a=b",
    "\u2212n",
    "\u2010-stat",
    "\uff0d\uff0dstat",
)
NASTIER = (
    "@file",
    "+1",
    "\x00",
    "a\x00--stat",
    "a\n--stat",
    "\udcff",
    "\r",
    " --stat",
    "'",
    '"',
    "$(id)",
    "\\",
    "\u202e",
)
TEXTS = st.one_of(
    st.sampled_from(NASTY + NASTIER),
    st.text(max_size=20),
    st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=20),
    st.sampled_from(NASTY).flatmap(lambda start: st.text(max_size=5).map(lambda rest: start + rest)),
)
OBSERVED = Subcommand(
    "",
    flags=(
        Flag("--stat"),
        Flag("--author", takes="text"),
        Flag("--max-count", takes="int", max=50),
        Flag("--format", takes="choice", choices=("oneline", "full")),
        Flag("-n", takes="text"),
    ),
    operands=(Operand("path", many=True, optional=True),),
)
FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "--stat": st.booleans() | TEXTS,
        "--author": TEXTS,
        "--max-count": st.integers(-5, 60) | TEXTS,
        "--format": st.sampled_from(["oneline", "full", "--stat"]) | TEXTS,
        "-n": TEXTS,
    },
)
GETOPT = find_tool("getopt")


def options_meant(flags: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(name, None if value is True else str(value)) for name, value in flags.items() if value is not False]


@settings(max_examples=100, deadline=None)
@given(FLAGS, st.lists(TEXTS, max_size=4), st.none() | TEXTS)
def test_another_parser_sees_exactly_the_declared_options(
    flags: dict[str, Any], operands: list[str], undeclared: str | None
) -> None:
    sent = flags if undeclared is None else {**flags, undeclared: True}
    try:
        words = OBSERVED.words(sent, operands)
    except UnsafeCommand:
        return
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--stat", action="store_true")
    for name in ("--author", "--max-count", "--format", "-n"):
        parser.add_argument(name)
    parser.add_argument("paths", nargs="*")
    seen = vars(parser.parse_args(words))
    meant = {name.strip("-").replace("-", "_"): value for name, value in options_meant(sent)}
    assert {name: value for name, value in seen.items() if value not in (None, False, []) and name != "paths"} == {
        name: True if value is None else value for name, value in meant.items()
    }
    assert seen["paths"] == operands


@pytest.mark.skipif(GETOPT is None, reason="getopt (util-linux) is not installed")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FLAGS, st.lists(TEXTS, max_size=4))
def test_a_real_program_with_getopt_long_sees_exactly_the_declared_options(
    flags: dict[str, Any], operands: list[str]
) -> None:
    observer = Program(
        "getopt", prefix=("-o", "n:", "-l", "stat,author:,max-count:,format:,output:", "--"), subcommands=[OBSERVED]
    )
    try:
        command = observer.argv("", flags, operands)
    except UnsafeCommand:
        return
    completed = command.run_sync()
    assert (completed.returncode, completed.stderr) == (0, b"")
    seen = shlex.split(completed.text())
    meant = [word for name, value in options_meant(flags) for word in (name, value) if word is not None]
    assert seen == [*meant, "--", *operands]


# -- processes that try to stay --

TRICKS = """
import ctypes, os, resource, signal, subprocess, sys, time
def fork():
    if os.fork(): os._exit(0)
def stay():
    open(sys.argv[2] + str(os.getpid()), "w").close()
    while True: time.sleep(600)
def child(then):
    if os.fork() == 0:
        then(); stay()
def shed():
    os.setsid(); resource.setrlimit(resource.RLIMIT_RSS, (1 << 30, 1 << 30)); fork()
def shed_and_replaced():
    shed()
    os.execve(sys.executable, [sys.executable, "-I", "-c", STAY, sys.argv[2]], {})
STAY = "import os,sys,time;open(sys.argv[1]+str(os.getpid()),'w').close();time.sleep(600)"
def daemon(): os.setsid(); fork()
def deaf(): [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 3, 13, 14, 15)]; os.setsid()
def stopped(): open(sys.argv[2] + str(os.getpid()), "w").close(); os.kill(os.getpid(), signal.SIGSTOP)
def closed(): os.setsid(); os.closerange(0, 3)
def reaper(): ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.setsid(); os.fork()
def undying(): ctypes.CDLL(None).prctl(1, 0); os.setpgid(0, 0)
def crowd():
    for _ in range(20):
        if os.fork() == 0: os.setsid(); stay()
def wait_for(number):
    while len(os.listdir(os.path.dirname(sys.argv[2]))) < number: time.sleep(0.002)
"""
WAYS = {
    "sheds its mark": ("child(shed)", 1),
    "sheds its mark and becomes another program": ("child(shed_and_replaced)", 1),
    "daemon": ("child(daemon)", 1),
    "ignores every polite signal": ("child(deaf)", 1),
    "stopped": ("child(stopped)", 1),
    "closed its pipes": ("child(closed)", 1),
    "a reaper of its own": ("child(reaper)", 2),
    "gives up the death signal": ("child(undying)", 1),
    "a crowd": ("crowd()", 20),
}
ENDS = {
    "exits": "sys.exit(0)",
    "fails": "os.abort()",
    "stays": "time.sleep(600)",
    "stops": "os.kill(os.getpid(), 19)",
    "deaf": "deaf\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)",
}
BOUNDS = Bounds(seconds=20.0, output=1000)


def tricky(tmp_path: Path, code: str, *, bounds: Bounds = BOUNDS, confined: bool = False) -> Launch:
    told = tmp_path / "told"
    told.mkdir(exist_ok=True)
    words = (PYTHON, "-I", "-c", f"{TRICKS}\n{code}", "--", f"{told}/")
    held = Confinement(runs=("/usr", "/bin", "/lib", "/lib64", PYTHON), reads=("/",), writes=True)
    cwd = os.open(tmp_path, os.O_RDONLY)
    return Launch(words, (), bounds, cwd, None, held if confined else None)


def told(tmp_path: Path) -> set[int]:
    return {int(name) for name in os.listdir(tmp_path / "told")}


def ours() -> tuple[set[str], int, int]:
    """Our children (zombies included), open descriptors, and threads that hold a run."""
    children: set[str] = set()
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            children |= set(Path(f"/proc/self/task/{thread}/children").read_text().split())
    threads = sum(isinstance(thread, Marked) for thread in threading.enumerate())
    return children, len(os.listdir("/proc/self/fd")), threads


async def settled() -> tuple[set[str], int, int]:
    """The same once it holds still: a pipe of the run before is closed in the loop's next turns, or as garbage."""
    gc.collect()
    seen = [ours()]
    while len(seen) < 5 or seen[-5:] != seen[-1:] * 5:
        await asyncio.sleep(0.01)
        seen.append(ours())
    return seen[-1]


async def left_over(children: set[str], descriptors: int, threads: int) -> tuple[set[str], int, int]:
    """What there is more than that, once it has had time to go."""
    more = (children, descriptors, threads)
    for _ in range(200):
        now = ours()
        more = (now[0] - children, max(0, now[1] - descriptors), max(0, now[2] - threads))
        if more == (set(), 0, 0):
            break
        await asyncio.sleep(0.02)
        gc.collect()
    return more


async def attack(launch: Launch) -> Completed:
    try:
        return await run(launch)
    finally:
        os.close(launch.cwd or 0)


both_ways = pytest.mark.parametrize(
    "confined", [False, pytest.param(True, marks=pytest.mark.skipif(not means().machine, reason="no filter here"))]
)


async def leaves_nothing(launch: Launch, tmp_path: Path, number: int) -> Completed:
    """Run it; what told its number, and whatever else was a child of ours, is gone."""
    await run(Launch(("/bin/true",), (), BOUNDS))
    children, descriptors, threads = await settled()
    completed = await attack(launch)
    assert len(told(tmp_path)) == number
    assert [pid for pid in told(tmp_path) if Path(f"/proc/{pid}").exists()] == []
    assert await left_over(children, descriptors - 1, threads) == (set(), 0, 0), "attack() closes the directory"
    return completed


@both_ways
@pytest.mark.parametrize("way", WAYS)
async def test_nothing_that_a_program_leaves_behind_lives(way: str, confined: bool, tmp_path: Path) -> None:
    code, number = WAYS[way]
    launch = tricky(tmp_path, f"{code}\nwait_for({number})", confined=confined)
    completed = await leaves_nothing(launch, tmp_path, number)
    assert (completed.returncode, completed.timed_out) == (0, False), completed


@both_ways
@pytest.mark.parametrize("end", ["stays", "stops", "deaf"])
async def test_at_the_deadline_all_of_them_end_together(end: str, confined: bool, tmp_path: Path) -> None:
    code = "\n".join(code for code, _ in WAYS.values())
    number = sum(number for _, number in WAYS.values())
    bounds = replace(BOUNDS, seconds=1.5)
    launch = tricky(tmp_path, f"{code}\nwait_for({number})\n{ENDS[end]}", bounds=bounds, confined=confined)
    completed = await leaves_nothing(launch, tmp_path, number)
    assert completed.timed_out
    assert completed.wall < bounds.seconds + 3


async def test_a_fork_bomb_is_ended_long_before_its_deadline(tmp_path: Path) -> None:
    bomb = "for _ in range(8):\n os.fork() or os.setsid()\ntime.sleep(600)"  # 256, each in a session of its own
    before = ours()
    launch = tricky(tmp_path, bomb, bounds=replace(BOUNDS, processes=30))
    completed = await attack(launch)
    assert completed.crowded
    assert completed.wall < 10
    with pytest.raises(UnsafeCommand) as caught:
        completed.text()
    assert caught.value.code == "command.processes"
    assert ours()[0] == before[0]


async def test_runs_side_by_side_leave_each_others_processes_alone(tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    long = tricky(tmp_path / "long", "child(daemon)\nwait_for(1)\nprint('ready', flush=True)\nwait_for(2)\nprint(0)")
    patient = asyncio.create_task(attack(long))
    while not (tmp_path / "long" / "told").exists() or not told(tmp_path / "long"):
        await asyncio.sleep(0.01)
    for index in range(6):
        (tmp_path / str(index)).mkdir()
        way = list(WAYS)[index]
        code, number = WAYS[way]
        await attack(tricky(tmp_path / str(index), f"{code}\nwait_for({number})"))
    (pid,) = told(tmp_path / "long")
    assert Path(f"/proc/{pid}").exists(), "a neighbour's daemon was killed"
    (tmp_path / "long" / "told" / "0").touch()
    assert (await patient).stdout == b"ready\n0\n"
    assert not Path(f"/proc/{pid}").exists()


async def test_cancelling_leaves_nothing_of_the_worst_of_them(tmp_path: Path) -> None:
    before = ours()
    task = asyncio.create_task(
        attack(tricky(tmp_path, "child(shed_and_replaced)\nchild(deaf)\nchild(stopped)\nstay()"))
    )
    while not (tmp_path / "told").exists() or len(told(tmp_path)) < 4:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [pid for pid in told(tmp_path) if Path(f"/proc/{pid}").exists()] == []
    assert ours() == before


def test_a_program_dies_with_the_server(tmp_path: Path) -> None:
    """The server is killed: the death signal takes the program, though nobody is left to sweep."""
    code = f"import os,time;open({str(tmp_path / 'pid')!r},'w').write(str(os.getpid()));time.sleep(600)"
    server = (
        "import asyncio,sys\nfrom holdfast.safe.processes import run\n"
        "from holdfast.safe.launching import Bounds, Launch\n"
        f"asyncio.run(run(Launch((sys.executable,'-I','-c',{code!r}),(),Bounds(seconds=60.0))))"
    )
    with subprocess.Popen([sys.executable, "-c", server], env=dict(os.environ)) as process:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert process.poll() is None
            os.sched_yield()
        pid = int((tmp_path / "pid").read_text())
        process.kill()
    descendants.adopt_orphans()
    for _ in range(10_000):
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
        if not Path(f"/proc/{pid}/cwd").exists():
            return
        os.sched_yield()
    pytest.fail("the program outlived its server")


async def test_hostile_runs_leave_no_process_thread_or_descriptor(tmp_path: Path) -> None:
    if HOSTILE_RUNS > 100:  # pytest would end the process after five minutes; what hangs ends below
        faulthandler.cancel_dump_traceback_later()
    await run(Launch(("/bin/true",), (), BOUNDS))
    before = ours()
    ways, ends = list(WAYS), ["exits", "fails", "stays"]

    async def one(index: int) -> None:
        folder = tmp_path / str(index)
        folder.mkdir()
        code, number = WAYS[ways[index % len(ways)]]  # a neighbour's sweep may end a stray before it has told
        end = ENDS[ends[index % len(ends)]]
        bounds = replace(BOUNDS, seconds=1.0 if end == ENDS["stays"] else 3.0, processes=64)
        launch = tricky(folder, f"{code}\nwait_for({number})\n{end}", bounds=bounds, confined=index % 2 == 0)
        task = asyncio.create_task(attack(launch))
        if index % 5 == 4:
            await asyncio.wait({task}, timeout=0.05)
            task.cancel()
        await asyncio.wait({task})
        assert [pid for pid in told(folder) if Path(f"/proc/{pid}").exists()] == []

    for start in range(0, HOSTILE_RUNS, 6):
        async with asyncio.timeout(120):
            await asyncio.gather(*(one(index) for index in range(start, min(start + 6, HOSTILE_RUNS))))
    assert ours() == before
