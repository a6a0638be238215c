"""What a server lists is believed as far as it makes sense."""

from __future__ import annotations

from typing import Any

import pytest
from attack.tools.listings import STRING, files, listed

from holdfast_attack.tools import Role, Toolbox
from holdfast_attack.tools.listed import MOST_DROPPED, MOST_TOOLS
from holdfast_attack.tools.parameter import MOST


def test_a_tool_is_read() -> None:
    entry = {
        **listed("greet", {"name": STRING}, "name", description="Says hello."),
        "title": "Greeter",
        "outputSchema": {"type": "object"},
    }
    box = Toolbox.parse([entry])
    (greet,) = box.tools
    assert (greet.name, greet.title, greet.description) == ("greet", "Greeter", "Says hello.")
    assert greet.output_schema == {"type": "object"}
    assert greet.read_only
    assert greet.raw is entry
    assert greet.words == {"greet", "greeter"}
    assert [(each.name, each.required) for each in greet.parameters] == [("name", True)]
    assert box.get("greet") is greet
    assert box.get("none") is None
    assert box.listed == 1


@pytest.mark.parametrize("entry", [None, 7, "tool", [], {}, {"name": 7}, {"name": ""}, {"name": "x" * 10_000}])
def test_what_is_no_tool_is_dropped_and_kept_as_evidence(entry: Any) -> None:
    box = Toolbox.parse([listed("a", {}), entry])
    assert [tool.name for tool in box.tools] == ["a"]
    (dropped,) = box.dropped
    assert (dropped.index, dropped.entry) == (1, entry)
    assert dropped.why


def test_a_name_that_is_there_twice_is_told() -> None:
    box = Toolbox.parse([listed("a", {"x": STRING}), listed("a", {}), listed("a", {}), listed("b", {})])
    assert [tool.name for tool in box.tools] == ["a", "b"]
    assert box.duplicates == ("a",)
    assert len(box.tools[0].parameters) == 1


def test_a_list_without_an_end_is_cut() -> None:
    box = Toolbox.parse([listed(f"t{n}", {}) for n in range(MOST_TOOLS + 500)])
    assert len(box.tools) == MOST_TOOLS
    assert len(box.dropped) == MOST_DROPPED
    assert box.listed == MOST_TOOLS + 500


def test_a_schema_without_an_end_is_cut() -> None:
    many = {f"p{n}": {"type": "object", "properties": {f"q{m}": STRING for m in range(50)}} for n in range(500)}
    (tool,) = Toolbox.parse([listed("t", many)]).tools
    assert len(tool.parameters) == MOST
    assert len(tool.nested) <= MOST


@pytest.mark.parametrize(
    "lie",
    [
        {"inputSchema": None},
        {"inputSchema": []},
        {"inputSchema": {"properties": [], "required": 7}},
        {"inputSchema": {"properties": {"a": 7, "b": True}, "required": ["a", 7, None]}},
        {"outputSchema": 7},
        {"annotations": "readOnlyHint"},
        {"annotations": {"readOnlyHint": "true"}},
        {"description": 7, "title": []},
        {"inputSchema": {"$ref": "#"}},
    ],
)
def test_lies_in_an_entry_do_no_harm(lie: dict[str, Any]) -> None:
    (tool,) = Toolbox.parse([{"name": "t", **lie}]).tools
    assert not tool.read_only
    assert tool.output_schema is None
    assert isinstance(tool.schema, dict)
    assert isinstance(tool.description, str)


def test_only_a_hint_that_is_true_says_read_only() -> None:
    hints = [True, False, None, 1, "true"]
    box = Toolbox.parse([{"name": f"t{n}", "annotations": {"readOnlyHint": hint}} for n, hint in enumerate(hints)])
    assert [tool.name for tool in box.callable(False)] == ["t0"]
    assert len(box.callable(True)) == len(hints)


def test_parameters_are_found_by_role_in_tools_that_may_be_called() -> None:
    box = files()
    found = [(tool.name, parameter.label) for tool, parameter in box.with_role(Role.PATH, allow_writes=False)]
    assert found == [("read_text_file", "path"), ("read_multiple_files", "paths[]"), ("get_file_info", "path")]
    every = [tool.name for tool, _ in box.with_role(Role.PATH, allow_writes=True)]
    assert every.count("move_file") == 2
    texts = [parameter.label for _, parameter in box.with_role(Role.TEXT, allow_writes=True)]
    assert texts == ["content", "edits[].oldText", "edits[].newText"]


def test_references_to_definitions_are_seen_through() -> None:
    schema = {
        "$defs": {"Place": {"type": "string", "description": "path of a file"}},
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/Place"}},
        "allOf": [{"required": ["x"]}],
    }
    (tool,) = Toolbox.parse([{"name": "t", "inputSchema": schema}]).tools
    assert [(each.role, each.required) for each in tool.parameters] == [(Role.PATH, True)]
    assert tool.schema is schema
