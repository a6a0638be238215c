"""A call, the guards around it, and how they are linked once into a chain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from holdfast.core.context import Context
    from holdfast.core.operation import Operation
    from holdfast.core.principal import Principal

META = "io.holdfast/"
"""Prefix of holdfast's keys in ``_meta`` (MCP 2025-06-18, basic, _meta: reverse DNS prefix)."""


@dataclass(slots=True)
class Answer:
    """What a call gives back: the wire result's body, its ``_meta``, and whether it is an error or a question."""

    body: dict[str, Any]
    meta: dict[str, Any] = field(default_factory=dict)
    is_error: bool = False
    input_required: bool = False
    encoded: bytes | None = field(default=None, compare=False, repr=False)
    """The JSON of ``body`` exactly as it stands, so that the wire need not write it again; set by ``egress``.

    ``None`` where nobody has written it yet. Whoever changes ``body`` makes a new ``Answer``, and leaves this out.
    """


@dataclass(slots=True)
class Call:
    """One call on its way through the chain. Guards fill in what later guards read."""

    operation: Operation
    arguments: Mapping[str, Any]
    principal: Principal
    context: Context
    request_id: str
    args: Any = None
    """The typed arguments; set by ``validate``."""
    deadline: float | None = None
    """When the call must have ended, by the server's clock; set by ``deadline``."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Facts for the answer's ``_meta``: a lesser answer, altered text, a cache hit."""
    incident: str | None = None
    """The number under which the log tells what really happened; set when a tool fails."""
    hold: Callable[[], None] | None = None
    """Called when the work really ended although the call was answered before; set for an orphan."""
    bytes_in: int = 0
    bytes_out: int = 0
    ran: bool = False
    """Whether the work itself began, or may have; set by ``run``. What was refused before, by a pool too, costs its
    principal nothing and leaves an idempotency key free."""
    key: object = None
    """What the caller sent as its idempotency key, unchecked; ``idempotency`` looks at it."""
    meter: Meter | None = None
    """Counts the processor time of the work; set by ``quota`` where that is rationed."""


Proceed = Callable[[Call], Coroutine[Any, Any, Answer]]


class Meter(Protocol):
    """Counts what the work of one call takes of a processor."""

    def stepped(self, work: Awaitable[Any]) -> Awaitable[Any]:
        """The same work, each of its steps on the event loop counted."""
        ...

    def timed(self, work: Callable[[], Any]) -> Any:
        """Call ``work`` on this thread, counted."""
        ...

    def spent(self, elapsed: float) -> float:
        """Seconds so far; of a thread that still works, up to ``elapsed`` since the call began."""
        ...

    def wait(self, work: Awaitable[Any]) -> Awaitable[Any]:
        """The same work, done by another process: the time that it takes is counted in its place."""
        ...


class Guard(Protocol):
    """One concern around every call. Guards are built once per operation and shared by all its calls."""

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Do what comes before, ``await proceed(call)``, and do what comes after. Refuse by raising a ``Refusal``.

        An ``async def``; or, where nothing comes after, a plain ``def`` that ends with ``return proceed(call)``: a
        frame less to wake (about 0.3 us a call). Either way it is run and awaited in one go by the guard outside it.
        """
        ...


async def _unfinished(call: Call) -> Answer:
    raise RuntimeError("the chain has no guard that runs the tool")


def link(guards: Sequence[Guard]) -> Proceed:
    """Link ``guards``, outermost first, into one callable: about 0.1 us a guard and call (measured, CPython 3.11)."""
    proceed: Proceed = _unfinished
    for guard in reversed(guards):
        proceed = partial(guard.around, proceed)
    return proceed
