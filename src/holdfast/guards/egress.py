"""Nothing leaves before hidden text is stripped, secrets are redacted and the size is capped."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import OutputTooLarge, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.text import truncate

ROOM = 256
"""Bytes kept free in a truncated answer for the JSON around its text."""


class Egress:
    """Cleans answers and errors. Text that was altered or cut is flagged in ``_meta``."""

    def __init__(self, operation: Operation, outgoing: Outgoing, limit: int) -> None:
        self._operation = operation
        self._outgoing = outgoing
        self._limit = limit

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Clean what comes back, whichever way it comes."""
        try:
            answer = await proceed(call)
        except (Refusal, ToolError) as error:
            error.message = truncate(self._outgoing.text(error.message), self._limit)[0]
            raise
        cleaned = self._cleaned(answer)
        cleaned.meta |= call.meta
        call.bytes_out = len(to_json(cleaned.body))
        return cleaned if call.bytes_out <= self._limit else self._cut(cleaned)

    def _cleaned(self, answer: Answer) -> Answer:
        body = self._outgoing.tree(answer.body)
        altered = body is not answer.body
        result = Answer(body, self._outgoing.tree(dict(answer.meta)), answer.is_error, answer.input_required)
        if altered:
            result.meta[f"{META}altered"] = True
            if "structuredContent" in body:
                self._operation.recheck(result)
        return result

    def _cut(self, answer: Answer) -> Answer:
        """Cut plain text; refuse what would be broken by cutting (structure, pictures, blobs)."""
        blocks: list[Any] = answer.body.get("content") or []
        plain = "structuredContent" not in answer.body and all(block.get("type") == "text" for block in blocks)
        if not (blocks and plain):
            raise OutputTooLarge(f"the answer is larger than {self._limit} bytes; ask for less of it")
        room, kept = self._limit - ROOM, []
        for block in blocks:
            text, cut = truncate(block["text"], max(room, 0))
            kept.append({**block, "text": text})
            room -= len(text.encode()) + ROOM
            if cut or room <= 0:
                break
        body: dict[str, Any] = {**answer.body, "content": kept}
        return Answer(body, {**answer.meta, f"{META}truncated": True}, answer.is_error)


def recipe(operation: Operation, parts: Parts) -> Egress:
    """Every operation's answers are cleaned."""
    return Egress(operation, parts.outgoing, operation.limits.output or parts.settings.limits.output)
