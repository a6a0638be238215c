"""holdfast measured from within its own process: the chain, each guard, the stages of a call, and many principals.

    inside.py chain           or    inside.py principals COUNT

Says `{}` when it is ready; then each line on standard input is a number of calls, and each answer a line of JSON:
name -> microseconds for one call. Every variant of the chain is timed beside the whole one, in turn.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from pydantic_core import to_json

from holdfast import Server, guards
from holdfast.core.endpoint import Request
from holdfast.core.principal import Principal
from holdfast.live import take_snapshot
from holdfast.resilience.limiter import KeyedLimiter
from holdfast.wire.messages import message_bounds, parse

NEEDED = ("validate", "run")
"""Without these two a call cannot be made, so every variant has them."""
ARGUMENTS = {"a": 19, "b": 23}
LINE = json.dumps(
    {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "add", "arguments": ARGUMENTS}}
).encode()
LOOP = 1_000
TURNS = 4
"""Times that two variants of the chain are timed in turn."""
server = Server("inside")


async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


server.tool(add)
server.tool(name="look", read_only=True)(add)


class Quiet:
    """A client that offers nothing."""

    era = "modern"

    def offers(self, _capability: str) -> bool:
        """Nothing."""
        return False


def request(tool: str, principal: Principal) -> Request:
    """One call."""
    return Request("tool", tool, ARGUMENTS, principal, Quiet())  # type: ignore[arg-type]  # it asks nothing


async def timed(calls: int, once: Callable[[], Awaitable[Any]]) -> float:
    """Microseconds for one."""
    begun = perf_counter()
    for _ in range(calls):
        await once()
    return (perf_counter() - begun) / calls * 1e6


def timed_plain(calls: int, once: Callable[[], Any]) -> float:
    """The same for what need not be awaited."""
    begun = perf_counter()
    for _ in range(calls):
        once()
    return (perf_counter() - begun) / calls * 1e6


def calibration() -> int:
    """A fixed piece of plain Python, so that machines can be compared: ``LOOP`` turns with a little arithmetic."""
    total = 0
    for number in range(LOOP):
        total += number * number % 7
    return total


class Chain:
    """The default chain around one tool, whole and with guards left out."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._add, self._look = request("add", live.local), request("look", live.local)
        operation = live.snapshot.named["tool"]["add"].operation
        recipes = {recipe.__module__.rpartition(".")[2]: recipe for recipe in guards.ORDER}
        self._names = [name for name, recipe in recipes.items() if recipe(operation, live.plant.parts) is not None]
        self._order = guards.ORDER
        self._recipes = recipes
        self._whole = live.snapshot
        self._least = self._snapshot(NEEDED)
        others = [name for name in self._names if name not in NEEDED]
        self._without = {name: self._snapshot([each for each in recipes if each != name]) for name in others}
        self._alone = {name: self._snapshot([*NEEDED, name]) for name in others}
        self._bounds = message_bounds(live.plant.loaded.settings.limits)

    def _snapshot(self, names: Any) -> Any:
        guards.ORDER = tuple(recipe for name, recipe in self._recipes.items() if name in names)
        try:
            return take_snapshot(server.whole(), self._live.plant)
        finally:
            guards.ORDER = self._order

    async def _handled(self, snapshot: Any, calls: int) -> float:
        self._live.snapshot = snapshot
        return await timed(calls, lambda: self._live.handle(self._add))

    async def _difference(self, calls: int, more: Any, less: Any) -> float:
        """What ``more`` takes over ``less``: in turn, the best of each, since the rest is what disturbed it."""
        turn = max(calls // TURNS, 1)
        pairs = [(await self._handled(more, turn), await self._handled(less, turn)) for _ in range(TURNS)]
        return min(above for above, _ in pairs) - min(below for _, below in pairs)

    async def measure(self, calls: int) -> dict[str, float]:
        """Everything once."""
        live = self._live
        found = {"calibration": timed_plain(max(calls // 10, 1), calibration)}
        found["handler"] = await timed(calls, lambda: add(**ARGUMENTS))
        found["chain"] = await self._handled(self._whole, calls) - found["handler"]
        found["chain_readonly"] = await timed(calls, lambda: live.handle(self._look)) - found["handler"]
        found["chain_least"] = await self._handled(self._least, calls) - found["handler"]
        found["stage_parse"] = timed_plain(calls, lambda: parse(LINE, self._bounds))
        body = (await live.handle(self._add)).body
        found["stage_encode"] = timed_plain(calls, lambda: to_json({"jsonrpc": "2.0", "id": 7, "result": body}))
        for name, snapshot in self._without.items():
            found[f"without_{name}"] = await self._difference(calls, self._whole, snapshot)
            found[f"alone_{name}"] = await self._difference(calls, self._alone[name], self._least)
        live.snapshot = self._whole
        return found


class Principals:
    """The rate limiter of one tool, which knows a number of principals; calls come from any of them."""

    def __init__(self, live: Any, count: int) -> None:
        self._live = live
        self._count = count
        self._random = random.Random(count)

    async def fill(self) -> None:
        """One call finds the limiter; then it is told of everybody through its own door."""
        await self._live.handle(request("add", self._who(0)))
        gc.unfreeze()  # what a start has made is set aside, and not shown
        limiters = [thing for thing in gc.get_objects() if isinstance(thing, KeyedLimiter) and len(thing)]
        for limiter in limiters:
            for number in range(self._count):
                limiter.take(self._who(number).name)
        if not any(len(limiter) >= self._count for limiter in limiters):
            raise RuntimeError("the rate limiter does not remember the principals that it was told of")

    def _who(self, number: int) -> Principal:
        return Principal(f"principal-{number}", frozenset({"*"}))

    async def measure(self, calls: int) -> dict[str, float]:
        """Calls by principals chosen at random."""
        requests = iter([request("add", self._who(self._random.randrange(self._count))) for _ in range(calls)])
        return {"principals": await timed(calls, lambda: self._live.handle(next(requests)))}


async def main(kind: str, count: int) -> None:
    """Answer each line until there are no more."""
    async with server.serving() as live:
        if kind == "principals":
            measured: Chain | Principals = Principals(live, count)
            await measured.fill()
        else:
            measured = Chain(live)
        answer = await live.handle(request("add", live.local))
        if answer.is_error or answer.body["content"][0]["text"] != "42":
            raise RuntimeError("a wrong answer")
        print("{}", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await measured.measure(int(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
