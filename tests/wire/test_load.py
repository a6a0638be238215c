"""Ten thousand mixed calls from sixteen callers, a tenth of them hostile: nothing is lost, grows or stays."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from support.peers import UNMEASURED, StdioPeer, code_of, text_of

SERVER = Path(__file__).parent / "servers" / "hostile.py"
CALLS = 10_000
CALLERS = 16
WARM = 1_000
GROWTH = 5 * 1024 * 1024
SETTINGS = {"HOLDFAST_LIMITS__RATE": "1000000/second", **UNMEASURED}


def bad_arguments(peer: StdioPeer) -> str:
    return code_of(peer.call("add", a="41", b=1))


def failing(peer: StdioPeer) -> str:
    return code_of(peer.call("boom"))


def unknown(peer: StdioPeer) -> str:
    return str(peer.call("no_such_tool")["error"]["code"])


def surrogate(peer: StdioPeer) -> str:
    return "fine" if "ok" in text_of(peer.call("surrogate")) else "wrong"


def malformed(peer: StdioPeer) -> str:
    number = peer.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2, "deep": [[[[1]]]] * 50}})
    return code_of(peer.reply(number)["result"])


def not_json(peer: StdioPeer) -> str:
    peer.send_raw(b'{"jsonrpc": "2.0", "method": "tools/call" \xff\n')
    return "sent"


def leftover(peer: StdioPeer) -> str:
    return text_of(peer.call("leftover"))


def too_big(peer: StdioPeer) -> str:
    return code_of(peer.call("big_structure", size=1_100_000))


HOSTILE: list[tuple[Callable[[StdioPeer], str], set[str], int]] = [
    (bad_arguments, {"arguments.invalid"}, 30),
    (failing, {"tool.failed", "breaker.open"}, 30),
    (unknown, {"-32602"}, 15),
    (surrogate, {"fine"}, 10),
    (malformed, {"arguments.invalid"}, 10),
    (not_json, {"sent"}, 10),
    (leftover, {"gone", ""}, 2),
    (too_big, {"output.too_large"}, 2),
]
"""What is sent, what may come back, and how often among the hostile tenth."""


class Crowd:
    """Sixteen callers on one connection."""

    def __init__(self, peer: StdioPeer) -> None:
        self.peer = peer
        self.done = 0
        self.wrong: list[str] = []
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._numbers = threading.Lock()

    def run(self, calls: int) -> None:
        """Share ``calls`` among the callers and wait for them."""
        threads = [threading.Thread(target=self._caller, args=(seed, calls // CALLERS)) for seed in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _caller(self, seed: int, calls: int) -> None:
        chance = random.Random(f"{seed}-{self.done}")
        for number in range(calls):
            problem = self._hostile(chance) if chance.random() < 0.1 else self._honest(seed, number)
            with self._lock:
                self.done += 1
                if problem:
                    self.wrong.append(problem)

    def _honest(self, seed: int, number: int) -> str | None:
        result = self.peer.call("add", 60, a=seed, b=number)
        return None if text_of(result) == str(seed + number) else f"add: {result}"

    def _hostile(self, chance: random.Random) -> str | None:
        attack, allowed, _ = chance.choices(HOSTILE, weights=[weight for _, _, weight in HOSTILE])[0]
        answer = attack(self.peer)
        with self._lock:
            self.seen[f"{attack.__name__}: {answer}"] += 1
        return None if answer in allowed else f"{attack.__name__}: {answer}"


def of_the_store(server: psutil.Process) -> int:
    """Files of the state that are open: they are opened when there is something to remember, and stay."""
    return sum(".sqlite" in file.path for file in server.open_files())


def test_ten_thousand_mixed_calls_leave_nothing_behind(tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state", **SETTINGS) as peer:
        peer.initialize()
        server = psutil.Process(int(text_of(peer.call("pid"))))
        crowd = Crowd(peer)
        crowd.run(WARM)
        before, warm, stored = counts(peer), server.memory_info().rss, of_the_store(server)
        crowd.run(CALLS - WARM)
        growth = server.memory_info().rss - warm
        assert crowd.wrong == []
        assert sum(crowd.seen.values()) > CALLS / 20
        assert text_of(peer.call("add", a=2, b=40)) == "42"
        assert growth < GROWTH, f"grew by {growth / 1e6:.1f} MB"
        after = counts(peer)
        assert server.children(recursive=True) == []
        assert after["tasks"] <= before["tasks"]
        assert after["descriptors"] - of_the_store(server) <= before["descriptors"] - stored
        assert after["threads"] <= before["threads"] + 2
        assert peer.garbage == []
        peer.end_input()
        assert peer.wait() == 0


def counts(peer: StdioPeer) -> dict[str, int]:
    """What the server says of itself."""
    return {what: int(text_of(peer.call(what))) for what in ("tasks", "descriptors", "threads")}
