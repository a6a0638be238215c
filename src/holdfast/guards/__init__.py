"""The order of the guards around every call, outermost first. This file is the only place that knows it.

To add a guard: write ``guards/<name>.py`` with a class that has ``async def around(self, proceed, call, /)`` (or a
plain ``def`` that ends with ``return proceed(call)``, when nothing comes after); give it plain values in ``__init__``
and, at the end of the file, ``recipe(operation, parts)``, which returns the guard, or ``None`` for an operation that
does not need it; name its refusal in ``errors.py``; add one line below, where it belongs; and add its probe to
``tests/support/guard_probes.py``, which must turn red when your line is taken out.
"""

from __future__ import annotations

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Proceed, link
from holdfast.guards import (
    authorize,
    breaker,
    bulkhead,
    cache,
    constrain,
    deadline,
    egress,
    fallback,
    hedge,
    idempotency,
    observe,
    quota,
    rate,
    retry,
    run,
    validate,
)
from holdfast.guards.parts import Parts

ORDER = (
    observe.recipe,  # request id, resource tracking, metrics, log, audit, events: sees whatever happens below
    egress.recipe,  # results and errors: hidden text stripped, secrets redacted, size capped
    authorize.recipe,  # the principal holds a grant, where there are any, and the scopes
    rate.recipe,  # what this principal may spend on this tool now; never waits, so a flood ends here, not at the disk
    quota.recipe,  # what this principal may spend in all
    validate.recipe,  # bounded, strict arguments; guard handles
    constrain.recipe,  # arguments that the grant covers
    deadline.recipe,  # one absolute deadline for all that follows
    fallback.recipe,  # a lesser answer, marked as such, in a reserved slice of the deadline
    idempotency.recipe,  # calls with a key: each is done once, and its answer given again
    cache.recipe,  # answers given again; identical calls coalesced
    retry.recipe,  # idempotent operations only; budgeted, with jitter
    hedge.recipe,  # read-only operations that ask for it: a second attempt beside a slow one
    bulkhead.recipe,  # bounded running, bounded queue
    breaker.recipe,  # leaves a failing operation alone for a while
    run.recipe,  # inline, in a thread or in a process; then the output is checked
)


def chain(operation: Operation, parts: Parts) -> Proceed:
    """Link the guards that ``operation`` needs; done once, when the server is built."""
    guards = (recipe(operation, parts) for recipe in ORDER)
    return link([guard for guard in guards if guard is not None])
