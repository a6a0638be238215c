"""The workspace example over a real pipe: its seven tools at work, and each kind of attack refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.peers import StdioPeer, code_of, text_of

from holdfast.testing import Workspace

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVER = EXAMPLES / "workspace.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with notes and a git repository, and a database with pets."""
    place = Workspace(tmp_path_factory.mktemp("place"))
    place.write("notes/today.md", "Buy milk\nCall Ada\n")
    place.write("picture.bin", b"\x89PNG\xff\xfe")
    (place.path.parent / "outside.txt").write_text("outside")
    (place.path / "link").symlink_to(place.path.parent / "outside.txt")
    place.table("pet", "name TEXT, age INTEGER", [("Rex", 3), ("Tom", 5)])
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The first day"]):
        subprocess.run([*git, *words], cwd=place.path, check=True)
    return place


@pytest.fixture(scope="module")
def peer(place: Workspace) -> Iterator[StdioPeer]:
    settings = {name: value for name, value in place.environment().items() if name != "HOLDFAST_STATE"}
    with StdioPeer(SERVER, place.state, **settings) as peer:
        peer.initialize()
        yield peer


def test_it_offers_exactly_seven_tools_with_their_arguments(peer: StdioPeer) -> None:
    offered = {
        tool["name"]: sorted(tool["inputSchema"]["properties"]) for tool in peer.ask("tools/list")["result"]["tools"]
    }
    assert offered == {
        "read_file": ["path"],
        "write_file": ["path", "text"],
        "list_dir": ["path"],
        "search_text": ["path", "pattern"],
        "git_log": ["count", "ref"],
        "query": ["sql"],
        "fetch_url": ["url"],
    }


def test_files_are_read_written_listed_and_searched(peer: StdioPeer, place: Workspace) -> None:
    assert text_of(peer.call("read_file", path="notes/today.md")) == "Buy milk\nCall Ada\n"
    assert "error" not in peer.call("write_file", path="new/deep.txt", text="written")
    assert (place.path / "new" / "deep.txt").read_text() == "written"
    listed = peer.call("list_dir")["structuredContent"]["result"]
    assert {"name": "notes", "kind": "dir"}.items() <= next(item for item in listed if item["name"] == "notes").items()
    assert "link" not in [item["name"] for item in listed]
    found = peer.call("search_text", pattern="^Call [A-Z]")["structuredContent"]
    assert found["matches"] == [{"path": "notes/today.md", "line": 2, "text": "Call Ada"}]


def test_the_repository_and_the_database_answer(peer: StdioPeer) -> None:
    assert "The first day" in text_of(peer.call("git_log", count=1))
    table = peer.call("query", sql="SELECT name, age FROM pet ORDER BY age DESC")["structuredContent"]
    assert table == {"columns": ["name", "age"], "rows": [["Tom", 5], ["Rex", 3]], "truncated": False}


@pytest.mark.parametrize(
    "tool, arguments, code",
    [
        ("read_file", {"path": "../outside.txt"}, "path.outside"),
        ("read_file", {"path": "/etc/passwd"}, "path.outside"),
        ("read_file", {"path": "link"}, "path.symlink"),
        ("read_file", {"path": ".git/config"}, "path.hidden"),
        ("read_file", {"path": "no/such/file"}, "path.not_found"),
        ("read_file", {"path": "picture.bin"}, "path.not_text"),
        ("write_file", {"path": ".git/hooks/pre-commit", "text": "x"}, "path.hidden"),
        ("write_file", {"path": "notes", "text": "x"}, "path."),
        ("list_dir", {"path": ".."}, "path.outside"),
        ("search_text", {"pattern": "(?=x)"}, "tool.error"),
        ("search_text", {"pattern": ""}, "arguments.invalid"),
        ("git_log", {"ref": "--output=x"}, "command.operand"),
        ("git_log", {"ref": "HEAD; id"}, "command.operand"),
        ("git_log", {"count": 1_000}, "arguments.invalid"),
        ("query", {"sql": "DELETE FROM pet"}, "query."),
        ("query", {"sql": "SELECT readfile('/etc/passwd')"}, "query.function"),
        ("query", {"sql": "SELECT * FROM sqlite_master"}, "query.table"),
        ("fetch_url", {"url": "http://127.0.0.1/"}, "url."),
        ("fetch_url", {"url": "http://localhost/"}, "url."),
        ("fetch_url", {"url": "http://[::ffff:7f00:1]/"}, "url."),
        ("fetch_url", {"url": "file:///etc/passwd"}, "url.scheme"),
    ],
)
def test_attacks_are_refused_with_their_code(
    peer: StdioPeer, tool: str, arguments: dict[str, object], code: str
) -> None:
    refused = peer.call(tool, **arguments)
    assert code_of(refused).startswith(code)
    assert refused["isError"] is True


def test_a_regular_expression_cannot_be_made_to_run_for_ever(peer: StdioPeer, place: Workspace) -> None:
    place.write("long.txt", "a" * 50_000 + "!")
    assert peer.call("search_text", pattern="^(a+)+$", path=".")["structuredContent"]["matches"] == []


def test_without_its_settings_it_refuses_to_start_and_names_the_missing_one(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    refused = subprocess.run(
        [sys.executable, str(SERVER)],
        env=clean | {"HOLDFAST_STATE": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "HOLDFAST_WORKSPACE" in refused.stderr
    assert refused.stdout == ""


def test_the_demo_shows_every_call_and_every_refusal_and_ends_well() -> None:
    shown = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "all as it should be" in shown.stdout
    assert "WRONG" not in shown.stdout
    assert shown.stdout.count("refused ") >= 28
    assert "\x1b" not in shown.stdout, "no colours where there is no terminal"
