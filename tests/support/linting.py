"""What tests of the linter ask of findings."""

from __future__ import annotations

from holdfast.lint.finding import Finding, at_least


def graver(findings: list[Finding]) -> list[str]:
    """Findings at the level of a warning or above, as words."""
    return [f"{item.place.line} {item.code} {item.message}" for item in at_least(findings, "warning")]


def codes(findings: list[Finding]) -> set[str]:
    """The codes that were found."""
    return {item.code for item in findings}
