"""``holdfast new``: names that can be imported, a requirement that can be installed, and no file overwritten."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import origin
from holdfast.cli.new import checked
from holdfast.cli.origin import requirement
from holdfast.cli.template import write
from holdfast.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]


def test_a_name_becomes_an_importable_package() -> None:
    assert [checked(name) for name in ("notes", "my-notes", "a1_b2")] == ["notes", "my_notes", "a1_b2"]


@pytest.mark.parametrize(
    "name", ["", "Notes", "1st", "a b", "../up", "a--b", "-a", "a-", "é", "a.b", "x" * 65, "a/b", "a\nb"]
)
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case letters"):
        checked(name)


@pytest.mark.parametrize("name", ["class", "json", "holdfast", "pytest", "tests"])
def test_a_name_that_would_hide_a_module_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="would hide"):
        checked(name)


def test_a_project_is_made_and_never_over_another(holdfast: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()  # an empty folder will do
    ran = holdfast("new", "notes", "--holdfast", "holdfast>=0.1")
    assert ran.status == 0
    assert "cd notes" in ran.out
    made = sorted(
        str(file.relative_to(tmp_path / "notes")) for file in (tmp_path / "notes").rglob("*") if file.is_file()
    )
    assert made == [
        ".env.example",
        ".gitignore",
        "Makefile",
        "README.md",
        "pyproject.toml",
        "src/notes/__init__.py",
        "src/notes/server.py",
        "tests/test_server.py",
        "workspace/welcome.txt",
    ]
    again = holdfast("new", "notes")
    assert (again.status, again.out) == (2, "")
    assert "nothing was written" in again.err


def test_a_project_can_be_made_elsewhere(holdfast: Any, tmp_path: Path) -> None:
    assert holdfast("new", "other", "--dir", tmp_path / "deep" / "down", "--holdfast", ROOT).status == 0
    text = (tmp_path / "deep" / "down" / "other" / "pyproject.toml").read_text()
    assert f'dependencies = ["holdfast @ {ROOT.as_uri()}"]' in text


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigurationError, match="not an empty folder"):
        write({"a": ""}, file)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write({"a": ""}, file / "below")


@pytest.mark.parametrize(
    "given",
    [
        "holdfast",
        "holdfast==0.1.0",
        "holdfast[cli] >= 1, < 2",
        "holdfast @ git+https://example.com/h.git@abc",
        "holdfast~=1.0",
    ],
)
def test_a_requirement_is_recorded_as_it_is(given: str) -> None:
    assert requirement(given) == given


@pytest.mark.parametrize(
    "given", ["other", 'holdfast", "evil', "holdfast; x", "holdfast\n", "no/such/folder", "holdfast-evil"]
)
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="--holdfast takes"):
        requirement(given)


class Installed:
    """Stands for the metadata of an installed holdfast."""

    version = "9.8.7"

    def __init__(self, recorded: object) -> None:
        self._recorded = recorded

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps(self._recorded) if self._recorded else None


@pytest.mark.parametrize(
    "recorded, expected",
    [
        (None, "holdfast>=9.8.7"),
        ({"url": ROOT.as_uri(), "dir_info": {"editable": True}}, f"holdfast @ {ROOT.as_uri()}"),
        ({"url": "file:///no/such/folder", "dir_info": {}}, "holdfast>=9.8.7"),
        (
            {"url": "https://example.com/h.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "holdfast @ git+https://example.com/h.git@abc",
        ),
        ({"url": "https://example.com/h.whl", "archive_info": {}}, "holdfast @ https://example.com/h.whl"),
    ],
)
def test_by_default_it_is_the_holdfast_that_runs(
    monkeypatch: pytest.MonkeyPatch, recorded: object, expected: str
) -> None:
    monkeypatch.setattr(origin.Distribution, "from_name", lambda name: Installed(recorded))
    assert requirement() == expected


def test_a_holdfast_that_is_not_installed_is_taken_from_its_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(origin.Distribution, "from_name", absent)
    assert requirement() == f"holdfast @ {ROOT.as_uri()}"
    monkeypatch.setattr(origin, "__file__", str(tmp_path / "a" / "b" / "c" / "origin.py"))
    assert requirement() == "holdfast"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "stranger"\n')
    assert requirement() == "holdfast"
