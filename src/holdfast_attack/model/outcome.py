"""What came of each case, and the whole of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast_attack.model.case import Case, Profile, Transport


class Verdict(StrEnum):
    """What came of a case on one lane. Only the first two are scored."""

    PASSED = "passed"
    FAILED = "failed"
    ADVICE = "advice"
    NOT_APPLICABLE = "not applicable"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """A transport and a version of the protocol, such as stdio and 2025-11-25."""

    transport: Transport
    version: str

    def __str__(self) -> str:
        return f"{self.transport}/{self.version}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a server did wrong. ``sent`` and ``got`` are bytes as they were on the wire, cut when long."""

    what: str
    tool: str | None = None
    sent: bytes = b""
    got: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case on one lane. ``accepted``: failed, and the baseline knows of it; not scored and no reason to fail."""

    case: Case
    lane: Lane
    verdict: Verdict
    why: str = ""
    """One line: what is missing, what kept it from being tried; for a failure the first finding."""
    seconds: float = 0.0
    attempts: int = 0
    findings: tuple[Finding, ...] = ()
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The server that was judged, as it says of itself and as it was reached."""

    label: str
    """What the user calls it, or the command."""
    command: tuple[str, ...] = ()
    url: str = ""
    name: str = ""
    version: str = ""
    versions: tuple[str, ...] = ()
    """Of the protocol, newest first."""
    tools: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. ``began`` is in UTC, ISO 8601; ``limit`` the seconds that it might have taken at most."""

    subject: Subject
    profile: Profile
    seed: int
    began: str
    seconds: float
    limit: float
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know, such as that writes were not allowed."""
    tool_version: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Python, platform: what the run was made with."""
    reproduce: str = ""
    """The command line of this run without what only says where reports go; a case is added as ``--case ID``."""
