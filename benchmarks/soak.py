"""Tries each promise of what a server survives for as long as it takes, one after the other, and says which held.

``python benchmarks/soak.py [NAME ...]`` (``make soak``; an hour and a half for all of them; ``--list`` tells what
there is). Each check is a test in its long form, with ``SOAK=1``, or a benchmark of its own. Prints a line for each,
with the figures that it noted, and a total; exits with 1 when one fails. What a check printed is kept in
``.cache/soak/NAME.txt``. Some bars are times, for a machine that does nothing else: so each line also says how busy it
was.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
KEPT = TOP / ".cache" / "soak"
PATIENCE = 3.0
"""Times that a check may take what it says before it is ended: on a busy machine."""
WIDTH = 118


@dataclass(frozen=True, slots=True)
class Check:
    """``words`` are pytest's, or a program beneath the checkout and its own; ``minutes`` what it takes on two cores."""

    name: str
    promise: str
    words: tuple[str, ...]
    minutes: float
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def command(self) -> list[str]:
        """What is run."""
        if self.words[0].startswith("benchmarks/"):
            return [sys.executable, *self.words]
        words = ["-q", "--no-header", "--tb=short", "-o", "faulthandler_timeout=3600", *self.words]
        return [sys.executable, "-m", "pytest", *words]


MACHINES = (
    "tests/resilience/test_breaker.py",
    "tests/resilience/test_limiter.py",
    "tests/resilience/test_bulkhead.py",
    "tests/resilience/test_cache.py",
    "tests/resilience/test_retry.py",
    "tests/resilience/test_hedging.py",
    "tests/resilience/test_outbound.py",
    "tests/access/test_quota_machine.py",
    "tests/supervisor/test_rings_machine.py",
    "tests/supervisor/test_parent_machine.py",
)
CHECKS = (
    Check(
        "asleep", "39 and 400 synchronous tools asleep for ever: others answer within 100 ms, refused calls say why",
        ("tests/wire/test_asleep.py",), 1,
    ),
    Check(
        "isolated", "1,000 tools in processes that hang, crash, leave or eat memory: answered in time, nothing stays",
        ("tests/isolation/test_faults.py",), 6,
    ),
    Check(
        "hostile", "1,000 of everything a tool can do to itself behind a supervisor: answered in time, nothing stays",
        ("tests/supervisor/test_hostile.py",), 9,
    ),
    Check(
        "kills", "100 kill -9 of the worker, 16 callers: no error for who reads, nothing twice, pauses < 500 ms",
        ("tests/supervisor/test_kills.py", "-k", "sixteen"), 9,
    ),
    Check(
        "slow-reader", "100 kill -9 while answers of 1 MiB go to a slow reader: no line torn, none twice",
        ("tests/supervisor/test_kills.py", "-k", "slow"), 5,
    ),
    Check(
        "http", "100 kill -9 of the worker over HTTP, 16 callers: sessions stay, one more try of who reads is answered",
        ("tests/supervisor/test_http.py",), 6, (("HOLDFAST_KILLS", "100"),),
    ),
    Check(
        "writes", "1,000 kill -9 while state, audit and quota are written: nothing torn or acknowledged and lost",
        ("tests/state/test_kills.py",), 6,
    ),
    Check(
        "blocked", "each way to block the loop, supervised and not: over within the ladder's 13 s",
        ("tests/supervisor/test_blocked.py", "tests/watchdog/test_served.py"), 4,
    ),
    Check(
        "loops", "5,000 blocked calls in a row, thresholds by 1/100: the loop lives",
        ("tests/watchdog/test_lookout.py", "-k", "row"), 9,
    ),
    Check(
        "metastable", "3 times the load for 60 s, an outage of 5 s: back within 15 s, at most a fifth more attempts",
        ("benchmarks/metastability.py",), 1.6,
    ),
    Check(
        "leak", "a tool that leaks is seen, named, contained and recovered from; no idempotent call is lost",
        ("tests/supervisor/test_leak.py",), 1,
    ),
    Check("principals", "a million principals leave memory flat", ("tests/guards/test_principals.py",), 6),
    Check("machines", "state machines of guards and supervisor, cancelled or killed anywhere", MACHINES, 12),
)  # fmt: skip


@dataclass
class Outcome:
    """How a check went."""

    check: Check
    ok: bool
    seconds: float
    last: str
    figures: dict[str, Any] = field(default_factory=dict)
    load: float = 0.0
    """The most processes that wanted a processor at once, as the kernel smooths it (getloadavg(3)), at its end."""


def run(check: Check, folder: Path = KEPT) -> Outcome:
    """Run one check to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    figures, said = folder / f"{check.name}.json", folder / f"{check.name}.txt"
    figures.unlink(missing_ok=True)
    paths = os.pathsep.join([str(TOP / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    extra = {"SOAK": "1", "SOAK_FIGURES": str(figures), "PYTHONPATH": paths, "CI": "true"}
    begun = time.monotonic()
    with said.open("wb") as file:
        process = subprocess.Popen(
            check.command, cwd=TOP, env=os.environ | extra | dict(check.environment), stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status: int | None = process.wait(check.minutes * 60 * PATIENCE + 60)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = said.read_text(errors="replace").strip().splitlines() or [""]
    last = lines[-1] if status is not None else "no end within its time"
    ok = status == 0 and (check.command[1] != "-m" or "passed" in last)
    return Outcome(check, ok, time.monotonic() - begun, last, _read(figures), os.getloadavg()[0])


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            found |= json.loads(line)
    return found


def report(outcome: Outcome) -> str:
    """Lines for people: what was promised, whether it held, and what was counted."""
    verdict = "ok" if outcome.ok else "FAILED"
    head = f"{outcome.check.name:12} {verdict:7} {outcome.seconds:6.0f} s   {outcome.check.promise}"
    told = [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in outcome.figures.items()]
    rows, row = [], ""
    for each in [*told, f"load {outcome.load:.1f}", outcome.last.strip("= ")]:
        if row and len(row) + len(each) > WIDTH - 24:
            rows.append(row)
            row = ""
        row += f"{'; ' if row else ''}{each}"
    return "\n".join([head, *(f"{'':22}{each}" for each in [*rows, row])])


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def chosen(names: Iterable[str], checks: Sequence[Check] = CHECKS) -> list[Check]:
    """The checks of these names, or all. Raises ``SystemExit`` for a name that there is not."""
    wanted = set(names)
    if unknown := wanted - {check.name for check in checks}:
        raise SystemExit(f"no such check: {', '.join(sorted(unknown))}; --list tells which there are")
    return [check for check in checks if not wanted or check.name in wanted]


def main(words: Sequence[str] | None = None, checks: Sequence[Check] = CHECKS) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="checks to run (default: all)")
    parser.add_argument("--list", action="store_true", help="tell which checks there are, and run none")
    options = parser.parse_args(words)
    wanted = chosen(options.names, checks)
    if options.list:
        for check in wanted:
            print(f"{check.name:12} {check.minutes:5.1f} min   {check.promise}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs is ended too
    outcomes = []
    for check in wanted:
        outcomes.append(run(check))
        print(report(outcomes[-1]), flush=True)
    failed = [outcome.check.name for outcome in outcomes if not outcome.ok]
    seconds = sum(outcome.seconds for outcome in outcomes)
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} held, in {seconds:.0f} s", end="")
    print(f"; FAILED: {', '.join(failed)}" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
