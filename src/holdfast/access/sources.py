"""Where keys and tokens come from while a server runs: text that never changes, a file, or an issuer's address."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from holdfast.core.clock import Clock
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.safe.blocking import in_thread

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
LOOK: Final = 1.0
"""Seconds for which what a file said is believed without looking at it again: how late a revoked key is noticed."""
MAX_FILE: Final = 4 << 20
"""Bytes: room for the 10,000 entries that a table of tokens takes."""
FRESH: Final = 600.0
"""Seconds after which an issuer's keys are fetched anew, behind the calls."""
STALE: Final = 3_600.0
"""Seconds for which keys serve while their issuer cannot be reached: a revoked key would live on as long."""
RETRY: Final = 30.0
"""Seconds between two attempts to fetch, whatever callers send: unknown key names cost an issuer nothing more."""
_log = logging.getLogger("holdfast.access")


class Source(Protocol[T_co]):
    """Holds a value; ``current`` never waits, ``refresh`` may."""

    def current(self) -> T_co | None:
        """The value, or ``None`` when there is none to go by."""
        ...

    def due(self, *, wanting: bool = False) -> bool:
        """Whether ``refresh`` must be awaited before ``current`` is believed; ``wanting``: it was not enough."""
        ...

    async def refresh(self) -> None:
        """Bring the value up to date. Never raises; a failure is logged, and ``current`` says what is left."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


class Fixed(Generic[T]):
    """A value out of the settings."""

    def __init__(self, value: T) -> None:
        self._value = value

    def current(self) -> T | None:
        """See ``Source``."""
        return self._value

    def due(self, *, wanting: bool = False) -> bool:
        """See ``Source``."""
        return False

    async def refresh(self) -> None:
        """See ``Source``."""

    async def close(self) -> None:
        """See ``Source``."""


class Watched(Generic[T]):
    """A file that is read again when it has changed. While it cannot be read or understood it says nothing at all:
    a file that was taken away must not leave its keys in force.

    Read once at the beginning; that raises ``ConfigurationError``.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T], clock: Clock) -> None:
        self._path = path
        self._read = read
        self._now = clock.now
        self._mark: tuple[int, ...] | None = None
        self._value: T | None = None
        self._lock = asyncio.Lock()
        self._mark, self._value = self._load()
        self._looked = self._now()

    def current(self) -> T | None:
        """See ``Source``."""
        return self._value

    def due(self, *, wanting: bool = False) -> bool:
        """See ``Source``."""
        return self._now() - self._looked >= LOOK

    async def refresh(self) -> None:
        """See ``Source``."""
        async with self._lock:
            if not self.due():  # somebody else has just looked
                return
            try:
                self._mark, self._value = await in_thread(self._load)
            except ConfigurationError as error:
                if self._value is not None:
                    _log.error("a file of keys is of no use any more, and nobody of it comes in: %s", error)
                self._mark, self._value = None, None
            self._looked = self._now()

    async def close(self) -> None:
        """See ``Source``."""

    def _load(self) -> tuple[tuple[int, ...], T]:
        """The file's mark and value; the value that is known when the mark has not changed."""
        try:
            # not blocking, so that a FIFO put there cannot hold us
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        except (OSError, ValueError):
            raise ConfigurationError("a file of keys cannot be opened") from None
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_FILE:
                raise ConfigurationError(f"a file of keys is a regular file of at most {MAX_FILE} bytes")
            mark = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            if mark == self._mark and self._value is not None:
                return mark, self._value
            with open(descriptor, "rb", closefd=False) as file:
                raw = file.read(MAX_FILE + 1)
        except OSError:
            raise ConfigurationError("a file of keys cannot be read") from None
        finally:
            os.close(descriptor)
        return mark, self._read(raw)


class Fetched(Generic[T]):
    """What an issuer publishes: fetched when it is needed first, anew when it is old or was not enough, one fetch at
    a time and at most one in ``RETRY`` seconds; kept for ``STALE`` seconds when there is no newer one."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._fetch = fetch
        self._now = clock.now
        self._value: T | None = None
        self._got = self._tried = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def current(self) -> T | None:
        """See ``Source``. Keys that are not fresh are fetched anew meanwhile."""
        age = self._now() - self._got
        if age >= FRESH and self._may_try():
            self._begin()
        return self._value if age < STALE else None

    def due(self, *, wanting: bool = False) -> bool:
        """See ``Source``."""
        missing = wanting or self._now() - self._got >= STALE
        return missing and (self._task is not None or self._may_try())

    async def refresh(self) -> None:
        """See ``Source``."""
        await asyncio.shield(self._task or self._begin())

    async def close(self) -> None:
        """See ``Source``."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _may_try(self) -> bool:
        return self._task is None and self._now() - self._tried >= RETRY

    def _begin(self) -> asyncio.Task[None]:
        self._tried = self._now()
        self._task = asyncio.get_running_loop().create_task(self._work(), name="holdfast-keys")
        return self._task

    async def _work(self) -> None:
        try:
            self._value = await self._fetch()
            self._got = self._now()
        except Exception as error:  # boundary: whatever an issuer or the net does, callers are told what is left
            why = str(error) if isinstance(error, HoldfastError) else type(error).__name__
            _log.error("the issuer's keys cannot be fetched: %s", why)
        finally:
            self._task = None
