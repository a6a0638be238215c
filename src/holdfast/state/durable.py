"""A server's durable state: its store and its presence, opened when something first needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.core.clock import Clock
from holdfast.errors import Busy, HoldfastError
from holdfast.state.location import FILE, UNAVAILABLE, glance

if TYPE_CHECKING:
    from holdfast.state.presence import Presence
    from holdfast.state.store import Store


class Durable:
    """One for each serving. Most servers never need it, and then neither SQLite nor a file is touched.

    ``where`` is the folder, which ``make`` makes if need be (or raises ``ConfigurationError``); ``on_damage`` hears the
    new name of a file that was set aside, from any thread.
    """

    def __init__(self, where: Path, make: Callable[[], object], clock: Clock, on_damage: Callable[[str], None]) -> None:
        self._where = where
        self._make = make
        self._clock = clock
        self._on_damage = on_damage
        self._opened: tuple[Store, Presence] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._closed = False
        self.broken = ""
        """Why the state could not be opened last time, in words for an operator; empty while it can."""
        self.damaged = 0
        """Files that were set aside since the start."""

    @property
    def store(self) -> Store | None:
        """The store, if it is open."""
        return None if self._opened is None else self._opened[0]

    def there(self) -> bool:
        """Whether an earlier serving left something; blocks for one small read.

        A file that is not one of ours is set aside at once, so that it is told of at the start, and not in the middle
        of a call. Raises ``ConfigurationError`` for a file of a newer version.
        """
        try:
            if glance(self._where / FILE):
                return True
        except FileNotFoundError:
            return False
        self.open_now()
        return True

    def open_now(self) -> Store:
        """The store, opened while the caller waits: for the start. Raises ``ConfigurationError`` or ``Busy``."""
        if self._opened is None:
            from holdfast.state.presence import Presence
            from holdfast.state.store import Store

            self._make()
            try:
                presence = Presence(self._where)
            except OSError as error:
                raise Busy(UNAVAILABLE) from error
            try:
                self._opened = Store(self._where / FILE, on_damage=self._set_aside, clock=self._clock), presence
            except BaseException:  # boundary: it is tried again, and who is not there leaves nothing behind
                presence.close()
                raise
        return self._opened[0]

    async def open(self) -> Store:
        """The store, opened by a thread if need be. Raises ``Busy`` when it cannot be, also after ``close``."""
        if self._opened is None:
            if self._closed:
                raise Busy(UNAVAILABLE)
            if self._opening is None or self._opening.done():
                loop = asyncio.get_running_loop()
                self._opening = loop.run_in_executor(None, self._open)
                self._opening.add_done_callback(_heard)
            await asyncio.shield(self._opening)  # a caller that leaves does not take it from the others
        assert self._opened is not None  # noqa: S101 # nosec B101 - for the type checker: ``_open`` has set it
        return self._opened[0]

    def _open(self) -> None:
        try:
            self.open_now()
        except HoldfastError as error:
            self.broken = str(error)
            raise Busy(UNAVAILABLE) from error
        self.broken = ""

    @property
    def presence(self) -> Presence:
        """Who this process is among those that share the folder; only once the store is open."""
        assert self._opened is not None  # noqa: S101 # nosec B101 - nobody asks before
        return self._opened[1]

    def lost(self) -> float | None:
        """See ``Store.lost``; ``None`` while nothing is open."""
        return None if self._opened is None else self._opened[0].lost()

    async def close(self) -> None:
        """Finish what waits and release the file."""
        self._closed = True
        if self._opening is not None:
            await asyncio.wait({self._opening})
        if self._opened is not None:
            await self._opened[0].close()
            self._opened[1].close()

    def _set_aside(self, name: str) -> None:
        self.damaged += 1
        self._on_damage(name)


def _heard(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()  # whoever asked hears it; asyncio need not complain when they have left
