"""``Server``: what an author adds tools to and runs; the composition root, where the rooms are wired together."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from holdfast.core.registry import Registry
from holdfast.errors import ConfigurationError, DuplicateName, HoldfastError

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.dependency import Dependency
    from holdfast.core.events import Subscriber
    from holdfast.core.layers import Loaded
    from holdfast.core.operation import Operation
    from holdfast.core.tool import Tool
    from holdfast.live import Live
    from holdfast.observe.finding import Probe
    from holdfast.plant import Plant

F = TypeVar("F", bound=Callable[..., Any])
Op = TypeVar("Op", bound="Operation | type[Tool]")
Lifespan = Callable[["Server"], AbstractAsyncContextManager[Any]]


class Server:
    """A hardened MCP server.

    ``settings`` are settings made by ``Settings`` or a mapping of dotted keys; by default they come from the
    environment and the named files. ``lifespan(server)`` is an async context manager around the serving, whose value
    tools find in ``ctx.state``. Raises ``ConfigurationError`` for what could not be served safely.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "0.1.0",
        instructions: str | None = None,
        settings: Settings | Mapping[str, Any] | None = None,
        lifespan: Lifespan | None = None,
        **shown: Any,
    ) -> None:
        if set(shown) - {"title", "website_url", "icons"}:
            raise ConfigurationError("a server shows name, version, instructions, title, website_url and icons")
        self.name = name
        self.version = version
        self.identity: dict[str, Any] = {"instructions": instructions, **shown}
        self.registry = Registry()
        self._overrides = settings
        self.sources: dict[str, Path | None] = {"file": beside(sys._getframe(1).f_globals), "env_file": None}
        self._lifespan = lifespan
        self._mounts: list[tuple[Server, str]] = []
        self._parents: list[Server] = []
        self._subscribers: list[tuple[str, Subscriber]] = []
        self._dependencies: dict[str, Dependency] = {}
        self._checks: list[tuple[str, Probe, dict[str, Any]]] = []
        self._compensations: dict[str, Callable[..., Any]] = {}  # bounded by what the author writes
        self._serving: list[Live] = []
        self._twins: dict[tuple[Operation, str], Operation] = {}  # bounded by what is mounted, like the next
        self._homes: dict[Operation, Server] = {}

    @overload
    def tool(self, function: F, /) -> F: ...
    @overload
    def tool(self, /, **facts: Any) -> Callable[[F], F]: ...
    def tool(self, function: F | None = None, /, **facts: Any) -> Any:
        """Make a function a tool: ``@server.tool`` or ``@server.tool(read_only=True, limits=Limits(timeout=2))``.

        ``facts`` are ``name``, ``title``, ``description``, ``limits``, ``read_only``, ``idempotent``, ``destructive``,
        ``open_world``, ``cacheable``, ``stale``, ``stale_on_error``, ``isolation``, ``cpu``, ``trusted``, ``lenient``,
        ``scopes``, ``icons``, ``meta``, ``fallback``, and ``schema`` (a JSON schema of your own for a function of one
        argument). The function itself is returned.
        """
        from holdfast.core.function import FunctionTool

        def decorate(function: F) -> F:
            self.add(FunctionTool(function, **facts))
            return function

        return decorate if function is None else decorate(function)

    def resource(self, uri: str, /, *, mime_type: str | None = None, **facts: Any) -> Callable[[F], F]:
        """Make a function a resource: ``@server.resource("note://{user}", mime_type="text/plain")``."""
        from holdfast.core.resource import Resource

        def decorate(function: F) -> F:
            self.add(Resource(uri, function, mime_type=mime_type, **facts))
            return function

        return decorate

    @overload
    def prompt(self, function: F, /) -> F: ...
    @overload
    def prompt(self, /, **facts: Any) -> Callable[[F], F]: ...
    def prompt(self, function: F | None = None, /, **facts: Any) -> Any:
        """Make a function that returns text or messages a prompt."""
        from holdfast.core.prompt import Prompt

        def decorate(function: F) -> F:
            self.add(Prompt(function, **facts))
            return function

        return decorate if function is None else decorate(function)

    def completion(self, owner: str, argument: str) -> Callable[[F], F]:
        """Make a function suggest values for an argument of a prompt (its name) or a template (its URI)."""
        from holdfast.core.completion import Completion

        def decorate(function: F) -> F:
            self.add(Completion(owner, argument, function))
            return function

        return decorate

    def add(self, operation: Op) -> Op:
        """Add a tool class (or instance), resource or prompt; also while serving, and as a class decorator.

        Returns what it was given. Raises ``DuplicateName``, and ``ConfigurationError`` for what cannot be served as
        this server is; it is not added then.
        """
        made: Operation = operation() if isinstance(operation, type) else operation
        self.registry.add(made)
        try:
            self._changed()
        except HoldfastError:
            self.registry.withdraw(made)
            self._changed()
            raise
        return operation

    def remove(self, kind: Literal["tool", "resource", "prompt", "completion"], name: str) -> None:
        """Take something away again; also while serving: calls in flight still end."""
        self.registry.remove(kind, name)
        self._changed()

    def mount(self, child: Server, *, namespace: str) -> None:
        """Offer everything of ``child`` too, as ``namespace_tool`` and ``scheme://namespace/...``."""
        if child is self or self in child.everything_mounted():
            raise ConfigurationError(f"{child.name} cannot be mounted on {self.name}: it already holds it")
        self._mounts.append((child, namespace))
        try:
            self.whole()  # a clash of names shows now, not at start
            self.all_dependencies()
            self._changed()
        except HoldfastError:
            self._mounts.pop()
            self._changed()
            raise
        child._parents.append(self)

    def everything_mounted(self) -> list[Server]:
        """The servers beneath this one, each once, however often it is mounted."""
        found = [server for child, _ in self._mounts for server in (child, *child.everything_mounted())]
        return list(dict.fromkeys(found))

    def whole(self) -> Registry:
        """What this server and everything mounted on it offer."""
        registry = Registry()
        for operation in self.registry:
            registry.add(operation)
        for child, namespace in self._mounts:
            from holdfast.core.mounting import mounted

            for operation in child.whole():
                twin = self._twins.setdefault((operation, namespace), mounted(operation, namespace))
                self._homes[twin] = child._homes.get(operation, child)
                registry.add(twin)
        return registry

    def on(self, pattern: str, subscriber: Subscriber | None = None) -> Any:
        """Hear of events (``"tool.*"``, ``"server.*"``): ``server.on("tool.failed", f)`` or as a decorator."""
        if subscriber is None:
            return lambda function: self.on(pattern, function) or function
        self._subscribers.append((pattern, subscriber))
        return None

    def compensation(self, name: str) -> Callable[[F], F]:
        """Make a function undo a step of sagas (``ctx.saga``) under this name: ``@server.compensation("release")``.

        It is called with as many of the step's payload and idempotency id as it takes, at least once; see
        ``core.sagas.Saga``. Raises ``DuplicateName``.
        """

        def decorate(function: F) -> F:
            if name in self._compensations:
                raise DuplicateName(f"two compensations are called {name!r}; give one of them another name")
            self._compensations[name] = function
            return function

        return decorate

    def compensations(self) -> Mapping[str, Callable[..., Any]]:
        """All of them by name, with those of what is mounted. Raises ``DuplicateName``."""
        found = dict(self._compensations)
        for server in self.everything_mounted():
            for name, function in server._compensations.items():
                if found.setdefault(name, function) is not function:
                    raise DuplicateName(f"{server.name} and another server have a compensation {name!r}; rename one")
        return found

    def check(self, name: str, probe: Probe, *, timeout: float = 1.0, critical: bool = True) -> None:
        """Add a health check: a function that returns a ``Finding``; it has ``timeout`` seconds."""
        self._checks.append((name, probe, {"timeout": timeout, "critical": critical}))

    def dependency(self, name: str, **terms: Any) -> None:
        """Say how tools call a service, as ``ctx.resilient(name)``: ``server.dependency("weather-api", timeout=2)``.

        ``terms`` are ``timeout``, ``concurrency``, ``queue``, ``retries`` and ``transient``; see ``Dependency``. Counts
        for what is mounted too. Raises ``ConfigurationError``, and ``DuplicateName`` for two declarations that differ.
        """
        from holdfast.core.dependency import declared

        made = declared(name, terms)
        if self._dependencies.get(name, made) != made:
            raise DuplicateName(f"dependency {name} is declared twice on {self.name}; declare it once")
        known = dict(self._dependencies)
        self._dependencies[name] = made
        try:
            self._changed()
        except HoldfastError:
            self._dependencies = known
            self._changed()
            raise

    def all_dependencies(self) -> dict[str, Dependency]:
        """What this server and those mounted on it have declared; its own word goes before theirs."""
        found: dict[str, Dependency] = {}
        for server in self.everything_mounted():
            for name, made in server._dependencies.items():
                if found.setdefault(name, made) != made and name not in self._dependencies:
                    raise DuplicateName(
                        f"dependency {name} is declared differently by {server.name} and another mounted server; "
                        f"declare it on {self.name}, whose word counts"
                    )
        return found | self._dependencies

    def load_settings(self, **overrides: Any) -> Loaded:
        """The settings this server would run with, each with its layer. ``overrides`` (section__key) win."""
        from holdfast.core.config import Settings
        from holdfast.core.layers import load

        given = self._overrides
        base = given.model_dump(exclude_unset=True) if isinstance(given, Settings) else dict(given or {})
        chosen = {key.replace("__", "."): value for key, value in overrides.items() if value is not None}
        found = load({**base, **chosen}, file=self.sources["file"], env_file=self.sources["env_file"])
        return found._replace(again=partial(self.load_settings, **overrides))

    @asynccontextmanager
    async def serving(self, loaded: Loaded | None = None) -> AsyncIterator[Live]:
        """Everything live, without a transport: the endpoint that transports serve."""
        from holdfast.live import Live
        from holdfast.plant import Plant

        plant = Plant(self.name, loaded or self.load_settings())
        async with AsyncExitStack() as stack:
            await plant.start(stack)
            live = Live(self.name, self.version, self.identity, plant, self.whole())
            for pattern, subscriber in self._all_subscribers():
                plant.parts.events.subscribe(pattern, subscriber)
            for name, probe, options in self._checks:
                plant.health.add(name, probe, **options)
            self._declare(plant)
            live.states = await self._enter_lifespans(stack, plant)
            live.homes = self._homes
            self.compensations()  # a clash of names shows now, not when something has to be undone
            plant.lasting.compensations = self.compensations
            await plant.lasting.recall()
            self._serving.append(live)
            stack.callback(self._serving.remove, live)
            plant.watch_loop()
            await plant.become_ready(stack)
            plant.parts.events.emit("server.started", name=self.name)
            yield live
            plant.parts.events.emit("server.stopped", name=self.name)

    def _all_subscribers(self) -> list[tuple[str, Subscriber]]:
        return [item for server in (self, *self.everything_mounted()) for item in server._subscribers]

    async def _enter_lifespans(self, stack: AsyncExitStack, plant: Plant) -> dict[Server | None, Any]:
        """What each lifespan yielded, by its server; this server's own is everybody's who has none."""
        states: dict[Server | None, Any] = {}
        for server in (*self.everything_mounted(), self):
            if server._lifespan is not None:
                states[server] = await stack.enter_async_context(plant.punctual(server._lifespan(server)))
        return states | {None: states.get(self)}

    def _changed(self) -> None:
        for live in self._serving:
            self._declare(live.plant)
            live.swap(self.whole())
        for parent in self._parents:
            parent._changed()

    def _declare(self, plant: Plant) -> None:
        for name, terms in self.all_dependencies().items():
            plant.dependencies().declare(name, terms)

    def client(self, *, mode: str = "auto", **options: Any) -> AbstractAsyncContextManager[Any]:
        """An in-memory client (the SDK's ``Client``) of this server, for tests: ``async with server.client() as c``."""
        from holdfast.wire.memory import connect

        return connect(self, mode, options)

    def run(
        self,
        transport: Literal["stdio", "http"] = "stdio",
        *,
        host: str | None = None,
        port: int | None = None,
        auth: bool | None = None,
    ) -> None:
        """Serve until the client leaves (stdio) or a signal comes (both). Exits with status 2 when it refuses to start.

        ``auth=True`` asks HTTP callers for a token of ``HOLDFAST_AUTH__TOKENS``.
        """
        from holdfast.wire.serve import run

        run(self, transport, {"http__host": host, "http__port": port, "auth__required": auth})

    def main(self, argv: list[str] | None = None) -> None:
        """Run as a script that takes ``stdio`` (the default) or ``http PORT``, ``--host`` and ``--auth``."""
        from holdfast.wire.script import chosen

        transport, options = chosen(self.name, argv)
        self.run(transport, **options)

    def __repr__(self) -> str:
        return f"<Server {self.name}: {self.registry!r}>"


def beside(module: Mapping[str, Any]) -> Path | None:
    """The ``holdfast.toml`` in the folder of the file that makes the server; never that of the working directory."""
    from holdfast.core.layers import CONFIG_FILE

    file = module.get("__file__")
    found = Path(file).resolve().with_name(CONFIG_FILE) if file else None
    return found if found is not None and found.is_file() else None
