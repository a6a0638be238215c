"""Each way to block the loop, behind a supervisor with nothing but the ladder to help: it turns again in time.

The real ladder (10, 12 and 13 s), row by row: two minutes, so only ``make soak`` climbs it. One that is a second high
is in ``test_parent.py``, and the rows with thresholds of 1/100 are in ``watchdog/test_served.py``.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.soaking import LONG, note
from support.supervised import Kept, supervised, until

LADDER = 13.0
SLACK = 0.5
"""Seconds for the next worker to take over."""
pytestmark = pytest.mark.skipif(not LONG, reason="two minutes; make soak runs it")
SERVER = """
import hashlib, json, os, re, sqlite3, threading, time
from contextlib import suppress
from holdfast import Limits, Server

server = Server("blocked")
wide = Limits(rate="1000000/second", timeout=100)


@server.tool(read_only=True, limits=wide)
async def add(a: int, b: int) -> int:
    "Add."
    return a + b


@server.tool(read_only=True, limits=wide)
async def nap(seconds: float) -> int:
    "Who serves."
    return os.getpid()


def lock():
    held = threading.Lock()
    held.acquire()
    held.acquire(timeout=90)


def python():
    end = time.monotonic() + 90
    while time.monotonic() < end:
        pass


def deaf():
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with suppress(BaseException):
            time.sleep(60)


def sqlite():
    sqlite3.connect(":memory:").execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000000) SELECT max(i) FROM n"
    ).fetchall()


WAYS = {
    "sleep": lambda: time.sleep(90),
    "lock": lock,
    "event": lambda: threading.Event().wait(90),
    "python": python,
    "deaf": deaf,
    "regex": lambda: re.compile("(a+)+$").match("a" * 60 + "b"),
    "bigint": lambda: 3 ** 2_000_000_000,
    "ints": lambda: json.dumps([3 ** 2_000_000 % 10 ** 4_000] * 4_000_000),
    "summed": lambda: sum(range(10**12)),
    "pbkdf2": lambda: hashlib.pbkdf2_hmac("sha256", b"", b"", 10**10),
    "sqlite": sqlite,
}


async def block(how: str) -> str:
    WAYS[how]()
    return "ended"


for name in WAYS:
    server.tool(name=name, limits=wide)(block)
"""
WAYS = ["sleep", "lock", "event", "python", "deaf", "regex", "bigint", "ints", "summed", "pbkdf2", "sqlite"]


def stood(kept: Kept, way: str) -> float:
    """Seconds for which others were not answered."""
    number = kept.begin(way, how=way)
    begun = time.monotonic()
    assert kept.call("add", a=1, b=2) == 3
    seconds = time.monotonic() - begun
    answer = kept.answer(number)
    assert "error" in answer or answer["result"]["isError"], way
    return seconds


@pytest.mark.parametrize("way", WAYS)
def test_a_standing_loop_turns_again_in_time_and_the_others_get_their_answers(way: str, tmp_path: Path) -> None:
    with supervised(tmp_path, SERVER) as kept:
        kept.spared()
        seconds = stood(kept, way)
        note(**{way: round(seconds, 1)})
        assert seconds < LADDER + SLACK
        until(lambda: kept.call("add", a=2, b=2) == 4)
        assert (kept.torn, kept.twice) == ([], [])
