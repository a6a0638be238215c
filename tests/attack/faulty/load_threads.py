"""Leaves a thread waiting with each call."""

import threading

from sound import Sound, main

CASE = "load.threads"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def echo(self, text: str) -> str:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return text


if __name__ == "__main__":
    main(Faulty)
