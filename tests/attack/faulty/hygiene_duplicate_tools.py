"""Lists a tool twice."""

from sound import Sound, Tool, main

CASE = "hygiene.duplicate-tools"
TRANSPORT = "stdio"


class Faulty(Sound):
    def tools(self) -> tuple[Tool, ...]:
        return (*super().tools(), super().tools()[0])


if __name__ == "__main__":
    main(Faulty)
