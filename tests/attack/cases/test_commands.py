"""Every case of commands finds its fault in a server without guards, and nothing in one that refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attack.cases.played import found, not_found

from holdfast_attack.arena import Arena
from holdfast_attack.cases.aiming import Aim
from holdfast_attack.cases.commands import CASES, formats, injection, running
from holdfast_attack.cases.commands.injection import INJECTIONS
from holdfast_attack.cases.commands.openness import is_open_shell
from holdfast_attack.cases.commands.running import variables
from holdfast_attack.cases.trying import filled, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Outcome, Verdict
from holdfast_attack.tools import Toolbox

PLAYED = ("commands",)
IDS = [case.id for case in CASES]


@pytest.mark.parametrize("name", IDS)
def test_its_fault_is_found(name: str, naive: Mapping[str, Outcome]) -> None:
    found(naive[name])


@pytest.mark.parametrize("name", IDS)
def test_nothing_is_found_in_a_sound_server(name: str, sound: Mapping[str, Outcome]) -> None:
    not_found(sound[name])


@pytest.mark.parametrize(
    "told, is_open",
    [
        ("Run any command in a shell.", True),
        ("Open a terminal", True),
        ("Execute Python code", True),
        ("Run arbitrary shell commands", True),
        ("Run one of the allowed shell commands.", False),
        ("Run a command in a sandboxed shell", False),
        ("Run a program", False),
        ("Only ls and cat, in a shell", False),
        ("", False),
    ],
)
def test_a_tool_is_an_open_shell_when_it_says_so_and_promises_no_limit(told: str, is_open: bool) -> None:
    (tool,) = Toolbox.parse([listed("run", told, command={"type": "string"})]).tools
    assert is_open_shell(Aim(tool, tool.parameters[0], {}, True)) is is_open


def test_an_open_shell_is_advice_and_no_other_case_blames_it(naive: Mapping[str, Outcome]) -> None:
    assert naive["commands.open-shell"].verdict is Verdict.ADVICE
    blamed = {one.tool for name in IDS if name != "commands.open-shell" for one in naive[name].findings}
    assert "shell" not in blamed
    assert "run_program" in blamed


def test_a_program_with_its_words_beside_it_is_tried_too(arena: Arena) -> None:
    words = {"type": "array", "items": {"type": "string"}}
    (tool,) = Toolbox.parse([listed("run", "", program={"type": "string"}, args=words)]).tools
    aim = Aim(tool, tool.parameters[0], {"program": "true", "args": []}, True)
    probe: Any = SimpleNamespace(arena=arena)
    made = list(running._programs(probe, [aim]))
    assert made[-1].arguments == {"program": "touch", "args": [str(made[-1].marker)]}
    assert len({shot.marker for shot in made}) == len(made)


def test_variables_run_the_trap_by_any_of_these_programs(arena: Arena) -> None:
    for words in (["bash", "-c", "true"], ["git", "status"], [sys.executable, "-c", "pass"]):
        marker = arena.marker()
        program = [words[0] if "/" in words[0] else shutil.which(words[0]) or words[0], *words[1:]]
        subprocess.run(program, env=variables(arena, marker), capture_output=True, check=False, cwd=arena.workspace)
        by_name = arena.marker()
        subprocess.run(["env", words[0].rpartition("/")[2], *words[1:]], env=variables(arena, by_name), check=False)
        assert marker.exists() or words[0] == "git"
        assert by_name.exists()


@pytest.mark.parametrize("quotes", ["{}", "'{}'", '"{}"'])
@pytest.mark.parametrize("name", ["shell", "substitution", "newline"])
def test_a_payload_fires_in_a_shell_whatever_quotes_are_around_it(name: str, quotes: str, arena: Arena) -> None:
    injected = next(one for one in INJECTIONS if one.name == name)
    fired = 0
    for value in injected.values:
        marker = arena.marker()
        line = "true " + quotes.format(filled(value, {"marker": marker}))
        subprocess.run(["sh", "-c", line], capture_output=True, check=False, cwd=arena.workspace, timeout=10)
        fired += marker.exists()
    assert fired


@pytest.mark.parametrize("longest", [200, 100, 40])
@pytest.mark.parametrize("name", ["shell", "substitution", "newline"])
def test_a_value_that_may_not_be_long_is_tried_with_a_short_one(name: str, longest: int, arena: Arena) -> None:
    injected = next(one for one in INJECTIONS if one.name == name)
    (tool,) = Toolbox.parse([listed("log", "", ref={"type": "string", "maxLength": longest})]).tools
    aim = Aim(tool, tool.parameters[0], {"ref": "HEAD"}, True)
    probe: Any = SimpleNamespace(arena=arena, full=False)
    made = list(shots(probe, [aim], lambda aim: injection._payloads(probe, injected, aim)))
    assert made
    for shot in made:
        assert len(shot.arguments["ref"]) <= longest
        line = f"true {shot.arguments['ref']}"
        subprocess.run(["sh", "-c", line], capture_output=True, check=False, cwd=arena.workspace, timeout=10)
    assert any(shot.marker is not None and shot.marker.exists() for shot in made)


def listed(name: str, description: str, **properties: object) -> dict[str, object]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": description, "inputSchema": schema}


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena.make(tmp_path / "base", 1)


# -- formats -----------------------------------------------------------------------------------------------------------


def template(description: str) -> Aim:
    schema = {"type": "object", "properties": {"letter": {"type": "string"}}}
    (tool,) = Toolbox.parse([{"name": "preview", "description": description, "inputSchema": schema}]).tools
    return Aim(tool, tool.parameters[0], {"letter": "Dear {friend}"}, worked=True)


def test_fields_are_called_as_the_tool_itself_calls_them() -> None:
    assert formats._named(template("Such as: Dear {customer.name}, for {customer}; {{no}} field; {0}.")) == [
        "customer",
        "friend",
    ]
    sent = formats._formats(template(""))
    assert sent[0].startswith("{friend.__class__}")
    assert any(text.startswith("{0.__class__}") for text in sent)


@pytest.mark.parametrize(
    "message, hit",
    [
        ({"result": {"content": [{"type": "text", "text": "Dear <class 'app.Customer'>"}]}}, True),
        ({"result": {"content": [{"type": "text", "text": "Dear {friend.__class__}"}]}}, False),
        ({"result": {"content": [{"type": "text", "text": "not <class 'int'>"}], "isError": True}}, False),
    ],
)
def test_an_object_that_comes_back_is_a_hit_and_an_error_that_names_types_is_none(message: Any, hit: bool) -> None:
    shot: Any = SimpleNamespace(aim=template(""))
    assert (formats._reached(shot, Reply(message)) is not None) is hit
