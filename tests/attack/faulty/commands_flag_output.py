"""Lets git take a revision for a flag (CVE-2025-68144)."""

from sound import Sound, main

CASE = "commands.flag-output"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def git_log(self, ref: str, count: int = 10) -> str:
        return await self.printed("git", "--no-pager", "log", f"-n{int(count)}", "--format=%h %s", ref)


if __name__ == "__main__":
    main(Faulty)
