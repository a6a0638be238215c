"""When another answer may stand in for one that failed, and how the time that is left is shared out."""

from __future__ import annotations

from holdfast.errors import DependencyUnavailable, ProtocolError, Refusal, ToolError

RESERVED = 0.2
"""Share of the deadline that is kept for the answers that may stand in, all together."""
_UNAVAILABLE = (
    "deadline.exceeded", "breaker.open", "busy", "server.overloaded", "isolation.stuck", "isolation.crashed",
    "isolation.memory", "isolation.unavailable",
)  # fmt: skip
"""Refusals that mean: there is no answer now. Others are the caller's to mend."""


def may_stand_in(failure: Exception) -> bool:
    """Whether the failure is one of operation: neither meant for the caller nor the caller's to mend."""
    if isinstance(failure, ToolError | ProtocolError):
        return False
    if isinstance(failure, Refusal):
        return isinstance(failure, DependencyUnavailable) or failure.code in _UNAVAILABLE
    return True


def share(now: float, deadline: float, left: int) -> float:
    """When the next of ``left`` attempts must have ended, so that each of those after it has as much time."""
    return now + (deadline - now) / left
