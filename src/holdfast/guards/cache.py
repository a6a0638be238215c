"""Answers that may be given again, and identical calls under way that share one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from holdfast.core.context import current_context
from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import ConfigurationError, Refusal
from holdfast.guards.parts import Parts
from holdfast.resilience.deadline import by
from holdfast.resources.tracking import Tracker, internal
from holdfast.safe.handle import current_scope

if TYPE_CHECKING:
    from holdfast.resilience.cache import CoalescingCache, Terms

Renewal = Callable[[Proceed, Call], Coroutine[Any, Any, Answer]]


class Cache:
    """Keyed by principal and arguments, so that nobody is given another's answer.

    A principal is its name and its scopes: a tool may tell more to a token of the same name that holds more of them.
    What is kept is clean: a secret that the call has learned may be forgotten before its answer is.
    """

    def __init__(
        self, cache: CoalescingCache, terms: Terms, clean: Callable[[Answer], Answer], renewal: Renewal
    ) -> None:
        self._cache = cache
        self._terms = terms
        self._clean = clean
        self._renewal = renewal

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Give the remembered answer, join the call under way, or make one."""
        call.context.may_ask = False
        key = (call.principal, _canonical(to_json(call.arguments)))

        async def make() -> Answer:
            return self._clean(await _apart(proceed, call))

        with internal():
            renew = partial(self._renew, proceed, call)
            answer, age = await self._cache.ask(key, self._terms, make, call.deadline, renew)
        if age is not None:
            call.meta |= {f"{META}stale": True, f"{META}age": round(age, 3)}
        return Answer(answer.body, dict(answer.meta), answer.is_error, answer.input_required)

    async def _renew(self, proceed: Proceed, call: Call) -> Answer:
        """Make the answer anew after the call that found it stale has been answered."""
        try:
            return self._clean(await self._renewal(proceed, call))
        except Exception as error:  # boundary: nobody waits for it, so it is told here, and the next call tries again
            if not isinstance(error, Refusal):
                call.context.log.warning("cache.renewal", failure=type(error).__name__)
            raise


def _renewal(operation: Operation, parts: Parts) -> Renewal:
    """A run besides its call: with a deadline and arguments of its own, and out of reach of the client."""
    timeout, clock, sandbox, orphans = parts.bounds(operation).timeout, parts.clock, parts.sandbox, parts.orphans

    async def renew(proceed: Proceed, call: Call) -> Answer:
        orphans.check()
        context, deadline = call.context.aside(), clock.now() + timeout
        context.deadline = deadline
        current_context.set(context)  # this task's own; the call's has ended
        args = operation.arguments.check(call.arguments, sandbox)
        again = replace(
            call, context=context, deadline=deadline, args=args, meta={}, meter=None, hold=None, incident=None
        )
        return await by(deadline, clock, _apart(proceed, again), on_orphan=orphans.add)

    return renew


async def _apart(proceed: Proceed, call: Call) -> Answer:
    """Run in a scope of its own: those who share the answer may outlive the call that began it."""
    tracker = Tracker()
    token = current_scope.set(tracker)
    try:
        return await proceed(call)
    finally:
        current_scope.reset(token)
        await tracker.close()


def _canonical(encoded: bytes) -> bytes:
    """The same for the same arguments, and as long for a megabyte of them as for none: it is kept with the answer."""
    import json

    return sha256(json.dumps(json.loads(encoded), sort_keys=True, separators=(",", ":")).encode()).digest()


def recipe(operation: Operation, parts: Parts) -> Cache | None:
    """Only for operations that say that they are cacheable; what changes things never is."""
    if not operation.cacheable:
        return None
    if operation.changes_things:
        raise ConfigurationError(f"{operation.kind} {operation.name}: only a read_only operation may be cacheable")
    from holdfast.resilience.cache import CoalescingCache, Terms

    on_error = operation.stale if operation.stale_on_error is None else operation.stale_on_error
    cache = CoalescingCache(parts.clock, own=parts.background.add)
    parts.caches.add(cache)
    terms = Terms(operation.ttl, operation.stale, on_error)
    return Cache(cache, terms, parts.cleaner(operation, parts), _renewal(operation, parts))
