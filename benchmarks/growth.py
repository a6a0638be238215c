"""What a call costs among many tools, many principals and many calls that wait, against few."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from answers import Failed
from figures import HOLDFAST, Laps
from plan import Plan
from processes import Started
from stdio_client import StdioServer
from subjects import inside, tools, waiting
from work import Add, Named

CHAIN_CALLS = 200
"""Calls of each variant of the chain in one lap."""


class Inside(Started):
    """A process that measures itself."""

    def __init__(self, folder: Path, *words: str) -> None:
        super().__init__(inside(), folder, *words)

    def answer(self) -> dict[str, float]:
        """The next line of what it found: name -> microseconds."""
        if self.process.stdout is None:
            raise Failed("no pipe")
        with self.watched():
            line = self.process.stdout.readline()
        if not line:
            raise self.silent()
        found: dict[str, float] = json.loads(line)
        return found

    def ask(self, calls: int) -> dict[str, float]:
        """Measure so many calls of each kind."""
        if self.process.stdin is None:
            raise Failed("no pipe")
        try:
            self.process.stdin.write(b"%d\n" % calls)
        except BrokenPipeError:
            raise self.silent() from None
        return self.answer()


def chain(laps: Laps, plan: Plan, folder: Path) -> None:
    """The chain, each guard, and the stages of a call."""
    with Inside(folder / "chain", "chain") as process:
        process.answer()
        process.ask(min(CHAIN_CALLS, plan.calls))
        for _ in range(plan.laps * 3):
            for name, found in process.ask(min(CHAIN_CALLS, plan.calls)).items():
                laps.add(name, HOLDFAST, found)


def many_tools(laps: Laps, plan: Plan, folder: Path) -> None:
    """Sequential calls over stdio, to every tool in turn."""
    with ExitStack() as stack:
        servers = {
            count: stack.enter_context(StdioServer(tools(count), folder / f"tools-{count}")) for count in plan.tools
        }
        calls = {}
        for count, server in servers.items():
            server.greet()
            server.load(count, 1, Add(count))  # each tool's first call
            calls[count] = plan.affordable(server.load(min(plan.calls, 200), 1, Add(count)), 1)
        for _ in range(plan.laps):
            for count, server in servers.items():
                laps.add(f"tools_{count}", HOLDFAST, server.load(calls[count], 1, Add(count)).microseconds)


def many_principals(laps: Laps, plan: Plan, folder: Path) -> None:
    """Calls within the process, since over pipes there is but one principal."""
    with ExitStack() as stack:
        started = [
            (count, stack.enter_context(Inside(folder / f"principals-{count}", "principals", str(count))))
            for count in plan.principals
        ]
        for _, process in started:
            process.answer()
            process.ask(min(CHAIN_CALLS, plan.calls))
        for _ in range(plan.laps * 2):
            for count, process in started:
                laps.add(f"principals_{count}", HOLDFAST, process.ask(min(plan.calls, 2_000))["principals"])


def many_waiting(laps: Laps, plan: Plan, folder: Path) -> None:
    """Quick calls, one at a time, beside calls that wait; in the end those are let go, and each must be answered."""
    if not plan.waiting:
        return
    held: list[int] = []
    with StdioServer(waiting(), folder / "waiting") as server:
        server.greet().load(min(plan.calls, 200), 1, Add())
        for count in plan.waiting:
            held += server.send(count - len(held), Named("hold"))
            before = server.load(min(plan.calls, 50), 1, Add())
            load = server.load(plan.affordable(before, 1), 1, Add())
            laps.add(f"waiting_{count}", HOLDFAST, load.microseconds)
        held += server.send(1, Named("release"))
        server.take(held, Named("hold"))


def growth(laps: Laps, plan: Plan, folder: Path) -> None:
    """All three."""
    for measure in (many_tools, many_principals, many_waiting):
        try:
            measure(laps, plan, folder)
        except Failed as failure:
            raise Failed(f"{measure.__name__}: {failure}") from None
