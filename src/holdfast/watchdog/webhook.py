"""Posts alerts to the operator's URL from a thread of its own, so that it works while the loop stands still."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from holdfast.errors import ConfigurationError, HoldfastError

WAITING = 32
"""Alerts that wait to be posted; the oldest are dropped and counted past that."""
TIMEOUT = 5.0
"""Seconds for one post."""
_MOST = 64 * 1024
"""Bytes of an answer that are read; it is not used."""
_log = logging.getLogger("holdfast.watchdog")


class Webhook:
    """``post`` returns at once, from any thread. What cannot be delivered is counted and told once, not tried again:
    the log has it as well. The URL may hold a secret and is never shown.

    Raises ``ConfigurationError`` for what is no http or https URL. It may lead to a private address: it is the
    operator's. Redirects are not followed.
    """

    def __init__(self, url: str, server: str) -> None:
        from holdfast.safe.locations import parse
        from holdfast.safe.policy import UrlPolicy

        try:
            whole = parse(url, UrlPolicy(allow=frozenset((_pair(url),))))
        except (HoldfastError, ValueError):
            text = "HOLDFAST_WATCHDOG__WEBHOOK is no http or https URL without a user name; write https://host/path"
            raise ConfigurationError(text) from None
        self._location = whole
        self._policy = UrlPolicy(allow=frozenset((whole.pair,)), max_redirects=0)
        self._server = server
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._told = False
        self.lost = 0
        self.sent = 0

    def post(self, said: Mapping[str, Any]) -> None:
        """Have ``said`` posted, with the server's name."""
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(said)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="holdfast-webhook", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Take no more, and give what waits ``patience`` seconds to leave."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(patience)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                said = self._waiting.popleft()
            self._send({"server": self._server, **said})

    def _send(self, said: Mapping[str, Any]) -> None:
        try:
            status = asyncio.run(self._deliver(json.dumps(said, default=str).encode()))
            problem = "" if status < 300 else f"status {status}"
        except Exception as error:  # boundary: an operator's broken endpoint is no concern of the server's calls
            problem = type(error).__name__
        if not problem:
            self.sent += 1
            return
        self.lost += 1
        if not self._told:
            self._told = True
            _log.warning("an alert could not be posted to HOLDFAST_WATCHDOG__WEBHOOK: %s", problem)

    async def _deliver(self, body: bytes) -> int:
        from holdfast.safe.fetching import Request, fetch

        headers = {"content-type": "application/json"}
        request = Request(self._location, "POST", headers, _MOST, TIMEOUT, frozenset(("*/*",)), body)
        return (await fetch(request, self._policy)).status


def _pair(url: str) -> str:
    """``host:port`` of a URL, as ``UrlPolicy.allow`` wants it. Raises ``ValueError``."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
