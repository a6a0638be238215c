"""Every case of leaks finds its fault in a server that tells everything, and nothing in one that does not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attack.cases.played import found, not_found

from holdfast_attack.cases.leaks import CASES, errors
from holdfast_attack.cases.leaks.wrong import misfit
from holdfast_attack.model import Outcome

PLAYED = ("paths.parent", "leaks")
IDS = [case.id for case in CASES]


@pytest.mark.parametrize("name", IDS)
def test_its_fault_is_found(name: str, naive: Mapping[str, Outcome]) -> None:
    found(naive[name])


@pytest.mark.parametrize("name", IDS)
def test_nothing_is_found_in_a_sound_server(name: str, sound: Mapping[str, Outcome]) -> None:
    not_found(sound[name])


@pytest.mark.parametrize(
    "said",
    [
        'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in run',
        'boom at File "/srv/app.py", line 12',
        "Error: boom\n    at Object.<anonymous> (/srv/index.js:12:3)\n",
        "Error: boom\n    at async run (file:///srv/index.mjs:1:2)\n",
        "goroutine 1 [running]:",
        "thread 'main' panicked at src/main.rs:2:5",
    ],
)
def test_a_traceback_of_any_language_is_known(said: str) -> None:
    assert errors._TRACE.search(said)


@pytest.mark.parametrize(
    "said", ["path is not a text (line 3)", "File not found: a.txt", "look at line 12 of the file", "meet me at (noon)"]
)
def test_an_error_in_words_is_no_traceback(said: str) -> None:
    assert not errors._TRACE.search(said)
    assert not any(pattern.search(said) for pattern, _ in errors._INNER)


@pytest.mark.parametrize(
    "said",
    ["RuntimeError('boom')", 'app.NotFoundError("x")', "<app.Thing object at 0x7f00aa>", "postgres://app:hunter2@db/x"],
)
def test_what_belongs_inside_is_known(said: str) -> None:
    assert any(pattern.search(said) for pattern, _ in errors._INNER)


@pytest.mark.parametrize(
    "schema, value",
    [
        ({"type": "string"}, {"token": "S"}),
        ({"type": "object"}, ["S"]),
        ({"type": ["object", "array"]}, "S"),
        ({"anyOf": [{"type": "object"}, {"type": "array"}, {"type": "string"}]}, {"token": {"token": "S"}}),
    ],
)
def test_a_misfit_holds_the_secret_in_a_type_that_is_not_taken(schema: dict[str, object], value: object) -> None:
    assert misfit(schema, "S") == value


def test_a_secret_that_another_case_tells_of_is_not_told_twice(naive: Mapping[str, Outcome]) -> None:
    assert not [one for one in naive["leaks.files"].findings if "hard-link" in one.what]


def test_what_was_heard_in_any_class_is_told_at_the_end(naive: Mapping[str, Outcome]) -> None:
    assert "DATABASE_PASSWORD" in found(naive["leaks.environment"])
    assert naive["leaks.environment"].findings[0].got
