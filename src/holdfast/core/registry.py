"""What a server offers, by name; two owners of one name are an error that names both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from holdfast.core.operation import Operation
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError, DuplicateName

if TYPE_CHECKING:
    from holdfast.core.completion import Completion
    from holdfast.core.prompt import Prompt
    from holdfast.core.resource import Resource

MAX_ENTRIES = 10_000
"""Operations of one kind in one server; far above any real server, so that a loop cannot fill the memory."""

Op = TypeVar("Op", bound=Operation)


class Registry:
    """The growing list that a snapshot is made from. Answers ``in`` and iteration."""

    def __init__(self) -> None:
        self.tools: dict[str, Tool] = {}
        self.resources: dict[str, Resource] = {}
        self.prompts: dict[str, Prompt] = {}
        self.completions: dict[str, Completion] = {}

    def add(self, operation: Operation) -> None:
        """Add a tool, resource or prompt. Raises ``DuplicateName``."""
        if isinstance(operation, Tool):
            self._put(self.tools, operation.name, operation)
        else:
            self._add_other(operation)

    def _add_other(self, operation: Operation) -> None:
        from holdfast.core.completion import Completion
        from holdfast.core.prompt import Prompt
        from holdfast.core.resource import Resource

        if isinstance(operation, Resource):
            self._put(self.resources, operation.uri, operation)
        elif isinstance(operation, Prompt):
            self._put(self.prompts, operation.name, operation)
        elif isinstance(operation, Completion):
            self._put(self.completions, operation.name, operation)
        else:
            raise ConfigurationError("a server takes tools, resources and prompts")

    def _put(self, shelf: dict[str, Op], name: str, operation: Op) -> None:
        if name in shelf:
            raise DuplicateName(
                f"two {operation.kind}s are called {name}: {owner(shelf[name])} and {owner(operation)}; "
                "rename one, or mount it under a namespace"
            )
        if len(shelf) >= MAX_ENTRIES:
            raise ConfigurationError(f"a server takes at most {MAX_ENTRIES} {operation.kind}s")
        shelf[name] = operation

    def remove(self, kind: str, name: str) -> None:
        """Take an operation away again. Raises ``ConfigurationError`` when there is none of that name."""
        shelf: dict[str, Operation] = getattr(self, f"{kind}s")
        if name not in shelf:
            raise ConfigurationError(f"there is no {kind} called {name}")
        del shelf[name]

    def withdraw(self, operation: Operation) -> None:
        """Take back what was just added."""
        for shelf in (self.tools, self.resources, self.prompts, self.completions):
            for name in [name for name, held in shelf.items() if held is operation]:
                del shelf[name]

    def __iter__(self) -> Iterator[Operation]:
        yield from self.tools.values()
        yield from self.resources.values()
        yield from self.prompts.values()
        yield from self.completions.values()

    def __contains__(self, name: object) -> bool:
        return name in self.tools or name in self.resources or name in self.prompts

    def __repr__(self) -> str:
        return f"<Registry {len(self.tools)} tools, {len(self.resources)} resources, {len(self.prompts)} prompts>"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What may be served of a registry; ``marks`` says how operations differ from what was pinned (``core.pin``)."""

    registry: Registry
    marks: Mapping[Operation, str] | None = None
    refusal: ConfigurationError | None = None
    """To be raised once the rest is served."""


def owner(operation: Operation) -> str:
    """Where an operation comes from, for messages to its author."""
    work = operation.work()
    return f"{getattr(work, '__module__', '?')}.{getattr(work, '__qualname__', operation.name)}"
