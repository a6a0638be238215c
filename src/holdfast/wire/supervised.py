"""A live server behind a supervisor: serves one client's pipes until it ends, hands over, or is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import HoldfastError
from holdfast.observe.finding import Finding
from holdfast.supervisor.journal import tell
from holdfast.supervisor.ladder import rungs
from holdfast.supervisor.memory import HELD, SLOTS, STRIDE
from holdfast.supervisor.worker import Attended, Worker
from holdfast.wire.conversation import Conversation
from holdfast.wire.ending import Backstop, Ending
from holdfast.wire.kept import KeptIntake, keep
from holdfast.wire.lastwords import noting
from holdfast.wire.messages import message_bounds
from holdfast.wire.serve import Servable, Signals, finish, refuse, run_loop
from holdfast.wire.stdio import FLUSH, Lines
from holdfast.wire.stdioserver import (
    AFTER,
    CUT,
    INSISTING,
    LAST,
    NOTICE,
    UNANSWERED,
    health_beside,
    sdk_of,
    watching,
)
from holdfast.wire.takeover import Takeover

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded

PULSE: Final = 0.05
"""Seconds between the loop's signs of life; the parent looks four times a second."""


class KeptLines(Lines):
    """Lines whose unanswered requests are left to the next worker when this one hands over."""

    leaving = False

    async def _finish(self) -> None:
        await super()._finish()
        if self.leaving:
            self.keeper = None


def run(server: Servable, overrides: Mapping[str, Any], worker: Worker) -> bool:
    """Wait for this worker's turn, then serve to the end. ``False``: it is to serve without a supervisor."""
    try:
        loaded = server.load_settings(**overrides)
        if (reason := _unsupervised(loaded, worker)) is not None:
            tell("not_supervised", "warning" if reason else "info", why=reason or "HOLDFAST_SUPERVISE is off")
            worker.alone()
            return False
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


def _unsupervised(loaded: Loaded, worker: Worker) -> str | None:
    """Why this server has to do without; empty when that is what its operator wants."""
    settings, words = loaded.settings, worker.memory.words
    if not settings.supervise:
        return ""
    if settings.limits.message > words[STRIDE] or settings.limits.in_flight > words[SLOTS] - HELD:
        return f"limits.message is over {words[STRIDE]} bytes, or limits.in_flight over {words[SLOTS] - HELD}"
    return None


async def serve(server: Servable, loaded: Loaded, worker: Worker, backstop: Backstop | None = None) -> int:
    """Serve; returns the exit status. What is not answered at a hand-over is left for the next worker."""
    async with AsyncExitStack() as stack:
        signals = stack.enter_context(Signals(backstop=backstop))
        live = await stack.enter_async_context(server.serving(loaded))
        introduce(worker, live.plant)
        await health_beside(live, loaded, stack)
        limits, drain = loaded.settings.limits, loaded.settings.stdio.drain
        intake, outlet, under_way = keep(worker, limits.message)
        lines = KeptLines(intake, outlet, None, message_bounds(limits))
        lines.most, lines.drain = limits.in_flight, drain + LAST
        ending = Ending(live, drain, AFTER, backstop)
        takeover = Takeover(worker, intake, outlet, under_way)

        def stop() -> None:
            left = intake.ended.is_set()
            live.drain()
            ending.hurry(INSISTING if left else drain)
            asyncio.get_running_loop().call_later(NOTICE, intake.stop)

        stack.callback(watching(intake, lambda: None if lines.leaving else ending.begin()).cancel)
        signals.listen(partial(_signalled, worker, intake, stop))
        leave = partial(_leave, lines, intake, live.plant, drain + AFTER)
        stack.enter_context(watched(worker, leave, stop))
        conversation = Conversation(live, intake, outlet, lines, sdk_of(live, loaded.settings), takeover.remembered)
        live.publisher = conversation
        takeover.go_on(lines, live)
        worker.ready(rungs(loaded.settings.watchdog.interrupt))
        live.plant.log.info("serving", transport="stdio", server=server.name, restarts=worker.task.number)
        await conversation.serve()
        if not lines.leaving:
            live.drain()
            lines.fail(UNANSWERED, CUT, ())
            ending.spoken()
        await outlet.close(FLUSH)
        if not lines.leaving:
            worker.ended(0)
    return 0


def _signalled(worker: Worker, intake: KeptIntake, stop: Callable[[], None]) -> None:
    """Stop when all of the server was asked to; the client of a worker that was sent it alone is to notice nothing."""
    if worker.stopping or intake.ended.is_set():
        stop()
    else:
        worker.retire("a signal to this process alone")


def _leave(lines: KeptLines, intake: KeptIntake, plant: Any, seconds: float) -> None:
    """Hand over, soon: nobody serves before this process has ended."""
    lines.leaving = True
    plant.hurry(seconds)
    intake.leave()


def introduce(worker: Attended, plant: Any) -> None:
    """The watchdog may ask the supervisor for another process, and the health check says which one this is."""
    plant.worker = worker
    plant.hooks.retire, plant.hooks.restart, plant.hooks.standing = worker.retire, _from_outside, worker.standing
    plant.health.add("worker", partial(_standing, worker), critical=False)


def _from_outside(_reason: str) -> str:
    """See ``Hooks.restart``: the supervisor's ladder ends a process whose loop stands, with nothing lost."""
    return "the supervisor ends it, and another one goes on"


def _standing(worker: Attended) -> Finding:
    """Who serves, and how often a worker was lost before."""
    lost = f", the {worker.task.number + 1}. worker ({worker.task.why or 'handed over'})" if worker.task.number else ""
    return Finding("ok", f"process {os.getpid()}, supervised by {os.getppid()}{lost}")


@contextmanager
def watched(worker: Attended, leave: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Show the parent signs of life, and hear what it says; without a parent there is nobody to go on for."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        message = worker.control.receive()
        if message is None:
            loop.remove_reader(worker.control.fileno())
            stop()
        elif message[0]["is"] == "leave":
            leave()

    async def pulse() -> None:
        while True:
            worker.beat()
            await asyncio.sleep(PULSE)

    loop.add_reader(worker.control.fileno(), heard)
    beating = loop.create_task(pulse(), name="holdfast-pulse")
    try:
        yield
    finally:
        beating.cancel()
        loop.remove_reader(worker.control.fileno())
