"""Runs any program, although it says that there are a few (CVE-2026-55580)."""

import shlex

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "commands.program"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Run one of the programs that are allowed: true, date, uptime."
        command = {"command": text("its name", 500)}
        return (*super().tools(), Tool("start_program", told, command, (), annotated()))

    async def start_program(self, command: str) -> str:
        return await self.run_words(shlex.split(command))

    async def run_words(self, words: list[str]) -> str:
        if words not in (["true"], ["date"], ["uptime"]):
            raise ToolFailed("this program is not allowed")
        return await self.printed(*words)


class Faulty(Mended):
    async def run_words(self, words: list[str]) -> str:
        return await self.printed(*words)


if __name__ == "__main__":
    main(Faulty, Mended)
