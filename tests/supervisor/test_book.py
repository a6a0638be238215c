"""The book of sessions: what is in it is whole, and costs what is used of it."""

from __future__ import annotations

from holdfast.supervisor.book import NOW, TEXT, Book, Entry

ONE, TWO = bytes(range(16)), bytes(range(240, 256))


def test_a_session_is_found_again_as_it_was_kept_last() -> None:
    book = Book.create(4)
    first, second = book.open(ONE, b"one"), book.open(TWO, b"two")
    assert (first, second) == (0, 1)
    assert book.keep(0, b"one, and more")
    book.used(0, 17)
    assert book.recover() == [Entry(0, ONE, 17, b"one, and more"), Entry(1, TWO, NOW, b"two")]


def test_a_session_that_is_over_leaves_its_place_to_another() -> None:
    book = Book.create(1)
    assert book.open(ONE, b"x" * TEXT) == 0
    assert book.open(TWO, b"two") is None
    book.close(0)
    assert book.recover() == []
    assert book.open(TWO, b"two") == 0
    assert book.recover() == [Entry(0, TWO, NOW, b"two")]


def test_what_is_too_long_leaves_everything_as_it_was() -> None:
    book = Book.create(1)
    assert book.open(ONE, bytes(TEXT + 1)) is None
    assert book.open(ONE, b"short") == 0
    assert not book.keep(0, bytes(TEXT + 1))
    assert book.recover()[0].text == b"short"


def test_whoever_begins_knows_which_places_are_free() -> None:
    book = Book.create(3)
    for handle in (ONE, TWO):
        book.open(handle, b"")
    book.close(0)
    assert [entry.slot for entry in book.recover()] == [1]
    assert [book.open(ONE, b""), book.open(ONE, b""), book.open(ONE, b"")] == [0, 2, None]


def test_a_worker_that_is_killed_between_two_stores_leaves_the_text_before() -> None:
    book = Book.create(1)
    book.open(ONE, b"before")
    book.keep(0, b"after")
    book._rows[1] ^= 1  # as if the last store had not come
    assert book.recover()[0].text == b"before"
