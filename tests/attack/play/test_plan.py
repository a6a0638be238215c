"""What the user asks for is checked before anything is started."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast_attack.cases import all_cases
from holdfast_attack.model import Profile
from holdfast_attack.play.plan import LIMITS, Plan


def test_a_plan_needs_a_server() -> None:
    with pytest.raises(ConfigurationError, match="name a server"):
        Plan.of()


def test_a_free_port_needs_a_command() -> None:
    with pytest.raises(ConfigurationError, match="COMMAND"):
        Plan.of(url="http://127.0.0.1:{port}/mcp")


def test_the_limit_is_that_of_the_profile_unless_it_is_given() -> None:
    assert Plan.of(["x"]).limit == LIMITS[Profile.QUICK]
    assert Plan.of(["x"], profile=Profile.FULL).limit == LIMITS[Profile.FULL]
    assert Plan.of(["x"], limit=7.0).limit == 7.0


def test_an_unknown_case_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean schema\.aftermath"):
        Plan.of(["x"], only=("schema.aftermaht",)).chosen(all_cases())


def test_the_quick_profile_leaves_out_what_takes_long_unless_it_is_named() -> None:
    cases = all_cases()
    slow = next(case for case in cases if case.profile is Profile.FULL)
    assert slow not in Plan.of(["x"]).chosen(cases)
    assert slow in Plan.of(["x"], profile=Profile.FULL).chosen(cases)
    assert Plan.of(["x"], only=(slow.id,)).chosen(cases) == (slow,)


def test_a_class_stands_for_its_cases() -> None:
    chosen = Plan.of(["x"], only=("schema",)).chosen(all_cases())
    assert {case.kind for case in chosen} == {"schema"}
    assert len(chosen) > 2


def test_the_command_line_plays_the_same_again() -> None:
    plan = Plan.of(
        ["python", "a b.py"], url="http://127.0.0.1:{port}/mcp", seed=3, allow_writes=True, profile=Profile.FULL,
        token="hunter2", extra={"API_KEY": "hunter3"},
    )  # fmt: skip
    words = shlex.split(plan.command_line())
    assert words[:6] == ["holdfast", "attack", "--full", "--seed", "3", "--allow-writes"]
    assert words[words.index("--") + 1 :] == ["python", "a b.py"]
    assert "hunter" not in plan.command_line()
    assert "hunter" not in repr(plan)


def test_words_are_settled_where_the_user_stands(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    plan = Plan.of(["python", "a.py"], here=tmp_path)
    assert plan.words == ("python", str(tmp_path / "a.py"))
    assert plan.given == ("python", "a.py")
    assert plan.label == "python a.py"
