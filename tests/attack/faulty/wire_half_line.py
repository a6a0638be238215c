"""Waits for the rest of a line although the input has ended."""

import asyncio
from collections.abc import AsyncIterator

from sound import Sound, Stdio, main

CASE = "wire.half-line"
TRANSPORT = "stdio"
SLOW = True


class Patient(Stdio):
    async def lines(self) -> AsyncIterator[bytes | None]:
        last: bytes | None = b""
        async for line in super().lines():
            yield line
            last = line
        if last and not last.endswith(b"}"):
            await asyncio.Event().wait()


class Faulty(Sound):
    over_pipes = Patient


if __name__ == "__main__":
    main(Faulty)
