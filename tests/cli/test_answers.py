"""Answers for people: text as it is, the rest summarised, errors on standard error."""

from __future__ import annotations

import pytest

from holdfast.cli.answers import lines, show


def test_every_kind_of_block_is_one_line_that_says_what_it_is() -> None:
    blocks = [
        {"type": "text", "text": "plain \x1b[31mred"},
        {"type": "image", "mimeType": "image/png", "data": "AAAA"},
        {"type": "audio", "mimeType": "audio/wav", "data": "AA=="},
        {"type": "resource", "resource": {"uri": "x://1", "text": "inside"}},
        {"type": "resource", "resource": {"uri": "x://2", "mimeType": "a/b", "blob": "AAA="}},
        {"type": "resource_link", "uri": "x://3", "name": "three"},
    ]
    assert list(lines({"content": blocks, "structuredContent": {"left": "out"}})) == [
        "plain red",
        "[image image/png, 3 bytes]",
        "[audio audio/wav, 1 bytes]",
        "inside",
        "[resource x://2 a/b, 2 bytes]",
        "[link x://3: three]",
    ]


def test_structure_alone_is_shown_as_json() -> None:
    assert list(lines({"content": [], "structuredContent": {"words": 3}})) == ['{\n  "words": 3\n}']
    assert list(lines({"content": []})) == []


def test_an_error_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show({"content": [{"type": "text", "text": "no"}], "isError": True})
    show({"content": [{"type": "text", "text": "yes"}]})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("yes\n", "error: no\n")
