"""Takes whatever has come for a line, whether it has ended or not."""

from collections.abc import AsyncIterator

from sound import Sound, Stdio, main
from sound.stdio import CHUNK

CASE = "wire.slow-writer"
TRANSPORT = "stdio"
SLOW = True


class Hasty(Stdio):
    async def lines(self) -> AsyncIterator[bytes | None]:
        while chunk := await self.reader.read(CHUNK):
            for line in chunk.splitlines():
                yield line


class Faulty(Sound):
    over_pipes = Hasty


if __name__ == "__main__":
    main(Faulty)
