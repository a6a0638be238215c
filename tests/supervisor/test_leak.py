"""A tool that leaks: seen, named, contained, and recovered from by another worker, with no idempotent call lost."""

from __future__ import annotations

import time
from pathlib import Path

from support.soaking import LONG, crew, may_be_repeated, note
from support.supervised import Kept, state_of, supervised, until

MIB = 1 << 20
BUDGET = 128 * MIB
ROUNDS = 5 if LONG else 1
SERVER = """
import os
from holdfast import Limits, Server

server = Server("leaking")
first = Limits(rate="1000000/second", concurrency=100, priority="high")
kept = []


@server.tool(read_only=True, limits=first)
async def nap(seconds: float) -> int:
    "Who serves."
    return os.getpid()


@server.tool(idempotent=True, limits=first)
async def put(number: int) -> int:
    "Write the same again."
    with open(os.environ["SIDE"] + "." + str(number % 8), "w") as file:
        file.write(str(number))
    return number


@server.tool(read_only=True, limits=Limits(rate="1000000/second", concurrency=100))
async def add(a: int, b: int) -> int:
    "Add."
    return a + b


@server.tool(read_only=True, limits=first)
async def leak(mib: int) -> int:
    "Keep memory for ever."
    kept.append(os.urandom(1) * (mib << 20))
    return len(kept)
"""
SETTINGS = {
    "HOLDFAST_WATCHDOG__MEMORY": str(BUDGET),
    "HOLDFAST_WATCHDOG__SAMPLE": "0.02",
    "HOLDFAST_WATCHDOG__SAMPLES": "2",
    "HOLDFAST_WATCHDOG__COLLECT": "0.5",
    "HOLDFAST_LOG__LEVEL": "error",
}


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096


def leak(kept: Kept, worker: int, rounds: int) -> int:
    """Let it leak until another worker serves; the most memory that was seen."""
    most = 0
    while len(kept.told("handed_over")) < rounds:
        kept.call("leak", mib=1)
        most = max(most, resident(worker) if state_of(worker) not in ("", "Z") else 0)
        time.sleep(0.01)  # real time, for the samples in between
        assert most < 4 * BUDGET, "nobody sees it"
    return most


def test_a_leaking_tool_is_named_and_its_worker_replaced_while_the_others_are_answered(tmp_path: Path) -> None:
    refused: list[object] = []
    most = 0
    with supervised(tmp_path, SERVER, **SETTINGS) as kept:

        def put(number: int) -> object:
            found = kept.call("put", number=number)
            return None if found == number else found

        def add(number: int) -> object:
            answer = kept.answer(kept.begin("add", a=number, b=1))
            if may_be_repeated(answer):  # shed while memory is short: it says so, and is asked again
                refused.append(answer)
                return None
            content = answer.get("result", {}).get("content", [{}])
            return None if content[0].get("text") == str(number + 1) else answer

        with crew() as callers:
            for work in (put, put, add, add):
                callers.go(work)
            for rounds in range(1, ROUNDS + 1):
                worker = kept.worker()
                kept.spared()
                most = max(most, leak(kept, worker, rounds))
                until(lambda rounds=rounds: len(kept.told("ready")) == rounds + 1)
                assert kept.worker() != worker
        after = resident(kept.worker())
        why = [fact["why"] for fact in kept.told("retiring")]
        note(
            workers_replaced=ROUNDS, calls=callers.calls, lost=len(callers.wrong), told_to_come_again=len(refused),
            most_mib=most // MIB, after_mib=after // MIB, budget_mib=BUDGET // MIB,
        )  # fmt: skip
        assert callers.wrong == []
        named = sum("it grows with calls of leak" in each for each in why)
        assert named == ROUNDS, why
        assert kept.told("worker_lost") == [], "handed over, not lost"
        assert most < 1.5 * BUDGET
        assert after < 0.7 * BUDGET
        assert (kept.torn, kept.twice) == ([], [])
