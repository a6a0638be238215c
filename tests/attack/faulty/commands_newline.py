"""Puts a value into a line for a shell, without the letters that mean something within a line."""

from sound import Sound, ToolFailed, main

CASE = "commands.newline"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def git_log(self, ref: str, count: int = 10) -> str:
        if ref.startswith("-") or any(letter in ref for letter in ";|&$`<>"):
            raise ToolFailed("there is no such revision")
        return await self.printed("sh", "-c", f"git log -n{int(count)} --format='%h %s' {ref}")


if __name__ == "__main__":
    main(Faulty)
