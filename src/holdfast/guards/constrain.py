"""The arguments, validated and normalised, must be among those that the operator grants."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.guards.parts import Parts

if TYPE_CHECKING:
    from holdfast.access.capabilities import Reach


class Constrain:
    """Looks at what the tool will get, not at what was sent."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Check the arguments; a grant that has ended meanwhile counts no more."""
        self._reach.check_arguments(call.principal, call.args)
        return proceed(call)


def recipe(operation: Operation, parts: Parts) -> Constrain | None:
    """Only for operations that some grant allows with certain arguments."""
    if parts.access is None or operation.kind == "completion":
        return None
    reach = parts.access.reach(operation)
    return Constrain(reach) if reach.constrained else None
