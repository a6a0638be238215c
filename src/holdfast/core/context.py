"""What a running tool knows and can do: its call's identity, deadline, log, progress, and questions to the user."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.core.questions import (
    Elicited,
    chosen,
    elicited,
    form_request,
    needed_capability,
    roots_request,
    sampling_request,
    url_request,
)
from holdfast.core.services import (
    Cleaner,
    ContextServices,
    Level,
    Nobody,
    Publisher,
    Resilient,
    SecretRegister,
    Session,
)
from holdfast.errors import ConfigurationError, MissingCapability

if TYPE_CHECKING:
    from pydantic import BaseModel

    from holdfast.core.principal import Principal
    from holdfast.core.sagas import OpenSaga
    from holdfast.safe.databases import AnyDatabase
    from holdfast.safe.paths import Root

__all__ = [
    "Cleaner", "Context", "ContextServices", "InputRequired", "Level", "Publisher", "Resilient", "SecretRegister",
    "Session", "current_context",
]  # fmt: skip

T = TypeVar("T")
M = TypeVar("M", bound="BaseModel")


class InputRequired(BaseException):
    """The call ends here for now: the client must answer ``requests`` and call again (2026-07-28).

    Not an ``Exception``, so that a tool's own ``except Exception`` cannot swallow it; only the run guard catches it.
    """

    def __init__(self, requests: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        super().__init__("input required")
        self.requests = requests
        self.state = state


current_context: ContextVar[Context | None] = ContextVar("holdfast_context", default=None)
"""The call that the running code belongs to, for code that is not handed a ``Context``."""


class Context:
    """One call, as its tool sees it. Never shared between calls.

    Attributes: ``request_id`` (unique within this process), ``tool`` (its name), ``principal`` (who calls).
    """

    __slots__ = (
        "_asked", "_log", "_services", "_session", "cancelled", "deadline", "may_ask", "principal", "request_id", "tool"
    )  # fmt: skip

    def __init__(
        self, request_id: str, tool: str, principal: Principal, services: ContextServices, session: Session
    ) -> None:
        self.request_id = request_id
        self.tool = tool
        self.principal = principal
        self.deadline: float | None = None
        self.may_ask = True
        """False where the answer is shared: it may not hold what one caller's user said."""
        self.cancelled = False
        """True when nobody waits for the answer any more; a plain def may look, for its thread cannot be stopped."""
        self._services = services
        self._session = session
        self._asked = 0
        self._log: Any = None

    @property
    def log(self) -> Any:
        """A structured logger bound to this call; made when first used, since most calls use none."""
        if self._log is None:
            self._log = self._services.log.bind(request_id=self.request_id, tool=self.tool)
        return self._log

    @property
    def state(self) -> Any:
        """What the server's lifespan yielded."""
        return self._services.state

    def restart(self) -> None:
        """Called before each attempt: a question keeps its number, however often the call is tried."""
        self._asked = 0

    @property
    def remaining(self) -> float:
        """Seconds until this call's deadline; infinite when there is none."""
        return float("inf") if self.deadline is None else max(0.0, self.deadline - self._services.clock.now())

    @property
    def workspace(self) -> Root:
        """The workspace; an operation that uses it says ``needs = ("workspace",)``."""
        if self._services.sandbox.workspace is None:
            raise ConfigurationError("no workspace: set HOLDFAST_WORKSPACE")
        return self._services.sandbox.workspace

    def root(self, name: str) -> Root:
        """A named root; an operation that uses it says ``needs = ("root:docs",)``."""
        if name not in self._services.sandbox.roots:
            raise ConfigurationError("no such root: name it in HOLDFAST_ROOTS")
        return self._services.sandbox.roots[name]

    @property
    def database(self) -> AnyDatabase:
        """The database; an operation that uses it says ``needs = ("database",)``."""
        if self._services.sandbox.database is None:
            raise ConfigurationError("no database: set HOLDFAST_DATABASE")
        return self._services.sandbox.database

    @property
    def era(self) -> str:
        """``handshake`` (2024-11-05 to 2025-11-25) or ``modern`` (2026-07-28)."""
        return self._session.era

    def offers(self, capability: str) -> bool:
        """Whether the client declared ``elicitation`` (forms), ``elicitation.url``, ``sampling`` or ``roots``."""
        return self._session.offers(capability)

    def require(self, capability: str) -> None:
        """Raise ``MissingCapability`` (-32021) unless the client declared ``capability``."""
        if not self._session.offers(capability):
            head, _, tail = capability.partition(".")
            raise MissingCapability({head: {tail: {}} if tail else {}})

    async def report_progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the client how far the call is. ``done`` must grow; ``message`` is cleaned and redacted."""
        await self._session.progress(done, total, None if message is None else self._services.clean(message))

    async def notify_log(self, level: Level, data: Any, logger: str | None = None) -> None:
        """Send a log message to the client (not to the server's own log, which is ``ctx.log``)."""
        await self._session.log(level, self._services.clean(data), self._services.clean(logger))

    async def elicit(self, message: str, schema: type[M], *, key: str | None = None) -> Elicited[M]:
        """Ask the user for the fields of ``schema`` (a flat model), in whatever way the client's era has.

        In the 2026-07-28 era the tool is run again from its start when the answer has come, so what it does before
        asking should be repeatable. ``key`` names the question, by default after its place among the call's questions.
        The time that the user takes counts: give a tool that asks a ``Limits(timeout=)`` that people can keep.
        Raises ``MissingCapability`` when the client cannot ask.
        """
        return elicited(await self._one(key, form_request(message, schema)), schema)

    async def elicit_url(self, message: str, url: str, elicitation_id: str, *, key: str | None = None) -> Elicited[Any]:
        """Send the user to ``url`` for what must not pass through the client (credentials, payment)."""
        return Elicited(chosen(await self._one(key, url_request(message, url, elicitation_id))))

    async def sample(
        self,
        messages: str | list[Mapping[str, Any]],
        *,
        max_tokens: int,
        system: str | None = None,
        key: str | None = None,
    ) -> Mapping[str, Any]:
        """Have the client's model write something; returns its ``role``, ``content`` and ``model``."""
        return await self._one(key, sampling_request(messages, max_tokens, system))

    async def roots(self, *, key: str | None = None) -> list[Mapping[str, Any]]:
        """The folders that the client says it works in; claims of the caller, never a permission."""
        answer = await self._one(key, roots_request())
        return [root for root in answer.get("roots") or () if isinstance(root, Mapping)]

    async def ask(self, **requests: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put several questions at once (made by ``core.questions``); key -> raw answer.

        Raises ``MissingCapability`` when the client cannot answer one of them, and ``ConfigurationError`` in a
        cacheable operation, whose answer is given to others too.
        """
        if not self.may_ask:
            raise ConfigurationError(f"{self.tool} is cacheable, so it cannot ask: its answer is given to others too")
        for request in requests.values():
            self.require(needed_capability(request))
        return await self._session.ask(self._services.clean(requests))

    async def _one(self, key: str | None, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self._asked += 1
        name = key or f"q{self._asked}"  # the nth question of a call is the same one when the call is run again
        answer: Mapping[str, Any] = (await self.ask(**{name: request}))[name]
        return answer

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """From a synchronous tool's thread: run ``ctx.elicit(...)`` and the like on the loop and wait for it."""
        if not asyncio.iscoroutine(work):
            raise ConfigurationError("ctx.wait takes a coroutine, such as ctx.report_progress(1, 2)")
        if _running_loop() is self._services.loop:
            work.close()
            raise ConfigurationError("ctx.wait is for a plain def in its thread; in an async def, await instead")
        outcome: T = asyncio.run_coroutine_threadsafe(work, self._services.loop).result()
        return outcome

    def resilient(self, name: str, *, idempotent: bool = False, timeout: float | None = None) -> Resilient:
        """Calls of a service that this tool depends on, guarded together with those of all tools that name it::

            page = await ctx.resilient("weather-api", idempotent=True).call(fetch, url)

        ``name`` is one that ``server.dependency`` declared, or any other (``[a-z0-9][a-z0-9._-]*``, 64 in all) with
        the defaults of ``Dependency``. Its breaker, its bounded places and its retry budget are shared in the server,
        and nothing outlasts this call's deadline. ``idempotent`` says that the call may be repeated after a passing
        fault; without it there is one attempt. ``timeout`` (seconds for an attempt) overrides what was declared.
        """
        if self._services.resilient is None:
            raise ConfigurationError("no server serves this call, so it has no dependencies")
        return self._services.resilient(self, name, idempotent, timeout)

    def aside(self) -> Context:
        """This context for work besides the call, such as a second attempt or a refresh: it reaches no client."""
        other = Context(self.request_id, self.tool, self.principal, self._services, Nobody(self._session))
        other.deadline = self.deadline
        return other

    def secret(self, value: str, name: str = "secret") -> str:
        """Register a secret that this call has learned, so that it can leave through no answer and no log."""
        self._services.secret(value, name)
        return value

    def saga(self, name: str, *, key: str | None = None) -> OpenSaga:
        """Steps that are undone together: ``async with ctx.saga("trip") as saga``; see ``core.sagas.Saga``."""
        opened: OpenSaga = self._services.sagas().open(name, key)
        return opened

    async def close_stream(self) -> None:
        """End this call's event stream so that the client reconnects and resumes (handshake era over HTTP)."""
        await self._session.close_stream()

    async def tools_changed(self) -> None:
        """Tell clients of both eras that the list of tools changed."""
        await self._services.publisher.changed("tools")

    async def prompts_changed(self) -> None:
        """Tell clients of both eras that the list of prompts changed."""
        await self._services.publisher.changed("prompts")

    async def resources_changed(self) -> None:
        """Tell clients of both eras that the list of resources changed."""
        await self._services.publisher.changed("resources")

    async def resource_updated(self, uri: str) -> None:
        """Tell clients of both eras who subscribed to ``uri`` that it changed."""
        await self._services.publisher.updated(uri)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
