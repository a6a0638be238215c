"""Keeps every answer that its client does not take, and takes more requests meanwhile."""

import asyncio

from sound import Sound, main

CASE = "wire.reader-stops"
TRANSPORT = "stdio"
SLOW = True


class Mended(Sound):
    ID = 65_536


class Faulty(Mended):
    async def taken_in(self, writer: asyncio.StreamWriter) -> None:
        """Written is written."""


if __name__ == "__main__":
    main(Faulty, Mended)
