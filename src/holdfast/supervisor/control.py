"""What the parent and a worker say to each other: small JSON messages over a socket that keeps them apart."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, Final

_LONGEST: Final = 131_072


class Control:
    """One end. ``receive`` gives ``None`` when the other end is gone; then whoever is left ends too."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> tuple[Control, Control]:
        """Both ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._end.fileno()

    def say(self, what: str, *fds: int, **more: Any) -> None:
        """Send one message, with descriptors when there are some; a peer that is gone hears nothing."""
        message = json.dumps({"is": what, **more}).encode()
        with suppress(OSError):
            if fds:
                socket.send_fds(self._end, [message], fds)
            else:
                self._end.send(message)

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Wait for one message and the descriptors that came with it, which programs that are started do not get."""
        try:
            raw, fds, _, _ = socket.recv_fds(self._end, _LONGEST, 4, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return None
        return (json.loads(raw), list(fds)) if raw else None

    def close(self) -> None:
        """Let go of this end."""
        self._end.close()
