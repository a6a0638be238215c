"""The principal must hold the scopes that the operation asks for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import AccessDenied
from holdfast.guards.parts import Parts


class Authorize:
    """Refuses principals without the scopes."""

    def __init__(self, scopes: frozenset[str]) -> None:
        self._scopes = scopes

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Check before anything about the call is looked at."""
        if not call.principal.may(self._scopes):
            raise AccessDenied(f"this needs the scope {', '.join(sorted(self._scopes))}; ask the operator for it")
        return proceed(call)


def recipe(operation: Operation, parts: Parts) -> Authorize | None:
    """Only for operations that ask for scopes."""
    return Authorize(operation.scopes) if operation.scopes else None
