"""The catalogue of published attacks and the tests named after them agree, both ways."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CATALOGUE: dict[str, dict[str, str]] = tomllib.loads((ROOT / "security" / "attacks.toml").read_text())
MISSING = CATALOGUE.pop("not_reproduced")
DESCRIBED = CATALOGUE.pop("described_only")
CATALOGUE.pop("not_played")  # of the hostile client: tests/attack/cases/test_catalogue.py
ATTACKS = {name: kind for kind, entries in CATALOGUE.items() for name in entries}


def spelled(name: str) -> str:
    """An id as it stands in the name of a test."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def named_tests(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


TESTS = {path.stem: named_tests(path) for path in sorted((ROOT / "tests" / "attacks").glob("test_*.py"))}


def held(name: str) -> list[str]:
    """Tests whose name holds the id, and not merely a longer one."""
    pattern = re.compile(rf"(^|_){spelled(name)}(_|$)")
    return [f"{file}::{test}" for file, tests in TESTS.items() for test in tests if pattern.search(test)]


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_every_attack_has_a_test_by_its_id_or_a_reason_why_not(name: str) -> None:
    assert bool(held(name)) != (name in MISSING), held(name)


def test_every_test_named_after_an_advisory_stands_in_the_catalogue() -> None:
    known = {spelled(name) for name in ATTACKS}
    found = {match for tests in TESTS.values() for test in tests for match in re.findall(r"cve_\d{4}_\d+", test)}
    assert found <= known


def test_no_id_stands_twice_and_every_missing_one_is_in_the_catalogue() -> None:
    assert sum(map(len, CATALOGUE.values())) == len(ATTACKS)
    assert set(MISSING) | set(DESCRIBED) <= set(ATTACKS)
    assert not set(MISSING) & set(DESCRIBED)
    assert all(len(reason) > 20 for reason in [*MISSING.values(), *DESCRIBED.values()])
