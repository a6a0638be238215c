"""Server-sent events are read as the standard says, however they are cut, and however long they are."""

from __future__ import annotations

import pytest

from holdfast_attack.link import httpevents
from holdfast_attack.link.httpevents import Event, Events

STREAM = b": hello\r\n\r\nevent: message\r\nid: 7\r\ndata: one\r\ndata:two\r\n\r\nretry: 20\n\ndata: three\n\n"
READ = [Event(b"one\ntwo", "7"), Event(b"", "7", 20), Event(b"three", "7")]


@pytest.mark.parametrize("size", [1, 2, 7, len(STREAM)])
def test_events_are_the_same_in_pieces_of_any_size(size: int) -> None:
    events = Events()
    found = [one for at in range(0, len(STREAM), size) for one in events.feed(STREAM[at : at + size])]
    assert found == READ


def test_a_lone_carriage_return_ends_a_line_as_well() -> None:
    events = Events()
    assert list(events.feed(b"data: a\r\rdata: b\r\r")) == [Event(b"a")]
    assert list(events.feed(b"data: c\n\n")) == [Event(b"b"), Event(b"c")], "the last CR waited for a LF"


def test_an_event_that_has_not_ended_is_not_told() -> None:
    events = Events()
    assert list(events.feed(b"data: half")) == []
    assert list(events.feed(b"\n")) == []
    assert list(events.feed(b"\n")) == [Event(b"half")]


def test_odd_fields_are_left_out() -> None:
    assert list(Events().feed(b"id: a\0b\nretry: soon\nnonsense\ndata\ndata:  x\n\n")) == [Event(b"\n x")]


def test_what_is_too_long_is_dropped_and_the_next_event_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpevents, "LARGEST", 100)
    events = Events()
    for _ in range(50):
        assert list(events.feed(b"data: " + b"x" * 50)) == []
    assert len(events._rest) == 100
    long = next(events.feed(b"\n" + b"data: y\n" * 200 + b"\n"), None)
    assert long is None, "the end of a line that is dropped is dropped with it"
    assert list(Events().feed(b"data: z\n\n")) == [Event(b"z")]
