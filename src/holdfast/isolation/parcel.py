"""How calls and answers travel between the server and a worker: pickled here, never by the pool's own channel.

An object that fails in the pool's channel (an exception that cannot be built again is enough) breaks the pool for
all; wrapped as bytes, it fails only its own call.
"""

from __future__ import annotations

import pickle  # nosec B403  # both ends are this program; ProcessPool says what is isolated and what is not
import traceback
from collections.abc import Callable
from typing import Any

from holdfast.errors import DeadlineExceeded, OutputTooLarge

_NOTE = 8_000
"""Characters of a remote traceback that travel with the exception."""


def late() -> DeadlineExceeded:
    """The one refusal for a call whose time is over."""
    return DeadlineExceeded("the call took longer than its time limit; ask for less, or ask for a higher limit")


def pack_call(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """Raises ``TypeError`` for what cannot travel: lambdas, local functions, open files."""
    try:
        return _dump((function, args))
    except Exception as error:  # any class of an author's may fail in any way here
        raise TypeError("a call in a process needs a function importable by name, and picklable arguments") from error


def unpack_call(payload: bytes) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function and its arguments."""
    function, args = _load(payload)
    return function, args


def pack_answer(kind: str, value: Any) -> bytes:
    """Kinds: ``value``, ``late`` and ``large`` (``pack_error`` makes the fourth)."""
    return _dump((kind, value))


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
