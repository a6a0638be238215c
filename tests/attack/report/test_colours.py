"""Colours come only where somebody looks and wants them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from holdfast_attack.model.case import Severity
from holdfast_attack.report.colours import OF_SEVERITY, Paint, is_terminal, paint_for


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours() -> None:
    paint = paint_for(Terminal(), {"TERM": "xterm"})
    assert paint("bad", "red") == "\x1b[31mbad\x1b[0m"
    assert paint("", "red") == ""


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_none_gets_none(environment: dict[str, str]) -> None:
    assert paint_for(Terminal(), environment) == Paint(False)


def test_an_empty_no_color_is_none() -> None:
    assert paint_for(Terminal(), {"NO_COLOR": ""}).coloured


def test_a_file_or_pipe_gets_none() -> None:
    assert paint_for(io.StringIO(), {})("text", "bold") == "text"


def closed() -> Any:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed()], ids=["missing", "closed"])
def test_a_stream_that_is_gone_is_no_terminal(stream: Any) -> None:
    assert not is_terminal(stream)


def test_every_severity_has_a_colour() -> None:
    assert set(OF_SEVERITY) == set(Severity)
    assert all(Paint(True)("x", colour) != "x" for colour in OF_SEVERITY.values())
