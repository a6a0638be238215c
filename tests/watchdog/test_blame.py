"""The tool whose calls the growth of memory follows is named; a busy neighbour is not."""

from __future__ import annotations

from random import Random

from holdfast.observe.metrics import Metrics
from holdfast.watchdog.blame import Blame

KIB = 1024


class World:
    """Tools that are called, and memory that grows with the calls of some."""

    def __init__(self, leaks: dict[str, int], noise: int = 0) -> None:
        self.random = Random(3)
        self.metrics = Metrics()
        self.resident = 100 * KIB * KIB
        self.leaks = leaks
        self.noise = noise
        self.blame = Blame(self.metrics, lambda: self.resident)
        self.blame.sample()

    def second(self, **calls: int) -> None:
        for name, count in calls.items():
            tool = self.metrics.for_tool(name)
            for _ in range(count):
                tool.started()
                tool.ended("ok", 0.01)
            self.resident += count * self.leaks.get(name, 0)
        self.resident += self.random.randint(-self.noise, self.noise)
        self.blame.sample()


def test_the_leaking_tool_is_named_though_another_is_called_a_hundred_times_as_often() -> None:
    world = World({"leaky": 500 * KIB}, noise=300 * KIB)
    for _ in range(30):
        world.second(busy=world.random.randint(200, 400), leaky=world.random.randint(0, 5), quiet=1)
    assert world.blame.suspect() == "leaky"


def test_growth_that_follows_nobody_is_nobodys() -> None:
    world = World({})
    assert world.blame.suspect() is None, "nothing is known yet"
    for second in range(30):
        world.resident += 0 if second % 2 else 10 * KIB * KIB
        world.second(**({"busy": 10} if second % 2 else {}))
    assert world.blame.suspect() is None


def test_memory_that_does_not_grow_blames_nobody() -> None:
    world = World({"leaky": KIB})
    for _ in range(20):
        world.resident -= 100 * KIB
        world.second(leaky=2)
    assert world.blame.suspect() is None


def test_of_many_tools_those_with_the_most_calls_are_looked_at() -> None:
    world = World({"tool_0": 900 * KIB})
    for _ in range(15):
        world.second(**{f"tool_{number}": world.random.randint(1, 30 - number) for number in range(20)})
    assert world.blame.suspect() == "tool_0"


def test_the_leaking_tool_is_named_soon_after_the_server_has_warmed_up_with_the_calls_of_others() -> None:
    world = World({"leaky": KIB * KIB}, noise=100 * KIB)
    for _ in range(6):
        world.resident += 4 * KIB * KIB
        world.second(add=world.random.randint(30, 60), put=world.random.randint(10, 30))
    for _ in range(30):
        world.second(
            add=world.random.randint(20, 60), put=world.random.randint(10, 30), leaky=world.random.randint(1, 2)
        )
    assert world.blame.suspect() == "leaky"
