"""What an honest caller of the server would name: samples by role, made by the arena that the server runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class World:
    """Samples for honest arguments. Paths are relative to the server's working folder, which is the arena's workspace.

    ``extra`` are samples by a parameter's name or one of its words, such as ``{"repo": "."}``; they come before those
    by role.
    """

    file: str = "hello.txt"
    """A text file that is there; never written to by an honest call."""
    spare: str = "spare.txt"
    """A text file that is there, holds ``text``, and may be changed, moved or deleted."""
    new: str = "made-by-an-honest-call.txt"
    """A file that is not there yet."""
    folder: str = "."
    text: str = "hello"
    """A text that ``file`` and ``spare`` hold."""
    url: str = "http://127.0.0.1/"
    sql: str = "SELECT 1"
    pattern: str = "hello"
    argument: str = "HEAD"
    """What goes to a program: a revision, in a workspace that is a git repository."""
    command: str = "true"
    duration: float = 0.01
    """For a tool that waits, in the unit of the tool: short in any of them, rounded up to 1 where only integers fit."""
    extra: Mapping[str, str] = field(default_factory=dict)

    def beneath(self, root: str) -> World:
        """The same with absolute paths beneath ``root``: some servers know no working folder."""
        base = PurePosixPath(root)
        file, spare, new, folder = (str(base / path) for path in (self.file, self.spare, self.new, self.folder))
        return replace(self, file=file, spare=spare, new=new, folder=folder)

    def harmless(self) -> World:
        """The same for a call that must not succeed, should the server let it: nothing of it names a thing there is."""
        nowhere = "no-such-folder-of-holdfast-attack"
        gone = f"{nowhere}/no-such-file.txt"
        return replace(self, file=gone, spare=gone, new=gone, folder=nowhere, text="", sql="SELECT 1", command="true")
