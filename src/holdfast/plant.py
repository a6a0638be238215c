"""Builds every live part of a server from its settings, starts them, and stops them in order."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from holdfast.core.clock import Clock, SystemClock
from holdfast.core.events import Events
from holdfast.core.layers import Loaded
from holdfast.core.reach import build_sandbox
from holdfast.core.secretsettings import register
from holdfast.guards.egress import cleaner
from holdfast.guards.parts import Parts
from holdfast.isolation.threads import ThreadPool
from holdfast.observe.audit import AuditLog
from holdfast.observe.checks import answers
from holdfast.observe.health import Health, audit, confinement, loop_lag, memory
from holdfast.observe.logs import FileSink, LogPipe, StderrSink, build_logger, capture_stdlib
from holdfast.observe.metrics import Metrics
from holdfast.observe.recording import Recorder
from holdfast.observe.standard import clean_standard
from holdfast.resilience.bulkhead import Bulkhead
from holdfast.resilience.deadline import Orphans
from holdfast.resilience.retry import RetryBudget
from holdfast.resources.allocator import hold_thresholds, set_aside
from holdfast.resources.tracker import Occupancy
from holdfast.resources.tracking import install as install_tracking
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.secrets import require as require_redaction
from holdfast.state.location import folder_for
from holdfast.watchdog.heartbeat import Block, Heartbeat, Thresholds

if TYPE_CHECKING:
    from holdfast.access.capabilities import Capabilities
    from holdfast.access.quotas import Quotas
    from holdfast.core.context import Context, Resilient
    from holdfast.core.manifest import Change
    from holdfast.core.pin import Pin
    from holdfast.isolation.processes import ProcessPool
    from holdfast.resilience.outbound import Dependencies
    from holdfast.state.store import Store

IO_THREADS = 32
"""Threads for the short I/O of handles; tools' own blocking code has ``limits.threads`` of its own."""
TOTAL_QUEUE = 1_024
"""Calls that wait for one of ``limits.total`` places; each already holds a place of its tool."""
MAX_TOLD = 100
"""Entries of a changed manifest that are told of at once; the health check and the metric count them all."""
DATABASE_CHECK = 3.0
"""Seconds for the database to answer a health check; a connection may have to be opened first."""
LAST_WORDS = 1.0
"""Seconds each for orphans, threads and logs to end at stopping."""


class Plant:
    """What runs behind the tools of one serving: made by ``build``, live between ``start`` and ``stop``."""

    def __init__(self, name: str, loaded: Loaded, clock: Clock | None = None) -> None:
        self.name = name
        self.loaded = loaded
        settings = loaded.settings
        self.clock = clock or SystemClock()
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
        self._processes: ProcessPool | None = None
        self._dependencies: Dependencies | None = None
        self._opening = threading.Lock()
        self._undo: list[Callable[[], None]] = []
        self.store: Store | None = None
        self.parts = self._build_parts()
        self.recorder = Recorder(self.parts.audit, self.metrics.audited)
        self.pin = self._open_pin()
        self._watch()

    def _build_parts(self) -> Parts:
        settings = self.loaded.settings
        limits = settings.limits
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
            threads=ThreadPool(limits.threads),
            processes=self.processes,
            total=Bulkhead(limits.total, TOTAL_QUEUE, self.clock),
            access=self._read_grants(settings.access.grants),
            quota=None if limits.quota is None and settings.quotas is None else self._open_quotas(),
            budget=RetryBudget(),
            occupancy=Occupancy(),
            cleaner=cleaner,
        )

    def _open_audit(self) -> AuditLog | None:
        settings = self.loaded.settings.audit
        if not settings.enabled:
            return None
        return AuditLog(
            settings.file or self.state_dir() / "audit.jsonl", fail_open=settings.fail_open, clock=self.clock
        )

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

    def _open_quotas(self) -> Quotas:
        from holdfast.access.allowances import allowances_of
        from holdfast.access.quotas import Quotas
        from holdfast.observe.checks import quotas as known
        from holdfast.state.store import Store

        settings, wall = self.loaded.settings, self.clock.wall
        limits = allowances_of(settings.quotas, settings.limits.quota)
        file, told = self.state_dir() / "state.sqlite", partial(self.log.error, "state.damaged")
        store = self.store = Store(file, on_damage=lambda name: told(set_aside=name), clock=self.clock)
        quotas = Quotas(store, *limits)
        for dimension in quotas.spent:
            self.metrics.watch(f"quota_spent_{dimension}", partial(quotas.spent.__getitem__, dimension))
        self.metrics.watch("quotas_uncounted", lambda: quotas.uncounted)
        self.health.add("quotas", known(lambda: quotas.in_doubt(store.lost(), wall())), critical=False)
        return quotas

    def state_dir(self) -> Path:
        """The folder of this server's durable state, made when needed, for its owner only."""
        return folder_for(self.name, self.loaded.settings.state)

    def processes(self) -> ProcessPool:
        """The pool of killable processes, started when the first tool needs it."""
        if self._processes is None:
            from holdfast.isolation.processes import ProcessPool

            self._processes = ProcessPool(2, memory=self.loaded.settings.watchdog.memory)
        return self._processes

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
        self.metrics.orphans.set_function(lambda: parts.orphans.count)
        self.metrics.zombies.set_function(lambda: parts.threads.zombies)
        self.metrics.watch("calls_running", lambda: parts.total.running)
        self.metrics.watch("calls_queued", lambda: parts.total.queued)
        self.metrics.watch("interrupts", lambda: self.heartbeat.interrupts if self.heartbeat else 0)
        self.health.add("memory", memory(settings.watchdog.memory), critical=False)
        self.health.add("loop", loop_lag(lambda: self.heartbeat.lag if self.heartbeat else 0.0))
        if (database := parts.sandbox.database) is not None:
            self.health.add("database", answers(database.working), timeout=DATABASE_CHECK, critical=False)
        if (log := parts.audit) is not None:
            self.health.add("audit", audit(lambda: log.working), critical=not settings.audit.fail_open)
        if launching := sys.modules.get("holdfast.safe.launching"):  # loaded by whoever declares a program
            self.health.add("programs", confinement(launching.missing), critical=False)

    async def start(self, stack: AsyncExitStack) -> None:
        """Start what needs the running loop; ``stack`` stops it again, last first."""
        hold_thresholds()
        loop = self._loop = asyncio.get_running_loop()
        self.recorder.start()
        executor = ThreadPoolExecutor(IO_THREADS, thread_name_prefix="holdfast-io")
        loop.set_default_executor(executor)
        self._undo += [
            capture_stdlib(self.pipe, self.loaded.settings.log.level),
            install_tracking(loop),
            clean_standard(self.outgoing),
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

    def _weak_secrets(self) -> list[str]:
        tokens = self.loaded.settings.auth.tokens
        if tokens is None:
            return self._weak
        from holdfast.access.tokens import weaknesses

        return weaknesses(tokens.get_secret_value()) + self._weak

    def watch_loop(self) -> None:
        """Start the heartbeat, once everything that takes its time at start has been imported and built."""
        self._undo.append(set_aside())
        settings = self.loaded.settings.watchdog
        if settings.enabled:
            thresholds = Thresholds(settings.heartbeat, settings.lag, settings.interrupt)
            self.heartbeat = Heartbeat(self.clock, thresholds, on_lag=self.metrics.lag, on_block=self._blocked)
            self.heartbeat.start()

    def _blocked(self, block: Block) -> None:
        self.log.error("loop.blocked", seconds=round(block.seconds, 3), stack=block.stack)

    async def _stop(self, executor: ThreadPoolExecutor) -> None:
        if self.heartbeat is not None:
            await self.heartbeat.stop()
        await self.parts.events.close()
        await self.health.close()
        await self.parts.background.close(LAST_WORDS)
        await self.parts.orphans.close(LAST_WORDS)
        self.parts.threads.close(LAST_WORDS)
        if self._processes is not None:
            self._processes.close()
        await self.recorder.close(LAST_WORDS)
        if self.parts.audit is not None:
            await self.parts.audit.close()
        if self.store is not None:
            await self.store.close()
        for undo in reversed(self._undo):
            undo()
        executor.shutdown(wait=False, cancel_futures=True)
        # whoever owns the loop may go on using it, and a pool that was shut down would refuse its work
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        self.parts.sandbox.close()
        self.pipe.close(LAST_WORDS)
