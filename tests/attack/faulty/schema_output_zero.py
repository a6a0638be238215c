"""Gives no number for a growth from nothing, where its output schema promises one."""

import math

from sound import Sound, Tool, ToolFailed, annotated, main
from sound.tools import closed

CASE = "schema.output"
TRANSPORT = "stdio"

AMOUNT = {"type": "number", "description": "an amount", "minimum": -1_000_000_000, "maximum": 1_000_000_000}
GROWTH = closed({"percent": {"type": "number"}}, ("percent",))


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told, given = "Say by how much something has grown.", {"previous": AMOUNT, "current": AMOUNT}
        return (*super().tools(), Tool("growth", told, given, (), annotated(), GROWTH))

    async def growth(self, previous: float, current: float) -> dict[str, float | None]:
        return {"percent": self.percent(previous, current) if previous else self.from_nothing()}

    def percent(self, previous: float, current: float) -> float:
        if not math.isfinite(percent := (current - previous) / previous * 100):
            raise ToolFailed("this is too much to be told in percent")
        return percent

    def from_nothing(self) -> float | None:
        return 0.0


class Faulty(Mended):
    def from_nothing(self) -> float | None:
        return None


if __name__ == "__main__":
    main(Faulty, Mended)
