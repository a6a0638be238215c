"""Does not say what a tool is for."""

from sound import Sound, Tool, main

CASE = "hygiene.descriptions"
TRANSPORT = "stdio"


class Faulty(Sound):
    def tools(self) -> tuple[Tool, ...]:
        first, *others = super().tools()
        return (Tool(first.name, "", first.properties, (), first.annotations), *others)


if __name__ == "__main__":
    main(Faulty)
