"""Gives a program whatever environment its caller names (CVE-2026-73601)."""

import os

from sound import Sound, Tool, ToolFailed, annotated, main

CASE = "commands.environment"
TRANSPORT = "stdio"


ENV = {
    "type": "object",
    "description": "variables of its environment",
    "additionalProperties": {"type": "string", "maxLength": 500},
}
HARMFUL = ("PATH", "BASH_ENV", "ENV", "PAGER", "EDITOR", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "LANG", "TZ")
OF_GIT = ("EXTERNAL_DIFF", "SSH_COMMAND", "PAGER", "EDITOR", "ASKPASS")


class Mended(Sound):
    names_allowed = frozenset({"LANG", "TZ"})

    def tools(self) -> tuple[Tool, ...]:
        return (*super().tools(), Tool("today", "Say which day it is.", {"env": ENV}, ("env",), annotated()))

    async def today(self, env: dict[str, str] | None = None) -> str:
        if not (env or {}).keys() <= self.names_allowed:
            raise ToolFailed("variables that may be set: LANG, TZ")
        return await self.with_environment(env or {})

    async def with_environment(self, env: dict[str, str]) -> str:
        before = self.git_environment

        def joined() -> dict[str, str]:
            return before() | env

        self.git_environment = joined
        try:
            return await self.printed("sh", "-c", "git --version; date +%A; echo")
        finally:
            self.git_environment = before


class Faulty(Mended):
    names_allowed = frozenset((*os.environ, *HARMFUL, *(f"GIT_{name}" for name in OF_GIT)))


if __name__ == "__main__":
    main(Faulty, Mended)
