"""The sandbox that the settings describe: a workspace, named roots, and what each of them hides."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.layers import load
from holdfast.core.reach import build_sandbox
from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe.paths import ReadPath
from holdfast.safe.sandbox import Sandbox


def built(**environ: str) -> Sandbox:
    return build_sandbox(load(environ=environ))


def refused(sandbox: Sandbox, text: str) -> str:
    with pytest.raises(UnsafePath) as caught:
        ReadPath(text, sandbox).read_text_sync()
    return caught.value.code


def test_nothing_is_within_reach_by_default() -> None:
    sandbox = built()
    assert (sandbox.workspace, dict(sandbox.roots), sandbox.database) == (None, {}, None)


def test_the_workspaces_deny_patterns_come_on_top_of_dotfiles(tmp_path: Path) -> None:
    for name in ("shown.txt", "server.PEM", ".env"):
        (tmp_path / name).write_text("x")
    sandbox = built(HOLDFAST_WORKSPACE=str(tmp_path), HOLDFAST_WORKSPACE_DENY='["*.pem", "team/private"]')
    assert sandbox.workspace is not None
    assert [entry.name for entry in sandbox.workspace.dir().list_sync()] == ["shown.txt"]
    for text in ("server.PEM", ".env", "team/private/x"):
        assert refused(sandbox, text) == "path.hidden"
    sandbox.close()


def test_named_roots_come_from_a_json_object_each_with_its_own_rules(tmp_path: Path) -> None:
    for name in ("docs", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.key").write_text("x")
    roots = {
        "docs": {"path": str(tmp_path / "docs"), "read_only": True, "deny": ["*.key"], "max_read": 5, "max_write": 6,
                 "one_mount": True},
        "out": str(tmp_path / "out"),
    }  # fmt: skip
    sandbox = built(HOLDFAST_ROOTS=json.dumps(roots))
    docs, out = sandbox.roots["docs"], sandbox.roots["out"]
    assert (docs.name, docs.read_only, docs.max_read, docs.max_write, docs.one_mount) == ("docs", True, 5, 6, True)
    assert (out.name, out.read_only, out.deny.patterns, out.one_mount) == ("out", False, (".*",), False)
    assert refused(sandbox.within("docs"), "a.key") == "path.hidden"
    assert ReadPath("a.key", sandbox.within("out")).read_text_sync() == "x"
    assert sandbox.workspace is None
    sandbox.close()


def test_a_table_of_a_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "holdfast.toml"
    file.write_text(f'[roots.docs]\npath = "{tmp_path}"\nread_only = true\n')
    sandbox = build_sandbox(load(file=file, environ={}))
    assert sandbox.roots["docs"].read_only
    sandbox.close()


@pytest.mark.parametrize(
    "roots",
    [
        {"workspace": "/tmp"},
        {"Docs": "/tmp"},
        {"": "/tmp"},
        {"../x": "/tmp"},
        {"docs": {"read_only": True}},
        {"docs": {"path": "/tmp", "readonly": True}},
        {"docs": {"path": "/tmp", "max_read": 0}},
        [{"name": "a", "path": "/tmp"}, {"name": "a", "path": "/"}],
        "/tmp",
        7,
    ],
    ids=str,
)
def test_roots_that_make_no_sense_are_named_by_their_setting(roots: Any) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_ROOTS"):
        load(environ={"HOLDFAST_ROOTS": json.dumps(roots)})


def test_a_root_that_cannot_be_opened_leaves_none_open(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ConfigurationError, match="two"):
        built(HOLDFAST_ROOTS=json.dumps({"one": str(tmp_path), "two": str(tmp_path / "none")}))
    with pytest.raises(ConfigurationError, match="deny"):
        built(HOLDFAST_ROOTS=json.dumps({"one": {"path": str(tmp_path), "deny": ["a\\b"]}}))
    assert len(os.listdir("/dev/fd")) == before


def test_folders_within_one_another_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("work/docs", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "work" / "docs")
    roots = {name: {"path": str(tmp_path / path)} for name, path in (("docs", "link"), ("other", "elsewhere"))}
    built(HOLDFAST_WORKSPACE=str(tmp_path / "work"), HOLDFAST_ROOTS=json.dumps(roots)).close()
    assert [record.getMessage() for record in caplog.records if "folder" in record.getMessage()] == [
        "the folder docs is within the folder workspace: what one of them hides or only reads is reached by the other"
    ]
    caplog.clear()
    built(HOLDFAST_WORKSPACE=str(tmp_path / "link"), HOLDFAST_ROOTS=json.dumps({"docs": roots["docs"]})).close()
    assert [record.getMessage().split(":")[0] for record in caplog.records if "folder" in record.getMessage()] == [
        "the folder docs is the same as the folder workspace"
    ]
