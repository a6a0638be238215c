"""Inputs are made up in a child that is bounded in time, memory and words."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from holdfast_attack.tools import conforms, generate
from holdfast_attack.tools import generated as room
from holdfast_attack.tools.generated import MISSING, generated, generated_for

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string", "minLength": 1}, "n": {"type": "integer", "minimum": 3, "maximum": 5}},
    "required": ["path"],
}
PATIENCE = 60.0


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Takes the place of hypothesis in the child: a program that is given as its text."""

    def become(text: str) -> None:
        program = tmp_path / "child.py"
        program.write_text(text)
        real = room.asyncio.create_subprocess_exec

        async def other(*_: str, **more: Any) -> Any:
            return await real(sys.executable, str(program), **more)

        monkeypatch.setattr(room.asyncio, "create_subprocess_exec", other)
        monkeypatch.setattr(room, "find_spec", lambda _: True)

    yield become
    assert not [each for each in psutil.Process().children(recursive=True) if "child.py" in words_of(each)]


def words_of(process: psutil.Process) -> str:
    """How it was started; nothing of one that has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def run(schema: dict[str, Any], within: float = PATIENCE, count: int = 5) -> tuple[tuple[dict[str, Any], ...], str]:
    import asyncio

    return asyncio.run(generated(schema, count, 7, within))


def test_without_hypothesis_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda _: None)
    assert run(SCHEMA) == ((), MISSING)


def test_only_valid_inputs_are_kept(child: Any) -> None:
    child("print('[0, {\"path\": \"a\"}]'); print('[0, {\"path\": 7}]'); print('[0, 7]'); print('half a li')")
    assert run(SCHEMA) == (({"path": "a"},), "")


def test_half_a_character_is_no_valid_text(child: Any) -> None:
    child(r"""print('[0, {"path": "a\\udaa6"}]'); print('[0, {"path": "a"}]')""")
    assert run(SCHEMA) == (({"path": "a"},), "")


def test_no_more_than_were_asked_for(child: Any) -> None:
    child('[print(\'[0, {"path": "a"}]\') for _ in range(50)]')
    made, _ = run(SCHEMA, count=3)
    assert len(made) == 3


def test_what_a_child_has_against_a_schema_is_told(child: Any) -> None:
    child("print('[0, null, \"Unsatisfiable: x\"]')")
    assert run(SCHEMA) == ((), "Unsatisfiable: x")


def test_a_child_that_fails_is_told(child: Any) -> None:
    child("raise SystemExit(3)")
    assert run(SCHEMA) == ((), "the child ended with status 3")


def test_a_child_that_hangs_is_killed_and_what_came_is_kept(child: Any) -> None:
    child('import time; print(\'[0, {"path": "a"}]\', flush=True); time.sleep(600)')
    began = time.monotonic()
    assert run(SCHEMA, within=5.0) == (({"path": "a"},), "not done after 5 s")
    assert time.monotonic() - began < 30


def test_a_child_that_floods_is_not_listened_to(child: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_BYTES", 10_000)
    child('while True: print(\'[0, {"path": "a"}]\')')
    made, why = run(SCHEMA)
    assert len(made) == 5
    assert why == "the child said too much"


def test_a_line_without_an_end_is_not_waited_for(child: Any) -> None:
    child("while True: print('a' * 65536, end='')")
    made, why = run(SCHEMA)
    assert (made, bool(why)) == ((), True)


def test_a_child_that_does_not_read_is_no_trouble(child: Any) -> None:
    child("import os; os.close(0)")
    big = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "x" * 2_000} for n in range(90)}}
    assert run(big) == ((), "")


def test_what_is_asked_has_no_references_formats_or_further_parameters(child: Any, tmp_path: Path) -> None:
    child(f"import sys; open({str(tmp_path / 'asked')!r}, 'w').write(sys.stdin.read())")
    run(
        {
            "$defs": {"u": {"type": "string", "format": "uri"}},
            "properties": {
                "format": {"$ref": "#/$defs/u"},
                "e": {"enum": [{"format": "kept"}]},
                "r": {"$ref": "http://x/"},
            },
        }
    )
    (asked,) = json.loads((tmp_path / "asked").read_text())["schemas"]
    assert asked == {
        "additionalProperties": False,
        "type": "object",
        "properties": {"format": {"type": "string"}, "e": {"enum": [{"format": "kept"}]}, "r": {}},
    }


def test_hypothesis_makes_up_the_same_for_the_same_seed() -> None:
    pytest.importorskip("hypothesis_jsonschema", reason="the extra 'attack' is not installed")
    import asyncio

    first = asyncio.run(generated_for([SCHEMA, {"type": "object"}], 6, 7, PATIENCE))
    assert asyncio.run(generated_for([SCHEMA, {"type": "object"}], 6, 7, PATIENCE)) == first
    made = first.inputs[0]
    assert len(made) > 2
    assert all(conforms(SCHEMA, each) is True and set(each) <= {"path", "n"} for each in made)
    assert first.inputs[1] == ({},)


def test_a_schema_that_eats_memory_ends_the_child_alone() -> None:
    pytest.importorskip("hypothesis_jsonschema", reason="the extra 'attack' is not installed")
    huge = {"type": "array", "minItems": 100_000, "items": {"type": "object", "minProperties": 1_000}}
    made, why = run({"type": "object", "properties": {"a": huge}, "required": ["a"]}, within=15.0)
    assert made == ()
    assert why


def test_the_program_answers_line_by_line_and_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def inputs(schema: dict[str, Any], count: int, seed: int) -> Iterator[Any]:
        if schema == {"bad": True}:
            raise RuntimeError("no strategy")
        yield from ({"n": seed}, {"long": "x" * generate.LONGEST}, {"nan": float("nan")}, {"count": count})

    monkeypatch.setattr(generate, "inputs", inputs)
    monkeypatch.setattr(generate.resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"schemas": [{"bad": True}, {}], "count": 2, "seed": 5})))
    assert generate.main() == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [[0, None, "RuntimeError: no strategy"], [1, {"n": 6}], [1, {"count": 2}]]


def test_the_same_in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The lines that run in the child, where nobody counts them."""
    pytest.importorskip("hypothesis_jsonschema", reason="the extra 'attack' is not installed")
    from hypothesis.internal.conjecture import utils

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(utils, "many", utils.many)  # put back afterwards
    monkeypatch.setitem(sys.modules, "rfc3987_syntax", None)
    closed = {**SCHEMA, "additionalProperties": False}
    made = list(generate.inputs(closed, 6, 7))
    assert made == list(generate.inputs(closed, 6, 7))
    assert all(conforms(SCHEMA, each) is True for each in made)
