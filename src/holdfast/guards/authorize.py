"""The principal must hold the operator's leave for the operation, and the scopes that its author asks for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import AccessDenied
from holdfast.guards.parts import Parts

if TYPE_CHECKING:
    from holdfast.access.capabilities import Reach


class Authorize:
    """Refuses principals without a grant (where the operator grants anything) or without the scopes."""

    def __init__(self, scopes: frozenset[str], reach: Reach | None = None, *, completes: bool = False) -> None:
        self._scopes = scopes
        self._reach = reach
        self._completes = completes

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Check before anything about the call is looked at."""
        if self._reach is not None:
            if self._completes:
                self._reach.check_extra(call.principal, "complete")
            else:
                self._reach.check(call.principal)
        if not call.principal.may(self._scopes):
            raise AccessDenied(f"this needs the scope {', '.join(sorted(self._scopes))}; ask the operator for it")
        return proceed(call)


def recipe(operation: Operation, parts: Parts) -> Authorize | None:
    """Only for operations that ask for scopes, and where the operator grants capabilities."""
    if parts.access is None:
        return Authorize(operation.scopes) if operation.scopes else None
    completes = operation.kind == "completion"
    return Authorize(operation.scopes, parts.access.reach(operation), completes=completes)
