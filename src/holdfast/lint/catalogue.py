"""The codes: level, words and examples of every finding, read from ``checks.toml``, and the page of each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from holdfast.errors import ConfigurationError

Level = Literal["note", "warning", "error"]
LEVELS: tuple[Level, ...] = ("note", "warning", "error")
"""From the least to the gravest; the words are SARIF's (OASIS SARIF 2.1.0, 3.27.10)."""
FAMILIES = {
    "HF1": "what comes in",
    "HF2": "limits",
    "HF3": "facts",
    "HF4": "texts that a model reads",
    "HF5": "secrets",
    "HF6": "code",
    "HF7": "the pinned manifest",
    "HF9": "the checks themselves",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of finding: ``bad`` has it, ``good`` has not; both are empty where one file cannot show it."""

    code: str
    level: Level
    title: str
    why: str
    instead: str
    bad: str = ""
    good: str = ""

    def page(self) -> str:
        """The page of docs/checks, in Markdown."""
        parts = [f"# {self.code}: {self.title}", f"Level: {self.level}", self.why, f"**Instead.** {self.instead}"]
        if self.bad:
            parts += [f"Found:\n\n```python\n{self.bad.strip()}\n```", f"Clean:\n\n```python\n{self.good.strip()}\n```"]
        parts.append(f"Silence one place: `# holdfast: ignore[{self.code}] the reason why`. [All checks](README.md)")
        return "\n\n".join(parts) + "\n"


@cache
def checks() -> Mapping[str, Check]:
    """Every check by its code, in order."""
    held = tomllib.loads((files("holdfast") / "lint" / "checks.toml").read_text("utf-8"))
    return MappingProxyType({code: Check(code, **entry) for code, entry in sorted(held.items())})


def check_of(code: str) -> Check:
    """The check of a code, in either case. Raises ``ConfigurationError`` for one that does not exist."""
    found = checks().get(code.strip().upper())
    if found is None:
        raise ConfigurationError(f"there is no check {code.strip()[:20]!r}; docs/checks lists them all")
    return found


def chosen(texts: list[str]) -> frozenset[str]:
    """The codes that ``HF1,HF301`` names; a shorter one stands for all that begin so. Raises ``ConfigurationError``."""
    found: set[str] = set()
    for word in (word.strip().upper() for text in texts for word in text.split(",")):
        codes = [code for code in checks() if code.startswith(word)] if len(word) >= 3 else []
        if not codes:
            raise ConfigurationError(f"there is no check {word[:20]!r}; docs/checks lists them all")
        found.update(codes)
    return frozenset(found)


def index() -> str:
    """The page that lists them all, in Markdown."""
    lines = [
        "# What `holdfast check` finds",
        "",
        (
            "`holdfast check FILE` imports the server as `holdfast run` does, looks at what it offers "
            "and at its source, and ends"
        ),
        "with status 1 when something is found at the level of `--fail-on` (by default: warning). Generated from",
        "`src/holdfast/lint/checks.toml`; `holdfast check --explain CODE` prints a page.",
    ]
    for prefix, words in FAMILIES.items():
        lines += ["", f"## {prefix}: {words}", "", "| code | level | finds |", "|---|---|---|"]
        mine = [check for code, check in checks().items() if code.startswith(prefix)]
        lines += [f"| [{check.code}]({check.code}.md) | {check.level} | {check.title} |" for check in mine]
    return "\n".join(lines) + "\n"
