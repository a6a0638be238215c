"""Bounded and strict: arguments become typed values and guard handles, or the call is refused."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.guards.parts import Parts
from holdfast.safe.json import Bounds, check_value
from holdfast.safe.sandbox import Sandbox


class Validate:
    """Counts before it converts: bytes, depth, elements, digits; then the strict schema."""

    def __init__(self, operation: Operation, sandbox: Sandbox, bounds: Bounds) -> None:
        self._check = operation.arguments.check
        self._sandbox = sandbox
        self._bounds = bounds

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Fill in ``call.args``."""
        call.bytes_in = check_value(call.arguments, self._bounds)
        call.args = self._check(call.arguments, self._sandbox)
        return proceed(call)


def recipe(operation: Operation, parts: Parts) -> Validate:
    """Every operation's arguments are validated."""
    limits = parts.settings.limits
    size = parts.bounds(operation).input
    bounds = Bounds(bytes=size, depth=limits.depth, elements=limits.elements, string=size)
    return Validate(operation, parts.sandbox, bounds)
