"""The removals of ``security/reds.toml`` still say where each guard is, for every attack and every test of it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

SECURITY = Path(__file__).parents[2] / "security"
sys.path.insert(0, str(SECURITY))
from reds import Removal, _verdict, broken, named_tests, removals  # noqa: E402 - beside the catalogue

SAID: dict[str, Any] = tomllib.loads((SECURITY / "reds.toml").read_text(encoding="utf-8"))
REMOVALS = removals()


def attacks() -> set[str]:
    """Every attack of the catalogue that has a test."""
    kinds: dict[str, dict[str, str]] = tomllib.loads((SECURITY / "attacks.toml").read_text(encoding="utf-8"))
    missing = set(kinds.pop("not_reproduced"))
    kinds.pop("described_only")
    return {name for entries in kinds.values() for name in entries} - missing


def test_every_attack_of_the_catalogue_is_tried_without_its_guard_and_nothing_else_is() -> None:
    assert set(SAID["red"]) == attacks()
    used = {name for entries in SAID["red"].values() for entry in entries for name in entry["without"]}
    assert used == set(SAID["remove"])
    assert all(len(guard["what"]) > 10 for guard in SAID["remove"].values())


@pytest.mark.parametrize("name", sorted(SAID["red"]))
def test_every_test_of_an_attack_is_seen_red_by_some_removal(name: str) -> None:
    seen = {test.partition("[")[0] for removal in REMOVALS if removal.attack == name for test in removal.tests}
    assert seen == set(named_tests(name)) != set()
    assert all(removal.tests for removal in REMOVALS if removal.attack == name)


@pytest.mark.parametrize("removal", REMOVALS, ids=[f"{each.attack}-{at}" for at, each in enumerate(REMOVALS)])
def test_each_guard_still_stands_where_it_is_said_to_and_what_is_left_can_be_compiled(removal: Removal) -> None:
    for file, text in broken(removal).items():
        compile(text, file, "exec")


def test_a_text_that_is_gone_or_not_the_only_one_is_told(tmp_path: Path) -> None:
    module = tmp_path / "src" / "holdfast" / "guard.py"
    module.parent.mkdir(parents=True)
    module.write_text("if bad: raise\nif worse: raise\n")
    made = Removal("x", "x", (("guard.py", "if bad: raise", "pass"),), (), hangs=False)
    assert broken(made, tmp_path) == {"guard.py": "pass\nif worse: raise\n"}
    for text in ("raise", "if good: raise"):
        with pytest.raises(ValueError, match="not once"):
            broken(Removal("x", "x", (("guard.py", text, "pass"),), (), hangs=False), tmp_path)


@pytest.mark.parametrize(
    "status, said, verdict",
    [
        (0, "3 passed in 0.1s", "green"),
        (1, "FAILED tests/attacks/test_x.py::test_a[1] - assert 1 == 2", "red"),
        (1, "FAILED tests/attacks/test_x.py::test_a - Failed: DID NOT RAISE <class 'UnsafeUrl'>", "red"),
        (1, "FAILED tests/attacks/test_x.py::test_a - NameError: name 'x' is not defined", "broken"),
        (1, "ERROR tests/attacks/test_x.py::test_a - AssertionError: of a fixture", "broken"),
        (2, "ERROR tests/attacks/test_x.py - ImportError: cannot import name 'x'", "broken"),
        (4, "ERROR: not found: tests/attacks/test_x.py::test_gone", "broken"),
        (-9, "", "broken"),
    ],
)
def test_only_a_failure_that_makes_sense_counts_as_red(status: int, said: str, verdict: str) -> None:
    assert _verdict(status, said)[0] == verdict


def test_a_test_that_needs_no_guard_is_told_apart_from_one_that_does(tmp_path: Path) -> None:
    """The whole tool, on one attack, and on a removal that takes nothing away."""
    from reds import outcomes

    held = next(each for each in REMOVALS if each.attack == "CVE-2026-61462")
    idle = Removal(held.attack, "nothing", (("safe/urls.py", held.edits[0][1], held.edits[0][1]),), held.tests, False)
    try:
        found = [next(outcomes(removal, tmp_path)).verdict for removal in (held, idle)]
    except SystemExit:
        pytest.skip("no PID namespace here")
    assert found == ["red", "green"]
