"""A server's output is cut into lines in bounded memory."""

from __future__ import annotations

import pytest

from holdfast_attack.link import lines as module
from holdfast_attack.link.lines import Lines


def test_lines_are_whole_however_they_are_cut() -> None:
    lines = Lines()
    assert list(lines.feed(b"one\ntw")) == [b"one"]
    assert list(lines.feed(b"o\n\nthree")) == [b"two", b""]
    assert lines.rest == b"three"


def test_of_a_line_that_is_too_long_only_its_beginning_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 10)
    lines = Lines()
    assert list(lines.feed(b"x" * 8)) == []
    assert list(lines.feed(b"y" * 1000)) == []
    assert len(lines.rest) == 10
    assert list(lines.feed(b"z\nnext\n")) == [b"x" * 8 + b"yy", b"next"]
