"""Stand-ins for a tool's world: real files, a real database, and settings that a server takes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from holdfast import ReadPath, ReadQuery, Server
from holdfast.core.principal import ALL
from holdfast.testing import Workspace, principal, settings_for


def test_a_principal_may_do_everything_unless_scopes_are_named() -> None:
    assert principal().scopes == {ALL}
    assert (principal("ada", "read", "write").name, principal("ada", "read").scopes) == ("ada", {"read"})


def test_a_workspace_has_real_files_and_the_folders_on_their_way(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    file = workspace.write("a/b/note.txt", "caf\u00e9")
    assert file == tmp_path / "workspace" / "a" / "b" / "note.txt"
    assert file.read_bytes() == "caf\u00e9".encode()
    assert workspace.write("raw", b"\x00").read_bytes() == b"\x00"
    assert workspace.write("empty").read_bytes() == b""


def test_a_workspace_has_a_real_database_with_rows(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert "database" not in workspace.settings()
    workspace.table("pet", "name TEXT, age INTEGER", [("Rex", 3), ("Tom", 1)])
    workspace.table("empty", "x")
    connection = sqlite3.connect(workspace.database)
    assert connection.execute("SELECT name, age FROM pet ORDER BY age").fetchall() == [("Tom", 1), ("Rex", 3)]
    connection.close()
    with pytest.raises(sqlite3.OperationalError):
        workspace.table("pet", "name TEXT")
    assert workspace.settings()["database"] == str(workspace.database)


async def test_its_settings_make_a_server_whose_tools_can_use_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("note.txt", "inside")
    workspace.table("pet", "name TEXT", [("Rex",)])
    server = Server("uses", settings=workspace.settings(limits__rate="5/second"))

    @server.tool(read_only=True)
    async def read(path: ReadPath) -> str:
        return await path.read_text()

    @server.tool(read_only=True)
    async def pets(query: ReadQuery) -> list[str]:
        return [row[0] for row in (await query.rows()).rows]

    assert server.load_settings().settings.limits.rate == "5/second"
    async with server.client() as client:
        assert (await client.call_tool("read", {"path": "note.txt"})).content[0].text == "inside"
        found = await client.call_tool("pets", {"query": "SELECT name FROM pet"})
        assert found.structured_content == {"result": ["Rex"]}


def test_the_same_goes_for_a_server_in_a_process_of_its_own(tmp_path: Path) -> None:
    from holdfast.core.layers import load

    workspace = Workspace(tmp_path)
    assert "HOLDFAST_DATABASE" not in workspace.environment()
    workspace.table("pet", "name TEXT")
    loaded = load(environ=workspace.environment(limits__rate="5/second"))
    assert loaded.settings.workspace == workspace.path
    assert loaded.settings.state == workspace.state
    assert loaded.settings.database is not None
    assert loaded.settings.database.get_secret_value() == str(workspace.database)
    assert loaded.settings.limits.rate == "5/second"


def test_a_server_without_a_workspace_keeps_its_state_where_the_test_says(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, limits__timeout=3, audit__enabled=False)
    loaded = Server("bare", settings=settings).load_settings().settings
    assert (loaded.state, loaded.limits.timeout, loaded.audit.enabled) == (tmp_path / "state", 3, False)
