"""What supervision costs each call over stdio: holdfast alone, under its supervisor, and behind a relay, lap by lap.

``python benchmarks/supervised.py`` (a minute) prints microseconds of CPU for each call, of every process of the server
together, and wall time, with 1 and with 64 calls in flight, as ratios to the server that nobody supervises. Exits with
1 when a ratio of the supervised server is over the bar of issue 5, or when a relay is cheaper one at a time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from machine import machine
from stdio_client import Load, StdioServer
from subjects import AMPLE, HERE, SERVERS, Subject
from work import Add

BAR = 1.10
"""Supervised against unsupervised, from issue 5."""
ALONE, KEPT, RELAYED = "alone", "supervised", "relayed"
WAYS: Mapping[str, str] = {
    ALONE: "nobody supervises it",
    KEPT: "holdfast's supervisor",
    RELAYED: "a relay in front of it",
}
FIGURES: Mapping[str, str] = {
    "cpu_1": "CPU, one at a time",
    "cpu_64": "CPU, 64 in flight",
    "wall_1": "wall, one at a time",
    "wall_64": "wall, 64 in flight",
}
SINGLE = ("cpu_1", "wall_1")
"""Where the shapes are compared: a relay is woken once for calls that come together, and both cost little then."""
QUIET = 0.005
"""Seconds of CPU in a fifth of a second below which a server has finished loading, its spare too."""
SETTLING = 30.0
"""Seconds after which it is measured all the same."""


@dataclass(frozen=True, slots=True)
class Command(Subject):
    """``holdfast run`` with a server, supervised or not, perhaps with a relay in front of it."""

    way: str = ALONE

    def argv(self, *_words: str) -> list[str]:
        """How it is started."""
        run = [self.python, "-m", "holdfast.cli", "run", str(self.script)]
        return [self.python, str(HERE / "relay.py"), *run] if self.way == RELAYED else run


def commands(script: Path) -> list[Command]:
    """The three ways to run one server."""
    return [
        Command(way, WAYS[way], script, settings=AMPLE | {"HOLDFAST_SUPERVISE": str(way == KEPT)}, way=way)
        for way in WAYS
    ]


class Family(StdioServer):
    """One server and its client; CPU is that of all its processes: the one that was started and its descendants."""

    @property
    def cpu(self) -> float:
        """Seconds, from the kernel's accounting in nanoseconds."""
        return _used(self.process.pid)


def settle(servers: Sequence[Family]) -> None:
    """Wait until none of them loads anything any more."""
    ends, used, quiet = time.monotonic() + SETTLING, 0.0, 0
    while quiet < 2 and time.monotonic() < ends:
        time.sleep(0.2)
        before, used = used, sum(server.cpu for server in servers)
        quiet = quiet + 1 if used - before < QUIET * len(servers) else 0


def _used(pid: int) -> float:
    """Seconds of CPU of a process and its descendants."""
    seconds = 0.0
    with suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
            seconds += sum(_used(int(child)) for child in (task / "children").read_text().split())
    return seconds


@dataclass
class Measured:
    """What was found of each way: one figure for each lap."""

    laps: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: {way: {figure: [] for figure in FIGURES} for way in WAYS}
    )

    def add(self, way: str, in_flight: int, load: Load) -> None:
        """One lap."""
        self.laps[way][f"cpu_{in_flight}"].append(load.cpu / load.calls * 1e6)
        self.laps[way][f"wall_{in_flight}"].append(load.microseconds)

    def value(self, way: str, figure: str) -> float:
        """Microseconds of a call: the median over all laps."""
        return statistics.median(self.laps[way][figure])

    def ratios(self, way: str, figure: str) -> list[float]:
        """To the server alone, within each lap."""
        pairs = zip(self.laps[way][figure], self.laps[ALONE][figure], strict=True)
        return sorted(one / other for one, other in pairs)

    def ratio(self, way: str, figure: str) -> float:
        """The median of ``ratios``."""
        return statistics.median(self.ratios(way, figure))

    def spread(self, way: str, figure: str) -> tuple[float, float]:
        """Between which half of ``ratios`` lies."""
        found = self.ratios(way, figure)
        return found[len(found) // 4], found[(3 * len(found)) // 4]


def measure(servers: Sequence[tuple[str, Family]], laps: int, calls: int, measured: Measured) -> None:
    """All in turn, lap by lap; the order turns too, so that nobody always follows the same one."""
    work = Add()
    for lap in range(laps + 1):
        for way, server in servers[lap % len(servers) :] + servers[: lap % len(servers)]:
            for in_flight in (1, 64):
                load = server.load(calls, in_flight, work)
                if lap:  # the first one warms up
                    measured.add(way, in_flight, load)


def rounds(script: Path, count: int, laps: int, calls: int) -> Measured:
    """Every server afresh in each round."""
    measured = Measured()
    for _ in range(count):
        with tempfile.TemporaryDirectory() as base, ExitStack() as stack:
            servers = [(each.way, stack.enter_context(Family(each, Path(base, each.way)))) for each in commands(script)]
            for _, server in servers:
                server.greet()
            settle([server for _, server in servers])
            measure(servers, laps, calls, measured)
    return measured


def table(measured: Measured) -> Iterator[str]:
    """The figures as a table in Markdown."""
    yield "| | " + " | ".join(FIGURES.values()) + " |"
    yield "| --- |" + " ---: |" * len(FIGURES)
    for way, label in WAYS.items():
        cells = []
        for figure in FIGURES:
            low, high = measured.spread(way, figure)
            cell = f"{measured.value(way, figure):,.0f} us, {measured.ratio(way, figure):.2f}x"
            cells.append(cell if way == ALONE else f"{cell} ({low:.2f} to {high:.2f})")
        yield f"| {label} | " + " | ".join(cells) + " |"


def verdict(measured: Measured) -> list[str]:
    """What is not as it should be; empty when all is."""
    missed = []
    for figure, label in FIGURES.items():
        kept, relayed = measured.ratio(KEPT, figure), measured.ratio(RELAYED, figure)
        if kept > BAR:
            missed.append(f"{label}: {kept:.3f}x, over the bar of {BAR:.2f}x")
        if relayed < kept and figure in SINGLE:
            missed.append(f"{label}: a relay would cost less, {relayed:.3f}x against {kept:.3f}x")
    return missed


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="servers are started afresh in each (%(default)s)")
    parser.add_argument("--laps", type=int, default=20, help="of each round (%(default)s)")
    parser.add_argument("--calls", type=int, default=256, help="of each lap, server and load (%(default)s)")
    parser.add_argument("--audited", action="store_true", help="call a tool that is audited, not one that only reads")
    options = parser.parse_args(argv)
    script = SERVERS / ("guarded.py" if options.audited else "guarded_readonly.py")
    measured = rounds(script, options.rounds, options.laps, options.calls)
    on = machine()
    print(
        f"{on['cores']} cores, load at the end {on['load']}, {on['python']}; {options.rounds} x {options.laps} laps\n"
    )
    print(*table(measured), sep="\n")
    missed = verdict(measured)
    good = f"supervised, every figure is within {BAR:.2f}x, and one at a time below the relay's"
    print("", *(missed or [good]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
