"""Keys under which callers say: this is the same call as before. Each runs once, also over restarts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from holdfast.errors import IdempotencyRefused
from holdfast.state.claiming import Room
from holdfast.state.durable import Durable
from holdfast.state.store import Store

MAX_KEYS: Final = 50_000
"""Keys of all callers together: half of the rows of the store, so that quotas have theirs."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of kept answers, all callers together: a quarter of the state file."""
RUNNING_RETRY: Final = 1.0
"""Seconds after which to ask again for a call that another process of this server has under way."""
NOBODY: Final = ""
"""In the place of the process that runs a call: none does any more."""
_MISMATCH: Final = "this idempotency key was used for a call with other arguments; send a new key for a new call"
_RUNNING: Final = "the call with this idempotency key is still under way; try again in a moment, with the same key"
_UNKNOWN: Final = (
    "the first call with this idempotency key began and was interrupted, so what it did is not known;"
    " find out before you call again with a new key"
)
_NOT_KEPT: Final = (
    "the call with this idempotency key was done, and is not done again; its answer was too large to be kept"
)


class Turn(NamedTuple):
    """The right to run the call of a key: to be given back by ``finish``, ``forget`` or ``leave``."""

    space: str
    row: str
    mine: bytes
    done: asyncio.Future[None]


class Kept(NamedTuple):
    """What the first call came to, as its guard wrote it."""

    outcome: Mapping[str, Any]


class Keys:
    """For all tools of a server. ``lifetime`` is in seconds; ``rows`` and ``size`` (bytes) bound what one caller keeps.

    A key is claimed on the disk before its call runs and holds its outcome afterwards. What is found claimed by a
    process that has died, or by a call that did not come to its end, is of unknown outcome and stays so.
    """

    def __init__(self, durable: Durable, *, lifetime: float, rows: int, size: int) -> None:
        self._durable = durable
        self._lifetime = lifetime
        self._room = Room(rows, size, MAX_KEYS, MAX_BYTES)
        self._under_way: dict[tuple[str, str], Turn] = {}  # bounded by the calls under way

    async def begin(self, caller: str, row: str, fingerprint: str, lasts: float = 0.0) -> Turn | Kept:
        """The right to run, or what the first call came to; waits for one that is under way in this process.

        ``caller`` and ``row`` are names of at most a few dozen characters, ``fingerprint`` says what is to be done. The
        key is remembered for ``lasts`` seconds at least: it must not be free while its call runs.
        Raises ``IdempotencyRefused``, or ``Busy`` when nothing can be kept now.
        """
        space = f"idempotency:{caller}"
        store = await self._durable.open()
        while (other := self._under_way.get((space, row))) is not None:
            if json.loads(other.mine)["for"] != fingerprint:
                raise IdempotencyRefused(_MISMATCH, code="idempotency.mismatch")
            await asyncio.shield(other.done)
        mine = _written({"for": fingerprint, "by": self._durable.presence.name})
        turn = Turn(space, row, mine, asyncio.get_running_loop().create_future())
        self._under_way[space, row] = turn
        try:
            there = await self._claim(store, turn, max(self._lifetime, lasts))
        except BaseException:  # cancelled too: others wait for this turn to end
            self._end(turn)
            raise
        if there is None:
            return turn
        self._end(turn)
        return await self._judge(json.loads(there), fingerprint)

    async def _claim(self, store: Store, turn: Turn, lasts: float) -> bytes | None:
        claim = store.claim(turn.space, turn.row, turn.mine, lasts, self._room)
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            claim.add_done_callback(partial(self._unclaim, store, turn))
            raise

    def _unclaim(self, store: Store, turn: Turn, claim: asyncio.Future[bytes | None]) -> None:
        """The caller left while its key was being claimed: nothing ran, so nothing is claimed."""
        if not claim.cancelled() and claim.exception() is None and claim.result() is None:
            self._begun(partial(store.swap, turn.space, turn.row, turn.mine, None), turn)

    async def _judge(self, found: Mapping[str, Any], fingerprint: str) -> Kept:
        if found["for"] != fingerprint:
            raise IdempotencyRefused(_MISMATCH, code="idempotency.mismatch")
        if "outcome" in found:
            if found["outcome"] is None:
                raise IdempotencyRefused(_NOT_KEPT, code="idempotency.not_kept")
            return Kept(found["outcome"])
        owner = found["by"]
        if owner != self._durable.presence.name and await asyncio.to_thread(self._durable.presence.lives, owner):
            raise IdempotencyRefused(_RUNNING, code="idempotency.running", retry_after=RUNNING_RETRY)
        raise IdempotencyRefused(_UNKNOWN, code="idempotency.unknown")

    async def finish(self, turn: Turn, outcome: Mapping[str, Any]) -> None:
        """Keep what the call came to, before its caller hears it; one too large leaves a note that it was done."""
        common = {"for": json.loads(turn.mine)["for"]}
        values = _written({**common, "outcome": outcome}), _written({**common, "outcome": None})
        store = self._durable.store
        if store is not None:
            keep = partial(store.fulfil, turn.space, turn.row, turn.mine, values, self._room)
            if (keeping := self._begun(keep, turn)) is not None:
                await asyncio.wait({keeping})  # however it ends: the caller has its answer

    def forget(self, turn: Turn) -> None:
        """The work never began: the key is free again. Returns at once."""
        store = self._durable.store
        if store is not None:
            self._begun(partial(store.swap, turn.space, turn.row, turn.mine, None), turn)

    def leave(self, turn: Turn) -> None:
        """The work began and did not come to its end: its outcome is unknown, to every process. Returns at once."""
        store = self._durable.store
        if store is not None:
            unknown = _written({"for": json.loads(turn.mine)["for"], "by": NOBODY})
            self._begun(partial(store.swap, turn.space, turn.row, turn.mine, unknown), turn)

    def _begun(self, what: Any, turn: Turn) -> asyncio.Future[bool] | None:
        """Begin to write, and end the turn when that is done; what cannot be written leaves an unknown outcome."""
        try:
            writing: asyncio.Future[bool] = what()
        except Exception as error:  # boundary: the call is over, and its caller is not to suffer from it
            self._unwritten(error)
            self._end(turn)
            return None
        writing.add_done_callback(partial(self._written_down, turn))
        return writing

    def _written_down(self, turn: Turn, writing: asyncio.Future[bool]) -> None:
        if not writing.cancelled() and (error := writing.exception()) is not None:
            self._unwritten(error)
        self._end(turn)

    def _unwritten(self, error: BaseException) -> None:
        logging.getLogger("holdfast.state").warning("an answer could not be kept: %s", type(error).__name__)

    def _end(self, turn: Turn) -> None:
        if self._under_way.get((turn.space, turn.row)) is turn:
            del self._under_way[turn.space, turn.row]
        if not turn.done.done():
            turn.done.set_result(None)


def _written(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
