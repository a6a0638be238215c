"""Honest arguments are valid, mean something, and are few."""

from __future__ import annotations

from typing import Any

import pytest
from attack.tools.listings import INTEGER, STRING, STRINGS, clock, fetching, files, git, tool, workspace

from holdfast_attack.tools import Toolbox, World, conforms, honest

WORLD = World(sql="SELECT name FROM pet", url="http://127.0.0.1:9/")


def of(box: Toolbox, name: str, world: World = WORLD) -> dict[str, Any]:
    """The honest arguments of one tool, which must be valid."""
    found = box.get(name)
    assert found is not None
    arguments = honest(found, world)
    assert conforms(found.schema, arguments) is True
    return arguments


def test_for_the_reference_server_for_files() -> None:
    box = files()
    assert of(box, "read_text_file") == {"path": "hello.txt"}
    assert of(box, "read_multiple_files") == {"paths": ["hello.txt"]}
    assert of(box, "write_file") == {"path": "made-by-an-honest-call.txt", "content": "hello"}
    assert of(box, "edit_file") == {"path": "spare.txt", "edits": [{"oldText": "hello", "newText": "hello"}]}
    assert of(box, "create_directory") == {"path": "made-by-an-honest-call.txt-folder"}
    assert of(box, "list_directory") == {"path": "."}
    assert of(box, "move_file") == {"source": "spare.txt", "destination": "made-by-an-honest-call.txt"}
    assert of(box, "search_files") == {"path": ".", "pattern": "hello"}


def test_for_the_reference_server_for_git() -> None:
    box = git()
    assert of(box, "git_diff") == {"repo_path": ".", "target": "HEAD"}
    assert of(box, "git_add") == {"repo_path": ".", "files": ["hello.txt"]}
    assert of(box, "git_create_branch") == {"repo_path": ".", "branch_name": "made-by-an-honest-call.txt"}
    assert of(box, "git_branch") == {"repo_path": ".", "branch_type": "local"}
    assert of(box, "git_log") == {"repo_path": "."}


def test_for_the_reference_servers_for_time_and_the_web() -> None:
    zone = "Etc/UTC"
    assert of(clock(), "convert_time") == {"source_timezone": zone, "time": "12:00", "target_timezone": zone}
    assert of(fetching(), "fetch") == {"url": "http://127.0.0.1:9/"}


def test_for_our_own_example() -> None:
    box = workspace()
    assert of(box, "query") == {"sql": "SELECT name FROM pet"}
    assert of(box, "list_dir") == of(box, "git_log") == {}
    assert of(box, "search_text") == {"pattern": "hello"}


def test_an_optional_parameter_is_given_where_the_tool_has_nothing_to_work_on_otherwise() -> None:
    assert honest(tool("read", {"path": STRING, "limit": INTEGER}), WORLD) == {"path": "hello.txt"}
    assert honest(tool("list", {"path": {**STRING, "default": "x"}}), WORLD) == {}


def test_one_of_several_ways_to_call_is_found() -> None:
    ways = {"anyOf": [{"required": ["url"]}, {"required": ["path"]}]}
    assert honest(tool("load", {"n": INTEGER, "path": STRING, "url": STRING}, "n", **ways), WORLD) == {
        "n": 1,
        "path": "hello.txt",
    }


def test_what_is_required_without_being_named_is_given() -> None:
    made = tool("do", {"a": INTEGER}, "a", "b")
    assert conforms(made.schema, honest(made, WORLD)) is True


def test_a_duration_is_short_in_whatever_unit() -> None:
    assert honest(tool("wait", {"seconds": {"type": "number"}}, "seconds"), WORLD) == {"seconds": 0.01}
    assert honest(tool("wait", {"ms": {**INTEGER, "minimum": 1}}, "ms"), WORLD) == {"ms": 1}


def test_samples_of_the_world_by_name_come_first() -> None:
    world = World(extra={"repo": "inner", "city": "Oslo", "repo_path": "exact"})
    assert honest(tool("go", {"repo_path": STRING, "home_city": STRING}, "repo_path", "home_city"), world) == {
        "repo_path": "exact",
        "home_city": "Oslo",
    }


@pytest.mark.parametrize(
    "name, schema, value",
    [
        ("email", {**STRING, "format": "email"}, "somebody@example.invalid"),
        ("mode", {"enum": ["fast", "slow"]}, "fast"),
        ("code", {**STRING, "pattern": "^[A-Z]{3}$"}, "AAA"),
        ("a", {**INTEGER, "minimum": 5}, 5),
        ("host", STRING, "localhost"),
        ("command", STRING, "true"),
        ("urls", STRINGS, ["http://127.0.0.1:9/"]),
        ("flag", {"type": "boolean"}, False),
        ("x", {}, "hello"),
    ],
)
def test_single_parameters(name: str, schema: dict[str, Any], value: Any) -> None:
    assert honest(tool("do", {name: schema}, name), WORLD) == {name: value}


def test_where_no_try_fits_the_best_is_given() -> None:
    made = tool("do", {"a": {"type": "string", "not": {}}}, "a")
    assert set(honest(made, WORLD)) == {"a"}


def test_a_tool_without_a_schema_is_called_without_arguments() -> None:
    (made,) = Toolbox.parse([{"name": "t", "inputSchema": None}]).tools
    assert honest(made, WORLD) == {}
