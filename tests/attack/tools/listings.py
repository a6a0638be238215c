"""Tools as real servers list them, cut to what matters."""

from __future__ import annotations

from typing import Any

from holdfast_attack.tools import Tool, Toolbox

STRING = {"type": "string"}
STRINGS = {"type": "array", "items": STRING}
INTEGER = {"type": "integer"}


def listed(
    name: str, properties: dict[str, Any], *required: str, description: str = "", reads: bool = True, **more: Any
) -> dict[str, Any]:
    """An entry of tools/list."""
    schema = {"type": "object", "properties": properties, "required": list(required), **more}
    return {
        "name": name,
        "description": description,
        "inputSchema": schema,
        "annotations": {"readOnlyHint": reads},
    }


def tool(name: str, properties: dict[str, Any], *required: str, **more: Any) -> Tool:
    """One parsed tool."""
    (made,) = Toolbox.parse([listed(name, properties, *required, **more)]).tools
    return made


def files() -> Toolbox:
    """Of @modelcontextprotocol/server-filesystem 2026."""
    edits = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"oldText": STRING, "newText": STRING},
            "required": ["oldText", "newText"],
        },
    }
    return Toolbox.parse(
        [
            listed("read_text_file", {"path": STRING, "head": {"type": "number"}}, "path"),
            listed("read_multiple_files", {"paths": {**STRINGS, "minItems": 1}}, "paths"),
            listed("write_file", {"path": STRING, "content": STRING}, "path", "content", reads=False),
            listed(
                "edit_file",
                {"path": STRING, "edits": edits, "dryRun": {"type": "boolean"}},
                "path",
                "edits",
                reads=False,
            ),
            listed("create_directory", {"path": STRING}, "path", reads=False),
            listed("list_directory", {"path": STRING}, "path"),
            listed(
                "move_file",
                {"source": STRING, "destination": STRING},
                "source",
                "destination",
                reads=False,
                description="Move or rename files and directories.",
            ),
            listed("search_files", {"path": STRING, "pattern": STRING, "excludePatterns": STRINGS}, "path", "pattern"),
            listed("get_file_info", {"path": STRING}, "path"),
        ]
    )


def git() -> Toolbox:
    """Of mcp-server-git 2026."""
    since = {"anyOf": [STRING, {"type": "null"}], "default": None}
    local = {**STRING, "description": "Whether to list local branches ('local'), remote branches ('remote') or all."}
    return Toolbox.parse(
        [
            listed(
                "git_diff", {"repo_path": STRING, "target": STRING, "context_lines": INTEGER}, "repo_path", "target"
            ),
            listed("git_commit", {"repo_path": STRING, "message": STRING}, "repo_path", "message", reads=False),
            listed(
                "git_add", {"repo_path": STRING, "files": {**STRINGS, "minItems": 1}}, "repo_path", "files", reads=False
            ),
            listed("git_log", {"repo_path": STRING, "max_count": INTEGER, "start_timestamp": since}, "repo_path"),
            listed(
                "git_create_branch",
                {"repo_path": STRING, "branch_name": STRING},
                "repo_path",
                "branch_name",
                reads=False,
            ),
            listed("git_show", {"repo_path": STRING, "revision": STRING}, "repo_path", "revision"),
            listed(
                "git_branch", {"repo_path": STRING, "branch_type": local, "contains": since}, "repo_path", "branch_type"
            ),
        ]
    )


def clock() -> Toolbox:
    """Of mcp-server-time 2026."""
    zone = {**STRING, "description": "IANA timezone name (e.g., 'America/New_York'). Use 'Etc/UTC' as local timezone."}
    time = {**STRING, "description": "Time to convert in 24-hour format (HH:MM)"}
    properties = {"source_timezone": zone, "time": time, "target_timezone": zone}
    return Toolbox.parse([listed("convert_time", properties, *properties)])


def fetching() -> Toolbox:
    """Of mcp-server-fetch 2026."""
    return Toolbox.parse(
        [
            listed(
                "fetch",
                {
                    "url": {"type": "string", "format": "uri", "minLength": 1},
                    "max_length": {"type": "integer", "minimum": 1, "maximum": 999_999, "default": 5000},
                    "start_index": {"type": "integer", "minimum": 0, "default": 0},
                    "raw": {"type": "boolean", "default": False},
                },
                "url",
            )
        ]
    )


def workspace() -> Toolbox:
    """Of examples/workspace.py."""
    path = {**STRING, "maxLength": 4096}
    file = {**path, "description": "path of a file to read, relative to the workspace, with / between directories"}
    folder = {**path, "description": "path of a directory, relative to the workspace", "default": "."}
    closed = {"additionalProperties": False}
    return Toolbox.parse(
        [
            listed("read_file", {"path": file}, "path", **closed),
            listed("list_dir", {"path": folder}, **closed),
            listed(
                "search_text",
                {"pattern": {**STRING, "minLength": 1, "maxLength": 1000}, "path": folder},
                "pattern",
                **closed,
            ),
            listed(
                "git_log",
                {
                    "ref": {**STRING, "default": "HEAD", "minLength": 1, "maxLength": 200},
                    "count": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
                },
                **closed,
            ),
            listed("query", {"sql": {**STRING, "maxLength": 20_000}}, "sql", **closed),
            listed("fetch_url", {"url": {**STRING, "format": "uri"}}, "url", **closed),
        ]
    )
