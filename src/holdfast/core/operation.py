"""What tools, resources and prompts have in common: something named that a caller may ask for, with its limits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from holdfast.core.limits import Limits
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from holdfast.core.arguments import Arguments
    from holdfast.core.context import Context
    from holdfast.core.pipeline import Answer

Isolation = Literal["inline", "thread", "process"]
DEFAULT_TTL = 60.0
"""Seconds that an answer of a ``cacheable=True`` operation may be given again."""
MAX_FALLBACKS = 8
"""Each has a part of a fifth of the deadline: 0.75 s of 30 s where there are eight."""


class Operation:
    """The root of ``Tool``, ``Resource`` and ``Prompt``: identity, facts and limits as attributes.

    Facts decide which guards a chain gets: ``read_only``, ``idempotent`` (may be retried), ``cacheable`` (``True`` for
    60 s, or seconds), ``stale`` (seconds that a cached answer is given past its time while it is renewed),
    ``stale_on_error`` (seconds that it stands in for one that cannot be had; by default as ``stale``), ``isolation``
    (where it runs; by default inline when asynchronous, else a thread), ``cpu`` (a plain def that computes: by default
    in a process), ``trusted`` (``False``: it may crash, leak or never end, and runs in a process), ``scopes`` (what the
    principal must hold), ``fallback`` (a function that gives a lesser answer when all else fails, or up to 8 to be
    tried in turn), ``lenient`` (numbers, booleans and JSON sent as text are understood), ``needs`` (what it uses
    besides its arguments: ``workspace``, ``database``).
    """

    kind: ClassVar[Literal["tool", "resource", "prompt", "completion"]]

    name: str = ""
    title: str | None = None
    description: str | None = None
    limits: Limits = Limits()
    read_only: bool = False
    idempotent: bool = False
    destructive: bool | None = None
    open_world: bool | None = None
    cacheable: bool | float = False
    stale: float = 0.0
    stale_on_error: float | None = None
    isolation: Isolation | None = None
    cpu: bool = False
    trusted: bool = True
    lenient: bool = False
    scopes: frozenset[str] = frozenset()
    icons: tuple[Mapping[str, Any], ...] = ()
    meta: Mapping[str, Any] | None = None
    fallback: Any = None
    needs: tuple[str, ...] = ()
    arguments: Arguments

    run: Any
    """``run(args, ctx)``: the work itself; ``async def`` or ``def``. Subclasses define it."""

    def check_facts(self) -> None:
        """Bring the facts into their form when the operation is built. Raises ``ConfigurationError``."""
        self.scopes = frozenset({self.scopes} if isinstance(self.scopes, str) else self.scopes)
        if self.isolation not in (None, "inline", "thread", "process"):
            raise ConfigurationError(f"{self.kind} {self.name}: isolation is inline, thread or process")
        if self.isolation is None and (self.cpu or not self.trusted):
            self.isolation = "process"
        if not self.trusted and self.isolation != "process":
            raise ConfigurationError(f"{self.kind} {self.name}: what is not trusted runs in a process, nowhere else")
        if not isinstance(self.limits, Limits):
            raise ConfigurationError(f"{self.kind} {self.name}: limits are written as Limits(...)")
        self._check_substitutes()

    def _check_substitutes(self) -> None:
        """What may be answered in place of a fresh answer."""
        if len(self.fallbacks) > MAX_FALLBACKS or not all(map(callable, self.fallbacks)):
            raise ConfigurationError(
                f"{self.kind} {self.name}: fallback is a function, or up to {MAX_FALLBACKS} of them"
            )
        for fact in ("stale", "stale_on_error"):
            seconds = getattr(self, fact)
            if seconds and not (isinstance(seconds, int | float) and 0 < seconds < inf):
                raise ConfigurationError(f"{self.kind} {self.name}: {fact} is in seconds: not negative, and finite")
            if seconds and not self.cacheable:
                raise ConfigurationError(f"{self.kind} {self.name}: {fact} is for what is cacheable")

    @property
    def fallbacks(self) -> tuple[Callable[..., Any], ...]:
        """What answers in its place, in turn."""
        given = self.fallback
        return () if given is None else tuple(given) if isinstance(given, list | tuple) else (given,)

    @property
    def ttl(self) -> float:
        """Seconds that an answer may be given again; 0 means never."""
        return DEFAULT_TTL if self.cacheable is True else float(self.cacheable)

    @property
    def changes_things(self) -> bool:
        """Whether a call may change anything, so that it is audited and never repeated by itself."""
        return not self.read_only

    def where(self) -> Isolation:
        """Where the work runs. Raises ``ConfigurationError`` for a choice that cannot hold."""
        asynchronous = inspect.iscoroutinefunction(self.work())
        if asynchronous and self.isolation in ("thread", "process"):
            raise ConfigurationError(
                f"{self.kind} {self.name}: an async def runs inline; make it a plain def to isolate it"
            )
        if not asynchronous and self.isolation == "inline":
            raise ConfigurationError(
                f"{self.kind} {self.name}: a plain def would block every other call; make it async def"
            )
        return self.isolation or ("inline" if asynchronous else "thread")

    def work(self) -> Any:
        """The function that does the work, for telling synchronous from asynchronous."""
        return self.run

    @property
    def provides(self) -> bool:
        """Whether ``prepare`` may give anything; a call of an operation that needs nothing skips it."""
        return type(self).prepare is not Operation.prepare

    async def prepare(self, args: Any, context: Context, stack: AsyncExitStack) -> Mapping[str, Any]:
        """Values that the work gets besides its arguments (dependencies); generators are finished by ``stack``."""
        return {}

    def detached(self, args: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The work as a picklable function and its arguments, for a process of its own.

        The context there is ``current_context``'s: a stand-in that knows progress and logs.
        """
        return run_detached, (type(self), args)

    def listing(self) -> dict[str, Any]:
        """How the operation appears in the list of its kind."""
        shown = {"name": self.name, "title": self.title, "description": self.description}
        entry: dict[str, Any] = {key: value for key, value in shown.items() if value is not None}
        if self.icons:
            entry["icons"] = [dict(icon) for icon in self.icons]
        if self.meta:
            entry["_meta"] = dict(self.meta)
        return entry

    def present(self, value: Any) -> Answer:
        """Turn what ``run`` returned into an answer. Raises ``OutputInvalid`` when it does not fit."""
        raise ConfigurationError(f"{type(self).__name__} does not say how its results are sent")

    def recheck(self, answer: Answer) -> None:
        """Check an answer again after egress altered its text. Raises ``OutputInvalid``."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def run_detached(operation: type[Operation], args: Any) -> Any:
    """Run an operation's work in another process."""
    from holdfast.core.context import current_context

    return operation().run(args, current_context.get())


FACTS = frozenset(Operation.__annotations__) - {"kind", "arguments", "run"}
"""What a decorator takes and a class may set."""


def doc(thing: Any) -> str | None:
    """The docstring of an author as a description, or nothing; those of the bases of this library describe no tool."""
    while isinstance(thing, partial):
        thing = thing.func
    if not inspect.isroutine(thing):
        owners = (thing if inspect.isclass(thing) else type(thing)).__mro__
        written = [o.__doc__ for o in owners if o is not object and o.__module__.partition(".")[0] != "holdfast"]
        text = inspect.cleandoc(next(filter(None, written), ""))
    else:
        text = inspect.getdoc(thing) or ""
    return text.strip() or None
