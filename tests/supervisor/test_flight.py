"""Which tools are under way is known to another process, and costs two stores."""

from __future__ import annotations

import os

from holdfast.supervisor.flight import NAME, TOOLS, Flight


def test_what_a_process_that_is_gone_was_calling_is_known_to_the_one_that_forked_it() -> None:
    flight = Flight()
    if (pid := os.fork()) == 0:
        for tool in ("idle", "kühl", "twice"):
            flight.place(tool)
        flight.counts[flight.place("kühl")] += 1
        flight.counts[flight.place("twice")] += 2
        os._exit(0)
    os.waitpid(pid, 0)
    assert flight.under_way() == ["kühl", "twice"]
    flight.clear()
    assert flight.under_way() == []
    flight.counts[flight.place("next")] += 1
    assert flight.under_way() == ["next"]


def test_a_tool_keeps_its_place() -> None:
    flight = Flight()
    assert [flight.place("a"), flight.place("b"), flight.place("a")] == [1, 2, 1]


def test_what_has_no_room_is_counted_without_a_name() -> None:
    flight = Flight()
    assert flight.place("x" * NAME) == flight.unnamed
    for number in range(TOOLS):
        flight.counts[flight.place(f"tool-{number}")] += 1
    assert flight.place("one-too-many") == flight.unnamed
    flight.counts[flight.unnamed] += 1
    assert len(flight.under_way()) == TOOLS
