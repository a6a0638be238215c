"""The live parts that guards are built from, made once by the server; only recipes see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    from holdfast.resilience.deadline import Orphans
    from holdfast.resilience.retry import RetryBudget
    from holdfast.resources.tracker import Occupancy
    from holdfast.safe.outgoing import Outgoing
    from holdfast.safe.sandbox import Sandbox


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
    access: Capabilities | None
    quota: Quotas | None
    budget: RetryBudget
    occupancy: Occupancy
    cleaner: Callable[[Operation, Parts], Callable[[Answer], Answer]]
    """What egress does to an operation's answers, for a guard beneath it that keeps them."""

    def bounds(self, operation: Operation) -> Bounds:
        """The operation's own limits, and the server's where it has none."""
        return settle(operation.limits, self.settings.limits)
