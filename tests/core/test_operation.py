"""Operations: the facts that tools, resources and prompts share, and what they mean."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from holdfast.core.limits import Limits
from holdfast.core.operation import DEFAULT_TTL, FACTS, Operation, doc, run_detached
from holdfast.core.pipeline import Answer
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError


class Doubled(Tool):
    """Double it."""

    def run(self, args: Any, ctx: Any) -> Any:
        return args * 2


@pytest.mark.parametrize("cacheable, seconds", [(False, 0.0), (True, DEFAULT_TTL), (5, 5.0), (0.5, 0.5)])
def test_cacheable_means_a_minute_or_the_seconds_that_are_said(cacheable: Any, seconds: float) -> None:
    assert type("Kept", (Doubled,), {"cacheable": cacheable})().ttl == seconds


def test_whatever_is_not_read_only_may_change_things() -> None:
    assert Doubled().changes_things
    assert not type("Reader", (Doubled,), {"read_only": True})().changes_things


async def test_an_operation_prepares_nothing_by_itself() -> None:
    async with AsyncExitStack() as stack:
        assert await Doubled().prepare(None, None, stack) == {}  # type: ignore[arg-type]


def test_the_work_of_another_process_is_the_class_and_its_arguments() -> None:
    function, arguments = Doubled().detached(21)
    assert function is run_detached
    assert function(*arguments) == 42


@pytest.mark.parametrize("written, held", [({"a", "b"}, {"a", "b"}), (["a"], {"a"}), ("admin", {"admin"}), ((), set())])
def test_scopes_are_a_set_however_they_are_written(written: Any, held: set[str]) -> None:
    scopes = type("Scoped", (Doubled,), {"scopes": written})().scopes
    assert scopes == held
    assert isinstance(scopes, frozenset)


@pytest.mark.parametrize("facts", [{"isolation": "elsewhere"}, {"limits": {"timeout": 1}}])
def test_facts_that_make_no_sense_are_refused_when_the_tool_is_built(facts: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"tool wrong: (isolation|limits)"):
        type("Wrong", (Doubled,), facts)()


@pytest.mark.parametrize(
    "facts, said",
    [
        ({"fallback": 3}, "fallback is a function"),
        ({"fallback": [print, "x"]}, "fallback is a function"),
        ({"fallback": [print] * 9}, "up to 8"),
        ({"cacheable": True, "stale": -1}, "stale is in seconds"),
        ({"cacheable": True, "stale": float("nan")}, "stale is in seconds"),
        ({"cacheable": True, "stale_on_error": "1"}, "stale_on_error is in seconds"),
        ({"stale": 5}, "stale is for what is cacheable"),
    ],
)
def test_stand_ins_that_cannot_hold_are_refused_by_name(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"tool wrong: .*{said}|{said}"):
        type("Wrong", (Doubled,), facts)()


def test_one_fallback_need_not_be_written_as_several() -> None:
    assert Doubled().fallbacks == ()
    assert type("One", (Doubled,), {"fallback": staticmethod(doc)})().fallbacks == (doc,)
    assert type("Two", (Doubled,), {"fallback": [doc, repr]})().fallbacks == (doc, repr)


def test_every_fact_has_a_default_that_a_class_may_set() -> None:
    assert "limits" in FACTS
    assert not {"kind", "run", "arguments", "where", "ttl"} & FACTS
    assert all(hasattr(Operation, fact) for fact in FACTS)
    assert Operation.limits == Limits()


def test_an_operation_that_does_not_say_how_it_answers_is_an_error_of_its_author() -> None:
    class Mute(Operation):
        kind = "tool"

    with pytest.raises(ConfigurationError, match="Mute does not say"):
        Mute().present(1)
    Mute().recheck(Answer({}))


def test_an_operation_shows_its_name() -> None:
    assert repr(Doubled()) == "<Doubled doubled>"


def test_a_docstring_is_cleaned_and_a_missing_one_is_nothing() -> None:
    def documented() -> None:
        """First.

        Second.
        """

    def silent() -> None:
        pass

    assert doc(documented) == "First.\n\nSecond."
    assert doc(silent) is None
    assert doc(object()) is None
    assert doc(Doubled) == "Double it."


@pytest.mark.parametrize(
    "facts, place",
    [
        ({"cpu": True}, "process"),
        ({"trusted": False}, "process"),
        ({"cpu": True, "isolation": "thread"}, "thread"),
        ({"trusted": False, "isolation": "process"}, "process"),
    ],
)
def test_what_computes_or_is_not_trusted_runs_in_a_process_unless_it_is_told_otherwise(
    facts: dict[str, Any], place: str
) -> None:
    assert type("Placed", (Doubled,), facts)().where() == place


@pytest.mark.parametrize("place", ["thread", "inline"])
def test_what_is_not_trusted_runs_nowhere_else(place: Any) -> None:
    with pytest.raises(ConfigurationError, match="not trusted"):
        type("Placed", (Doubled,), {"trusted": False, "isolation": place})()


def test_an_async_def_that_should_leave_the_process_is_refused_with_the_remedy() -> None:
    class Async(Doubled):
        cpu = True

        async def run(self, args: Any, ctx: Any) -> Any:
            return args

    with pytest.raises(ConfigurationError, match="make it a plain def"):
        Async().where()
