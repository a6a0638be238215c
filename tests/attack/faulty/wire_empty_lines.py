"""Takes an empty line for the end of the input."""

from collections.abc import AsyncIterator

from sound import Sound, Stdio, main

CASE = "wire.empty-lines"
TRANSPORT = "stdio"


class Ending(Stdio):
    async def lines(self) -> AsyncIterator[bytes | None]:
        async for line in super().lines():
            if line == b"":
                return
            yield line


class Faulty(Sound):
    over_pipes = Ending


if __name__ == "__main__":
    main(Faulty)
