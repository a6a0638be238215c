"""A live server over HTTP behind a supervisor: one worker serves the port until it ends, hands over, or is lost."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import HoldfastError
from holdfast.resources.suspended import waiting_in
from holdfast.supervisor.deaths import Quarantine
from holdfast.supervisor.journal import tell
from holdfast.supervisor.ladder import rungs
from holdfast.supervisor.worker import HttpWorker
from holdfast.wire.counted import Counted
from holdfast.wire.edge import MCP_PATH
from holdfast.wire.ending import Backstop, Ending
from holdfast.wire.http import AFTER, LAST, NOTICE, Uvicorn, application, bind, config, hosts_of, url_of
from holdfast.wire.lastwords import guilty, noting
from holdfast.wire.sdk import SdkServer, keys_of
from holdfast.wire.sdkkept import KeptSessions
from holdfast.wire.serve import Servable, Signals, finish, refuse, refuse_unsafe_binding, run_loop
from holdfast.wire.status import told
from holdfast.wire.supervised import introduce, watched

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.layers import Loaded
    from holdfast.wire.edge import Edge


TEARDOWN: Final = 3.5
"""Seconds for the end of a worker that hands over, once calls are done: connections wait meanwhile (as over pipes)."""


def run(server: Servable, overrides: Mapping[str, Any], worker: HttpWorker) -> bool:
    """Wait for this worker's turn, then serve to the end. ``False``: it is to serve without a supervisor."""
    try:
        loaded = server.load_settings(**overrides)
        if not loaded.settings.supervise:
            tell("not_supervised", why="HOLDFAST_SUPERVISE is off")
            worker.alone()
            return False
        refuse_unsafe_binding(loaded)
        if not worker.wait():
            raise SystemExit(0)
        backstop = Backstop()
        try:
            with noting(worker):
                finish(run_loop(serve(server, loaded, worker, backstop)))
        finally:
            backstop.close()
    except HoldfastError as error:
        refuse(server, error)
    return True


async def serve(server: Servable, loaded: Loaded, worker: HttpWorker, backstop: Backstop | None = None) -> int:
    """Serve; returns the exit status. Sessions are left for the next worker, whatever ends this one."""
    with listening_of(worker, loaded.settings) as listening, Signals(backstop=backstop) as signals:
        refuse_unsafe_binding(loaded, listening.getsockname()[0])
        async with AsyncExitStack() as stack:
            live = await stack.enter_async_context(server.serving(loaded))
            introduce(worker, live.plant)
            _warn(live.plant.log, loaded.settings, listening, worker)
            judge(worker, live)
            await stack.enter_async_context(told(live, "http"))
            now = live.plant.loaded.settings
            ending = Ending(live, now.http.drain, now.teardown + AFTER, backstop)
            if not await Turn(live, loaded.settings, worker, ending).serve(listening, signals):
                worker.ended(0)
    return 0


def listening_of(worker: HttpWorker, settings: Settings) -> socket.socket:
    """The socket that a worker before has bound, or one that is bound now, for all that follow."""
    if worker.listening is None:
        return bind(settings.http.host, settings.http.port)
    listening = socket.socket(fileno=worker.listening)
    listening.setblocking(False)
    return listening


def _warn(log: Any, settings: Settings, listening: socket.socket, worker: HttpWorker) -> None:
    """New settings may name another port; that is for the next start of all."""
    if worker.listening is not None and settings.http.port not in (0, listening.getsockname()[1]):
        log.warning("reload.needs_restart", settings="http.port")


def judge(worker: HttpWorker, live: Any) -> None:
    """Suspect the tools that were under way when the worker before was lost by its own doing; as over pipes, of a loop
    that stood still only the one that ran on it."""
    memory, now = worker.memory, time.monotonic()
    note, number = json.loads(memory.note() or b"{}"), worker.task.number
    quarantine = Quarantine(note)
    named = guilty(worker, set(worker.task.suspects), live)
    suspects = named if worker.task.blamed else set()
    if suspects and note.get("judged") != number:  # a worker that was not ready in the end may have judged it before
        quarantine.suspect(suspects, now)
        memory.keep(json.dumps({**quarantine.note(), "judged": number}).encode())
    live.quarantined = quarantine.until(now)
    for tool in live.quarantined.keys() & suspects:
        live.plant.log.error("tool.quarantined", tool=tool, seconds=Quarantine.FOR)


class Turn:
    """One worker's time at the port."""

    def __init__(self, live: Any, settings: Settings, worker: HttpWorker, ending: Ending) -> None:
        self._live = live
        self._settings = settings
        self._worker = worker
        self._ending = ending
        self._drain = live.plant.loaded.settings.http.drain
        worker.flight.clear()
        counted = Counted(live, worker.flight)
        self._sdk = SdkServer(counted, keys=keys_of(settings) or [worker.seal], over_http=True)
        self._app: Edge
        self._runner: Uvicorn
        self._leaving = False
        self._waiting: asyncio.Task[None] | None = None

    async def serve(self, listening: socket.socket, signals: Signals) -> bool:
        """Serve to the end; returns whether another worker goes on."""
        live, worker, http = self._live, self._worker, self._settings.http
        live.publisher = self._sdk.publisher
        kind = partial(KeptSessions, worker=worker, sdk=self._sdk, clock=live.plant.clock)
        self._app = application(live, self._sdk, self._settings, hosts_of(listening), kind)
        times = {"drain": http.drain + LAST, "patience": http.receive_timeout}
        how = config(self._app, connections=http.connections, **times)
        self._runner = Uvicorn(how, lambda: self._begun(listening), self._closed)
        signals.listen(self._signalled)
        try:
            with watched(worker, self._leave, self._stop):
                await self._runner.serve(sockets=[listening])
        finally:
            if self._waiting is not None:
                self._waiting.cancel()
            self._ending.spoken()
            if self._leaving:
                live.plant.hurry(TEARDOWN)
            await self._app.close()
        return self._leaving

    def _begun(self, listening: socket.socket) -> None:
        """Connections are taken: the parent is told, and given the socket when it does not have it."""
        worker = self._worker
        interrupt = self._live.plant.loaded.settings.watchdog.interrupt
        worker.ready(rungs(interrupt), *(() if worker.listening is not None else (listening.fileno(),)))
        url = f"{url_of(listening)}{MCP_PATH}"
        number = worker.task.number
        self._live.plant.log.info("serving", transport="http", server=self._live.name, url=url, restarts=number)

    def _stop(self) -> None:
        """The server is to end: no more calls, and no more connections a moment later."""
        self._leaving = False
        self._live.drain()
        self._hurry()
        asyncio.get_running_loop().call_later(NOTICE, setattr, self._runner, "should_exit", True)

    def _signalled(self) -> None:
        """As over pipes: a signal to this process alone is no end of the server."""
        if self._worker.stopping:
            self._stop()
        else:
            self._worker.retire("a signal to this process alone")

    def _leave(self) -> None:
        """Another worker is to go on. Calls under way end first, so that whoever connects then waits for moments."""
        if self._waiting is None:
            self._leaving = True
            self._waiting = asyncio.get_running_loop().create_task(self._until_over(), name="holdfast-leaving")

    async def _until_over(self) -> None:
        under_way = waiting_in(type(self._live).handle, self._live)
        if under_way:
            await asyncio.wait(under_way, timeout=self._drain)
        self._runner.should_exit = True

    def _closed(self) -> None:
        """No connection is taken any more. Calls under way have their time; streams without an end are ended."""
        self._hurry()

    def _hurry(self) -> None:
        self._ending.hurry(self._drain)
        self._sdk.close()
        self._app.drain()
