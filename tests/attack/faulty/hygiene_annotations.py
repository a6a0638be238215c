"""Does not say of a tool whether it only reads."""

from sound import Sound, Tool, main

CASE = "hygiene.annotations"
TRANSPORT = "stdio"


class Faulty(Sound):
    def tools(self) -> tuple[Tool, ...]:
        first, *others = super().tools()
        return (Tool(first.name, first.description, first.properties), *others)


if __name__ == "__main__":
    main(Faulty)
