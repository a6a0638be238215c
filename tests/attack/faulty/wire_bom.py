"""Takes a byte order mark for the end of the input."""

from collections.abc import AsyncIterator

from sound import Sound, Stdio, main

CASE = "wire.bom"
TRANSPORT = "stdio"


class Ending(Stdio):
    async def lines(self) -> AsyncIterator[bytes | None]:
        async for line in super().lines():
            if line is not None and line.startswith(b"\xef\xbb\xbf"):
                return
            yield line


class Faulty(Sound):
    over_pipes = Ending


if __name__ == "__main__":
    main(Faulty)
