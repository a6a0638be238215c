"""Loads a server three times over for a minute, takes its dependency away for 5 s, and looks whether it comes back.

``python benchmarks/metastability.py`` (95 s) runs two servers at once in processes of their own, over stdio: the one
with every guard, and a control without breaker, retry budget and bounded places. Each has a dependency over TCP that
answers 25 calls a second, and that does what it was asked also when nobody waits any more. Callers come at random
moments, whatever became of those before. Exits with 1 when the server misses a bar of issue 5, or when the control does
not collapse: then the outage showed nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from answers import INITIALIZE, INITIALIZED
from dependency import CAPACITY, Dependency

SERVER = Path(__file__).parent / "servers" / "dependent.py"
USUAL, OVERLOAD = 0.8, 3.0
"""Loads, as shares of capacity."""
CONTROL = {
    "DEPENDENT_CONTROL": "1",
    "HOLDFAST_LIMITS__CONCURRENCY": "10000",
    "HOLDFAST_LIMITS__TOTAL": "40000",
    "HOLDFAST_LIMITS__IN_FLIGHT": "40000",
}
"""Settings of the server that has neither breaker nor budget, nor places that anybody has to wait for."""
RECOVERY = 15
"""Seconds after the outage within which the server has to be back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds from the beginning: the load rises, the dependency is away from then to then, it falls, all ends."""

    loaded: int = 5
    down: int = 25
    up: int = 30
    relaxed: int = 65
    end: int = 90

    def rate(self, at: float) -> float:
        """Calls a second."""
        return CAPACITY * (OVERLOAD if self.loaded <= at < self.relaxed else USUAL)


@dataclass
class Record:
    """What became of the calls, by the second."""

    offered: Counter[int] = field(default_factory=Counter)
    good: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    calls: Counter[int] = field(default_factory=Counter)

    def share(self, begin: int, end: int) -> float:
        """Good answers as a share of capacity."""
        return total(self.good, begin, end) / max(1, end - begin) / CAPACITY

    def retries(self, begin: int, end: int) -> float:
        """Further attempts for each first one."""
        return total(self.attempts, begin, end) / max(1, total(self.calls, begin, end)) - 1


def total(counts: Counter[int], begin: int, end: int) -> int:
    """From second ``begin`` until ``end``."""
    return sum(counts[second] for second in range(begin, end))


@asynccontextmanager
async def started(folder: Path, port: int, control: bool) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server that has been greeted."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "COVERAGE"))}
    own = {"HOLDFAST_STATE": str(folder / "state"), "HOLDFAST_LOG__FILE": str(folder / "log")}
    own |= {"HOLDFAST_LIMITS__RATE": "100000/second", "DEPENDENT_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), "stdio", env=clean | own | (CONTROL if control else {}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        process.stdin.write(INITIALIZE + b"\n" + INITIALIZED + b"\n")  # type: ignore[union-attr]
        await process.stdout.readline()  # type: ignore[union-attr]
        yield process
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def run(folder: Path, plan: Plan, outage: str, seed: int, *, control: bool) -> Record:
    """One server, its dependency and its callers."""
    chance, dependency = Random(seed), Dependency(Random(seed))
    record = Record(attempts=dependency.attempts, calls=dependency.calls)
    loop = asyncio.get_running_loop()
    upstream = await asyncio.start_server(dependency.serve, "127.0.0.1", 0)
    async with upstream, started(folder, upstream.sockets[0].getsockname()[1], control) as process:
        begun = dependency.begun = loop.time()
        loop.call_at(begun + plan.down, dependency.turn, outage)
        loop.call_at(begun + plan.up, dependency.turn, None)
        reading = loop.create_task(read(process.stdout, record, begun))
        at, number = 0.0, 0
        while at < plan.end:
            at += chance.expovariate(plan.rate(at))
            await asyncio.sleep(max(0.0, begun + at - loop.time()))
            number += 1
            record.offered[int(at)] += 1
            params = {"name": "fetch", "arguments": {"number": number}}
            message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
            process.stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
    return record


async def read(pipe: Any, record: Record, begun: float) -> None:
    """Count answers until there are no more."""
    while line := await pipe.readline():
        message = json.loads(line)
        if "id" not in message:
            continue
        result = message.get("result", {})
        code = result.get("_meta", {}).get("io.holdfast/code", "") if "result" in message else "protocol error"
        record.codes[code or "good"] += 1
        if not code:
            record.good[int(asyncio.get_running_loop().time() - begun)] += 1


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went. Shares are of the dependency's capacity, the last one of what was asked."""

    during: float
    """While the load lasted, without the outage and the 15 s after it."""
    after: float
    """From 15 s after the outage until the load fell."""
    whole: float
    """While the load lasted, the recovery included, the outage not."""
    relaxed: float
    """Once the load had been as usual again for 10 s."""
    retries: float
    """From the outage's beginning until 15 s after its end: further attempts for each first one."""

    @property
    def sound(self) -> bool:
        """Whether it meets the issue's bars."""
        return self.during >= 0.90 and self.after >= 0.95 and self.retries <= 0.20 and self.relaxed >= 0.90

    @property
    def collapsed(self) -> bool:
        """Whether the outage outlived its cause, and the load too."""
        return self.after < 0.5 and self.relaxed < 0.5


def course(record: Record, plan: Plan) -> Course:
    """From what was counted."""
    back = min(plan.up + RECOVERY, plan.relaxed - 1)
    spans = ((plan.loaded, plan.down), (plan.up, back), (back, plan.relaxed))
    good = [total(record.good, *span) for span in spans]
    seconds = [end - begin for begin, end in spans]
    calm = (min(plan.relaxed + 10, plan.end - 1), plan.end)
    return Course(
        during=(good[0] + good[2]) / (seconds[0] + seconds[2]) / CAPACITY,
        after=good[2] / seconds[2] / CAPACITY,
        whole=sum(good) / sum(seconds) / CAPACITY,
        relaxed=total(record.good, *calm) / max(1, total(record.offered, *calm)),
        retries=record.retries(plan.down, back),
    )


def report(name: str, found: Course, record: Record, plan: Plan) -> str:
    """Two lines and a picture: a digit for every second, tenths of capacity."""
    tenths = "".join(str(min(9, int(10 * record.share(second, second + 1)))) for second in range(plan.end))
    codes = ", ".join(f"{count:,} {code}" for code, count in record.codes.most_common())
    return (
        f"{name}: during {found.during:.0%}, after {found.after:.0%}, all of it {found.whole:.0%}, "
        f"then {found.relaxed:.0%} of calls; {found.retries:+.0%} retries\n  {tenths}\n  {codes}"
    )


async def both(folder: Path, plan: Plan, outage: str, seed: int) -> list[Record]:
    """The server and the control, side by side."""
    (folder / "server").mkdir()
    (folder / "control").mkdir()
    server, control = folder / "server", folder / "control"
    runs = run(server, plan, outage, seed, control=False), run(control, plan, outage, seed, control=True)
    return list(await asyncio.gather(*runs))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage", choices=("refuses", "hangs"), default="refuses", help="what the dependency does")
    parser.add_argument("--seed", type=int, default=1, help="of the callers' moments and the dependency's pace")
    options = parser.parse_args()
    plan = Plan()
    with tempfile.TemporaryDirectory() as base:
        records = asyncio.run(both(Path(base), plan, options.outage, options.seed))
    server, control = (course(record, plan) for record in records)
    print(
        f"outage: {options.outage}; seed {options.seed}; capacity {CAPACITY:.0f} calls a second; load x{OVERLOAD:.0f}"
    )
    print(report("every guard", server, records[0], plan))
    print(report("no breaker, budget, places", control, records[1], plan))
    print(
        "met" if server.sound else "NOT MET",
        "(the control collapsed)" if control.collapsed else "(the control did NOT)",
    )
    return 0 if server.sound and control.collapsed else 1


if __name__ == "__main__":
    sys.exit(main())
