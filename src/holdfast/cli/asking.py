"""Asks running servers how they are: by the sockets of a state folder, or by the health page of a URL."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from holdfast.errors import ConfigurationError
from holdfast.state.running import Folder, Found, folders

if TYPE_CHECKING:
    from pydantic import SecretStr

PATIENCE: Final = 3.0
"""Seconds that a server gets to answer; a health check has one, and what is slower than this serves nobody."""
LONGEST: Final = 1_048_576
"""Bytes of an answer that are read."""
_SHAPE: Final[Mapping[str, Any]] = {
    "name": "", "version": "", "transport": "", "state": "silent", "healthy": False, "supervisor": None, "worker": None,
    "uptime": None, "serving": None, "restarts": None, "last_end": "", "ready": False, "reason": "", "status": "failed",
    "quarantined": {}, "alerts": {}, "calls": {"in_flight": 0, "queued": 0, "orphans": 0, "zombies": 0}, "shed": 0,
    "lag": 0.0, "memory": {"resident": None, "budget": None}, "checks": {},
}  # fmt: skip
"""Every field of one server's part in ``--json``, in order; see docs/operating.md."""


def beneath(base: Path, wanted: Callable[[Found], bool] = lambda _record: True) -> list[dict[str, Any]]:
    """The servers of a state folder, each as ``_SHAPE``; another user's are passed over, what is gone is removed."""
    found = []
    for path in folders(base):
        try:
            folder = Folder(path)
        except OSError:  # another user's, or just removed
            continue
        with folder:
            asked = [_asked(folder, record) for record in folder.records() if wanted(record)]
        found += [each for each in asked if each is not None]
    return found


def _asked(folder: Folder, record: Found) -> dict[str, Any] | None:
    lives = record.process.lives()
    if lives is False:
        folder.forget(record.key)
        return None
    facts, pid = record.facts, None
    try:
        connected, pid = folder.connect(record.key, PATIENCE)
        with connected:
            return _shaped(_read(connected), "")
    except (TimeoutError, ValueError):
        state = "silent"
    except OSError:
        if lives is None:  # on another machine, or before this one was started again: nothing is known of it
            return None
        state = "restarting" if facts.get("supervisor") is not None else "silent"
    return _shaped({**facts, "worker": pid if state == "silent" else None}, state)


def _read(connected: Any) -> dict[str, Any]:
    """One answer. Raises ``TimeoutError``, ``OSError``, and ``ValueError`` for what is none."""
    ends, read = time.monotonic() + PATIENCE, bytearray()
    while len(read) <= LONGEST:
        connected.settimeout(max(0.001, ends - time.monotonic()))
        if not (more := connected.recv(65_536)):
            break
        read += more
        if time.monotonic() >= ends:
            raise TimeoutError
    return _object(bytes(read))


def _object(raw: bytes) -> dict[str, Any]:
    told = json.loads(raw)
    if not isinstance(told, dict) or "ready" not in told:
        raise ValueError("that is no status")
    return told


def _shaped(told: Mapping[str, Any], state: str) -> dict[str, Any]:
    """``told`` in the shape of ``_SHAPE``; an empty ``state`` is read from what it says itself."""
    state = state or ("serving" if told["ready"] else "not ready")
    shaped = {field: told.get(field, default) for field, default in _SHAPE.items()}
    healthy = state == "serving" and told.get("status") != "failed"
    return {**shaped, "state": state, "healthy": healthy}


def at_url(url: str, token: SecretStr | None) -> list[dict[str, Any]]:
    """The server at ``url``, asked by its health page with HOLDFAST_HEALTH__TOKEN; empty when nobody listens there."""
    import http.client

    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError("WHERE is no URL: its port is not a number") from None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port, timeout=PATIENCE)
    headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value().strip()}"}
    try:
        connection.request("GET", parts.path if parts.path.strip("/") else "/health", headers=headers)
        with connection.getresponse() as response:
            raw = response.read(LONGEST)
    except TimeoutError:
        return [_shaped({"transport": "http"}, "silent")]
    except (OSError, http.client.HTTPException):
        return []
    finally:
        connection.close()
    return [_of_page(raw, response.status)]


def _of_page(raw: bytes, status: int) -> dict[str, Any]:
    if status in (401, 403):
        raise ConfigurationError(f"the server did not let us read its health (status {status}): HOLDFAST_HEALTH__TOKEN")
    try:
        told = _object(raw)
        named = {"name": told.get("server", ""), "transport": "http"}
        return _shaped({**told, **told["process"], **named}, "")
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError("what answers there is no holdfast server's health page (/health)") from None
