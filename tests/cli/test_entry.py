"""The way into a command: a missing extra, help, version, and ends without tracebacks."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

import holdfast.cli
from holdfast.cli.entry import main

COMMANDS = ("run", "list", "call", "config", "new", "version", "secret")


def test_a_missing_extra_is_said_with_the_command_that_mends_it(holdfast: Any) -> None:
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("typer", "rich"):
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Absent())
from holdfast.cli import main
main(["version"])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=holdfast.environment(),
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == 'holdfast: the command line needs its extra: pip install "holdfast[cli]"\n'


def test_another_missing_module_is_not_called_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holdfast.cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"holdfast\.cli\.app"):
        main(["version"])


def test_help_names_every_command_in_one_line_each(holdfast: Any) -> None:
    ran = holdfast("--help", COLUMNS="80")
    assert ran.status == 0
    for name in COMMANDS:
        line = next(line for line in ran.out.splitlines() if line.split()[:1] == [name])
        assert line.endswith(".")
        assert not line.endswith("...")
        assert holdfast(name, "--help").status == 0


def test_no_command_shows_the_help(holdfast: Any) -> None:
    ran = holdfast()
    assert "Usage: holdfast" in ran.out + ran.err


def test_an_unknown_command_is_a_usage_error(holdfast: Any) -> None:
    ran = holdfast("runn")
    assert (ran.status, ran.out) == (2, "")
    assert "runn" in ran.err


def test_completion_is_offered(holdfast: Any) -> None:
    assert "--show-completion" in holdfast("--help").out


def test_the_version_is_told(holdfast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(name: str) -> str:
        if name == "holdfast":
            raise PackageNotFoundError(name)
        return "2.3.4"

    assert "(mcp 2." in holdfast("version").out
    monkeypatch.setattr("holdfast.cli.version.installed", installed)
    assert holdfast("version").out.startswith("holdfast from a source folder (mcp 2.3.4, Python 3.")


def test_the_module_is_a_door_of_its_own(holdfast: Any) -> None:
    ran = holdfast.run("version")
    assert (ran.status, ran.out.startswith("holdfast "), ran.err) == (0, True, "")


def test_ctrl_c_in_a_command_is_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("holdfast.cli.app.build", interrupted)
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 130


def test_main_is_the_only_export() -> None:
    assert holdfast.cli.__all__ == ["main"]
