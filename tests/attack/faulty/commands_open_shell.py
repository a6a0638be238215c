"""Has a tool that runs any command, and says so."""

from sound import Sound, Tool, annotated, main, text

CASE = "commands.open-shell"
TRANSPORT = "stdio"
TWIN = False


class Faulty(Sound):
    def tools(self) -> tuple[Tool, ...]:
        command = {"command": text("a command", 500)}
        return (*super().tools(), Tool("shell", "Run any command in a shell.", command, (), annotated()))

    async def shell(self, command: str) -> str:
        return await self.printed("sh", "-c", command)


if __name__ == "__main__":
    main(Faulty)
