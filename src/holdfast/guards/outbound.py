"""Wires what tools call to the server's metrics, events, log and health; no guard, but built from the same parts."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError
from holdfast.observe.checks import dependencies
from holdfast.resilience.outbound import Dependencies, Hearing

if TYPE_CHECKING:
    from holdfast.guards.parts import Parts
    from holdfast.observe.finding import Probe
    from holdfast.resilience.breaker import State


def open_dependencies(parts: Parts, loop: AbstractEventLoop, add_check: Callable[[str, Probe], None]) -> Dependencies:
    """The services that tools call, told of by name: attempts in the metrics, breakers in the log and in health."""
    metrics, events = parts.metrics, parts.events

    def changed(name: str, old: State, new: State) -> None:
        metrics.event(f"dependency.{new}")
        events.emit("dependency.changed", dependency=name, state=new)
        parts.log.warning("breaker", dependency=name, state=new, before=old)

    opened = Dependencies(
        parts.clock, parts.random, parts.orphans, Hearing(metrics.depended, changed), loop,
    )  # fmt: skip
    with suppress(ConfigurationError):  # an author has a check of that name, or too many: calls matter more
        add_check("dependencies", dependencies(opened.states))
    return opened
