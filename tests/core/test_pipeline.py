"""The chain: linked once, outermost first, and nothing runs without a guard that runs it."""

from __future__ import annotations

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
