"""Decides whether the event loop may write an audit line itself, or leaves it to the writer thread."""

from __future__ import annotations

import threading

PROMPT = 0.25
"""Seconds within which a sync must have come back for the disk to count as prompt."""
SLOW_WRITE = 0.05
"""Seconds after which a write to the page cache says that the kernel is holding writers back."""


class Gate:
    """Open while the disk is prompt and nothing waits in the thread's queue.

    A disk that hangs shows first in a sync. So the loop never touches the file while a sync is under way (a write may
    then wait in the kernel for the page, or the journal block, that is being written), nor before the first sync has
    come back, nor after one that failed or took ``PROMPT`` seconds or a write that took ``SLOW_WRITE``, until one was
    prompt again. Shut from the start when the file is not on a local file system.

    ``lock`` is held by whoever writes. The loop only tries it; the thread waits for it, at most as long as one line
    takes. ``given`` and ``taken`` count what went into the queue and what the thread has dealt with: a line must not
    overtake one that waits.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.prompt = False
        self.given = 0
        self.taken = 0
        self.syncing = False
        self._giving = threading.Lock()

    def try_enter(self) -> bool:
        """On a loop: take the lock, if the way is free. After True the caller releases ``lock``."""
        if not self.prompt or self.given != self.taken or not self.lock.acquire(blocking=False):
            return False
        if self.prompt and not self.syncing and self.given == self.taken:
            return True
        self.lock.release()
        return False

    def give(self) -> None:
        """One more record is about to be put into the queue; from any loop."""
        with self._giving:
            self.given += 1

    def sync_begins(self) -> None:
        """In the thread; returns when no loop is writing, and none begins to until ``sync_ends``."""
        with self.lock:
            self.syncing = True

    def sync_ends(self, seconds: float, *, well: bool) -> None:
        """In the thread: the sync took ``seconds``, and whether it succeeded."""
        self.prompt = well and seconds < PROMPT
        self.syncing = False
