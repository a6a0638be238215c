"""Secrets are heard wherever they are said, however they are cut, and shown with few words around them."""

from __future__ import annotations

from holdfast_attack.arena.canaries import Canaries
from holdfast_attack.play import overheard as module
from holdfast_attack.play.overheard import Overheard

CANARIES = Canaries.of(7)
NAME, SECRET = next(iter(CANARIES.environment.items()))


def test_nothing_is_heard_in_harmless_words() -> None:
    heard = Overheard(CANARIES)
    heard.hear("stdout", b"hello " * 1000)
    assert heard.names == ()


def test_a_secret_that_is_cut_between_two_chunks_is_heard() -> None:
    heard = Overheard(CANARIES)
    secret = SECRET.encode()
    heard.hear("stderr", b"x" * (module.CHUNK - 5) + secret[:5])
    heard.hear("stderr", secret[5:])
    (found,) = heard.names
    assert NAME in found
    assert heard.source(found) == "stderr"


def test_the_place_is_shown_with_few_words_around_it() -> None:
    heard = Overheard(CANARIES)
    heard.hear("stdout", b"y" * 50_000 + b"token=" + SECRET.encode() + b"z" * 50_000)
    (found,) = heard.names
    assert SECRET.encode() in heard.where(found)
    assert len(heard.where(found)) <= module.SHOWN


def test_a_flood_is_not_listened_to_for_ever() -> None:
    heard = Overheard(CANARIES)
    heard._total = module.MOST + 1
    heard.hear("stdout", SECRET.encode())
    assert heard.names == ()
