"""Lets git take the name of a remote for a flag that names a program."""

import re

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "commands.flag-exec"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "List the branches of a git remote."
        return (*super().tools(), Tool("git_branches", told, {"remote": text("its name", 200)}, (), annotated()))

    async def git_branches(self, remote: str) -> str:
        if not re.fullmatch("[A-Za-z0-9_.][A-Za-z0-9_.-]*", remote):
            raise ToolFailed("there is no such remote")
        return await self.printed("git", "ls-remote", "--heads", "--", remote, ".")


class Faulty(Mended):
    async def git_branches(self, remote: str) -> str:
        return await self.printed("git", "ls-remote", "--heads", remote, ".")


if __name__ == "__main__":
    main(Faulty, Mended)
