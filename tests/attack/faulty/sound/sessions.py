"""Sessions of the versions with a handshake over HTTP: unguessable, few, and not for ever."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from sound.calls import Peer
from sound.errors import HttpRefused
from sound.requests import Head


@dataclass(slots=True, eq=False)
class Session:
    """``used`` says that its client has come back after the handshake."""

    id: str
    peer: Peer
    last: float = field(default_factory=time.monotonic)
    used: bool = False


class Sessions:
    """At most ``SESSIONS``; one nobody came back for makes room first, then the one that was idle longest."""

    SESSIONS = 256
    IDLE = 1_800.0  # seconds

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, Session] = {}

    def begin_session(self) -> Session:
        """After a handshake."""
        self.make_room()
        session = Session(self.session_id(), Peer())
        self.sessions[session.id] = session
        return session

    def session_id(self) -> str:
        """128 bits from the system."""
        return secrets.token_hex(16)

    def make_room(self) -> None:
        """End what is idle, and one more when there are too many."""
        now = time.monotonic()
        for session in [one for one in self.sessions.values() if now - one.last > self.IDLE]:
            self.end_session(session.id)
        if len(self.sessions) >= self.SESSIONS:
            self.end_session(min(self.sessions.values(), key=lambda one: (one.used, one.last)).id)

    def session(self, given: str | None) -> Session:
        """The one that a request names: 400 without a name, 404 for one that is not there (MCP 2025-11-25)."""
        if given is None:
            raise HttpRefused(400, "a request names its session")
        session = self.sessions.get(given)
        if session is None:
            raise HttpRefused(404, "there is no such session")
        session.last, session.used = time.monotonic(), True
        return session

    def deleted(self, head: Head) -> None:
        """Its client wants no more of a session."""
        self.end_session(self.session(head.headers.get("mcp-session-id")).id)

    def end_session(self, given: str) -> None:
        """And every call of it."""
        session = self.sessions.pop(given)
        for call in list(session.peer.running.values()):
            call.task.cancel()
