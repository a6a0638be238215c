"""Names come apart into words, however they are written."""

from __future__ import annotations

import pytest

from holdfast_attack.tools.words import LONGEST, singular, words_of


@pytest.mark.parametrize("name", ["oldFilePath", "old_file_path", "old-file-path", "Old file.path", "OLD_FILE_PATH"])
def test_every_way_to_write_a_name_gives_the_same_words(name: str) -> None:
    assert words_of(name) == ("old", "file", "path")


def test_an_abbreviation_is_one_word() -> None:
    assert words_of("repoURL") == ("repo", "url")
    assert words_of("SQLQuery2") == ("sql", "query", "2")


def test_a_name_without_letters_has_no_words() -> None:
    assert words_of("") == words_of("___") == words_of("名前") == ()


def test_a_huge_name_is_read_in_part() -> None:
    assert len(words_of("a " * 10 * LONGEST)) <= LONGEST


def test_plurals_become_singular_and_other_words_stay() -> None:
    assert [singular(word) for word in ("paths", "directories", "files")] == ["path", "directory", "file"]
    assert [singular(word) for word in ("address", "status", "ms", "dns", "axis")] == [
        "address",
        "status",
        "ms",
        "dns",
        "axis",
    ]
