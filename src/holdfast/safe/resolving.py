"""Ask the system for a name's addresses, on threads that nobody waits for when a name server is slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from functools import lru_cache
from typing import Final

from holdfast.errors import ToolError

_AT_ONCE: Final = 32
"""Names looked up at once. A lookup cannot be called off, and its name server may be the attacker's, who lets it hang
for the resolver's 10 s and more: on the threads that file handles use it would take those from everyone."""


@lru_cache(maxsize=1)
def _places() -> threading.BoundedSemaphore:
    """One place for each name that is looked up, in the whole process."""
    return threading.BoundedSemaphore(_AT_ONCE)


async def system_resolve(host: str, port: int) -> list[str]:
    """The system's answers as plain addresses, each once. Also takes ``2130706433`` for 127.0.0.1.

    Raises ``OSError`` or ``UnicodeError``, or a retryable ``ToolError`` when too many lookups hang. Cancelling leaves
    the thread behind, with its place, until the system gives up.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()
    places = _places()
    if not places.acquire(blocking=False):
        raise ToolError("too many host names are being looked up; try again later", retryable=True)

    def settle(answers: list[str], error: Exception | None) -> None:
        if not found.done():
            found.set_result(answers) if error is None else found.set_exception(error)

    def look_up() -> None:
        answers: list[str] = []
        failed: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            answers = list(dict.fromkeys(str(address[0]) for *_, address in rows))
        except (OSError, UnicodeError) as error:
            failed = error
        finally:
            places.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, answers, failed)

    thread = threading.Thread(target=look_up, name="holdfast-resolve", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system gives no thread
        places.release()
        raise ToolError("host names cannot be looked up now; try again later", retryable=True) from None
    return await found
