"""What a call's context is lent: the client's side, the publisher, and the server's services, as protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

    from holdfast.core.clock import Clock
    from holdfast.core.context import Context
    from holdfast.core.principal import Principal
    from holdfast.safe.sandbox import Sandbox

T = TypeVar("T")
P = ParamSpec("P")
Level = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


class Session(Protocol):
    """The client's side of one call, as the wire offers it to a context. Above: ``Context``. Below: the transport.

    In the handshake era ``ask`` sends requests and awaits the answers; in the 2026-07-28 era it looks the answers up in
    what the client sent with this round, and raises ``InputRequired`` when one is missing.
    """

    era: Literal["handshake", "modern"]

    def offers(self, capability: str) -> bool:
        """Whether the client declared ``elicitation`` (forms), ``elicitation.url``, ``sampling`` or ``roots``."""
        ...

    async def ask(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Put server-to-client requests (key -> ``{"method":, "params":}``); returns key -> result mapping."""
        ...

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Tell the client how far the call is, if it asked to know."""
        ...

    async def log(self, level: Level, data: Any, logger: str | None) -> None:
        """Send a log message to the client, if it asked for that level."""
        ...

    async def close_stream(self) -> None:
        """End this call's event stream so that the client reconnects (handshake era over HTTP; elsewhere nothing)."""
        ...


class Publisher(Protocol):
    """Tells clients of both eras that something changed."""

    async def changed(
        self, kind: Literal["tools", "prompts", "resources"], whom: Callable[[Principal], bool] | None = None
    ) -> None:
        """A list changed, for everybody or for those to ``whom`` it did."""
        ...

    async def updated(self, uri: str) -> None:
        """One resource changed."""
        ...


class Nobody:
    """Implements ``Session`` beside a call: what is told is dropped, and nothing can be asked.

    The client is still what it is, so that a tool does there what it would do in the call itself.
    """

    def __init__(self, session: Session) -> None:
        self.era: Literal["handshake", "modern"] = session.era
        self.offers = session.offers

    async def ask(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Raise ``ConfigurationError``: there is nobody to ask."""
        raise ConfigurationError("nobody can be asked here: this work goes on besides its call")

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Drop it."""

    async def log(self, level: Level, data: Any, logger: str | None) -> None:
        """Drop it."""

    async def close_stream(self) -> None:
        """Nothing to close."""


class Resilient(Protocol):
    """The guarded calls of one dependency, for one call of a tool; see ``Context.resilient``."""

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``function(*args, **kwargs)``, an ``async def`` or the like, behind the dependency's guards.

        What it raises is raised as it is. Raises ``DependencyUnavailable`` when the dependency is left alone, has no
        place free or does not answer in time, ``DeadlineExceeded`` when the call's own deadline passes, and
        ``ConfigurationError`` for a function that gives nothing to await.
        """
        ...

    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same from a synchronous tool's thread: ``function``, a plain ``def``, is run right there.

        A thread cannot be stopped: an attempt that is late is counted as such, and keeps its place until it ends.
        """
        ...


class SecretRegister(Protocol):
    """Remembers a secret so that it is redacted everywhere."""

    def __call__(self, value: str, name: str, /) -> None: ...


class Cleaner(Protocol):
    """Strips hidden text and secrets from whatever leaves, at any depth."""

    def __call__(self, value: T, /) -> T: ...


def _no_sagas() -> Any:
    raise ConfigurationError("no sagas here: there is no server with durable state around this call")


@dataclass(frozen=True, slots=True)
class ContextServices:
    """What the server lends to every context of an operation; made once, not for each call."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    log: Any
    state: Any
    publisher: Publisher
    secret: SecretRegister
    clean: Cleaner
    sandbox: Sandbox
    resilient: Callable[[Context, str, bool, float | None], Resilient] | None = None
    """Guards calls of a dependency: for whom, its name, whether they may be repeated, and a timeout of their own."""
    sagas: Callable[[], Any] = _no_sagas
