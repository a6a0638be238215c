"""Runs a server on a transport: refuses to start what is unsafe, handles signals, and ends in time."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.wire.claim import claim, fill_standard
from holdfast.wire.ending import Backstop
from holdfast.wire.loops import new_loop

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded
    from holdfast.wire.claim import Claim

REFUSED = 2
"""Exit status of a server that refuses to start."""
LAST_TASKS = 0.1
"""Seconds that tasks get to end after they were cancelled at the very end; those of calls had their time before."""
ECHO = 0.1
"""Seconds in which a second signal counts as the first: Ctrl-C reaches a whole group of processes, and some parents
(uv, npm) pass it on besides."""
LAST_THREADS = 0.1
"""Seconds that idle threads get to notice that they are not needed any more."""
_CTRL_C = signal.default_int_handler
"""What SIGINT does before ``Signals`` takes it over: then Ctrl-C really is the operator's."""
_log = logging.getLogger("holdfast.wire")


class Servable(Protocol):
    """What ``holdfast.server.Server`` is to a wire: a name, settings, and an endpoint while it serves."""

    name: str

    def load_settings(self, **overrides: Any) -> Loaded:
        """The settings, with overrides such as ``http__port``."""
        ...

    def serving(self, loaded: Loaded | None = None) -> AbstractAsyncContextManager[Any]:
        """The live endpoint."""
        ...


def run(
    server: Servable, transport: Literal["stdio", "http"], overrides: Mapping[str, Any], *, claimed: Claim | None = None
) -> None:
    """Serve until the end. A refusal to start is one clear line on stderr and exit status 2."""
    backstop = Backstop()
    try:
        finish(_served(server, transport, overrides, claimed, backstop))
    finally:
        backstop.close()


def _served(
    server: Servable,
    transport: Literal["stdio", "http"],
    overrides: Mapping[str, Any],
    claimed: Claim | None,
    backstop: Backstop,
) -> int:
    try:
        if transport == "stdio":
            claimed = claimed or claim()  # before anything is opened: a closed descriptor's number is the next to go
        else:
            fill_standard((0, 1))
        loaded = server.load_settings(**overrides)
        served = _http(server, loaded, backstop) if claimed is None else _stdio(server, loaded, claimed, backstop)
        return run_loop(served)
    except HoldfastError as error:
        refuse(server, error)
    finally:
        if claimed is not None:
            claimed.release()


def refuse(server: Servable, error: HoldfastError) -> NoReturn:
    """Say in one line why the server does not start, and leave with ``REFUSED``."""
    if sys.stderr is not None:
        sys.stderr.write(f"holdfast: {server.name} does not start: {error}\n")
    raise SystemExit(REFUSED) from None


async def _stdio(server: Servable, loaded: Loaded, claimed: Claim, backstop: Backstop) -> int:
    from holdfast.wire.stdioserver import serve

    return await serve(server, loaded, claimed, backstop)


async def _http(server: Servable, loaded: Loaded, backstop: Backstop) -> int:
    from holdfast.wire.http import serve

    return await serve(server, loaded, backstop)


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Like ``asyncio.run``, but a task that swallows its cancellation, or a stuck thread, cannot hold up the end."""
    loop = new_loop()
    try:
        asyncio.set_event_loop(loop)
        return _to_its_end(loop, loop.create_task(main, name="holdfast-main"))
    finally:
        with suppress(BaseException):  # the end must be reached whatever is left over
            loop.run_until_complete(_end_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _to_its_end(loop: asyncio.AbstractEventLoop, main: asyncio.Task[int]) -> int:
    """Run until ``main`` is done: ``sys.exit()`` in a task that a tool started ends the loop's run, not the server."""
    while True:
        try:
            return loop.run_until_complete(main)
        except (SystemExit, KeyboardInterrupt) as attempt:
            operator = isinstance(attempt, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is _CTRL_C
            if main.done() or operator:
                raise
            _log.error("a task tried to end the process with %s; the server goes on", type(attempt).__name__)


async def _end_tasks() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=LAST_TASKS)


def finish(status: int) -> None:
    """Leave with ``status``; when threads that nobody can stop are left, leave without waiting for them."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # AttributeError: it was closed from the start
            stream.flush()
    ends = time.monotonic() + LAST_THREADS
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in others:
        thread.join(max(0.0, ends - time.monotonic()))
    if any(thread.is_alive() for thread in others):
        os._exit(status)
    if status:
        raise SystemExit(status)


class Signals:
    """Turns the first SIGTERM or SIGINT into a call of ``stop`` on the loop; a second one forces the end at once.

    They are taken over at once when ``stop`` is given, else by ``listen``. Entered before everything that is torn down
    at the end: a client's SIGTERM two seconds after it closed its pipe must not cut the teardown short. Without a
    ``backstop`` the process is not ours to end, and further signals change nothing.
    """

    def __init__(self, stop: Callable[[], None] | None = None, backstop: Backstop | None = None) -> None:
        self._stop = stop
        self._backstop = backstop
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()  # a handler runs in that of whatever it interrupts, a tool's perhaps
        self.number = 0
        """The first signal that came; 0 when none did."""
        self._first = 0.0
        self._before: dict[int, Any] = {}
        self._reload: Callable[[], None] | None = None

    def __enter__(self) -> Signals:
        if self._stop is not None:
            self.listen(self._stop)
        return self

    def listen(self, stop: Callable[[], None], reload: Callable[[], None] | None = None) -> None:
        """Take the signals over; before, they end the process at once, as there is nothing to tear down.

        ``reload`` is called on the loop for each SIGHUP, where there is one.
        """
        self._stop = stop
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                # not the loop's own handler: a second signal must be heard while something blocks the loop
                self._before.setdefault(number, signal.signal(number, self._received))
            if reload is not None and hasattr(signal, "SIGHUP"):
                self._before.setdefault(signal.SIGHUP, signal.signal(signal.SIGHUP, self._hung_up))
        self._reload = reload

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _received(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._first = number, now
            with suppress(RuntimeError):  # the loop is closed: everything has ended
                self._loop.call_soon_threadsafe(self._stop or _nothing, context=self._context)
        elif self._backstop is not None and now - self._first > ECHO:
            self._backstop.force(
                128 + number, "server.forced", reason=f"a second signal, {signal.Signals(number).name}"
            )

    def _hung_up(self, _number: int, _frame: object) -> None:
        with suppress(RuntimeError):  # as above
            self._loop.call_soon_threadsafe(self._reload or _nothing, context=self._context)


def _nothing() -> None:
    return None


def refuse_unsafe_binding(loaded: Loaded, bound: str | None = None) -> None:
    """Raise ``ConfigurationError`` when HTTP would be open to others without authentication or without a Host list.

    ``bound`` is the address once it is known: what a name such as ``localhost`` means is the system's word.
    """
    from holdfast.access.authentication import asked_for, expected
    from holdfast.wire.monitoring import is_loopback

    http, auth = loaded.settings.http, loaded.settings.auth
    asked = asked_for(auth)
    if asked and auth.issuer is not None:
        expected(auth)
    if is_loopback(bound) if bound is not None else (http.host == "localhost" or is_loopback(http.host)):
        return
    if not asked:
        raise ConfigurationError(
            "HTTP beyond loopback needs authentication: set HOLDFAST_AUTH__TOKENS, or HOLDFAST_AUTH__ISSUER"
        )
    if not http.allowed_hosts:
        raise ConfigurationError(
            "HTTP beyond loopback needs the host names it is reached by: set HOLDFAST_HTTP__ALLOWED_HOSTS (JSON list)"
        )
