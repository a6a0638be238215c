"""holdfast with a tool whose work is a dependency's; `DEPENDENT_CONTROL=1` takes breaker and retry budget away."""

import asyncio
import os

import holdfast.guards
import holdfast.plant
from holdfast import Limits, Server
from holdfast.guards import breaker
from holdfast.resilience.retry import RetryBudget

PORT = int(os.environ["DEPENDENT_PORT"])
TIMEOUT = 2.5
"""Seconds of a call; the line of waiting calls is as long at the dependency's pace."""
PATIENCE = 2.0
"""Seconds that the tool waits for the dependency in one attempt."""


class Boundless(RetryBudget):
    """Lets every retry through."""

    def take(self, now: float) -> bool:
        """Always."""
        return True


if os.environ.get("DEPENDENT_CONTROL"):
    holdfast.plant.RetryBudget = Boundless  # type: ignore[misc, attr-defined]
    holdfast.guards.ORDER = tuple(recipe for recipe in holdfast.guards.ORDER if recipe is not breaker.recipe)  # type: ignore[assignment]

server = Server("dependent")


@server.tool(read_only=True, limits=Limits(timeout=TIMEOUT))
async def fetch(number: int) -> str:
    """Ask the dependency."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        try:
            writer.write(f"{number}\n".encode())
            if not await reader.readline():
                raise ConnectionResetError("the dependency is down")
        finally:
            writer.close()
    return "fetched"


if __name__ == "__main__":
    server.main()
