"""Ready-made health checks: disk space, memory, loop lag, the audit log, what answers, what holds programs."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from holdfast.observe.finding import Finding, Probe
from holdfast.observe.process import resident_bytes

DISK_DEGRADED = 0.10
DISK_FAILED = 0.02
"""Shares of the disk that are free; ext4 keeps 5 % for root, so that others fail before zero."""
MEMORY_DEGRADED = 0.90
MEMORY_FAILED = 0.95
"""Shares of the budget: where the watchdog sheds, and where it promotes the spare."""
MAX_NAMED = 5
"""Services that a finding names; it counts the others."""
LAG_DEGRADED = 0.1
LAG_FAILED = 5.0
"""Seconds: the first and second step of the watchdog's ladder."""


def disk_space(path: Path, *, degraded: float = DISK_DEGRADED, failed: float = DISK_FAILED) -> Probe:
    """Look at the free share of the disk that holds ``path``; runs on a thread."""

    def check() -> Finding:
        usage = shutil.disk_usage(path)
        free = usage.free / usage.total if usage.total else 0.0
        return _judge(1 - free, 1 - degraded, 1 - failed, f"{free:.0%} free")

    return check


def memory(budget: int, *, read: Callable[[], int] = resident_bytes) -> Probe:
    """Compare the resident memory in bytes with ``budget`` bytes."""

    async def check() -> Finding:
        used = read() / budget
        return _judge(used, MEMORY_DEGRADED, MEMORY_FAILED, f"{used:.0%} of the budget")

    return check


def loop_lag(read: Callable[[], float]) -> Probe:
    """Look at the event loop's latest lag in seconds."""

    async def check() -> Finding:
        lag = read()
        return _judge(lag, LAG_DEGRADED, LAG_FAILED, f"{lag * 1000:.0f} ms late")

    return check


def alerts(active: Callable[[], Mapping[str, int]]) -> Probe:
    """Degrade while the watchdog is alarmed, naming what by."""

    async def check() -> Finding:
        names = sorted(active())
        return Finding("degraded", f"alarming: {', '.join(names)}") if names else Finding("ok")

    return check


def audit(working: Callable[[], bool]) -> Probe:
    """Fail while the audit log cannot be written (``AuditLog.working``)."""

    async def check() -> Finding:
        return Finding("ok") if working() else Finding("failed", "the audit log cannot be written")

    return check


def log(working: Callable[[], bool], lost: Callable[[], int]) -> Probe:
    """Fail while the log cannot be written; calls go on without it."""

    async def check() -> Finding:
        return Finding("ok") if working() else Finding("failed", f"the log cannot be written; {lost()} records lost")

    return check


def manifest(changes: Callable[[], int]) -> Probe:
    """Degrade while entries differ from the pinned manifest."""

    async def check() -> Finding:
        count = changes()
        return Finding("degraded", f"{count} entries are not as they were pinned") if count else Finding("ok")

    return check


def shedding(level: Callable[[], int]) -> Probe:
    """Degrade while calls are refused because there is too much to do; the number is the metric ``shed_level``."""

    async def check() -> Finding:
        refused = ("", "low", "low and normal")[level()]
        return Finding("degraded", f"calls of {refused} priority are refused for now") if refused else Finding("ok")

    return check


def quotas(in_doubt: Callable[[], bool]) -> Probe:
    """Fail while calls are refused because the counts of the quotas were lost; looks at the disk, on a thread."""

    def check() -> Finding:
        if not in_doubt():
            return Finding("ok")
        return Finding("failed", "counts were lost with a damaged state file: move it away, or wait for a new period")

    return check


def state(lost: Callable[[], float | None], broken: Callable[[], str]) -> Probe:
    """Degrade while a damaged state file lies set aside; fail while the file cannot be used. Looks at the disk."""

    def check() -> Finding:
        if why := broken():
            return Finding("failed", why)
        if lost() is not None:
            return Finding("degraded", "a damaged state file was set aside: look at it, then move it away")
        return Finding("ok")

    return check


def sagas(stuck: Callable[[], int]) -> Probe:
    """Fail while sagas are stuck half done, because what would undo them failed too often."""

    async def check() -> Finding:
        count = stuck()
        return Finding("failed", f"{count} sagas could not be undone: see the log") if count else Finding("ok")

    return check


def dependencies(read: Callable[[], Mapping[str, str]]) -> Probe:
    """Degrade while the breaker of a service that tools call is not closed; names are the author's."""

    async def check() -> Finding:
        resting = [f"{name} is {state.replace('_', ' ')}" for name, state in read().items() if state != "closed"]
        more = f", and {len(resting) - MAX_NAMED} more" if len(resting) > MAX_NAMED else ""
        return Finding("degraded", ", ".join(resting[:MAX_NAMED]) + more) if resting else Finding("ok", "all closed")

    return check


def confinement(missing: Callable[[], Sequence[str]]) -> Probe:
    """Say what the system lacks to hold programs to their bounds (``holdfast.safe.launching.missing``)."""

    def check() -> Finding:
        lacking = missing()
        return Finding("degraded", f"programs run without {', '.join(lacking)}") if lacking else Finding("ok")

    return check


def _judge(value: float, degraded: float, failed: float, detail: str) -> Finding:
    if value >= failed:
        return Finding("failed", detail)
    return Finding("degraded" if value >= degraded else "ok", detail)


def answers(ask: Callable[[], Awaitable[bool]]) -> Probe:
    """Ask whatever this server depends on whether it answers."""

    async def check() -> Finding:
        return Finding("ok", "answers") if await ask() else Finding("failed", "does not answer")

    return check
