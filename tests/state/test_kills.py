"""``kill -9`` at any moment, while state, audit log, quotas and answers are written: nothing torn, nothing lost.

Twenty kills by default; ``SOAK=1`` for ten times a hundred (a few minutes). The seed is printed when something fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.soaking import note

from holdfast.observe.audit import verify
from holdfast.observe.chain import archives
from holdfast.state.location import FILE
from holdfast.state.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
KILLS, SEEDS = (100, range(10)) if os.environ.get("SOAK") else (20, range(5, 6))
WRITERS = """
    import asyncio, os, sys
    from pathlib import Path

    from holdfast.access.allowances import Allowance
    from holdfast.access.quotas import Quotas
    from holdfast.core.clock import SystemClock
    from holdfast.observe.audit import AuditLog
    from holdfast.state.durable import Durable
    from holdfast.state.idempotency import Keys
    from holdfast.state.store import Store  # loaded before the forks

    folder = Path(sys.argv[1])
    LIMIT = Allowance("calls", 1e9, 1e6, "1e9/day", "quota")

    def told(*words):
        os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    async def main(life):
        log = AuditLog(folder / "audit.jsonl", max_bytes=100_000)
        durable = Durable(folder, lambda: None, SystemClock(), lambda name: told("damaged", name))
        store = durable.open_now()
        quotas = Quotas(store, {}, (LIMIT,))
        keys = Keys(durable, lifetime=86_400, rows=1_000_000, size=1 << 30)

        async def state(name, number):
            await store.put("state", f"{life} {name}", str(number).encode())
            told("state", life, name, number)

        async def audit(name, number):
            await log.append({"tool": name, "number": number, "life": life})
            told("audit", life, name, number)
            await asyncio.sleep(0.001)  # it is written at once, and the others are to have their turn

        async def quota(name, number):
            quotas.settle(await quotas.reserve("ada", (LIMIT,), {"calls": 1.0}), {"calls": 1.0})
            told("quota", life, name, number)

        async def key(name, number):
            turn = await keys.begin("ada", f"{life}-{name}-{number}", "the same")
            await keys.finish(turn, {"number": number})
            told("key", life, name, number)

        async def caller(name, work):
            for number in range(1_000_000):
                await work(name, number)

        await asyncio.gather(*(caller(n, work) for n in range(2) for work in (state, audit, quota, key)))

    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            asyncio.run(main(int(line)))
            os._exit(0)
        told("pid", pid)
        os.waitpid(pid, 0)
        told("gone")
"""
IN_FLIGHT = 2
"""Units of quota that may be reserved and not acknowledged when a process is killed: one a caller."""


@contextmanager
def nursery(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything and forks a writer for each line that it is sent."""
    argv = [sys.executable, "-c", textwrap.dedent(WRITERS), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def one_life(process: subprocess.Popen[str], life: int, enough: int) -> list[list[str]]:
    """What a writer acknowledged until it was killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{life}\n")
    process.stdin.flush()
    heard: list[list[str]] = []
    pid = 0
    while True:
        words = process.stdout.readline().split()
        assert words, "the nursery died"
        if words == ["gone"]:
            return heard
        if words[0] == "pid":
            pid = int(words[1])
        else:
            assert words[0] != "damaged"
            heard.append(words)
        if pid and len(heard) >= enough:
            enough = sys.maxsize
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", SEEDS)
async def test_kills_tear_nothing_and_lose_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    heard: list[list[str]] = []
    with nursery(tmp_path) as process:
        for life in range(KILLS):
            heard += one_life(process, life, source.choice((0, 1, source.randrange(100))))
    acknowledged = {kind: [words[1:] for words in heard if words[0] == kind] for kind in ("state", "audit", "key")}
    spent = Counter(words[0] for words in heard)["quota"]
    assert all(acknowledged.values()), f"seed {seed}: too few to say anything"

    damaged: list[str] = []
    store = Store(tmp_path / FILE, on_damage=damaged.append)
    try:
        last: dict[str, int] = {}
        for life, name, number in acknowledged["state"]:
            last[f"{life} {name}"] = int(number)
        values = {key: int(value) for key, value in await store.items("state", 100_000)}
        assert {key: values[key] for key in last if values[key] < last[key]} == {}, f"seed {seed}"
        kept = {key: json.loads(value) for key, value in await store.items("idempotency:ada", 1_000_000)}
        for life, name, number in acknowledged["key"]:
            assert kept[f"{life}-{name}-{number}"]["outcome"] == {"number": int(number)}, f"seed {seed}"
        counted = float(await store.get("quota", "ada") or 0)
        assert spent <= counted <= spent + KILLS * IN_FLIGHT, f"seed {seed}"
        checked = await store._transactions.ask(lambda c: c.execute("PRAGMA integrity_check").fetchall())
        assert (checked, damaged) == ([("ok",)], [])
    finally:
        await store.close()

    path = tmp_path / "audit.jsonl"
    assert verify(path).ok, f"seed {seed}"
    note(
        kills=KILLS * len(SEEDS),
        of_the_last_hundred={kind: len(told) for kind, told in acknowledged.items()},
        torn=0,
        lost=0,
    )
    lines = b"".join(each.read_bytes() for each in [*archives(path), path]).splitlines(keepends=True)
    written = [json.loads(line) for line in lines if line.endswith(b"\n")]
    seen = {(line.get("life"), line.get("tool"), line.get("number")) for line in written}
    assert {tuple(map(int, words)) for words in acknowledged["audit"]} <= seen, f"seed {seed}"
    await asyncio.sleep(0)
