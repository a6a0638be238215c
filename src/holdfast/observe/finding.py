"""What a health check says, and what all of them say together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says. ``detail`` is public: no paths, no values, no secrets."""

    status: Status
    detail: str = ""


Probe = Callable[[], Awaitable[Finding] | Finding]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A finding and how many seconds it took."""

    status: Status
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer; ``ready`` and ``reason`` are what ``Health.set_ready`` was told last."""

    status: Status
    checks: dict[str, CheckResult]
    ready: bool
    reason: str

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        checks = {
            name: {"status": each.status, "detail": each.detail, "seconds": round(each.seconds, 4)}
            for name, each in self.checks.items()
        }
        return {"status": self.status, "ready": self.ready, "reason": self.reason, "checks": checks}
