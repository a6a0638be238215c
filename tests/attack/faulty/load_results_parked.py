"""Keeps every answer that nobody takes."""

import asyncio

from sound import Sound, main

CASE = "load.results-parked"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    IN_FLIGHT = OF_ONE_TOOL = 1_000_000

    async def taken_in(self, writer: asyncio.StreamWriter) -> None:
        """Written is written."""


if __name__ == "__main__":
    main(Faulty)
