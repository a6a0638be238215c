"""The fuzz targets: they run on their seeds and on broken seeds, and they find a fault that is put in."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FUZZ = Path(__file__).parents[2] / "security" / "fuzz"
sys.path.insert(0, str(FUZZ))
from targets import TARGETS  # noqa: E402 - beside the fuzzer

BROKEN = 60
"""Broken forms of each seed; the fuzzer itself makes millions."""


def seeds(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((FUZZ / "seeds" / name).iterdir())]


def forms(name: str) -> Iterator[bytes]:
    """The seeds, and each of them broken in ways that a seed of randomness fixes."""
    chance = random.Random(name)
    pool = seeds(name)
    for seed in pool:
        yield seed
        for _ in range(BROKEN):
            form = bytearray(seed)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(form) + 1)
                piece = chance.choice([chance.randbytes(1), chance.choice(pool)[: chance.randint(1, 12)], b""])
                form[at : at + chance.randint(0, 3)] = piece
            yield bytes(form)


@pytest.mark.parametrize("name", TARGETS)
def test_the_target_finds_nothing_near_its_seeds(name: str) -> None:
    assert len(seeds(name)) >= 5
    _all_of(name)


def test_every_target_has_seeds_and_words_and_nothing_else_has() -> None:
    assert {path.name for path in (FUZZ / "seeds").iterdir()} == set(TARGETS)
    assert {path.stem for path in (FUZZ / "words").iterdir()} == set(TARGETS)


def _all_of(name: str) -> None:
    for form in forms(name):
        TARGETS[name](form)


def _unguarded_names(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.names.check_name", lambda *_: None)


def _unguarded_hosts(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.locations._admit", lambda *_: None)


def _unguarded_statements(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.sqltree._check_node", lambda *_: None)


def _unguarded_repeats(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.json.names_are_unique", lambda *_: True)


def _unguarded_versions(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.wire.messages._is_id", lambda _: True)


def _unguarded_text(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.outgoing.clean", lambda text: text)


def _unguarded_host_header(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.wire.admission.Admission.check_names", lambda *_: None)


def _unguarded_chunks(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.streaming._held_from", lambda _redaction, text: len(text))


def _unguarded_signatures(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.access.jwt._check_signature", lambda *_: None)


def _unguarded_operands(monkeypatch: Any) -> None:
    monkeypatch.setattr("holdfast.safe.argv.Operand.word", lambda _self, value: value)


@pytest.mark.parametrize(
    "name, weaken",
    [
        ("paths", _unguarded_names),
        ("urls", _unguarded_hosts),
        ("sql", _unguarded_statements),
        ("json", _unguarded_repeats),
        ("message", _unguarded_versions),
        ("text", _unguarded_text),
        ("stream", _unguarded_chunks),
        ("tokens", _unguarded_signatures),
        ("headers", _unguarded_host_header),
        ("arguments", _unguarded_operands),
    ],
)
def test_the_target_finds_a_check_that_was_taken_out(name: str, weaken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    weaken(monkeypatch)
    with pytest.raises(AssertionError):
        _all_of(name)
