"""Completions: functions that suggest values for an argument of a prompt or a resource template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from holdfast.core.function import FunctionOperation
from holdfast.core.pipeline import Answer
from holdfast.errors import ConfigurationError, OutputInvalid

MAX_VALUES = 100
"""Values in one answer (MCP 2025-06-18, server/utilities/completion)."""


def owner_of(name: str) -> str:
    """The prompt's name or the template that a completion called ``owner argument`` belongs to."""
    return name.rpartition(" ")[0]


class Completion(FunctionOperation):
    """``function(value)`` or ``function(value, context)`` gives suggestions; ``context``: arguments known so far."""

    kind: ClassVar = "completion"

    def __init__(self, owner: str, argument: str, function: Callable[..., Any]) -> None:
        self.adopt(function, {"read_only": True})
        self.name = f"{owner} {argument}"
        self.owner_kind: Literal["prompt", "resource"] = "resource" if "://" in owner or "{" in owner else "prompt"
        """What it belongs to; a snapshot, which knows, says so (a prompt may be called anything)."""
        if not {"value"} <= set(self.signature.names) <= {"value", "context"}:
            raise ConfigurationError(f"the completion of {self.name} takes value, and context if it wants to")

    def present(self, value: Any) -> Answer:
        """The first hundred suggestions."""
        if not isinstance(value, list | tuple | set | frozenset):
            raise OutputInvalid("a completion gives a list of texts; this is a fault of the server")
        values = [str(item) for item in value]
        return Answer(
            {"completion": {"values": values[:MAX_VALUES], "total": len(values), "hasMore": len(values) > MAX_VALUES}}
        )
