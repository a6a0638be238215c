"""Goes on trying to write to an output that was closed."""

import asyncio

from sound import Sound, main

CASE = "wire.early-close"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    async def taken_in(self, writer: asyncio.StreamWriter) -> None:
        try:
            await super().taken_in(writer)
        except ConnectionError:
            await asyncio.Event().wait()


if __name__ == "__main__":
    main(Faulty)
