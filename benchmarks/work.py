"""What is called: `add`, one of many tools, or `echo` with a payload; and what each call must come to."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from typing import Protocol

ANSWER = "42"
"""What every addition comes to, whatever its arguments."""
WORDS = ("the", "quick", "server", "answers", "each", "call", "that", "a", "patient", "client", "sends", "in", "order")
STAMP = 11
"""Characters of a payload that differ from call to call."""


class Work(Protocol):
    """One kind of call. What it says depends on the number alone, and differs from call to call."""

    def tool(self, number: int) -> str:
        """The tool to call."""
        ...

    def arguments(self, number: int) -> str:
        """Its arguments, as JSON."""
        ...

    def expected(self, number: int) -> str:
        """The text of the right answer."""
        ...


@dataclass(frozen=True, slots=True)
class Add:
    """Additions, by one tool or by ``tools`` of them in turn."""

    tools: int = 1

    def tool(self, number: int) -> str:
        """``add``, ``add_1``, ``add_2`` ..."""
        return f"add_{number % self.tools}" if number % self.tools else "add"

    def arguments(self, number: int) -> str:
        """Two numbers; no server can remember an answer."""
        first = number % 43
        return f'{{"a":{first},"b":{int(ANSWER) - first}}}'

    def expected(self, number: int) -> str:
        """Always the same."""
        return ANSWER


@dataclass(frozen=True, slots=True)
class Echo:
    """A text of ``size`` bytes to give back."""

    size: int

    def tool(self, number: int) -> str:
        """``echo``."""
        return "echo"

    def arguments(self, number: int) -> str:
        """The text."""
        return f'{{"text":{json.dumps(self.expected(number))}}}'

    def expected(self, number: int) -> str:
        """Plain words after a number."""
        return f"{number:0{STAMP - 1}d} {prose(self.size - STAMP)}"


@dataclass(frozen=True, slots=True)
class Named:
    """Calls of one tool that takes nothing."""

    name: str

    def tool(self, number: int) -> str:
        """It."""
        return self.name

    def arguments(self, number: int) -> str:
        """None."""
        return "{}"

    def expected(self, number: int) -> str:
        """Always the same."""
        return ANSWER


@cache
def prose(size: int) -> str:
    """``size`` characters of words, the same in every run: an alphabet soup would look like a secret to a scanner."""
    chosen = random.Random(size)
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(chosen.choice(WORDS))
        length += len(parts[-1]) + 1
    return " ".join(parts)[:size].ljust(size, ".")
