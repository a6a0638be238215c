"""The roles of parameters of real servers, told from names, schemas and descriptions."""

from __future__ import annotations

from typing import Any

import pytest
from attack.tools.listings import INTEGER, STRING, STRINGS, clock, fetching, files, git, tool, workspace

from holdfast_attack.tools import Role, Toolbox
from holdfast_attack.tools.roles import Setting, role_of, types_of
from holdfast_attack.tools.vocabulary import BY_CONTEXT, NEUTRAL, OF_NUMBERS, OF_STRINGS


def roles(toolbox: Toolbox, name: str) -> dict[str, str]:
    """By label."""
    found = toolbox.get(name)
    assert found is not None
    return {parameter.label: str(parameter.role) for parameter in (*found.parameters, *found.nested)}


def role(name: str, schema: dict[str, Any] | None = None, tool_name: str = "do", description: str = "") -> Role:
    """Of one parameter."""
    return role_of(name, STRING if schema is None else schema, Setting.of(tool_name, "", description))


def test_those_of_the_reference_server_for_files() -> None:
    box = files()
    assert roles(box, "read_text_file") == {"path": "path", "head": "count"}
    assert roles(box, "read_multiple_files") == {"paths[]": "path"}
    assert roles(box, "write_file") == {"path": "path", "content": "text"}
    assert roles(box, "edit_file") == {
        "path": "path",
        "edits[]": "other",
        "dryRun": "other",
        "edits[].oldText": "text",
        "edits[].newText": "text",
    }
    assert roles(box, "create_directory") == roles(box, "list_directory") == {"path": "folder"}
    assert roles(box, "move_file") == {"source": "path", "destination": "path"}
    assert roles(box, "search_files") == {"path": "folder", "pattern": "pattern", "excludePatterns[]": "pattern"}
    assert roles(box, "get_file_info") == {"path": "path"}


def test_those_of_the_reference_server_for_git() -> None:
    box = git()
    assert roles(box, "git_diff") == {"repo_path": "folder", "target": "argument", "context_lines": "count"}
    assert roles(box, "git_commit") == {"repo_path": "folder", "message": "text"}
    assert roles(box, "git_add") == {"repo_path": "folder", "files[]": "path"}
    assert roles(box, "git_log") == {"repo_path": "folder", "max_count": "count", "start_timestamp": "argument"}
    assert roles(box, "git_create_branch") == {"repo_path": "folder", "branch_name": "argument"}
    assert roles(box, "git_show") == {"repo_path": "folder", "revision": "argument"}
    assert roles(box, "git_branch") == {"repo_path": "folder", "branch_type": "other", "contains": "argument"}


def test_those_of_the_reference_servers_for_time_and_the_web() -> None:
    assert roles(clock(), "convert_time") == {"source_timezone": "other", "time": "text", "target_timezone": "other"}
    assert roles(fetching(), "fetch") == {"url": "url", "max_length": "count", "start_index": "count", "raw": "other"}


def test_those_of_our_own_example() -> None:
    box = workspace()
    assert roles(box, "read_file") == {"path": "path"}
    assert roles(box, "list_dir") == {"path": "folder"}
    assert roles(box, "search_text") == {"pattern": "pattern", "path": "folder"}
    assert roles(box, "git_log") == {"ref": "argument", "count": "count"}
    assert roles(box, "query") == {"sql": "sql"}
    assert roles(box, "fetch_url") == {"url": "url"}


@pytest.mark.parametrize("name", ["command", "cmd", "shellCommand", "script", "exec"])
def test_what_is_run_is_a_command(name: str) -> None:
    assert role(name) is Role.COMMAND


@pytest.mark.parametrize("name", ["seconds", "delay", "duration", "timeout_ms", "wait", "maxWait", "wait_time", "ttl"])
def test_a_number_that_says_how_long_is_a_duration(name: str) -> None:
    assert role(name, {"type": "number"}) is Role.DURATION


@pytest.mark.parametrize("name", ["count", "limit", "max_length", "pageSize", "n", "offset", "depth"])
def test_a_number_that_says_how_many_is_a_count(name: str) -> None:
    assert role(name, INTEGER) is Role.COUNT


def test_other_numbers_and_flags_and_choices_are_none_of_these() -> None:
    assert role("a", INTEGER) is Role.OTHER
    assert role("path", {"type": "boolean"}) is Role.OTHER
    assert role("path", {"type": "string", "enum": ["a", "b"]}) is Role.OTHER
    assert role("command", {"const": "ls"}) is Role.OTHER


def test_a_query_is_sql_near_a_database_and_a_text_elsewhere() -> None:
    assert role("query", tool_name="sqlite_query") is Role.SQL
    assert role("query", description="Execute SQL on Google Cloud Spanner") is Role.SQL
    assert role("query", tool_name="web_search") is Role.TEXT


def test_code_is_a_command_where_it_is_run() -> None:
    assert role("code", tool_name="run_python") is Role.COMMAND
    assert role("country_code", tool_name="lookup") is Role.TEXT


def test_a_repository_is_a_folder_or_a_name() -> None:
    assert role("repo", {**STRING, "description": "path to the repository"}) is Role.FOLDER
    assert role("repo", tool_name="list_issues") is Role.ARGUMENT


def test_the_schema_says_more_than_the_name() -> None:
    assert role("target", {**STRING, "format": "uri"}) is Role.URL
    assert role("where", {**STRING, "format": "file-path"}) is Role.PATH
    assert role("where", {**STRING, "format": "directory-path"}) is Role.FOLDER
    assert role("x", {**STRING, "format": "regex"}) is Role.PATTERN
    assert role("path", {**STRING, "format": "uuid"}) is Role.OTHER
    assert role("x", {**STRING, "pattern": "^https?://"}) is Role.URL


def test_a_description_helps_where_the_name_says_nothing() -> None:
    assert role("input", {**STRING, "description": "Path of the image"}) is Role.PATH
    assert role("value", {**STRING, "description": "The URL to visit"}) is Role.URL
    assert role("x", {**STRING, "description": "regular expression"}) is Role.PATTERN
    assert role("x", {**STRING, "description": "the working directory"}) is Role.FOLDER
    assert role("x", {**STRING, "description": "a shell command"}) is Role.COMMAND


def test_what_nothing_is_known_of_is_text() -> None:
    assert role("x") is Role.TEXT
    assert role("x", {}) is Role.TEXT


def test_the_last_word_of_a_name_decides() -> None:
    assert role("file_format") is Role.OTHER
    assert role("file_name") is Role.PATH
    assert role("url_path") is Role.PATH
    assert role("script_path") is Role.PATH


def test_descriptions_that_are_no_text_are_no_matter() -> None:
    assert role("path", {"type": "string", "description": 7, "format": [], "pattern": {}, "default": {}}) is Role.PATH


def test_the_types_of_branches_count() -> None:
    assert types_of({"anyOf": [STRING, {"type": "null"}]}) == {"string", "null"}
    assert types_of({"oneOf": [STRINGS, {"type": ["integer", 7]}]}) == {"array", "integer"}
    assert types_of({"type": {}}) == types_of({}) == frozenset()


def test_a_list_has_the_role_of_its_elements_and_of_their_description() -> None:
    made = tool("get", {"urls": STRINGS, "items": {**STRINGS, "description": "paths to read"}})
    assert {each.label: each.role for each in made.parameters} == {"urls[]": Role.URL, "items[]": Role.PATH}


def test_the_table_has_each_word_once_and_in_the_form_that_is_looked_up() -> None:
    assert not set(OF_STRINGS) & NEUTRAL
    assert all(word == word.lower() and word.isalnum() for word in (*OF_STRINGS, *OF_NUMBERS, *BY_CONTEXT))
