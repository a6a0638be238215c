"""What the SDK calls a stream, over whatever can be iterated: the same few words for both ways to its dispatcher."""

from __future__ import annotations

from typing import Any, Self


class Stream:
    """The SDK's stream protocol around ``__anext__``. Who opened the connection closes it, so leaving does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration

    async def receive(self) -> Any:
        """The next item."""
        return await self.__anext__()

    async def aclose(self) -> None:
        """The descriptors are closed by whoever opened them."""
