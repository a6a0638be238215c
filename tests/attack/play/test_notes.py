"""The report says which tools were called although nothing marks them, and which were not."""

from __future__ import annotations

from typing import Any

from holdfast_attack.play.notes import MOST, notes
from holdfast_attack.play.plan import Plan
from holdfast_attack.tools import Toolbox


def box(*names: str, **annotations: Any) -> Toolbox:
    return Toolbox.parse([{"name": name, "inputSchema": {}, "annotations": annotations} for name in names])


def test_tools_that_were_called_by_their_names_alone_are_told() -> None:
    (note,) = notes(Plan.of(["x"]), box("read_note", "list_notes"))
    assert note.startswith("no annotation says so")
    assert note.endswith(": read_note, list_notes")


def test_tools_that_were_not_called_are_told_and_how_to_have_them_called() -> None:
    (note,) = notes(Plan.of(["x"]), box("write_note"))
    assert "write_note" in note
    assert "--allow-writes" in note


def test_a_long_list_is_cut() -> None:
    (note,) = notes(Plan.of(["x"]), box(*(f"read_{number}" for number in range(MOST + 12))))
    assert note.endswith("read_7 and 12 more")


def test_nothing_is_said_of_tools_that_are_marked_or_when_all_were_called() -> None:
    assert notes(Plan.of(["x"]), box("write_note", readOnlyHint=True)) == ()
    assert notes(Plan.of(["x"], allow_writes=True), box("read_note", "write_note")) == ()


def test_a_server_that_was_only_connected_to_is_told() -> None:
    (note,) = notes(Plan.of(url="http://127.0.0.1:1/mcp"), Toolbox())
    assert "only connected to" in note
    assert notes(Plan.of(["x"], url="http://127.0.0.1:1/mcp"), Toolbox()) == ()
