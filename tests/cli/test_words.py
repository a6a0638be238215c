"""Arguments of a call, from JSON, files and pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.cli.words import read_arguments
from holdfast.errors import ConfigurationError

SCHEMA = {"properties": {"name": {"type": "string"}, "count": {"type": "integer"}, "tags": {"type": "array"}}}


def test_json_and_pairs_join_and_pairs_win() -> None:
    found = read_arguments('{"name": "a", "count": 1}', ["count=2", 'tags=["x"]'], SCHEMA)
    assert found == {"name": "a", "count": 2, "tags": ["x"]}


def test_a_string_stays_a_string_and_what_is_no_json_stays_text() -> None:
    found = read_arguments(None, ["name=41", "count=many", "other=a=b", "flag=true"], SCHEMA)
    assert found == {"name": "41", "count": "many", "other": "a=b", "flag": True}


def test_a_file_can_hold_the_arguments(tmp_path: Path) -> None:
    file = tmp_path / "args.json"
    file.write_text('{"name": "é"}', "utf-8")
    assert read_arguments(f"@{file}", [], {}) == {"name": "é"}
    file.write_bytes(b"\xff")
    for unreadable in (f"@{file}", f"@{tmp_path}/absent"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_arguments(unreadable, [], {})


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "not JSON: .* line 1, column 2"),
        ("[1]", "must be a JSON object"),
        ('{"a": NaN}', "not JSON that a server takes"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_object_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_arguments(text, [], {})


@pytest.mark.parametrize("pair", ["name", "=x", ""])
def test_a_word_that_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(ConfigurationError, match="name=value"):
        read_arguments(None, [pair], SCHEMA)
