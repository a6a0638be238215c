"""A server against its pinned manifest: each change is a finding at the place where it was made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.linting import codes

from holdfast.core.manifestfile import write
from holdfast.errors import ConfigurationError
from holdfast.lint.examine import examine
from holdfast.lint.pinned import manifest_of
from holdfast.lint.subject import Whole

SERVER = '''
@server.tool(read_only=True)
async def first(flag: bool) -> str:
    """Say the first thing."""
    return ""


@server.prompt
async def second() -> str:
    """Say the second thing."""
    return ""
'''
Load = Callable[..., Whole]


@pytest.fixture
def pinned(whole: Load, tmp_path: Path) -> Path:
    file = tmp_path / "holdfast.manifest.json"
    write(manifest_of(whole(SERVER)), file)
    return file


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("", "", set()),
        ("the first", "the very first", {("HF703", "tool first is not as it was pinned: description")}),
        ("flag: bool", "flag: Literal[1]", {("HF704", "tool first is not as it was pinned: inputSchema")}),
        ("read_only=True", "idempotent=True", {("HF705", "tool first is not as it was pinned: annotations")}),
        (
            "def second",
            "def third",
            {
                ("HF701", "prompt third is not in the pinned manifest"),
                ("HF702", "prompt second is pinned and no longer offered"),
            },
        ),
    ],
)
def test_each_change_is_a_finding(whole: Load, pinned: Path, old: str, new: str, expected: Any) -> None:
    found = examine(whole(SERVER.replace(old, new) if old else SERVER), manifest=pinned)
    assert {(item.code, item.message) for item in found} == expected


def test_the_instructions_are_told_of_where_the_server_is_made(whole: Load, pinned: Path) -> None:
    (found,) = examine(whole("server.identity['instructions'] = 'Be kind.'\n" + SERVER), manifest=pinned)
    assert (found.code, found.message) == ("HF703", "server is not as it was pinned: instructions")
    assert "Server(" in found.place.file.read_text().splitlines()[found.place.line - 1]


def test_a_change_is_told_of_where_it_was_made(whole: Load, pinned: Path) -> None:
    (found,) = examine(whole(SERVER.replace("the second", "another")), manifest=pinned)
    assert "def second" in found.place.file.read_text().splitlines()[found.place.line - 1]


def test_a_damaged_manifest_is_no_finding_but_the_end(whole: Load, pinned: Path) -> None:
    pinned.write_text(pinned.read_text().replace("first", "other"))
    with pytest.raises(ConfigurationError, match="altered after it was pinned"):
        examine(whole(SERVER), manifest=pinned)


def test_without_a_manifest_nothing_is_compared(whole: Load) -> None:
    assert codes(examine(whole(SERVER))) == set()
