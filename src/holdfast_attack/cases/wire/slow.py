"""A call that takes as long as we want, where the server has a tool that waits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdfast_attack.model import NotApplicable
from holdfast_attack.tools import Role, conforms, honest

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe


@dataclass(frozen=True, slots=True)
class SlowCall:
    """A tool and the arguments with which it waits."""

    tool: str
    arguments: dict[str, Any]


def slow_call(probe: Probe, seconds: float) -> SlowCall:
    """Raises ``NotApplicable`` when no tool that may be called waits for a time that the caller names."""
    for tool, parameter in probe.tools.with_role(Role.DURATION, allow_writes=probe.allow_writes):
        shrunk = seconds
        while shrunk >= 0.5 * min(seconds, 1.0):  # a tool may have a longest time
            arguments = honest(tool, replace(probe.arena.world, duration=shrunk * _per_second(parameter.name)))
            if conforms(tool.schema, arguments) is not False:
                return SlowCall(tool.name, arguments)
            shrunk /= 2
    raise NotApplicable("no tool that may be called waits for a time that the caller names")


def _per_second(name: str) -> float:
    return 1000.0 if name.lower().endswith(("ms", "millis", "milliseconds")) else 1.0
