"""What a report of `holdfast attack --json` says, as the page on the comparison wants it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = "holdfast-attack/1"
SEVERITIES = ("critical", "high", "medium", "low", "advice")
PASSED, FAILED, ADVICE = "passed", "failed", "advice"
NOT_APPLICABLE, INCONCLUSIVE = "not applicable", "inconclusive"
_FOLDER = re.compile(r"\S*holdfast-attack[-/]\S*")
"""Where a run stood: another one stands elsewhere."""


class Unreadable(Exception):
    """The file is no report of this schema."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One case that failed: on which versions of the protocol, and the first thing that was found."""

    case: str
    severity: str
    title: str
    what: str
    versions: tuple[str, ...]
    findings: int


@dataclass(frozen=True)
class Judged:
    """One server over one transport."""

    name: str
    transport: str
    said: dict[str, Any]

    @classmethod
    def read(cls, name: str, transport: str, path: Path) -> Judged:
        """Raises ``Unreadable``."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise Unreadable(f"{path.name} cannot be read") from None
        if not isinstance(said, dict) or said.get("schema") != SCHEMA:
            raise Unreadable(f"{path.name} is no report of the schema {SCHEMA}")
        return cls(name, transport, said)

    @property
    def whole(self) -> dict[str, Any]:
        """The scorecard's row for everything."""
        return dict(self.said["scorecard"]["all"])

    def row(self, kind: str) -> dict[str, Any] | None:
        """The scorecard's row of a class; None where no case of it was there to be played."""
        return next((row for row in self.said["scorecard"]["classes"] if row["class"] == kind), None)

    @property
    def classes(self) -> list[str]:
        """In the scorecard's order."""
        return [row["class"] for row in self.said["scorecard"]["classes"]]

    @property
    def outcomes(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By case and version of the protocol."""
        return {(one["case"], one["lane"]["version"]): one for one in self.said["outcomes"]}

    def failures(self) -> list[Failure]:
        """Worst first; in the order of the run where they are equally bad."""
        by_case: dict[str, list[dict[str, Any]]] = {}
        for one in self.said["outcomes"]:
            if one["verdict"] == FAILED:
                by_case.setdefault(one["case"], []).append(one)
        found = [self._failure(case, ones) for case, ones in by_case.items()]
        return sorted(found, key=lambda failure: SEVERITIES.index(failure.severity))

    def _failure(self, case: str, ones: list[dict[str, Any]]) -> Failure:
        about = self.said["cases"][case]
        first = ones[0]["findings"][0] if ones[0]["findings"] else {"what": ones[0]["why"], "tool": None}
        tool = f"{first['tool']}: " if first["tool"] else ""
        versions = tuple(sorted({one["lane"]["version"] for one in ones}))
        count = max(len(one["findings"]) for one in ones)
        return Failure(case, about["severity"], about["title"], told(tool + first["what"]), versions, count)

    def undecided(self) -> list[tuple[str, str]]:
        """Case and reason of what could not be judged, each once."""
        open_ones = (one for one in self.said["outcomes"] if one["verdict"] == INCONCLUSIVE)
        return list(dict.fromkeys((one["case"], told(one["why"])) for one in open_ones))

    def missing(self) -> Counter[str]:
        """Why cases could not be applied, with how many cases each reason kept out."""
        pairs = {(one["case"], told(one["why"])) for one in self.said["outcomes"] if one["verdict"] == NOT_APPLICABLE}
        return Counter(why for _, why in pairs)


def told(text: str, length: int = 200) -> str:
    """A server's or a case's words on one line of Markdown: no markup of theirs, no folder of this run."""
    line = " ".join(_FOLDER.sub("(a path)", text).split())
    line = line if len(line) <= length else line[: length - 3] + "..."
    return re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", line)
