"""Every case of text finds its fault in a server that passes everything on, and nothing in one that does not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attack.cases.played import found, not_found

from holdfast_attack.arena.texts import HIDDEN
from holdfast_attack.cases import text
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Outcome, Verdict

PLAYED = ("text",)
IDS = [case.id for case in text.CASES]


@pytest.mark.parametrize("name", IDS)
def test_its_fault_is_found(name: str, naive: Mapping[str, Outcome]) -> None:
    found(naive[name])


@pytest.mark.parametrize("name", IDS)
def test_nothing_is_found_in_a_sound_server(name: str, sound: Mapping[str, Outcome]) -> None:
    not_found(sound[name])


def test_a_tool_that_gives_back_what_it_is_sent_is_tried_as_well(naive: Mapping[str, Outcome]) -> None:
    assert {one.tool for one in naive["text.ansi"].findings} == {"read_file"}
    assert {one.tool for one in naive["text.reflected"].findings} == {"echo", "greet"}
    assert naive["text.reflected"].verdict is Verdict.ADVICE, "who sent it knows what it is"


def test_what_is_escaped_visibly_is_fine() -> None:
    judge = text._came_through(HIDDEN["ansi"])
    shown = {"result": {"content": [{"type": "text", "text": "\\x1b[8mhidden"}]}}
    raw = {"result": {"content": [{"type": "text", "text": "\x1b[8mhidden"}]}}
    structured = {"result": {"content": [], "structuredContent": {"a": ["\x1b"]}}}
    refused = {"result": {"isError": True, "content": [{"type": "text", "text": "\x1b"}]}}
    said = [judge(None, Reply(message)) is not None for message in (shown, raw, structured, refused)]  # type: ignore[arg-type]
    assert said == [False, True, True, False]


def test_each_tool_that_hides_something_is_named(naive: Mapping[str, Outcome]) -> None:
    assert {(one.tool, one.what) for one in naive["text.description"].findings} == {
        ("echo", "its listing holds a terminal's escape sequence"),
        ("echo", "its listing holds invisible tag characters (U+E0000 to U+E007F)"),
    }
