"""Each deliberately faulty server is found by the case meant for it, and its mended twin is not.

``SOAK=1`` plays the slow ones too. The whole matrix, every case against every server, is printed by
``python tests/attack/matrix.py``; it takes the better part of an hour.
"""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from attack.faults import FAULTY, Fault, faults, judge_each
from attack.matrix import Matrix, Seen, table

from holdfast_attack.cases import all_cases
from holdfast_attack.model import Kind, Outcome, Verdict
from holdfast_attack.target.premises import Premises

AT_ONCE = 3
"""Lanes at the same time: most of what is played waits."""
LEAST = 150
WITHOUT = {
    "http.bound-everywhere": "a server that is open to the network is nothing to start, not even for a test",
}
"""Cases for which there is no faulty server, and why."""
IN_PLAY = [
    fault
    for fault in faults()
    if (os.environ.get("SOAK") or not fault.slow)
    and (fault.case != "schema.generated" or find_spec("hypothesis_jsonschema"))
]


@pytest.fixture
def premises() -> Iterator[Premises]:
    taken = Premises.take()
    yield taken
    taken.leave()


async def judge(wanted: list[Fault], premises: Premises, *, mended: bool) -> dict[str, Outcome]:
    """The outcomes by name, a few lanes at the same time; what the machine was too busy for is tried once more."""
    parts = [wanted[number::AT_ONCE] for number in range(AT_ONCE)]
    done = await asyncio.gather(*(judge_each(part, premises, mended=mended) for part in parts))
    outcomes = {name: outcome for part in done for name, outcome in part.items()}
    undecided = [fault for fault in wanted if outcomes[fault.name].verdict is Verdict.INCONCLUSIVE]
    if not undecided:
        return outcomes
    again = await judge_each(undecided, premises, mended=mended)
    return outcomes | again


def told(outcome: Outcome) -> str:
    return f"{outcome.verdict}: {outcome.why}"


@pytest.mark.parametrize("kind", Kind)
async def test_each_fault_is_found_by_the_case_meant_for_it(kind: Kind, premises: Premises) -> None:
    wanted = [fault for fault in IN_PLAY if fault.kind == kind]
    assert wanted
    outcomes = await judge(wanted, premises, mended=False)
    missed = {
        name: told(outcome)
        for name, outcome in outcomes.items()
        if outcome.verdict not in (Verdict.FAILED, Verdict.ADVICE)
    }
    assert missed == {}


@pytest.mark.parametrize("kind", Kind)
async def test_no_fault_is_found_in_the_mended_twins(kind: Kind, premises: Premises) -> None:
    wanted = [fault for fault in IN_PLAY if fault.kind == kind and fault.twin]
    outcomes = await judge(wanted, premises, mended=True)
    wrong = {name: told(outcome) for name, outcome in outcomes.items() if outcome.verdict is not Verdict.PASSED}
    assert wrong == {}


def test_every_faulty_server_is_meant_for_a_case_and_every_case_has_one() -> None:
    ids = {case.id for case in all_cases() if not case.id.endswith(".aftermath")}
    meant = [fault.case for fault in faults()]
    assert set(meant) - ids == set()
    assert ids - set(meant) == set(WITHOUT)
    assert len(meant) >= LEAST


def test_a_faulty_server_is_small_says_what_is_wrong_and_is_called_after_its_class() -> None:
    for fault in faults():
        text = (FAULTY / f"{fault.name}.py").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 80, fault.name
        assert fault.says.endswith("."), fault.name
        assert fault.name.startswith(f"{fault.kind}_"), fault.name
        assert fault.transport in ("stdio", "http"), fault.name


def test_the_faulty_servers_need_nothing_but_the_standard_library() -> None:
    own = {"sound"}
    for path in FAULTY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.partition(".")[0] for name in names}
            assert roots <= set(sys.stdlib_module_names) | own, path


def test_the_matrix_says_what_was_found_and_what_was_missed() -> None:
    first, second, *_ = faults()
    seen = Matrix({first.name: Seen((first.case, "wire.deep"))}, {first.name: Seen()})
    text = table([first, second], seen)
    assert f"{first.case:28} found      wire.deep" in text
    assert f"{second.case:28} NOT FOUND not played" in text
    assert "detected 1/2; others found on average 0.50; twins with nothing found 1/1" in text
