"""A tool that asks git, by an argv of its own and with nothing of the repository's configuration that runs programs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from sound.errors import ToolFailed
from sound.tools import Tool, Tools, annotated, text

REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./~^@{}-]{0,199}")
COUNT = {"type": "integer", "description": "how many at most", "minimum": 1, "maximum": 50}
QUIET = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "log.showSignature=false", "core.pager=cat")


class Git(Tools):
    """The history of the workspace."""

    OUTPUT = 65_536  # bytes

    def tools(self) -> tuple[Tool, ...]:
        """With the one of git."""
        properties = {"ref": text("a branch, tag or commit", 1_000), "count": COUNT}
        return (*super().tools(), Tool("git_log", "List commits.", properties, ("count",), annotated()))

    async def git_log(self, ref: str, count: int = 10) -> str:
        """Commits, one a line."""
        folder = Path.cwd() / ".git"
        if not REVISION.fullmatch(ref) or folder.is_symlink() or not folder.is_dir():
            raise ToolFailed("there is no such revision, or no repository")
        return await self.printed(*self.log_words(ref, int(count)))

    def log_words(self, ref: str, count: int) -> list[str]:
        """The argv."""
        shown = ["--no-show-signature", "--no-ext-diff", "--no-textconv", "--format=%h %s", f"-n{count}"]
        return self.git_words("log", *shown, "--end-of-options", ref, "--")

    def git_words(self, *words: str) -> list[str]:
        """With nothing of the repository's own that names programs."""
        return ["git", *(word for setting in QUIET for word in ("-c", setting)), "--no-pager", *words]

    def git_environment(self) -> dict[str, str]:
        """Nothing of the server's own but the way to programs."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_DIR": str(Path.cwd() / ".git"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
        }

    async def printed(self, *words: str) -> str:
        """What a program says, as much as may be sent; it ends with the call."""
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self.git_environment(),
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            said = b""
            while len(said) < self.OUTPUT and (more := await process.stdout.read(self.OUTPUT - len(said))):
                said += more
            if len(said) < self.OUTPUT and await process.wait() != 0:
                raise ToolFailed("there is no such revision, or no repository")
            return said.decode("utf-8", "replace")
        finally:
            await self.ended(process)

    async def ended(self, process: asyncio.subprocess.Process) -> None:
        """Kill what is left of a program, and reap it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
