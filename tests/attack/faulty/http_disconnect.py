"""Keeps the place of a call whose client has left."""

import asyncio
from typing import Any

from sound import Call, Sound, main

CASE = "http.disconnect"
TRANSPORT = "http"
SLOW = True
VERSION = "2026-07-28"


class Faulty(Sound):
    def left(self, call: Call, run: asyncio.Task[Any]) -> None:
        if run.done():
            super().left(call, run)


if __name__ == "__main__":
    main(Faulty)
