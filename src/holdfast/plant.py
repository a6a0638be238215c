"""Builds every live part of a server from its settings, starts them, and stops them in order."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from holdfast.core.clock import Clock, SystemClock
from holdfast.core.events import Events
from holdfast.core.layers import Loaded
from holdfast.core.reach import build_sandbox
from holdfast.core.secretsettings import register
from holdfast.guards.egress import cleaner
from holdfast.guards.parts import Parts
from holdfast.isolation.threads import ThreadPool
from holdfast.lasting import Lasting
from holdfast.observe.audit import AuditLog
from holdfast.observe.checks import alerts as alarms
from holdfast.observe.checks import answers, shedding
from holdfast.observe.checks import log as log_check
from holdfast.observe.health import Health, audit, confinement, loop_lag, memory
from holdfast.observe.logs import FileSink, LogPipe, StderrSink, build_logger, capture_stdlib
from holdfast.observe.metrics import Metrics
from holdfast.observe.process import resident_bytes
from holdfast.observe.recording import Recorder
from holdfast.observe.standard import clean_standard
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.resilience.deadline import Orphans
from holdfast.resilience.retry import RetryBudget
from holdfast.resilience.shedding import Shedding
from holdfast.resilience.teardown import Punctual
from holdfast.resources.allocator import hold_thresholds, set_aside
from holdfast.resources.budget import Budget, control_group
from holdfast.resources.tracker import Occupancy
from holdfast.resources.tracking import install as install_tracking
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.secrets import require as require_redaction
from holdfast.state.location import default_state_dir
from holdfast.watchdog.lookout import Lookout, Subjects
from holdfast.watchdog.watch import Hooks

if TYPE_CHECKING:
    from holdfast.access.capabilities import Capabilities
    from holdfast.core.context import Context, Resilient
    from holdfast.core.manifest import Change
    from holdfast.core.pin import Pin
    from holdfast.isolation.processes import ProcessPool
    from holdfast.resilience.outbound import Dependencies
    from holdfast.state.store import Store
    from holdfast.supervisor.worker import Attended
    from holdfast.watchdog.heartbeat import Heartbeat

IO_THREADS = 32
"""Threads for the short I/O of handles; tools' own blocking code has ``limits.threads`` of its own."""
TOTAL_QUEUE = 1_024
"""Calls that wait for one of ``limits.total`` places; each already holds a place of its tool."""
ELSEWHERE = 1_000_000
"""Calls in threads and processes at once: more than their pools let in, which say themselves why they refuse."""
MAX_TOLD = 100
"""Entries of a changed manifest that are told of at once; the health check and the metric count them all."""
DATABASE_CHECK = 3.0
"""Seconds for the database to answer a health check; a connection may have to be opened first."""
LAST_WORDS = 1.0
"""Seconds each for orphans, threads and logs to end at stopping; less when a client's patience ends sooner."""
AT_ONCE = 0.05
"""Seconds that a start waits for the first health checks; those that take longer go on beside the serving."""
HURRY = 0.05
"""Seconds that each of them gets at least."""


class Plant:
    """What runs behind the tools of one serving: made by ``build``, live between ``start`` and ``stop``."""

    def __init__(self, name: str, loaded: Loaded, clock: Clock | None = None) -> None:
        self.name = name
        self.loaded = loaded
        settings = loaded.settings
        self.clock = clock or SystemClock()
        self.worker: Attended | None = None  # what this process is to its supervisor
        self.metrics = Metrics()
        self.health = Health(clock=self.clock)
        require_redaction()  # refused now if it is missing: not while the first answer leaves
        self.secrets = SecretRegistry(personal=settings.secrets.personal_data)
        self._weak = register(settings, self.secrets)
        if settings.auth.tokens_file is not None:
            from holdfast.access.authentication import keep_plain_keys

            keep_plain_keys(settings.auth, self.clock, self.secrets)
        self.outgoing = Outgoing(self.secrets, on_redaction=self.metrics.redacted)
        self.pipe = LogPipe(FileSink(settings.log.file) if settings.log.file else StderrSink(), clock=self.clock)
        self.log = build_logger(
            self.pipe, level=settings.log.level, format=settings.log.format, redact=self.outgoing.text,
            pair=self.outgoing.pair, clock=self.clock,
        )  # fmt: skip
        self.heartbeat: Heartbeat | None = None
        self._over: float | None = None
        self._prints_lost = 0
        self.lookout: Lookout | None = None
        self.hooks = Hooks()
        """What the watchdog may ask of others: to shed, to shrink, to have this process replaced."""
        self.budget = Budget(settings.watchdog.memory, resident_bytes, control_group())
        self._processes: ProcessPool | None = None
        self._dependencies: Dependencies | None = None
        self._opening = threading.Lock()
        self._undo: list[Callable[[], None]] = []
        self._uncapture: Callable[[], None] = _nothing
        self.lasting = Lasting(name, settings, self.clock, self.log, self.metrics, self.health, lambda: self.parts)
        self.parts: Parts = self._build_parts()
        self.recorder = Recorder(self.parts.audit, self.metrics.audited)
        self.pin = self._open_pin()
        self._watch()

    def _build_parts(self) -> Parts:
        settings = self.loaded.settings
        limits = settings.limits
        total = Bulkhead(limits.total, TOTAL_QUEUE, self.clock)
        elsewhere = Bulkhead(ELSEWHERE, 0, self.clock)
        waiting, told = int(limits.shed_queue * TOTAL_QUEUE), self._shed
        shed = Shedding(total, self.clock, elsewhere, queue=waiting, wait=limits.shed_wait, on_change=told)
        return Parts(
            settings=settings,
            clock=self.clock,
            random=Random(),  # noqa: S311 # nosec B311 - jitter, not a secret
            sandbox=replace(build_sandbox(self.loaded), learn=self.secrets.learn),
            outgoing=self.outgoing,
            events=Events(),
            metrics=self.metrics,
            audit=self._open_audit(),
            log=self.log,
            orphans=Orphans(),
            background=Orphans(),
            threads=ThreadPool(limits.threads, retire=self._stuck, patience=limits.stuck),
            processes=self.processes,
            total=total,
            elsewhere=elsewhere,
            shed=shed,
            access=self._read_grants(settings.access.grants),
            quota=None if limits.quota is None and settings.quotas is None else self.lasting.quotas(),
            budget=RetryBudget(),
            occupancy=Occupancy(),
            breakers=self.lasting.breakers,
            keys=self.lasting.keys,
            cleaner=cleaner,
        )

    def _open_audit(self) -> AuditLog | None:
        settings = self.loaded.settings.audit
        if not settings.enabled:
            return None
        return AuditLog(
            settings.file or self.lasting.state_dir() / "audit.jsonl",
            fail_open=settings.fail_open,
            clock=self.clock,
            told=self._audit_changed,
        )

    def _audit_changed(self, working: bool, lost: int) -> None:
        if working:
            self.log.warning("audit.resumed", lost=lost)
        else:
            self.log.error("audit.failed", reason="the audit log cannot be written; it is tried again each second")

    def _open_pin(self) -> Pin | None:
        settings = self.loaded.settings.manifest
        if settings.file is None:
            return None
        from holdfast.core.pin import Pin
        from holdfast.observe.checks import manifest

        pin = Pin(settings.file, settings.on_change, self._manifest_changed)
        self.metrics.watch("manifest_changes", lambda: len(pin.changes))
        self.health.add("manifest", manifest(lambda: len(pin.changes)), critical=False)
        return pin

    def _manifest_changed(self, changes: tuple[Change, ...], refused: bool) -> None:
        """Log and audit each entry that is not as it was pinned; from any thread."""
        outcome = "refused" if refused else "flagged"
        for change in changes[:MAX_TOLD]:
            told = {"entry": self.outgoing.text(change.key), "changed": ", ".join(change.what)}
            self.log.warning("manifest.changed", outcome=outcome, **told)
            self.recorder.soon({"event": "manifest.changed", "outcome": outcome, **told})

    def _read_grants(self, grants: str | None) -> Capabilities | None:
        if grants is None:
            return None
        from holdfast.access.capabilities import Capabilities

        return Capabilities(grants, self.clock.wall)

    def processes(self) -> ProcessPool:
        """The pool of killable processes, started when the first tool needs it."""
        if self._processes is None:
            from holdfast.isolation.processes import ProcessPool

            limits = self.loaded.settings.limits
            self._processes = ProcessPool(limits.processes, memory=limits.memory)
        return self._processes

    def _stuck(self, reason: str) -> None:
        """All threads are stuck for good: say so, and ask for another process."""
        self.parts.events.emit("isolation.stuck", reason=reason)
        retire = self.hooks.retire
        why = "nobody can: use holdfast run, or restart it" if retire is None else retire(reason)
        self.log.error("isolation.stuck", reason=reason, replacing=why or "it was asked for")

    @property
    def store(self) -> Store | None:
        """The durable store, if something has needed it."""
        return self.lasting.durable.store

    def dependencies(self) -> Dependencies:
        """The services that tools call, from when the first is named, by a tool in whatever thread."""
        with self._opening:
            if self._dependencies is None:
                from holdfast.guards.outbound import open_dependencies

                add = partial(self.health.add, critical=False)
                self._dependencies = open_dependencies(self.parts, self._loop, add)
            return self._dependencies

    def resilient(self, context: Context, name: str, idempotent: bool, timeout: float | None) -> Resilient:
        """See ``Context.resilient``."""
        return self.dependencies().resilient(context, name, idempotent, timeout)

    def _watch(self) -> None:
        parts, settings = self.parts, self.loaded.settings
        self.metrics.watch("log_records_lost", lambda: self.pipe.lost)
        self.metrics.watch("log_write_failures", lambda: self.pipe.sink.failures)
        self.metrics.watch("prints_lost_bytes", lambda: self._prints_lost)
        self.metrics.orphans.set_function(lambda: parts.orphans.count)
        self.metrics.zombies.set_function(lambda: parts.threads.zombies)
        self.metrics.watch("calls_running", self._running)
        self.metrics.watch("calls_queued", self._queued)
        self.metrics.watch("shed_level", lambda: parts.shed.level)
        self.health.add("shedding", shedding(lambda: parts.shed.level), critical=False)
        self.metrics.watch("interrupts", lambda: self.heartbeat.interrupts if self.heartbeat else 0)
        self.hooks.shrink = self._shrink_caches
        self.hooks.shed = partial(parts.shed.press, "watchdog")
        self.health.add("memory", memory(self.budget.bytes), critical=False)
        self.health.add("watchdog", alarms(lambda: self.lookout.alerts.active if self.lookout else {}), critical=False)
        self.metrics.watch("alarming", lambda: len(self.lookout.alerts.active) if self.lookout else 0)
        self.health.add("loop", loop_lag(lambda: self.heartbeat.lag if self.heartbeat else 0.0))
        if (database := parts.sandbox.database) is not None:
            self.health.add("database", answers(database.working), timeout=DATABASE_CHECK, critical=False)
        self.health.add("log", log_check(lambda: self.pipe.working, lambda: self.pipe.lost), critical=False)
        if (log := parts.audit) is not None:
            self.metrics.watch("audit_records_lost", lambda: log.lost)
            self.health.add("audit", audit(lambda: log.working), critical=not settings.audit.fail_open)
        if launching := sys.modules.get("holdfast.safe.launching"):  # loaded by whoever declares a program
            self.health.add("programs", confinement(launching.missing), critical=False)

    def _running(self) -> int:
        """Calls at work: on the loop, in threads, in processes. Zombies have a gauge of their own."""
        return self.parts.total.running + self.parts.elsewhere.running - self._without_worker()

    def _queued(self) -> int:
        """Calls that hold a place of their tool and wait for one of the loop's, a thread or a process."""
        return self.parts.total.queued + self._without_worker()

    def _without_worker(self) -> int:
        return self.parts.threads.queued + (0 if self._processes is None else self._processes.queued)

    async def start(self, stack: AsyncExitStack) -> None:
        """Start what needs the running loop; ``stack`` stops it again, last first."""
        hold_thresholds()
        loop = self._loop = asyncio.get_running_loop()
        self.recorder.start()
        executor = ThreadPoolExecutor(IO_THREADS, thread_name_prefix="holdfast-io")
        loop.set_default_executor(executor)
        self._uncapture = capture_stdlib(self.pipe, self.loaded.settings.log.level)
        self._undo += [
            lambda: self._uncapture(),
            install_tracking(loop),
            clean_standard(self.outgoing, self._lose_prints),
        ]
        stack.push_async_callback(self._stop, executor)
        for root in self.parts.sandbox.all_roots():
            loop.run_in_executor(None, root.sweep_sync)
        if (database := self.parts.sandbox.database) is not None:
            stack.push_async_callback(database.close)
            await database.start()
            for finding in database.findings:
                self.log.warning("database", finding=finding)
        for finding in self.parts.audit.findings if self.parts.audit is not None else ():
            self.log.warning("audit", finding=finding)
        for line in (*self.loaded.weakened(), *self._weak_secrets()):
            self.log.warning("weakened", setting=line)

    def _lose_prints(self, count: int) -> None:
        self._prints_lost += count

    def _weak_secrets(self) -> list[str]:
        tokens = self.loaded.settings.auth.tokens
        if tokens is None:
            return self._weak
        from holdfast.access.tokens import weaknesses

        return weaknesses(tokens.get_secret_value()) + self._weak

    def watch_loop(self) -> None:
        """Start the heartbeat, once everything that takes its time at start has been imported and built."""
        self._undo.append(set_aside())
        settings = self.loaded.settings
        if settings.watchdog.enabled:
            folders = {"state": settings.state or default_state_dir()}
            if settings.log.file is not None:
                folders["log"] = settings.log.file.parent
            subjects = Subjects(self.name, self.clock, self.metrics, self.budget, folders)
            self.lookout = Lookout(settings.watchdog, subjects, self.log, self.parts.events, self.hooks)
            self.heartbeat = self.lookout.heartbeat
            self.lookout.start()

    async def become_ready(self, stack: AsyncExitStack) -> None:
        """Be ready once all critical checks have passed. What passes at once is waited for, the rest is not."""
        task = asyncio.get_running_loop().create_task(self.health.pass_once(self._unready), name="holdfast-ready")
        stack.push_async_callback(_ended, task)
        await asyncio.wait({task}, timeout=AT_ONCE)

    def _unready(self, failed: Mapping[str, str]) -> None:
        if failed:
            told = "; ".join(f"{name}: {why}" for name, why in failed.items())
            self.log.warning("not ready", waits_for=self.outgoing.text(told))
        else:
            self.log.info("ready")

    def _shrink_caches(self) -> int:
        return sum(cache.shrink() for cache in list(self.parts.caches))

    def renew(self, loaded: Loaded) -> bool:
        """Go on with other settings, as far as they are not held elsewhere; whether the chains log otherwise now."""
        self.loaded, level = loaded, loaded.settings.log.level
        self.parts = replace(self.parts, settings=loaded.settings)
        self._uncapture()
        self._uncapture = capture_stdlib(self.pipe, level)
        return self.log.set_level(level)

    def hurry(self, seconds: float) -> None:
        """Everything is to be over in ``seconds``, the teardown of lifespans and the stopping of what runs."""
        self._over = self.clock.now() + seconds

    def teardown(self) -> float:
        """Seconds that the teardown of a lifespan gets: half of what is left, so that what comes after has some."""
        most = self.loaded.settings.teardown
        return most if self._over is None else min(most, max(HURRY, (self._over - self.clock.now()) / 2))

    def _patience(self) -> float:
        """Seconds that one step of the stopping gets."""
        return LAST_WORDS if self._over is None else min(LAST_WORDS, max(HURRY, (self._over - self.clock.now()) / 4))

    def _late(self, seconds: float) -> None:
        self.log.error(
            "lifespan.late", seconds=round(seconds, 3), reason="its teardown took too long; it was abandoned"
        )

    def punctual(self, lifespan: AbstractAsyncContextManager[Any]) -> Punctual:
        """A lifespan whose teardown ends in time."""
        return Punctual(lifespan, self.teardown, self._late, self.clock, self.parts.orphans)

    def _shed(self, before: int, level: int) -> None:
        self.log.warning("shedding", shed=level, before=before)

    async def _stop(self, executor: ThreadPoolExecutor) -> None:
        if self.lookout is not None:
            await self.lookout.stop(self._patience())
        await self.parts.events.close()
        await self.health.close()
        await self.parts.background.close(self._patience())
        await self.parts.orphans.close(self._patience())
        self.parts.threads.close(self._patience())
        if self._processes is not None:
            self._processes.close(5 * self._patience())
        await self.recorder.close(self._patience())
        if self.parts.audit is not None:
            await self.parts.audit.close(5 * self._patience())
        await self.lasting.close(self._patience)
        for undo in reversed(self._undo):
            undo()
        executor.shutdown(wait=False, cancel_futures=True)
        # whoever owns the loop may go on using it, and a pool that was shut down would refuse its work
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        self.parts.sandbox.close()
        self.pipe.close(self._patience())


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _nothing() -> None:
    return None
