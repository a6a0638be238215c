"""What an author says of a service that tools depend on: its time, its places and how often it is asked again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any

from holdfast.errors import ConfigurationError

MAX_DEPENDENCIES = 64
"""Names in one server, declared ones included: each has a breaker, places and a label of its own."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dependency:
    """How one service is called. Raises ``ConfigurationError`` for what cannot hold.

    timeout      seconds for one attempt, waiting for a place included
    concurrency  attempts under way at once, all tools together
    queue        attempts waiting for a place
    retries      further attempts of an idempotent call after a passing fault, within a budget of 20 % more attempts
    transient    exceptions of the service's client that mean a passing fault, besides connections and timeouts
    """

    timeout: float = 10.0
    concurrency: int = 16
    queue: int = 64
    retries: int = 2
    transient: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if not _number(self.timeout) or not 0 < self.timeout < inf:
            raise ConfigurationError("dependency(timeout=) is in seconds: more than zero, and finite")
        for name, least, most in (("concurrency", 1, 10_000), ("queue", 0, 100_000), ("retries", 0, 10)):
            value = getattr(self, name)
            if not isinstance(value, int) or not least <= value <= most:
                raise ConfigurationError(f"dependency({name}=) is a whole number from {least} to {most}")
        given = (self.transient,) if isinstance(self.transient, type) else tuple(self.transient)
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in given):
            raise ConfigurationError("dependency(transient=) is a class of exceptions, or several of them")
        object.__setattr__(self, "transient", given)


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def checked_name(name: str) -> str:
    """The name, if it is one that may stand in metrics, in the log and in ``/health``."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ConfigurationError("a dependency's name has 1 to 64 of a-z, 0-9, dot, hyphen and underscore")
    return name


def declared(name: str, terms: Mapping[str, Any]) -> Dependency:
    """A dependency as an author writes it. Raises ``ConfigurationError`` that names what is wrong."""
    checked_name(name)
    known = [item.name for item in fields(Dependency)]
    if unknown := sorted(set(terms) - set(known)):
        raise ConfigurationError(f"dependency {name}: no such term as {unknown[0]}; there are {', '.join(known)}")
    return Dependency(**terms)
