"""The chain: linked once, outermost first, and nothing runs without a guard that runs it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from holdfast.core.pipeline import Answer, Call, Proceed, link


class Noting:
    def __init__(self, name: str, log: list[str], end: bool = False) -> None:
        self.name, self.log, self.end = name, log, end

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        self.log.append(f"{self.name} before")
        answer = Answer({"by": self.name}) if self.end else await proceed(call)
        self.log.append(f"{self.name} after")
        return answer


async def test_the_first_guard_is_the_outermost() -> None:
    log: list[str] = []
    chain = link([Noting("a", log), Noting("b", log), Noting("c", log, end=True)])
    call: Any = object()
    assert (await chain(call)).body == {"by": "c"}
    assert log == ["a before", "b before", "c before", "c after", "b after", "a after"]


class Looking(Noting):
    """A guard that only looks at what comes in: a plain function."""

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:  # type: ignore[override]
        self.log.append(f"{self.name} looks")
        if self.end:
            raise LookupError
        return proceed(call)


async def test_guards_that_only_look_stand_where_they_were_put() -> None:
    log: list[str] = []
    chain = link(
        [Looking("a", log), Noting("b", log), Looking("c", log), Looking("d", log), Noting("e", log, end=True)]
    )
    call: Any = object()
    assert (await chain(call)).body == {"by": "e"}
    assert log == ["a looks", "b before", "c looks", "d looks", "e before", "e after", "b after"]


async def test_what_a_guard_that_only_looks_raises_reaches_the_guards_outside_it_and_nothing_inside_is_begun() -> None:
    log: list[str] = []

    class Catching(Noting):
        async def around(self, proceed: Proceed, call: Call, /) -> Answer:
            try:
                return await proceed(call)
            except LookupError:
                return Answer({"by": self.name})

    call: Any = object()
    chain = link([Catching("a", log), Looking("b", log), Looking("c", log, end=True), Noting("d", log, end=True)])
    assert (await chain(call)).body == {"by": "a"}
    assert log == ["b looks", "c looks"]


async def test_a_chain_without_a_guard_that_runs_the_tool_is_a_fault() -> None:
    call: Any = object()
    with pytest.raises(RuntimeError, match="no guard that runs"):
        await link([Noting("a", [])])(call)


def test_answers_share_nothing() -> None:
    first, second = Answer({}), Answer({})
    first.meta["x"] = 1
    assert second.meta == {}
    assert not first.is_error
    assert not first.input_required
