"""Regular expressions that wait: the same answers, and nothing compiled before the first question."""

from __future__ import annotations

import re

import pytest

from holdfast.safe.later import Later


def test_it_answers_as_the_compiled_pattern_does() -> None:
    pattern = Later("a+(b)")
    for text in ("", "xaabx", "ba"):
        found, expected = pattern.search(text), re.search("a+(b)", text)
        assert (found and found.span()) == (expected and expected.span())
        assert pattern.sub(r"<\1>", text) == re.sub("a+(b)", r"<\1>", text)


def test_nothing_is_compiled_before_it_is_used() -> None:
    broken = Later("(")
    with pytest.raises(re.error):
        broken.search("")
