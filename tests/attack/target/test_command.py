"""The words of a command work from the arena, and the server is given little of the user's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast_attack.target.command import environment, filled, settled


def test_words_that_name_files_are_made_absolute_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "server.py").touch()
    (tmp_path / "src").mkdir()
    (tmp_path / "python").touch()
    words = ["python", "server.py", ".", "--flag", "src", "stdio", "http://x/y", "/abs"]
    assert settled(words, tmp_path) == (
        "python", str(tmp_path / "server.py"), ".", "--flag", str(tmp_path / "src"), "stdio", "http://x/y", "/abs"
    )  # fmt: skip


def test_a_program_with_a_folder_in_its_name_is_found_from_here(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "serve").touch()
    assert settled(["bin/serve"], tmp_path) == (str(tmp_path / "bin/serve"),)


@pytest.mark.parametrize("word", ["a\0b", "x" * 5000])
def test_words_that_can_be_no_path_stay_as_they_are(word: str, tmp_path: Path) -> None:
    assert settled(["python", word], tmp_path) == ("python", word)


def test_only_known_names_in_braces_are_filled_in() -> None:
    assert filled(["{port}", "a{port}b", "{json}"], {"port": "7"}) == ("7", "a7b", "{json}")


def test_secrets_of_the_user_stay_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "x")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("PYTHONPATH", "src:/abs")
    monkeypatch.setenv("HOLDFAST_WORKSPACE", "/home/me")
    monkeypatch.setenv("HOLDFAST_LIMITS__RATE", "5/minute")
    given = environment(tmp_path, {"HOLDFAST_WORKSPACE": "/arena"}, {"WANTED": "1"})
    assert "MY_SECRET" not in given
    assert given["PATH"] == "/bin"
    assert given["LC_ALL"] == "C.UTF-8"
    assert given["PYTHONPATH"] == f"{tmp_path}/src:/abs"
    assert given["HOLDFAST_WORKSPACE"] == "/arena"
    assert given["HOLDFAST_LIMITS__RATE"] == "5/minute"
    assert given["WANTED"] == "1"
