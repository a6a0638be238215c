"""Deny rules in the words of programs: never narrower than the rule itself."""

from __future__ import annotations

import pytest

from holdfast.safe.hiding import exclusions


@pytest.mark.parametrize(
    "pattern, ignored, path",
    [
        (".*", ".*", "**/.*"),
        ("*.key", "*.key", "**/*.key"),
        ("secrets/", "secrets", "**/secrets"),
        ("a/b", "/a/b", "a/b"),
        ("a/b/*.key", "/a/b", "a/b"),
        ("a/*/c", "/a", "a"),
        ("*/c", "/*", "*"),
        ("{a,b}", "\\{a,b\\}", "**/\\{a,b\\}"),
        ("!a", "\\!a", "**/\\!a"),
        ("#a", "\\#a", "**/\\#a"),
        ("a\\b", "a\\\\b", "**/a\\\\b"),
    ],
)
def test_a_rule_becomes_a_pattern_that_hides_at_least_as_much(pattern: str, ignored: str, path: str) -> None:
    assert exclusions(("{}", "x{path}"), [pattern])[2:] == [ignored, f"x{path}"]


def test_our_own_temporary_files_are_always_hidden() -> None:
    assert exclusions(("!{}",), []) == ["!.holdfast-*"]
    assert exclusions((), [".*"]) == []
