"""An endpoint whose calls of tools are counted where the parent of this process sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.core.endpoint import Endpoint, Request
    from holdfast.core.pipeline import Answer
    from holdfast.supervisor.flight import Flight


class Counted:
    """Implements ``core.endpoint.Endpoint`` over another one; everything but ``handle`` is that one's own."""

    def __init__(self, endpoint: Endpoint, flight: Flight) -> None:
        self.name = endpoint.name
        self.version = endpoint.version
        self.identity = endpoint.identity
        self.local = endpoint.local
        self.offered = endpoint.offered
        self.listed = endpoint.listed
        self.input_schema = endpoint.input_schema
        self.may_follow = endpoint.may_follow
        self._endpoint = endpoint
        self._flight = flight
        self._counts = flight.counts
        self._places: dict[str, int] = {}  # bounded by the tools that were called and exist

    async def handle(self, request: Request) -> Answer:
        """See ``Endpoint.handle``. What is under way when this process ends is what may have ended it."""
        if request.kind != "tool":
            return await self._endpoint.handle(request)
        counts = self._counts
        place = self._places.get(request.name) or self._place(request)
        counts[place] += 1
        try:
            return await self._endpoint.handle(request)
        finally:
            counts[place] -= 1

    def _place(self, request: Request) -> int:
        """A tool that there is has a place; any other name, which callers make up, has none."""
        if self.input_schema(request.name, request.principal) is None:
            return self._flight.unnamed
        place = self._places[request.name] = self._flight.place(request.name)
        return place
