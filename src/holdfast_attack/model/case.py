"""A case as data: what is sent, what a sound server does, who says so, and how to mend one that does not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

Play: TypeAlias = "Callable[[Probe], Awaitable[int]]"
"""Plays a case; returns how often something was tried. Raises ``Found``, ``NotApplicable`` or ``Inconclusive``."""
_ID = re.compile(r"[a-z]+\.[a-z0-9]+(?:-[a-z0-9]+)*\Z")


class Kind(StrEnum):
    """The class of a case; the part of its id before the dot. The order is that of the scorecard, and of a run."""

    HYGIENE = "hygiene"
    SCHEMA = "schema"
    PATHS = "paths"
    COMMANDS = "commands"
    URLS = "urls"
    SQL = "sql"
    TEXT = "text"
    LEAKS = "leaks"
    WIRE = "wire"
    HTTP = "http"
    TIME = "time"
    LOAD = "load"
    CRASH = "crash"


class Severity(IntEnum):
    """What a failure may cost. The value is its weight in the score (docs/attack.md)."""

    ADVICE = 0  # taste: reported, never scored, never a failure
    LOW = 1  # an honest client is puzzled, or a mistake of its own is hidden from it
    MEDIUM = 3  # a client hangs, gets a wrong answer, or the server cannot be ended properly
    HIGH = 6  # others are cut off, something private leaks, a bound is missing that an attacker would use
    CRITICAL = 10  # the sandbox is left, a foreign program or address is reached, or the server is gone for everybody


class Eras(StrEnum):
    """In which protocol eras a case is played."""

    EACH = "each"  # in each era that the server speaks
    ONCE = "once"  # the era does not matter: in the first that it speaks
    LEGACY = "legacy"  # `initialize`: 2024-11-05 to 2025-11-25
    MODERN = "modern"  # 2026-07-28: no handshake


class Transport(StrEnum):
    """How bytes get to the server."""

    STDIO = "stdio"
    HTTP = "http"


class Profile(StrEnum):
    """How long a run may take: ``quick`` is the default."""

    QUICK = "quick"
    FULL = "full"


class Backing(StrEnum):
    """Who says that a sound server behaves so."""

    SPEC = "spec"
    ADVISORY = "advisory"
    MEASUREMENT = "measurement"
    TASTE = "taste"


@dataclass(frozen=True, slots=True)
class Reference:
    """``text`` is a section of a specification, an advisory's id, or what was measured and where."""

    backing: Backing
    text: str


BOTH = frozenset(Transport)
STDIO = frozenset({Transport.STDIO})
HTTP = frozenset({Transport.HTTP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that could go wrong.

    ``sends`` and ``sound`` are sentences for a reader of the report; ``play`` does it. ``seconds`` is the deadline of
    the whole case. ``own`` says that it breaks what it touches and asks for a server of its own (``Probe.fresh``), so
    that the shared session is not looked at afterwards. ``beside`` cases mostly wait: they are played all at the same
    time, each with ``own`` servers or connections. A case that is played ``last`` looks at all that the server has said
    before. An ``early`` one is played before the others of its lane: what it looks for may make a server so slow that
    the run has no time for more. ``advisories`` are ids of security/attacks.toml.
    """

    id: str
    title: str
    severity: Severity
    sends: str
    sound: str
    reference: Reference
    remedy: str
    play: Play
    transports: frozenset[Transport] = BOTH
    eras: Eras = Eras.EACH
    profile: Profile = Profile.QUICK
    seconds: float = 15.0
    own: bool = False
    beside: bool = False
    last: bool = False
    early: bool = False
    advisories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ID.match(self.id) or self.id.partition(".")[0] not in set(Kind):
            raise ValueError(f"{self.id}: a case's id is its class, a dot and words joined by hyphens")
        if (self.severity is Severity.ADVICE) != (self.reference.backing is Backing.TASTE):
            raise ValueError(f"{self.id}: what only taste backs is advice, and only that")
        if self.beside and not self.own:
            raise ValueError(f"{self.id}: a case that is played beside others needs a server of its own")

    @property
    def kind(self) -> Kind:
        """The class."""
        return Kind(self.id.partition(".")[0])


alone = partial(Case, own=True, beside=True)
"""A case that is played beside others like it, on a server of its own."""


def spec(text: str) -> Reference:
    """Backed by a specification: name the document, its version and the section."""
    return Reference(Backing.SPEC, text)


def advisory(text: str) -> Reference:
    """Backed by a published advisory or weakness class: its id."""
    return Reference(Backing.ADVISORY, text)


def measured(text: str) -> Reference:
    """Backed by a harm that was measured: what happened."""
    return Reference(Backing.MEASUREMENT, text)


def taste(text: str) -> Reference:
    """Backed by no more than experience: the case is advice."""
    return Reference(Backing.TASTE, text)
