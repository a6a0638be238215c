"""Asks any machine that it is told, this one too."""

from sound import Sound, Target, Tool, annotated, main, text

CASE = "urls.loopback"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Ask a machine how it is."
        return (
            *super().tools(),
            Tool("health", told, {"machine": text("which", 200)}, (), annotated(reaches_out=True)),
        )

    async def health(self, machine: str) -> str:
        return await self.aside(self.answer_of, self.target(f"http://{machine}/health"))

    def answer_of(self, target: Target) -> str:
        return self.page(target)


class Faulty(Mended):
    def answer_of(self, target: Target) -> str:
        return self.got(target, target.host)


if __name__ == "__main__":
    main(Faulty, Mended)
