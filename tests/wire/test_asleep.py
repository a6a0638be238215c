"""However many synchronous tools sleep for ever, the others answer at once and the refused are told why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from support.peers import StdioPeer, code_of, text_of

SERVER = Path(__file__).parent / "servers" / "asleep.py"
THREADS = 64
"""Of the settings' defaults, like the next two."""
PLACES, LINE = 16, 64
AT_ONCE = 0.1
"""Seconds within which others answer (issue 5: 100 ms)."""
LOOKS = 25
STUCK = "the worker threads are stuck in earlier calls; try again later"
SETTINGS = {"HOLDFAST_LIMITS__RATE": "100000/second"}


def start(folder: Path, **settings: str) -> StdioPeer:
    peer = StdioPeer(SERVER, folder / "state", **SETTINGS, **settings)
    peer.initialize()
    return peer


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[StdioPeer]:
    """A server whose tools have half a minute, as by default; killed, since its threads sleep for ever."""
    with start(tmp_path) as peer:
        yield peer
        peer.process.kill()
        peer.process.wait()


def fall_asleep(peer: StdioPeer, names: list[str], threads: int) -> list[Any]:
    """Call each; returns when so many sleep that no more can."""
    numbers = [peer.request("tools/call", {"name": name, "arguments": {}}) for name in names]
    end = time.monotonic() + 10
    while text_of(peer.call("sleeping")) != str(threads):
        assert time.monotonic() < end, f"{text_of(peer.call('sleeping'))} of {threads} sleep"
        time.sleep(0.005)
    return numbers


def others_answer_at_once(peer: StdioPeer) -> None:
    """Ping and a tool in turn; single outliers belong to the machine, a wait for a sleeper would be seconds."""
    taken = []
    for number in range(LOOKS):
        begun = time.monotonic()
        assert text_of(peer.call("add", a=number, b=1)) == str(number + 1)
        taken.append(time.monotonic() - begun)
        begun = time.monotonic()
        assert peer.ask("ping")["result"] == {}
        taken.append(time.monotonic() - begun)
    assert median(taken) < AT_ONCE / 2, taken
    assert sorted(taken)[-3] < AT_ONCE, taken
    assert max(taken) < 1, taken


def answered(peer: StdioPeer, numbers: list[Any]) -> Counter[str]:
    return Counter(code_of(peer.reply(number)["result"]) for number in numbers)


def refused_at_once(peer: StdioPeer, number: Any) -> str:
    """Why a call was not begun, which its caller can do something with."""
    result = peer.reply(number)["result"]
    assert result["isError"]
    assert result["_meta"]["io.holdfast/retryable"]
    assert result["_meta"]["io.holdfast/retryAfter"] > 0
    return text_of(result)


def test_calls_of_one_tool_fill_its_places_and_its_line_and_nothing_else(patient: StdioPeer) -> None:
    fall_asleep(patient, ["asleep0"] * 39, PLACES)
    others_answer_at_once(patient)
    assert text_of(patient.call("quick")) == "done", "and there are threads left for other tools"
    numbers = fall_asleep(patient, ["asleep0"] * 361, PLACES)
    others_answer_at_once(patient)
    said = {refused_at_once(patient, number) for number in numbers[PLACES + LINE - 39 :]}
    assert said == {"this tool is busy; try again later [busy]"}
    assert text_of(patient.call("quick")) == "done"


def test_thirty_nine_tools_hold_a_thread_each(patient: StdioPeer) -> None:
    fall_asleep(patient, [f"asleep{number}" for number in range(39)], 39)
    others_answer_at_once(patient)
    assert text_of(patient.call("quick")) == "done"


def test_four_hundred_tools_hold_every_thread_and_hold_up_no_asynchronous_one(patient: StdioPeer) -> None:
    numbers = fall_asleep(patient, [f"asleep{number}" for number in range(400)], THREADS)
    others_answer_at_once(patient)
    said = {refused_at_once(patient, number) for number in numbers[2 * THREADS :]}
    assert said == {"all worker threads are busy; try again later [busy]"}


def test_past_their_deadline_the_sleepers_are_answered_and_later_calls_are_told_that_all_is_stuck(
    tmp_path: Path,
) -> None:
    with start(tmp_path, HOLDFAST_LIMITS__TIMEOUT="1") as peer:
        numbers = fall_asleep(peer, [f"asleep{number}" for number in range(400)], THREADS)
        assert answered(peer, numbers[:THREADS]) == {"deadline.exceeded": THREADS}
        assert set(answered(peer, numbers[THREADS : 2 * THREADS])) <= {"deadline.exceeded", "isolation.stuck"}
        others_answer_at_once(peer)
        late = peer.request("tools/call", {"name": "quick", "arguments": {}})
        assert refused_at_once(peer, late) == f"{STUCK} [isolation.stuck]"
        peer.end_input()
        assert peer.wait() == 0, "threads that never end hold up no exit"
