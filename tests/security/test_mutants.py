"""The mutation tool: which changes it makes, and that it tells a noticed one from an unnoticed one."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / "security" / "mutants"
sys.path.insert(0, str(TOOL))
from operators import broken, mutants  # noqa: E402 - beside the tool

GUARD = """
def check(size: int, known: set[str], name: str) -> bool:
    if size > 10 or name in known:
        raise ValueError("no")
    note(name)
    return size < 5
"""


def test_each_check_is_left_out_forced_and_moved() -> None:
    assert [(mutant.kind, mutant.text) for mutant in mutants(GUARD)] == [
        ("boundary 0", "size > 10"),
        ("operand 0 left out", "size > 10 or name in known"),
        ("operand 1 left out", "size > 10 or name in known"),
        ("no raise", "raise ValueError('no')"),
        ("never", "size > 10 or name in known"),
        ("always", "size > 10 or name in known"),
        ("no call", "note(name)"),
        ("boundary 0", "size < 5"),
        ("yes", "return size < 5"),
        ("no", "return size < 5"),
    ]


@pytest.mark.parametrize("number", range(10))
def test_each_change_is_one_change(number: int) -> None:
    before, after = ast.unparse(ast.parse(GUARD)).split("\n"), ast.unparse(broken(GUARD, number)).split("\n")
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_a_key_names_a_change_wherever_its_line_moves() -> None:
    moved = "# a comment\n\n" + GUARD
    assert [mutant.key for mutant in mutants(moved)] == [mutant.key for mutant in mutants(GUARD)]


def test_words_for_the_operator_are_no_checks() -> None:
    assert mutants("import logging\nlogging.getLogger('x').error('y')\n") == []


def test_each_reason_belongs_to_a_change_that_can_still_be_made() -> None:
    rooms = TOOL.parents[1] / "src" / "holdfast"
    for listed in (TOOL / "survivors").rglob("*.toml"):
        module = rooms / listed.relative_to(TOOL / "survivors").with_suffix(".py")
        reasons = tomllib.loads(listed.read_text())
        assert set(reasons) <= {mutant.key for mutant in mutants(module.read_text())}, listed.name
        assert all(len(reason) > 10 for reason in reasons.values())


TRIAL = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tool!r}, {folder!r}]
import pytest
from judging import Attempt, Trial, functions
from operators import broken, mutants

class Judge:
    def pytest_runtestloop(self, session):
        path, known = Path("guard.py").resolve(), functions()
        for mutant in mutants(path.read_text()):
            trial = Trial(Attempt(path, broken(path.read_text(), mutant.number), known), session.items, 20.0)
            while (verdict := trial.verdict()) is None:
                time.sleep(0.01)
            print(mutant.kind, verdict, file=sys.stderr)
        return True

sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "test_guard.py"], plugins=[Judge()]))
"""


def tried(folder: Path, guard: str, test: str) -> list[str]:
    (folder / "guard.py").write_text(guard)
    (folder / "test_guard.py").write_text(test)
    code = TRIAL.format(tool=str(TOOL), folder=str(folder))
    ran: Any = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return str(ran.stderr).splitlines()


def test_a_change_that_a_test_notices_is_killed_and_another_survives(tmp_path: Path) -> None:
    guard = "def check(size):\n    if size > 10:\n        raise ValueError\n"
    test = "import guard, pytest\ndef test_it():\n    with pytest.raises(ValueError):\n        guard.check(12)\n"
    assert tried(tmp_path, guard, test) == [
        "boundary 0 survived",
        "no raise killed",
        "never killed",
        "always survived",
    ]


def test_methods_wrapped_functions_and_inner_ones_are_reached(tmp_path: Path) -> None:
    guard = """
from functools import cache
class Guard:
    @property
    @cache
    def strict(self):
        def inner():
            if self:
                return 1
        return inner()
"""
    test = "import guard\ndef test_it():\n    assert guard.Guard().strict == 1\n"
    assert tried(tmp_path, guard, test) == ["never killed", "always survived"]


def test_what_a_module_makes_when_it_is_imported_is_told_apart(tmp_path: Path) -> None:
    assert tried(tmp_path, "WIDE = 1 if __name__ else 2\n", "import guard\ndef test_it():\n    pass\n") == [
        "never untried",
        "always untried",
    ]
