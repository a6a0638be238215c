"""The parent and a worker hear whole messages, with what comes along, and that the other end is gone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from holdfast.supervisor.control import Control


@pytest.fixture
def ends() -> Iterator[tuple[Control, Control]]:
    pair = Control.pair()
    yield pair
    for end in pair:
        end.close()


def test_each_message_is_heard_by_itself(ends: tuple[Control, Control]) -> None:
    ours, theirs = ends
    ours.say("go", number=1)
    ours.say("leave")
    assert theirs.receive() == ({"is": "go", "number": 1}, [])
    assert theirs.receive() == ({"is": "leave"}, [])


def test_descriptors_come_along(ends: tuple[Control, Control]) -> None:
    ours, theirs = ends
    read, write = os.pipe()
    ours.say("ready", read)
    os.close(read)
    heard = theirs.receive()
    assert heard is not None
    message, (handed,) = heard
    assert message == {"is": "ready"}
    assert stat.S_ISFIFO(os.fstat(handed).st_mode)
    os.write(write, b"through")
    assert os.read(handed, 20) == b"through"
    for fd in (write, handed):
        os.close(fd)


def test_a_peer_that_is_gone_hears_nothing_and_says_nothing(ends: tuple[Control, Control]) -> None:
    ours, theirs = ends
    theirs.close()
    ours.say("go")
    assert ours.receive() is None
    assert theirs.receive() is None, "nor does an end that was closed here"
