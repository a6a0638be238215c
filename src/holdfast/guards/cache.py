"""Answers that may be given again, and identical calls under way that share one."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from pydantic_core import to_json

from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import ConfigurationError
from holdfast.guards.parts import Parts
from holdfast.resources.tracking import Tracker, internal
from holdfast.safe.handle import current_scope

if TYPE_CHECKING:
    from holdfast.resilience.cache import CoalescingCache


class Cache:
    """Keyed by principal and arguments, so that nobody is given another's answer.

    A principal is its name and its scopes: a tool may tell more to a token of the same name that holds more of them.
    What is kept is clean: a secret that the call has learned may be forgotten before its answer is.
    """

    def __init__(self, cache: CoalescingCache, ttl: float, clean: Callable[[Answer], Answer]) -> None:
        self._cache = cache
        self._ttl = ttl
        self._clean = clean

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Give the remembered answer, join the call under way, or make one."""
        call.context.may_ask = False
        key = (call.principal, _canonical(to_json(call.arguments)))

        async def make() -> Answer:
            return self._clean(await _apart(proceed, call))

        with internal():
            answer: Answer = await self._cache.get(key, self._ttl, make, call.deadline)
        return Answer(answer.body, dict(answer.meta), answer.is_error, answer.input_required)


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
    from holdfast.resilience.cache import CoalescingCache

    cache = CoalescingCache(parts.clock)
    parts.caches.add(cache)
    return Cache(cache, operation.ttl, parts.cleaner(operation, parts))
