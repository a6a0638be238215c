"""Whatever a tool does to itself behind a supervisor: its caller is answered in time, the others get theirs, all ends.

``make soak`` does a thousand of these things in a row.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from support.soaking import LONG, crew, note
from support.supervised import Kept, supervised, until

COUNT = int(os.environ.get("SOAK_FAULTS", "1000" if LONG else "6"))
DEADLINE = 0.3
SLACK = 0.25
"""Seconds past its deadline within which a caller has its answer (issue 5)."""
LADDER = 1.0
"""Seconds until the supervisor interrupts a loop that stands still; it aborts after 1.2, and kills after 1.3."""
WARM = 8
"""Threads, and descriptors, that a worker of some age may have more than a new one; a thousand faults would leave a
hundred of each kind."""
CODE = "io.holdfast/code"
SERVER = f"""
import asyncio, ctypes, os, subprocess, sys, time
from contextlib import suppress
from holdfast import Limits, Server

server = Server("hostile")
wide = Limits(rate="1000000/second", concurrency=100, queue=500, timeout=20)
short = Limits(rate="1000000/second", timeout={DEADLINE}, memory=256 << 20)


@server.tool(read_only=True, limits=wide)
async def add(a: int, b: int) -> int:
    "Add."
    return a + b


@server.tool(read_only=True, isolation="process", limits=wide)
def divide(a: int, b: int) -> int:
    "Divide, in a process."
    return a // b


@server.tool(read_only=True, limits=wide)
async def nap(seconds: float) -> int:
    "Who serves."
    await asyncio.sleep(seconds)
    return os.getpid()


def swallow():
    end = time.monotonic() + 600
    while time.monotonic() < end:
        with suppress(BaseException):
            time.sleep(60)


def eat():
    hog = []
    while True:
        hog.append(bytearray(1 << 20))


def breed():
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
    time.sleep(600)


DOES = {{
    "nothing": lambda: None,
    "swallow": swallow,
    "spin": lambda: sum(range(10**12)),
    "leave": lambda: os._exit(3),
    "crash": lambda: ctypes.string_at(0),
    "eat": eat,
    "breed": breed,
    "sleep": lambda: time.sleep(30),
    "doze": lambda: time.sleep(1),
    "child": lambda: subprocess.Popen(["sleep", "600"], start_new_session=True),
}}


def isolated(what: str) -> str:
    DOES[what]()
    return "done"


for name in ("swallow", "spin", "leave", "crash", "eat", "breed"):
    server.tool(name="isolated_" + name, isolation="process", limits=short)(isolated)


def threaded(what: str) -> str:
    DOES[what]()
    return "done"


server.tool(name="threaded_doze", limits=short)(threaded)


async def inline(what: str) -> str:
    if what == "ignore":
        end = time.monotonic() + 1
        while time.monotonic() < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
    elif what == "begin":
        DOES["child"]()
        await asyncio.sleep(600)
    else:
        DOES[what]()
    return "done"


for name in ("ignore", "begin", "sleep", "spin", "leave", "crash"):
    server.tool(name="inline_" + name, limits=short)(inline)
"""


@dataclass(frozen=True)
class Fault:
    """A tool, what it is asked to do, with which codes it may end, and the seconds that its caller waits at most."""

    tool: str
    codes: frozenset[str]
    within: float = DEADLINE + SLACK

    @property
    def what(self) -> str:
        return self.tool.partition("_")[2]


def fault(tool: str, *codes: str, within: float = DEADLINE + SLACK) -> Fault:
    return Fault(tool, frozenset(codes), within)


LATE, CRASHED, PUT_AWAY = "deadline.exceeded", "isolation.crashed", "supervisor.quarantined"
OUTCOME = "supervisor.outcome_unknown"
"""``LATE`` may be said of any call: one that waits for a new worker may be past its deadline before its tool begins."""
QUICK = {"isolated_swallow", "inline_ignore", "threaded_doze", "inline_leave", "inline_begin", "inline_crash"}
"""Those of the short form; each of the others has a test of its own."""
FAULTS = [
    fault("isolated_swallow", LATE),
    fault("inline_spin", OUTCOME, PUT_AWAY, LATE, within=13.0),
    fault("isolated_spin", LATE),
    fault("isolated_leave", CRASHED, LATE),
    fault("inline_ignore", LATE),
    fault("isolated_crash", CRASHED, LATE),
    fault("inline_leave", OUTCOME, PUT_AWAY, LATE, within=13.0),
    fault("isolated_eat", "isolation.memory", LATE),
    fault("threaded_doze", LATE),
    fault("inline_begin", LATE),
    fault("isolated_breed", LATE),
    fault("inline_crash", OUTCOME, PUT_AWAY, LATE, within=13.0),
    fault("inline_sleep", LATE),
]


IN_TURN = FAULTS if LONG else [each for each in FAULTS if each.tool in QUICK]


def code_of(answer: dict[str, Any]) -> str:
    """Of a refusal or an error; empty for a good answer."""
    if "error" in answer:
        return str(answer["error"].get("data", {}).get("code", answer["error"]["code"]))
    return str(answer["result"].get("_meta", {}).get(CODE, ""))


def standing(kept: Kept) -> tuple[int, int, int]:
    """Processes below the supervisor; threads and descriptors of all that serve, and the supervisor's."""
    top = psutil.Process(kept.process.pid)
    below = [each for each in top.children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]
    serving = [top, psutil.Process(kept.workers()[0])]
    return len(below), sum(each.num_threads() for each in serving), sum(each.num_fds() for each in serving)


def right(kept: Kept, expected: int, tool: str, /, **arguments: Any) -> object:
    """What is wrong with an answer, if anything."""
    begun = time.monotonic()
    found = kept.call(tool, **arguments)
    return None if found == expected else (tool, f"after {time.monotonic() - begun:.2f} s", found)


def as_before(now: tuple[int, int, int], then: tuple[int, int, int]) -> bool:
    """Whether nothing was left behind; a pool may keep threads warm that were not there at the beginning."""
    return now[0] <= then[0] and now[1] <= then[1] + WARM and now[2] <= then[2] + WARM


def calm(kept: Kept) -> tuple[int, int, int]:
    """What stands when every warm process is there and the spare waits."""
    for _ in range(8):
        assert kept.call("divide", a=84, b=2) == 42
    kept.spared()
    return standing(kept)


def test_whatever_tools_do_all_are_answered_in_time_and_nothing_stays(tmp_path: Path) -> None:
    settings = {
        "HOLDFAST_WATCHDOG__INTERRUPT": str(LADDER), "HOLDFAST_WATCHDOG__RESTART": "1.4",
        "HOLDFAST_WATCHDOG__DUMP": "0.7", "HOLDFAST_LIMITS__PROCESSES": "2", "HOLDFAST_LOG__LEVEL": "error",
    }  # fmt: skip
    taken: dict[str, list[float]] = defaultdict(list)
    ended: Counter[tuple[str, str]] = Counter()
    with supervised(tmp_path, SERVER, **settings) as kept:
        before = calm(kept)
        with crew() as neighbours:
            for _ in range(2):
                neighbours.go(lambda number: right(kept, number + 1, "add", a=number, b=1))
            neighbours.go(lambda number: right(kept, number, "divide", a=number, b=1))
            one_after_the_other(kept, taken, ended)
        until(lambda: kept.worker() > 0)
        calm(kept)
        with suppress(AssertionError):  # judged below, with what it is
            until(lambda: as_before(standing(kept), before))
        after = standing(kept)
    worst = {tool: round(max(times), 3) for tool, times in taken.items()}
    note(faults=COUNT, neighbours=neighbours.calls, errors=len(neighbours.wrong), before=before, after=after)
    note(median_ms={tool: round(1000 * median(times)) for tool, times in taken.items()}, worst_s=worst)
    assert as_before(after, before)
    for each in IN_TURN:
        codes = {code for tool, code in ended if tool == each.tool}
        assert codes <= each.codes, (each.tool, codes)
        assert median(taken[each.tool]) < each.within + (0 if LONG else 1), (each.tool, taken[each.tool][:20])
    assert neighbours.wrong == [], "\n".join(map(str, neighbours.wrong))
    assert (kept.torn, kept.twice) == ([], [])


def one_after_the_other(kept: Kept, taken: dict[str, list[float]], ended: Counter[tuple[str, str]]) -> None:
    """Faults in turn, each followed by good calls of the same tool: else its breaker would leave it alone."""
    for number in range(COUNT):
        each = IN_TURN[number % len(IN_TURN)]
        begun = time.monotonic()
        answer = kept.answer(kept.begin(each.tool, what=each.what))
        taken[each.tool].append(time.monotonic() - begun)
        ended[each.tool, code_of(answer)] += 1
        for _ in range(2 if LONG else 0):
            until(lambda tool=each.tool: code_of(kept.answer(kept.begin(tool, what="nothing"))) in ("", PUT_AWAY))
