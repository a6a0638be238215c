"""What a lost worker leaves of calls that write: with an idempotency key they are served again, and done once."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.calls import living, server_in
from support.soaking import LONG
from support.supervised import SERVER, Kept, supervised, until

from holdfast import Limits
from holdfast.wire.takeover import Takeover

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a server is supervised on Linux")
UNKNOWN = -32010
KEY = "io.holdfast/idempotencyKey"
REPLAYED = "io.holdfast/replayed"
UNSENT = """
from pathlib import Path
from holdfast.wire.keptoutlet import KeptOutlet

write_line, first = KeptOutlet.write, Path(os.environ["SIDE"] + ".first")

def lost(self, line):
    if b"unsent" in line and not first.exists():
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write_line(self, line)

KeptOutlet.write = lost
"""
"""The first worker is killed when an answer is ready, and kept, and not on its way to the client."""
MOVING = """
with open(os.environ["SIDE"] + ".state") as file:
    os.environ["HOLDFAST_STATE"] = file.read()
"""
"""The same, with its state wherever a file says when it is loaded."""
STANDING = """
@server.tool(limits=wide)
async def stand() -> str:
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue

@server.tool(limits=wide)
async def hold() -> str:
    sum(range(10**12))
    return ""
"""
"""Tools that stand on the loop for ever: one that no interruption moves, and one in C that holds the interpreter."""
SOON = {"HOLDFAST_WATCHDOG__DUMP": "0.4", "HOLDFAST_WATCHDOG__INTERRUPT": "0.8", "HOLDFAST_WATCHDOG__RESTART": "1.1"}


def begin(kept: Kept, key: Any, /, odd: bool = False, **arguments: Any) -> int:
    """Begin to write under a key; ``odd``: in a request that only the SDK understands."""
    meta = {KEY: key} | ({"com.example/odd": {"a": 1}} if odd else {})
    return kept.send("tools/call", {"name": "write", "arguments": arguments, "_meta": meta})


def code_of(answer: dict[str, Any]) -> Any:
    """The code of a refused call."""
    return answer["result"]["_meta"]["io.holdfast/code"]


def side(folder: Path) -> list[str]:
    """What was written: the file is there a moment before what is in it."""
    file = folder / "side.txt"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("odd", [False, True] if LONG else [False])
def test_a_keyed_call_that_had_begun_is_never_done_again_and_its_caller_is_told(tmp_path: Path, odd: bool) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        number = begin(kept, "k", odd, text="once", seconds=60)
        until(lambda: side(tmp_path))
        os.kill(kept.workers()[0], signal.SIGKILL)
        assert code_of(kept.answer(number)) == "idempotency.unknown"
        assert code_of(kept.answer(begin(kept, "k", odd, text="once", seconds=60))) == "idempotency.unknown"
        assert side(tmp_path) == ["once"]
        assert kept.value(begin(kept, "l", odd, text="other")) == "other"


def test_a_keyed_call_that_had_not_begun_is_done_by_the_next_worker(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        assert kept.value(begin(kept, "first", text="first")) == "first"
        kept.spared()
        file = sqlite3.connect(tmp_path / "state" / "kept" / "state.sqlite", isolation_level=None)
        file.execute("BEGIN IMMEDIATE")  # nobody can claim a key meanwhile
        number = begin(kept, "k", text="once")
        worker = kept.worker()  # it has read the call
        os.kill(worker, signal.SIGKILL)
        until(lambda: kept.worker() != worker)
        file.execute("ROLLBACK")
        file.close()
        assert kept.value(number) == "once"
        again = kept.answer(begin(kept, "k", text="once"))
        assert again["result"]["_meta"][REPLAYED] is True
        assert side(tmp_path) == ["first", "once"]


def test_the_answer_to_a_keyed_call_that_was_done_is_given_by_the_next_worker(tmp_path: Path) -> None:
    with supervised(tmp_path, SERVER + UNSENT) as kept:
        kept.spared()
        answer = kept.answer(begin(kept, "k", text="unsent"))
        assert answer["result"]["_meta"][REPLAYED] is True
        assert answer["result"]["content"][0]["text"] == "unsent"
        assert (tmp_path / "side.txt.first").exists()
        assert side(tmp_path) == ["unsent"]


def test_where_the_next_worker_keeps_its_claims_elsewhere_nothing_is_done_again(tmp_path: Path) -> None:
    where = tmp_path / "side.txt.state"
    where.write_text(str(tmp_path / "one"))
    with supervised(tmp_path, SERVER + MOVING) as kept:
        first, old = kept.worker(), kept.spared()
        where.write_text(str(tmp_path / "two"))
        os.kill(old, signal.SIGKILL)
        until(lambda: old not in kept.workers())
        kept.spared()
        number = begin(kept, "k", text="once", seconds=60)
        until(lambda: side(tmp_path))
        os.kill(first, signal.SIGKILL)
        assert kept.answer(number)["error"]["data"]["code"] == "supervisor.outcome_unknown"
        assert side(tmp_path) == ["once"]
        assert (tmp_path / "one").is_dir()


def test_of_a_standing_loop_only_the_tool_that_ran_on_it_is_suspected(tmp_path: Path) -> None:
    with supervised(tmp_path, SERVER + STANDING, **SOON) as kept:
        for how in ("stand", "hold", "stand", "hold"):
            kept.spared()
            beside = kept.begin("nap", seconds=1)
            assert kept.answer(kept.begin(how))["error"]["code"] == UNKNOWN
            assert isinstance(kept.value(beside), int), "who was beside it is answered, the second time too"
        for how in ("stand", "hold"):
            assert code_of(kept.answer(kept.begin(how))) == "supervisor.quarantined"
        assert kept.call("nap", seconds=0) == kept.worker()
        assert [fact["why"] for fact in kept.told("worker_lost")] == ["its loop stood still"] * 4


def test_under_kills_every_keyed_call_is_done_once_or_in_doubt(tmp_path: Path) -> None:
    kills = int(os.environ.get("SOAK_KILLS", "2"))
    with supervised(tmp_path) as kept:
        stop, wrong = threading.Event(), []
        done: list[str] = []

        def writes(caller: int) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                text = f"{caller}-{number}"
                answer = kept.answer(begin(kept, text, text=text))
                if "result" not in answer:
                    wrong.append(answer)
                elif not answer["result"].get("isError"):
                    done.append(text)
                elif code_of(answer) != "idempotency.unknown":
                    wrong.append(answer)

        callers = [threading.Thread(target=writes, args=(caller,)) for caller in range(6)]
        for each in callers:
            each.start()
        for number in range(kills):
            until(lambda number=number: len(kept.told("ready")) == number + 1 and len(kept.workers()) == 2)
            time.sleep(0.3)  # real time: calls go on meanwhile
            os.kill(kept.workers()[0], signal.SIGKILL)
        until(lambda: len(kept.told("ready")) == kills + 1)
        stop.set()
        for each in callers:
            each.join()
        written = side(tmp_path)
        assert wrong == []
        assert len(written) == len(set(written)), "a side effect twice"
        assert set(done) <= set(written), "acknowledged, and lost"
        assert len(done) > kills * 6


async def test_a_key_makes_a_call_repeatable_only_while_its_claim_is_sure_to_be_there(tmp_path: Path) -> None:
    server = server_in(tmp_path, idempotency__lifetime=700)

    @server.tool(limits=Limits(timeout=100))
    async def quick() -> str:
        return ""

    @server.tool(limits=Limits(timeout=101))
    async def slow() -> str:
        return ""

    async with living(server) as live:
        found = [live.repeatable(tool, key) for tool in ("quick", "slow", "gone") for key in ("k", None)]
        assert found == [True, False, False, False, True, True]


def test_a_call_without_an_envelope_has_no_key_whatever_stands_there_instead() -> None:
    takeover, live = Takeover.__new__(Takeover), SimpleNamespace(claims=["here", 60.0])
    takeover._claims = ["here", 60.0]
    for params in (None, [], [{"_meta": {KEY: "k"}}], {}, {"_meta": None}, {"_meta": [KEY]}, {"_meta": {}}):
        assert takeover._key({"method": "tools/call", "params": params}, live) is None
    assert takeover._key({"params": {"_meta": {KEY: "k"}}}, live) == "k"
    live.claims = ["elsewhere", 60.0]
    assert takeover._key({"params": {"_meta": {KEY: "k"}}}, live) is None
