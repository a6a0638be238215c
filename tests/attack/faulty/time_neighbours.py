"""Sleeps in the loop that everybody shares."""

import time

from sound import Sound, main

CASE = "time.neighbours"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def wait(self, seconds: float) -> str:
        time.sleep(min(seconds, 15.0))
        return "waited"


if __name__ == "__main__":
    main(Faulty)
