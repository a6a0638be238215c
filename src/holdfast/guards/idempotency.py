"""The same key, the same call: what changes things is done once, however often a caller has to ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticSerializationError, to_json

from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import DeadlineExceeded, Draining, ProcessDied, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts

if TYPE_CHECKING:
    from holdfast.state.idempotency import Kept, Keys, Turn

MAX_KEY: Final = 255
"""Characters of a key, as the APIs take that made such keys known; a UUID has 36."""
_BAD: Final = f"_meta {META}idempotencyKey is a text of 1 to {MAX_KEY} characters"
_BEYOND: Final = 30.0
"""Seconds past its deadline for which a call keeps its key, however short the lifetime: twice the ladder's 13 s."""
_CUT_OFF: Final = (DeadlineExceeded, ProcessDied, Draining)
"""Refusals of a call that was ended in the middle of its work: nobody knows how far it came."""


class Idempotency:
    """A call without a key passes by. One with a key runs if it is the first of its principal, tool and key.

    Kept are answers, and what the tool's author says (``ToolError``) or a handle refuses, all cleaned. A question to
    the user is no answer: the key is free for the next round. What never began (``call.ran``: refused by a bulkhead, a
    breaker or a pool, shed, or late while it waited) frees the key; what began and was cut off or failed is of unknown
    outcome from then on.
    """

    def __init__(
        self, name: str, keys: Callable[[], Keys], clean: Callable[[Answer], Answer], text: Any, timeout: float
    ) -> None:
        self._name = name
        self._lasts = timeout + _BEYOND
        self._keys = keys
        self._clean = clean
        self._text = text

    def around(self, proceed: Proceed, call: Call, /) -> Coroutine[Any, Any, Answer]:
        """Give the first answer again, or run."""
        return proceed(call) if call.key is None else self._once(proceed, call)

    async def _once(self, proceed: Proceed, call: Call) -> Answer:
        key = call.key
        if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY:
            raise ProtocolError(-32602, _BAD)
        keys, who = self._keys(), call.principal
        caller, row = _digest(who.name)[:32], _digest([self._name, key])
        turn = await keys.begin(caller, row, _digest([sorted(who.scopes), dict(call.arguments)]), self._lasts)
        from holdfast.state.idempotency import Kept  # loaded with the first key, and not before

        if isinstance(turn, Kept):
            return _again(turn, call)
        return await self._first(proceed, call, keys, turn)

    async def _first(self, proceed: Proceed, call: Call, keys: Keys, turn: Turn) -> Answer:
        try:
            answer = await proceed(call)
        except (ToolError, Refusal) as error:
            if not call.ran or (isinstance(error, ToolError) and error.retryable):
                keys.forget(turn)
            elif isinstance(error, _CUT_OFF):
                keys.leave(turn)
            else:
                await keys.finish(turn, _failure(error, self._text(error.message)))
            raise
        except BaseException:  # boundary: cut off, or failed as nobody foresaw; seen and raised again
            if call.ran:
                keys.leave(turn)
            else:
                keys.forget(turn)
            raise
        if answer.input_required:
            keys.forget(turn)
            return answer
        answer = self._clean(answer)
        try:
            body = json.loads(to_json(answer.body, inf_nan_mode="null"))
            meta = json.loads(to_json(answer.meta, inf_nan_mode="null"))
        except (PydanticSerializationError, ValueError):  # what cannot be written is not sent either
            keys.leave(turn)
            return answer
        await keys.finish(turn, {"body": body, "meta": meta, "is_error": answer.is_error})
        return answer


def _failure(error: ToolError | Refusal, message: str) -> dict[str, Any]:
    code = None if isinstance(error, ToolError) else error.code
    return {"message": message, "code": code, "retry_after": error.retry_after}


def _again(kept: Kept, call: Call) -> Answer:
    """What the first call came to, marked as given again. Raises what the first one raised."""
    call.meta[f"{META}replayed"] = True
    found = kept.outcome
    if "body" in found:
        return Answer(dict(found["body"]), dict(found["meta"]), bool(found["is_error"]))
    if found["code"] is None:
        raise ToolError(found["message"], retry_after=found["retry_after"])
    raise Refusal(found["message"], code=found["code"], retry_after=found["retry_after"])


def _digest(value: Any) -> str:
    """The same for the same value, however its keys are ordered; nothing of what was sent can be read in it."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def recipe(operation: Operation, parts: Parts) -> Idempotency | None:
    """Only for tools that would do it twice if they were asked twice."""
    if operation.kind != "tool" or operation.read_only or operation.idempotent:
        return None
    clean, timeout = parts.cleaner(operation, parts), parts.bounds(operation).timeout
    return Idempotency(operation.name, parts.keys, clean, parts.outgoing.text, timeout)
