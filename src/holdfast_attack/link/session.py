"""What every raw client can do, whatever is beneath it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from holdfast_attack.link.reply import Reply
from holdfast_attack.link.transcript import Transcript
from holdfast_attack.model import Lane

if TYPE_CHECKING:
    from holdfast_attack.target.tree import Tree

Ear = Callable[[str, bytes], None]
"""Hears everything that a server says: where (stdout, stderr, http), and the bytes."""


class Gone(Exception):
    """The connection or the process went away."""


class Session(Protocol):
    """A connection in the middle of a conversation, in one era; a server of its own behind it, or a shared one."""

    lane: Lane
    transcript: Transcript
    tree: Tree | None
    """The processes of the server; None when it is not known which they are."""

    async def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, within: float = 5.0, id: Any = None
    ) -> Reply:
        """Send a request as its era wants it and wait ``within`` seconds; silence is an answer. Raises ``Gone``."""
        ...

    async def call(self, tool: str, arguments: Any, *, within: float = 5.0) -> Reply:
        """Call a tool once. Raises ``Gone``."""
        ...

    async def alive(self, within: float = 5.0) -> bool:
        """Whether an honest request is answered; never raises."""
        ...

    def message(self, method: str, params: Mapping[str, Any] | None = None, *, id: Any = None) -> dict[str, Any]:
        """What ``ask`` would send; with an id that was not used before unless one is given."""
        ...

    async def close(self) -> None:
        """End the connection, and the server where it was started for it."""
        ...
