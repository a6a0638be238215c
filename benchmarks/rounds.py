"""Interleaved rounds: in each, every server is started afresh, and all that run are loaded in turn, lap by lap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from answers import Failed
from figures import SIZES, Laps, percentile
from growth import chain, growth
from http_client import HttpServer
from plan import Plan
from stdio_client import Load, StdioServer
from subjects import Subject
from work import Add, Echo, Work

IN_FLIGHT = 64
CONNECTIONS = 32
Server = StdioServer | HttpServer
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: the metric it fills, how many calls are under way together, and what is called."""

    key: str
    together: int
    work: Work


LOADS = {
    "stdio": (Scenario("sequential", 1, Add()), Scenario("in_flight", IN_FLIGHT, Add())),
    "http": (Scenario("http_one", 1, Add()), Scenario("http_many", CONNECTIONS, Add())),
    "legacy": (Scenario("legacy_one", 1, Add()), Scenario("legacy_many", CONNECTIONS, Add())),
}
PAYLOADS = {
    wire: tuple(Scenario(f"payload_{wire}_{size}", 1, Echo(size)) for size in SIZES) for wire in ("stdio", "http")
}


class Bench:
    """One run: what is measured, how much, and what was found so far."""

    def __init__(self, subjects: Sequence[Subject], groups: frozenset[str], plan: Plan, told: Told) -> None:
        self._subjects = subjects
        self._groups = groups
        self._plan = plan
        self._told = told
        self.rounds = 0
        self.laps = Laps()

    def run(self) -> None:
        """Measure every round for which there is time. Raises ``Failed``, which names the server."""
        begun, longest = monotonic(), 0.0
        for number in range(self._plan.rounds):
            started = monotonic()
            if number and started - begun + longest > self._plan.budget:
                self._told(f"no time for round {number + 1} of {self._plan.rounds}")
                return
            with TemporaryDirectory(prefix="holdfast-bench-") as folder:
                words = f"round {number + 1} of {self._plan.rounds}"
                self._round(Path(folder), words)
                if number < self._plan.deep:
                    self._deep(Path(folder), words)
            self.rounds += 1
            longest = max(longest, monotonic() - started)

    def _round(self, folder: Path, words: str) -> None:
        if "start" in self._groups:
            self._starts(folder, words)
        for wire, fleet in (("stdio", self._stdio), ("http", self._http), ("legacy", self._legacy)):
            scenarios = self._scenarios(wire)
            if scenarios:
                self._told(f"{words}: {wire}, starting {len(self._subjects)} servers")
                with fleet(folder / wire) as servers:
                    self._laps(servers, scenarios, words)

    def _deep(self, folder: Path, words: str) -> None:
        if "inside" in self._groups:
            self._told(f"{words}: the chain and each guard")
            chain(self.laps, self._plan, folder)
        if "growth" in self._groups:
            self._told(f"{words}: many tools, principals and calls in flight")
            growth(self.laps, self._plan, folder)

    def _scenarios(self, wire: str) -> tuple[Scenario, ...]:
        own = LOADS[wire] if wire in self._groups else ()
        return own + (PAYLOADS.get(wire, ()) if "payloads" in self._groups else ())

    def _starts(self, folder: Path, words: str) -> None:
        for lap in range(self._plan.starts):
            for subject in self._subjects:
                self._told(f"{words}: start of {subject.label}")
                with named(subject), StdioServer(subject, folder / f"start-{lap}-{subject.name}") as server:
                    server.greet()
                    self.laps.add("initialize", subject.name, server.initialized * 1e3)
                    self.laps.add("start", subject.name, server.first * 1e3)
                    self.laps.add("idle", subject.name, server.resident)

    @contextmanager
    def _stdio(self, folder: Path) -> Iterator[dict[Subject, Server]]:
        with ExitStack() as stack:
            servers: dict[Subject, StdioServer] = {}
            for subject in self._subjects:  # all at once, here and over HTTP: how long these take nobody measures
                servers[subject] = stack.enter_context(StdioServer(subject, folder / subject.name))
            for subject, server in servers.items():
                with named(subject):
                    server.greet()
            yield dict(servers)
            for server in servers.values():
                server.leave()

    @contextmanager
    def _http(self, folder: Path, *, legacy: bool = False) -> Iterator[dict[Subject, Server]]:
        with ExitStack() as stack:
            servers: dict[Subject, HttpServer] = {}
            for subject in self._subjects:
                servers[subject] = stack.enter_context(HttpServer(subject, folder / subject.name, legacy=legacy))
            for subject, server in servers.items():
                with named(subject):
                    server.reach()
            yield dict(servers)
            for server in servers.values():
                server.leave()

    def _legacy(self, folder: Path) -> AbstractContextManager[dict[Subject, Server]]:
        return self._http(folder, legacy=True)

    def _laps(self, servers: dict[Subject, Server], scenarios: Sequence[Scenario], words: str) -> None:
        for scenario in scenarios:
            self._told(f"{words}: {scenario.key}")
            calls = {}
            for subject, server in servers.items():
                with named(subject):
                    calls[subject] = self._warmed(server, scenario)
            for _ in range(self._plan.laps):
                for subject, server in servers.items():
                    with named(subject):
                        load = server.load(calls[subject], scenario.together, scenario.work)
                    self._add(scenario.key, subject.name, load)
            if scenario.key == "in_flight":
                for subject, server in servers.items():
                    self.laps.add("loaded", subject.name, server.resident)

    def _warmed(self, server: Server, scenario: Scenario) -> int:
        """Warm the server up; returns the calls that a load may make."""
        least = max(scenario.together, 2)
        first = server.load(least, scenario.together, scenario.work)
        if first.seconds > self._plan.seconds:
            return least
        some = max(self._plan.affordable(first, least) // 2, least)
        second = server.load(some, scenario.together, scenario.work)
        return self._plan.affordable(second, least)

    def _add(self, key: str, subject: str, load: Load) -> None:
        self.laps.add(key, subject, load.microseconds)
        self.laps.add(f"{key}_cpu", subject, load.cpu_microseconds)
        if load.each:
            self.laps.add(f"{key}_p50", subject, percentile(load.each, 0.5) * 1e6)
            self.laps.add(f"{key}_p99", subject, percentile(load.each, 0.99) * 1e6)


@contextmanager
def named(subject: Subject) -> Iterator[None]:
    """Say whose failure it is."""
    try:
        yield
    except Failed as failure:
        raise Failed(f"{subject.name}: {failure}") from None
