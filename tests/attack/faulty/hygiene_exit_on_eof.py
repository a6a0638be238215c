"""Lives on when its input has ended."""

import asyncio

from sound import Sound, Stdio, main

CASE = "hygiene.exit-on-eof"
TRANSPORT = "stdio"
SLOW = True


class Immortal(Stdio):
    async def read(self) -> None:
        await super().read()
        await asyncio.Event().wait()


class Faulty(Sound):
    over_pipes = Immortal


if __name__ == "__main__":
    main(Faulty)
