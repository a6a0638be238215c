"""Waits for a lock that it holds itself."""

import threading

from sound import Sound, Tool, annotated, main

CASE = "crash.call"
TRANSPORT = "stdio"
SLOW = True


class Mended(Sound):
    lock = threading.RLock()
    sold = (3, 4, 5)

    def tools(self) -> tuple[Tool, ...]:
        return (*super().tools(), Tool("totals", "Say how much was sold.", {}, (), annotated()))

    async def totals(self) -> str:
        with self.lock:
            return f"{self.total()} in {len(self.sold)} days"

    def total(self) -> int:
        with self.lock:
            return sum(self.sold)


class Faulty(Mended):
    lock = threading.Lock()


if __name__ == "__main__":
    main(Faulty, Mended)
