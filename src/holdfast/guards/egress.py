"""Nothing leaves before hidden text is stripped, secrets are redacted and the size is capped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from holdfast.core.operation import Operation
from holdfast.core.pipeline import META, Answer, Call, Proceed
from holdfast.errors import OutputTooLarge, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.text import truncate

ROOM = 256
"""Bytes kept free in a truncated answer for the JSON around its text."""
LARGE = 4_096
"""Characters from which it pays to find out that a text is the JSON of the structure beside it."""
_TWICE = ["content", "structuredContent"]
_AROUND = to_json({"content": [{"type": "text", "text": ""}], "structuredContent": {"result": None}})
_BINARY = ("image", "audio", "resource")


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
        except ProtocolError as error:
            error.message = truncate(self._outgoing.text(error.message), self._limit)[0]
            error.data = self._outgoing.tree(error.data)
            raise
        cleaned = self.clean(answer)
        if call.meta:
            cleaned.meta |= call.meta
        call.bytes_out = _size(cleaned)
        if call.bytes_out > self._limit:
            cleaned = self._cut(cleaned)
            call.bytes_out = _size(cleaned)
        return cleaned

    def clean(self, answer: Answer) -> Answer:
        """The answer without hidden text and secrets, of whatever size. Clean already, it stays as it is."""
        return self._quiet(answer) or self._cleaned(answer)

    def _quiet(self, answer: Answer) -> Answer | None:
        """The answer as it is, when one look at its JSON shows that nothing in it can have to be altered."""
        if answer.input_required or _holds_binary(answer.body):  # what leaves as it is need not be looked through
            return None
        try:
            raw, doubtful = _written(answer.body)
        except (PydanticSerializationError, UnicodeEncodeError):  # a lone surrogate, which cleaning replaces
            return None
        if not self._outgoing.quiet(doubtful):
            return None
        if answer.meta:
            return Answer(answer.body, self._outgoing.tree(dict(answer.meta)), answer.is_error, encoded=raw)
        answer.encoded = raw
        return answer

    def _cleaned(self, answer: Answer) -> Answer:
        body = self._body(answer)
        altered = body is not answer.body
        result = Answer(body, self._outgoing.tree(dict(answer.meta)), answer.is_error, answer.input_required)
        if altered:
            result.meta[f"{META}altered"] = True
            if "structuredContent" in body:
                self._operation.recheck(result)
        return result

    def _body(self, answer: Answer) -> dict[str, Any]:
        if not answer.input_required:
            return self._outgoing.tree(answer.body)
        # the state is the caller's own answers: it leaves sealed, and must come back as it is
        requests = self._outgoing.tree(answer.body["inputRequests"])
        return answer.body if requests is answer.body["inputRequests"] else {**answer.body, "inputRequests": requests}

    def _cut(self, answer: Answer) -> Answer:
        """Cut plain text; refuse what would be broken by cutting (structure, pictures, blobs)."""
        blocks: list[Any] = answer.body.get("content") or []
        plain = "structuredContent" not in answer.body and all(block.get("type") == "text" for block in blocks)
        meta = {**answer.meta, f"{META}truncated": True}
        room = max(self._limit - ROOM, self._limit // 2)
        while blocks and plain and room > 0:
            shorter = Answer({**answer.body, "content": _shortened(blocks, room)}, meta, answer.is_error)
            if _size(shorter) <= self._limit:
                return shorter
            room //= 2  # line ends and quotation marks take two bytes each in JSON
        raise OutputTooLarge(f"the answer is larger than {self._limit} bytes; ask for less of it")


def _size(answer: Answer) -> int:
    """Bytes as JSON, ``_meta`` included; the JSON stays with the answer."""
    raw = answer.encoded
    if raw is None:
        raw = to_json(answer.body, inf_nan_mode="null")
        answer.encoded = None if answer.input_required else raw  # the wire seals a question's state first
    return len(raw) + (len(to_json(answer.meta)) if answer.meta else 0)


def _holds_binary(body: dict[str, Any]) -> bool:
    """Whether there may be base64, which is long and which ``tree`` passes over."""
    blocks: Any = body.get("content") or body.get("contents") or ()
    for block in blocks:  # noqa: SIM110 - a generator costs more than the look itself
        if type(block) is dict and (block.get("type") in _BINARY or "blob" in block):
            return True
    return False


def _written(body: dict[str, Any]) -> tuple[bytes, bytes]:
    """The JSON of ``body``, and JSON that holds every string of it: the same, or about half of it.

    A large structure is mostly sent twice, as itself and as its own JSON for a text. Where that is so to the byte,
    whatever stands in the text stands in the structure's JSON, which alone has to be looked at.
    """
    content: Any = body.get("content")
    if "structuredContent" in body and type(content) is list and len(content) == 1:
        text = content[0].get("text")
        if (
            type(text) is str
            and len(text) > LARGE
            and list(body) == _TWICE
            and list(content[0].items())
            == [
                ("type", "text"),
                ("text", text),
            ]
        ):
            shown, plain = to_json(body["structuredContent"], inf_nan_mode="null"), text.encode()
            if shown in (plain, b'{"result":' + plain + b"}"):
                whole = b"".join((b'{"content":', to_json(content), b',"structuredContent":', shown, b"}"))
                return whole, _AROUND + shown
    raw = to_json(body, inf_nan_mode="null")
    return raw, raw


def _shortened(blocks: list[Any], room: int) -> list[Any]:
    """The first blocks of text, as far as there is room."""
    kept = []
    for block in blocks:
        text, cut = truncate(block["text"], max(room, 0))
        kept.append({**block, "text": text})
        room -= len(text.encode()) + ROOM
        if cut or room <= 0:
            break
    return kept


def recipe(operation: Operation, parts: Parts) -> Egress:
    """Every operation's answers are cleaned."""
    return Egress(operation, parts.outgoing, parts.bounds(operation).output)


def cleaner(operation: Operation, parts: Parts) -> Callable[[Answer], Answer]:
    """The same for an answer that is kept, before it leaves."""
    return recipe(operation, parts).clean
