"""The live parts that guards are built from, made once by the server; only recipes see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from holdfast.core.limits import Bounds, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from holdfast.access.capabilities import Capabilities
    from holdfast.access.quotas import Quotas
    from holdfast.core.clock import Clock
    from holdfast.core.config import Settings
    from holdfast.core.events import Events
    from holdfast.core.operation import Operation
    from holdfast.core.pipeline import Answer
    from holdfast.isolation.processes import ProcessPool
    from holdfast.isolation.threads import ThreadPool
    from holdfast.observe.audit import AuditLog
    from holdfast.observe.metrics import Metrics
    from holdfast.resilience.bulkhead import Bulkhead
    from holdfast.resilience.cache import CoalescingCache
    from holdfast.resilience.deadline import Orphans
    from holdfast.resilience.retry import RetryBudget
    from holdfast.resilience.shedding import Shedding
    from holdfast.resources.tracker import Occupancy
    from holdfast.safe.outgoing import Outgoing
    from holdfast.safe.sandbox import Sandbox
    from holdfast.state.breakers import Breakers
    from holdfast.state.idempotency import Keys


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a recipe may take plain values from."""

    settings: Settings
    clock: Clock
    random: Random
    sandbox: Sandbox
    outgoing: Outgoing
    events: Events
    metrics: Metrics
    audit: AuditLog | None
    log: Any
    orphans: Orphans
    background: Orphans
    """Owns what goes on besides the calls that began it: renewals of kept answers, attempts that were outrun."""
    threads: ThreadPool
    processes: Callable[[], ProcessPool]
    total: Bulkhead
    elsewhere: Bulkhead
    """For what runs in threads and processes, which their pools bound. With ``total``'s places, sixty-four synchronous
    tools asleep left none for the asynchronous ones (measured)."""
    shed: Shedding
    access: Capabilities | None
    quota: Quotas | None
    budget: RetryBudget
    occupancy: Occupancy
    breakers: Breakers
    keys: Callable[[], Keys]
    """Idempotency keys; made when the first one is sent."""
    cleaner: Callable[[Operation, Parts], Callable[[Answer], Answer]]
    """What egress does to an operation's answers, for a guard beneath it that keeps them."""
    caches: WeakSet[CoalescingCache] = field(default_factory=WeakSet)
    """Those in use, so that the watchdog can make them smaller."""

    def bounds(self, operation: Operation) -> Bounds:
        """The operation's own limits, and the server's where it has none."""
        return settle(operation.limits, self.settings.limits)
