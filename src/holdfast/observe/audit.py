"""The audit log: append-only JSON lines, each holding the hash of the one before, written before a call is answered."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from holdfast.core.clock import Clock, SystemClock
from holdfast.errors import AuditUnavailable
from holdfast.observe.chain import GENESIS, Head, Verdict, link, link_call, link_plain, plain, verify
from holdfast.observe.gate import SLOW_WRITE, Gate
from holdfast.observe.ledger import Ledger
from holdfast.observe.record import Snapshot
from holdfast.observe.stamps import Stamps
from holdfast.observe.waiting import WAKE, Entry, Queue, batch, settle

__all__ = ["GENESIS", "AuditLog", "Head", "Verdict", "verify"]

MAX_WAITING = 10_000
"""Records that wait for the writer; past that the disk is not keeping up."""
MAX_WAIT = 5.0
"""Seconds an ``append`` waits for a disk that hangs; without it a hung disk would hold every call for ever."""
AGAIN = 1.0
"""Seconds between attempts to write again while the disk refuses and nothing is appended."""
MAX_BYTES = 64 * 1024 * 1024
MAX_INLINE = 4_096
"""Bytes of a line that the loop writes itself: one page of the kernel's cache."""
_UNAVAILABLE = "the audit log cannot be written, and nothing may happen unaudited; try again later"


class AuditLog:
    """One file, one writer thread. Opening it repairs what a crash left; see ``findings``.

    A line is written by the event loop itself while that cannot hold it up (``append_now``), by the thread otherwise.

    An acknowledged line has been handed to the kernel, in order, and survives the death of the process; it is on the
    disk within ``fsync_interval`` seconds (0: before the acknowledgement), which is what a power cut may cost.
    A second process that opens the same path gets a file of its own, ``<stem>-<pid><suffix>``, with its own chain:
    see ``path``. Rotated files (past ``max_bytes``) are named ``<name>.<number of their first line>`` and are never
    deleted: keeping or moving them away is the operator's decision.

    The chain shows lines that were altered, deleted, inserted or moved. It cannot show that the newest lines were cut
    off: keep ``head`` elsewhere (a log, a metric) for that. Raises ``AuditUnavailable`` at once when the file cannot
    be opened, unless ``fail_open``.

    A disk that refuses is tried again each second. ``told(working, lost)`` hears, in the writer thread, when writing
    begins to fail and when it works again; then a line says how many records are missing from the chain.
    """

    def __init__(  # noqa: PLR0913 - keywords, all but one with a default
        self,
        path: Path,
        *,
        fsync_interval: float = 0.1,
        fail_open: bool = False,
        max_bytes: int = MAX_BYTES,
        clock: Clock | None = None,
        told: Callable[[bool, int], None] | None = None,
    ) -> None:
        self.lost = 0
        """Records that were not written although ``fail_open`` let their calls go on."""
        self.working = True
        """Whether the latest write succeeded."""
        self._wanted = Path(path)
        self._interval = fsync_interval
        self._fail_open = fail_open
        self._max_bytes = max_bytes
        self._wall = (clock or SystemClock()).wall
        self._stamps = Stamps()
        self._gate = Gate()
        self._ledger: Ledger | None = None
        self._queue: Queue = queue.SimpleQueue()
        self._closed = False
        self._dirty_since: float | None = None
        self._told = told
        self._missing = 0
        try:
            self._open()
        except OSError as error:
            self.working = False
            if not fail_open:
                raise AuditUnavailable(_UNAVAILABLE) from error
        self._thread = threading.Thread(target=self._work, name="holdfast-audit", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._ledger.path if self._ledger is not None else self._wanted

    @property
    def head(self) -> Head:
        """Number and hash of the last line."""
        return self._ledger.head if self._ledger is not None else GENESIS

    @property
    def unsynced(self) -> bool:
        """Whether lines were written that are not known to be on the disk yet."""
        return self._dirty_since is not None or self._gate.syncing

    @property
    def findings(self) -> tuple[str, ...]:
        """What the operator should hear about how the file was found; names no paths."""
        return ("the audit log could not be opened",) if self._ledger is None else self._ledger.findings

    async def append(self, record: Mapping[str, object]) -> None:
        """Return when ``record`` is written as a line. The caller has redacted it; large values are cut.

        The names seq, time, prev and hash are the chain's; a field of that name gets an underscore. Raises
        ``AuditUnavailable`` when the line could not be written; with ``fail_open`` that is counted in ``lost``.
        """
        if self.append_now(record):
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if self._closed or self._queue.qsize() >= MAX_WAITING:
            self._refuse(None)
            return
        entry = Entry(self._wall(), Snapshot().take(dict(record)), loop, done)
        self._gate.give()
        self._queue.put(entry)
        try:
            async with asyncio.timeout(MAX_WAIT):
                await done
        except (OSError, TimeoutError) as error:
            self._refuse(error)

    def append_now(self, record: Mapping[str, object]) -> bool:
        """Write ``record`` before returning, if no disk can hold the loop up with it; otherwise return False.

        Then nothing was written, and ``append`` is the way. Small records of plain values only, on a local file
        system, while nothing waits in the queue and the disk is prompt (``Gate`` says when it is). What is left: a
        write of one page into the kernel's cache can wait when the machine runs out of memory for dirty pages, or
        when the disk begins to hang in the moments before a sync shows it, ``fsync_interval`` at most.
        """
        if self._closed or not self.working or not self._gate.try_enter():
            return False
        try:
            ledger = self._ledger
            if ledger is None or ledger.spoiled or ledger.size >= self._max_bytes:
                return False
            return self._put(ledger, link_plain(ledger.head, self._stamps.micros(self._wall()), record))
        finally:
            self._gate.lock.release()

    def call_now(self, tool: str, request_id: str, principal: str, outcome: str, seconds: float) -> bool:
        """As ``append_now``, for the usual record, of a call that ended without a code: nobody has to build one.

        ``tool`` is JSON already, in ASCII and in its quotes; ``outcome`` is a plain word.
        """
        if self._closed or not self.working or not self._gate.try_enter():
            return False
        try:
            ledger = self._ledger
            if ledger is None or ledger.spoiled or ledger.size >= self._max_bytes or len(principal) > MAX_INLINE:
                return False
            stamp = self._stamps.micros(self._wall())
            made = link_call(ledger.head, stamp, tool, request_id, principal, outcome, round(seconds, 6))
            return self._put(ledger, made)
        finally:
            self._gate.lock.release()

    def _put(self, ledger: Ledger, made: tuple[bytes, Head] | None) -> bool:
        began = time.monotonic()
        if made is None or len(made[0]) > MAX_INLINE or not ledger.write_now(*made):
            return False
        now = time.monotonic()
        if now - began >= SLOW_WRITE:
            self._gate.prompt = False
        if self._dirty_since is None:
            self._dirty_since = now
            self._queue.put(WAKE)
        return True

    def _refuse(self, error: Exception | None) -> None:
        if not self._fail_open:
            raise AuditUnavailable(_UNAVAILABLE) from error
        self.lost += 1

    async def close(self, patience: float = MAX_WAIT) -> None:
        """Write and sync what waits, for at most ``patience`` seconds, then release the file. Later appends are
        refused."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, patience)

    # -- the writer thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        if self._interval:
            self._sync()  # shows whether the disk is prompt
        going = True
        while going:
            entries, going = batch(self._queue, self._pause())
            if entries or (not self.working and (going or self.lost > self._missing)):
                self._take(entries)
            if self._dirty_since is not None and (not going or not self._until_sync()):
                self._sync()
        with self._gate.lock:
            if self._ledger is not None:
                self._ledger.close()

    def _take(self, entries: list[Entry]) -> None:
        before = self.working
        with self._gate.lock:
            error = self._write(entries)
        self._gate.taken += len(entries)
        settle(entries, error)
        if self._told is not None and self.working != before:
            self._told(self.working, self.lost)

    def _write(self, entries: list[Entry]) -> OSError | None:
        try:
            ledger = self._ledger
            if ledger is None or ledger.spoiled:
                if ledger is not None:
                    ledger.close()
                ledger = self._open()
            if ledger.size >= self._max_bytes:
                ledger.rotate()
            head, lines, lost = ledger.head, [], self.lost
            if not self.working and (lost > self._missing or not entries):
                back = {"event": "audit.resumed", "lost": lost - self._missing}
                line, head = link(head, self._stamps.micros(self._wall()), back)
                lines.append(line)
            for entry in entries:
                line, head = link(head, self._stamps.micros(entry.when), plain(entry.fields))
                lines.append(line)
            ledger.write(b"".join(lines), head)
            self._mark_dirty(ledger)
            self.working, self._missing = True, lost
        except OSError as error:
            self.working = False
            return error
        except Exception as error:  # the thread serves everybody: a record that cannot be written ends nothing
            return OSError(type(error).__name__)
        return None

    def _mark_dirty(self, ledger: Ledger) -> None:
        if not self._interval:
            ledger.sync()
        elif self._dirty_since is None:
            self._dirty_since = time.monotonic()

    def _open(self) -> Ledger:
        ledger = self._ledger = Ledger(self._wanted)
        if ledger.torn is not None:  # the repair itself is on the record: what was set aside can be compared
            size, digest = ledger.torn
            repaired = {"event": "audit.repaired", "bytes": size, "sha256": digest}
            line, head = link(ledger.head, self._stamps.micros(self._wall()), repaired)
            ledger.write(line, head)
        return ledger

    def _pause(self) -> float | None:
        left = self._until_sync()
        return left if self.working else min(AGAIN, AGAIN if left is None else left)

    def _until_sync(self) -> float | None:
        if self._dirty_since is None:
            return None
        return max(0.0, self._dirty_since + self._interval - time.monotonic())

    def _sync(self) -> None:
        self._gate.sync_begins()
        self._dirty_since = None
        began, well = time.monotonic(), False
        try:
            if self._ledger is not None:
                self._ledger.sync()
                well = True
        except OSError:
            self.working = False  # shown by /health; what the kernel failed to write it does not try again
        finally:
            self._gate.sync_ends(time.monotonic() - began, well=well)
