"""Has a tool whose name some clients do not take."""

from sound import Sound, Tool, main

CASE = "hygiene.tool-names"
TRANSPORT = "stdio"


class Faulty(Sound):
    def tools(self) -> tuple[Tool, ...]:
        first, *others = super().tools()
        return (Tool("say it", first.description, first.properties, (), first.annotations), *others)


setattr(Faulty, "say it", Sound.echo)


if __name__ == "__main__":
    main(Faulty)
