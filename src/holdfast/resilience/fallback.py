"""When another answer may stand in for one that failed, and how the time that is left is shared out."""

from __future__ import annotations

from holdfast.errors import AccessDenied, DependencyUnavailable, ProtocolError, Refusal, ToolError

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


def forbids(failure: BaseException) -> bool:
    """Whether the failure says that this is not allowed any more: what was allowed once is no answer then either
    (RFC 5861, section 4, has stale answers for errors of the server's, 500 to 504, and not for 403)."""
    if isinstance(failure, BaseExceptionGroup):
        return any(forbids(inner) for inner in failure.exceptions)
    return isinstance(failure, PermissionError | AccessDenied)


def share(now: float, deadline: float, left: int) -> float:
    """When the next of ``left`` attempts must have ended, so that each of those after it has as much time."""
    return now + (deadline - now) / left
