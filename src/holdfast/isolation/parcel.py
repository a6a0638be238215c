"""How calls and answers travel between the server and a worker: pickled, in frames whose length is told first.

An exception that cannot be built again, or an object that cannot travel, fails only its own call.
"""

from __future__ import annotations

import json
import pickle  # nosec B403  # both ends are this program; ProcessPool says what is isolated and what is not
import re
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.errors import DeadlineExceeded, OutputTooLarge

HEADER = struct.Struct("!cQ")
"""What stands before each frame: its kind, and how many bytes follow."""
CALL, READY, MESSAGE, ANSWER = b"C", b"R", b"M", b"A"
"""Kinds of frames: the first comes from the server, the others from a worker."""
VERDICT = struct.Struct("!?Q")
"""What stands before an answer: whether the worker ends now, and the bytes of data that it holds."""
MAX_MESSAGE = 64 * 1024
"""Bytes of one message (progress, a log record) on its way from a worker."""
MAX_MESSAGES = 1_000
"""Messages that one call may send; further ones are dropped."""
_REFERENCES = re.compile(rb"[\x82-\x84\x93]")
"""STACK_GLOBAL and EXT1 to EXT4 (PEP 3154, PEP 307): without one of these bytes a pickle names no class or function,
and is plain data. They may stand in plain data too; then it is tried in vain."""
_NOTE = 8_000
"""Characters of a remote traceback that travel with the exception."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What a worker is told about a call: by when (the system's monotonic clock), within which bounds, for whom.

    ``memory`` bytes of data (RLIMIT_DATA), ``answer`` bytes of the packed answer. ``identity`` are the plain values of
    the context: ``request_id``, ``principal``, ``era``; without them there is no context.
    """

    name: str
    ends: float
    memory: int | None
    answer: int
    identity: tuple[str, Any, str] | None = None


def frame(kind: bytes, *parts: bytes) -> bytes:
    """The parts as one frame."""
    return b"".join((HEADER.pack(kind, sum(map(len, parts))), *parts))


def pack_message(kind: str, values: dict[str, Any]) -> bytes | None:
    """A message as JSON; what has no JSON goes as its ``repr``. None for what is too long or cannot be written."""
    try:
        message = json.dumps([kind, values], default=repr, skipkeys=True).encode()
    except (ValueError, RecursionError):  # a circle, or one too deep
        return None
    return message if len(message) <= MAX_MESSAGE else None


def unpack_message(message: bytes) -> tuple[str, dict[str, Any]]:
    """Raises ``ValueError`` for what is no message."""
    match json.loads(message):
        case [str(kind), dict(values)]:
            return kind, values
    raise ValueError("a message is a kind and its values")


def late() -> DeadlineExceeded:
    """The one refusal for a call whose time is over."""
    return DeadlineExceeded("the call took longer than its time limit; ask for less, or ask for a higher limit")


def pack_call(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """Raises ``TypeError`` for what cannot travel: lambdas, local functions, open files."""
    try:
        return _dump((function, args))
    except Exception as error:  # any class of an author's may fail in any way here
        raise TypeError("a call in a process needs a function importable by name, and picklable arguments") from error


def pack_brief(brief: Brief, payload: bytes) -> bytes:
    """A call as it is sent: what the worker must know about it, and the packed call itself."""
    return _dump((brief, payload))


def unpack_brief(data: bytes) -> tuple[Brief, bytes]:
    """See ``pack_brief``."""
    brief, payload = _load(data)
    return brief, payload


def unpack_call(payload: bytes) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function and its arguments."""
    function, args = _load(payload)
    return function, args


def pack_answer(kind: str, value: Any) -> bytes:
    """Kinds: ``late`` and ``large`` (``pack_value`` and ``pack_error`` make the others)."""
    return _dump((kind, value))


def pack_value(value: Any) -> bytes:
    """A ``value``, tried out: what is more than plain data is built again here, so that one that fails, hangs or ends
    its process then does so in this one, and not in the server's. Raises what the value's own code raises."""
    answer = pack_answer("value", value)
    if _REFERENCES.search(answer) is not None:
        _load(answer)
    return answer


def pack_error(error: BaseException) -> bytes:
    """The exception and its traceback, or its text alone when it cannot travel or be built again."""
    if not isinstance(error, Exception):
        error = RuntimeError(f"the function tried to end its process with {type(error).__name__}")
    note = "In the worker process: " + "".join(traceback.format_exception(error))[-_NOTE:]
    try:
        answer = pack_answer("error", (error, note))
        _load(answer)
    except Exception:  # whatever a foreign class does when pickled, the call must still end
        text = "".join(traceback.format_exception_only(error))[:_NOTE]
        return pack_answer("error", (RuntimeError(text), note))
    return answer


def unpack_answer(answer: bytes) -> Any:
    """The value, or raises what the function raised, ``OutputTooLarge``, or ``DeadlineExceeded``."""
    kind, value = _load(answer)
    if kind == "error":
        error, note = value
        error.add_note(note)
        raise error
    if kind == "large":
        raise OutputTooLarge("the answer is too large; ask for less")
    if kind == "late":
        raise late()
    return value


def _dump(value: Any) -> bytes:
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def _load(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301  # nosec B301  # written by this program, at the other end of its own pipe
