"""Ends a line wherever Unicode does."""

from collections.abc import AsyncIterator

from sound import Sound, Stdio, main

CASE = "wire.separators"
TRANSPORT = "stdio"


class Splitting(Stdio):
    async def lines(self) -> AsyncIterator[bytes | None]:
        async for line in super().lines():
            text = (line or b"").decode("utf-8", "surrogateescape")
            for end in "\u2028\u2029\u0085":
                text = text.replace(end, "\n")
            for part in text.split("\n"):
                yield line and part.encode("utf-8", "surrogateescape")


class Faulty(Sound):
    over_pipes = Splitting


if __name__ == "__main__":
    main(Faulty)
