"""What is tried in many ways, as data: each way is a case of its own."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast_attack.model import Case, Eras, Kind, Reference, Severity
from holdfast_attack.model.case import Play


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelled:
    """One way. Of what it sends, the quick profile tries the first ``quick``."""

    name: str
    title: str
    sends: str
    reference: Reference
    severity: Severity
    remedy: str
    quick: int = 2
    advisories: tuple[str, ...] = ()

    def case(self, kind: Kind, sound: str, play: Play) -> Case:
        """The case that tries it; ``sound`` is what a sound server of this class does."""
        return Case(
            id=f"{kind}.{self.name}",
            title=self.title,
            severity=self.severity,
            eras=Eras.ONCE,
            seconds=60.0,
            sends=self.sends,
            sound=sound,
            reference=self.reference,
            remedy=self.remedy,
            advisories=self.advisories,
            play=play,
        )
