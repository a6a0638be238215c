"""The channel to a worker process: calls in, messages and answers out, each within its bound."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from holdfast.errors import OutputTooLarge
from holdfast.isolation.parcel import (
    ANSWER,
    CALL,
    HEADER,
    MAX_MESSAGE,
    MAX_MESSAGES,
    MESSAGE,
    READY,
    VERDICT,
    Brief,
    frame,
    late,
    pack_brief,
    unpack_message,
)

Heard = Callable[[str, dict[str, Any]], None]
"""Told of each message of a worker: its kind and values. Must return at once."""
_LEAST_ANSWER = 1_024
"""Bytes that an answer may always have: the word that it is too large needs some too."""


class Channel(asyncio.Protocol, ABC):
    """One call at a time. Below it: the transport of a socket; above: ``Member``, which can end the process."""

    def __init__(self, freed: Callable[[Any], None]) -> None:
        self.grown = 0
        """Bytes of data beyond those that the worker had when it was ready."""
        self.calls = 0
        self.leaving = False
        """Whether the worker takes no more calls: it ends, or is being ended."""
        self.began = False
        """Whether it was ever ready."""
        self.unread = False
        """Whether it ended before it had read its call whole: then that has not begun, and another one may make it."""
        self._loop = asyncio.get_running_loop()
        self._freed = freed
        self._transport: Any = None
        self._received = bytearray()  # bounded by ``_bound``
        self._base = 0
        self._said = 0
        self._answer: asyncio.Future[bytes] | None = None
        self._brief: Brief | None = None
        self._heard: Heard | None = None

    @abstractmethod
    def stop(self) -> None:
        """End the worker, with a word to the tool beforehand."""

    @abstractmethod
    def kill(self) -> None:
        """End the worker now."""

    async def call(self, brief: Brief, payload: bytes, heard: Heard | None) -> bytes:
        """Have it make one call; it is ended when that does not answer in time, or the caller gives up.

        Raises ``DeadlineExceeded``, ``ProcessDied``, ``OutputTooLarge``, ``Draining``.
        """
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._answer, self._brief, self._heard, self._said = answer, brief, heard, 0
        self.calls += 1
        left = max(0.0, brief.ends - time.monotonic())
        timer = self._loop.call_later(left, refuse, answer, late())
        try:
            self._transport.write(frame(CALL, pack_brief(brief, payload)))
            return await answer
        finally:
            timer.cancel()
            if self._answer is answer:  # else the next call has begun, between the answer to this one and here
                self._answer = self._heard = None
            if self._brief is brief:  # no answer came
                self.stop()

    def connection_made(self, transport: Any) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Its end of the channel is closed: it is dead, or deaf and useless.

        The system says so with an error when it closed it over unread bytes (Linux: ECONNRESET, net/unix/af_unix.c,
        ``unix_release_sock``), or before they were sent. Nothing but calls is sent.
        """
        self.unread = isinstance(exc, ConnectionResetError | BrokenPipeError)
        self.kill()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``: cut what comes into frames; one over its bound is never read whole."""
        received = self._received
        received += data
        while len(received) >= HEADER.size:
            kind, size = HEADER.unpack_from(received)
            if size > self._bound(kind):
                self._settle(OutputTooLarge("the answer is too large; ask for less"))
                self._transport.abort()
                self.kill()
                return
            end = HEADER.size + size
            if len(received) < end:
                return
            body = bytes(memoryview(received)[HEADER.size : end])
            del received[:end]
            self._take(kind, body)

    def _bound(self, kind: bytes) -> int:
        """Bytes that a frame may have now; -1 for one that has no place here."""
        if kind == READY:
            return -1 if self.began else VERDICT.size
        if kind == MESSAGE:
            return MAX_MESSAGE if self._said < MAX_MESSAGES else -1
        if kind == ANSWER and self._brief is not None:
            return max(self._brief.answer, _LEAST_ANSWER) + VERDICT.size
        return -1

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == MESSAGE:
            self._said += 1
            if self._heard is not None:
                with suppress(ValueError, RecursionError):
                    self._heard(*unpack_message(body))
            return
        leaves, data = VERDICT.unpack_from(body)
        self.leaving |= leaves
        if kind == READY:
            self.began, self._base = True, data
        else:
            self._brief = None
            self.grown = max(0, data - self._base)
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(body[VERDICT.size :])
        if not self.leaving:
            self._freed(self)

    def _settle(self, error: Exception) -> None:
        if self._answer is not None:
            refuse(self._answer, error)


def refuse(waiter: asyncio.Future[Any], refusal: Exception) -> None:
    """Tell whoever waits, unless that was told something already."""
    if not waiter.done():
        waiter.set_exception(refusal)
