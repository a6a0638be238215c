"""Time as text: what the standard library would say, a second put into words once."""

from __future__ import annotations

import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.observe.stamps import Stamps


@given(st.floats(min_value=-1e9, max_value=4e9))
@example(1_700_000_000.9999996)
@example(1_700_000_000.0004999)
@example(-0.5)
def test_it_says_what_isoformat_says(when: float) -> None:
    stamps = Stamps()
    expected = datetime.datetime.fromtimestamp(when, datetime.UTC)
    for _ in range(2):
        assert stamps.millis(when) == expected.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert stamps.micros(when) == expected.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_the_next_second_is_put_into_words_anew() -> None:
    stamps = Stamps()
    assert [stamps.millis(when)[17:] for when in (0.1, 0.9, 1.0, 0.5)] == ["00.100Z", "00.900Z", "01.000Z", "00.500Z"]
