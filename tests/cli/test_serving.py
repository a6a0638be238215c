"""``holdfast run FILE`` as clients start it: read without the command line's library, and no word read otherwise."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.discovery import Sources, Target
from holdfast.cli.serving import plain
from holdfast.errors import ConfigurationError

Write = Callable[..., Path]


@pytest.mark.parametrize(
    "words, sources",
    [
        ([], Sources()),
        (["--debug"], Sources(debug=True)),
        (["--config", "a.toml"], Sources(Path("a.toml"))),
        (["--config=a.toml", "--env-file", "b.env"], Sources(Path("a.toml"), Path("b.env"))),
        (["--config", "a.toml", "--config=c=d.toml"], Sources(Path("c=d.toml"))),
    ],
)
def test_the_usual_words_are_read_wherever_the_file_stands(words: list[str], sources: Sources, hello: Path) -> None:
    assert plain(["run", str(hello), *words]) == (Target(hello), sources)
    assert plain(["run", *words, f"{hello}:server"]) == (Target(hello, "server"), sources)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["list", "{file}"],
        ["run"],
        ["run", ""],
        ["run", "--help"],
        ["run", "{file}", "-h"],
        ["run", "{file}", "{file}"],
        ["run", "{file}", "--http"],
        ["run", "{file}", "--port", "1"],
        ["run", "{file}", "--config"],
        ["run", "{file}", "--config", "--debug"],
        ["run", "{file}", "--config="],
        ["run", "--", "{file}"],
        ["run", "{file}", "--debug=1"],
        ["run", "{file}", "--deb"],
    ],
    ids=" ".join,
)
def test_any_other_words_are_left_to_the_library(words: list[str], hello: Path) -> None:
    assert plain([word.format(file=hello) for word in words]) is None


def test_a_shell_that_asks_for_completions_is_served_nothing(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_HOLDFAST_COMPLETE", "complete_bash")
    assert plain(["run", str(hello)]) is None


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a file"):
        plain(["run", str(tmp_path / "absent.py")])


def test_a_stdio_server_runs_where_the_command_lines_library_is_missing(holdfast: Any, hello: Path) -> None:
    code = """
import sys

sys.modules |= dict.fromkeys(["typer", "click"])
from holdfast.cli import main
main(["run", sys.argv[1]])
"""
    words = [sys.executable, "-c", code, str(hello)]
    env = holdfast.environment()
    ran = subprocess.run(words, input="", capture_output=True, text=True, env=env, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_no_time_is_printed(holdfast: Any, hello: Path) -> None:
    helped, ran = holdfast("--help"), holdfast.run("run", hello)
    assert (helped.status, ran.status, ran.out) == (0, 0, "")
    assert not re.search(r"\d\s?(ms|s|seconds?)\b", helped.out + ran.err)
