"""Text that was wrapped into lines: noticed in every form, and put together again with the places that were cut."""

from __future__ import annotations

import pytest

from holdfast.safe.folding import canonical, is_wrapped, loose, unwrapped

ENDS = [b"\n", b"\r\n", b"\\n", b"\\r", b"\\r\\n", b"\\\\n"]


@pytest.mark.parametrize("end", ENDS)
def test_every_form_of_a_lines_end_is_noticed_and_taken_out(end: bytes) -> None:
    raw = b"hun" + end + b"  \tter2"
    assert is_wrapped(raw)
    assert (b"hunter2", ((3, 3 + len(end) + 3),)) in list(unwrapped(raw))
    assert loose(raw) == b"hunter2"


@pytest.mark.parametrize("raw", [b"", b"hunter2", b"one line, with blanks\tand a / and r and n", b"C:\\tmp", b"\\\\"])
def test_what_has_no_lines_end_is_left_alone(raw: bytes) -> None:
    assert not is_wrapped(raw)
    assert list(unwrapped(raw)) == []


def test_an_escape_may_also_be_a_backslash_and_an_n() -> None:
    raw = b"C:\\new\n  folder"
    assert list(unwrapped(raw)) == [(b"C:\\newfolder", ((6, 9),)), (b"C:ewfolder", ((2, 4), (6, 9)))]
    assert [text for text, _ in unwrapped(b"C:\\new")] == [b"C:ew"]


def test_the_digits_of_an_escape_have_one_spelling() -> None:
    assert canonical(b"A%2Fb\\U0001F600\\u00E9\\xAB&#X2F;%ZZ") == b"A%2fb\\u0001f600\\u00e9\\xab&#x2f;%ZZ"
