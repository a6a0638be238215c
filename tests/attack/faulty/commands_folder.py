"""Looks at any repository that is named, also outside of the root (CVE-2025-68145)."""

import os

from sound import Sound, Tool, annotated, main, text

CASE = "commands.folder"
TRANSPORT = "stdio"


LAST = ("log", "-n5", "--format=%s", "--no-show-signature")


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        where = {"folder": text("a folder of the workspace", 500)}
        return (*super().tools(), Tool("git_last", "The last commits of a git repository.", where, (), annotated()))

    async def git_last(self, folder: str) -> str:
        names = self.names(folder)
        with self.folder([*names, ".git"]):
            return await self.printed("git", f"--git-dir={os.path.join(os.getcwd(), *names, '.git')}", *LAST)


class Faulty(Mended):
    async def git_last(self, folder: str) -> str:
        return await self.printed("git", f"--git-dir={os.path.join(os.getcwd(), folder, '.git')}", *LAST)


if __name__ == "__main__":
    main(Faulty, Mended)
