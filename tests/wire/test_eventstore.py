"""Events of streams: resumed where they were lost, by the session whose they are, and bounded over all."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest

from holdfast.wire import eventstore
from holdfast.wire.eventstore import RecentEvents


def message(text: str) -> types.JSONRPCNotification:
    return types.JSONRPCNotification(jsonrpc="2.0", method="notifications/x", params={"text": text})


async def replayed(session: Any, after: str) -> list[str] | None:
    """The texts that come after an event; ``None`` when it is unknown."""
    got: list[str] = []

    async def take(event: Any) -> None:
        got.append(event.message.params["text"])

    stream = await session.replay_events_after(after, take)
    assert stream in (None, after.rpartition("#")[0])
    return got if stream is not None else None


async def test_a_stream_is_resumed_after_the_last_event_that_was_seen() -> None:
    session = RecentEvents().of_session()
    first = await session.store_event("7", None)  # the one that opens a stream has no message
    ids = [await session.store_event("7", message(str(number))) for number in range(3)]
    await session.store_event("7", None)  # nor has the one that a reconnection begins with
    other = await session.store_event("8", message("other"))
    assert await replayed(session, first) == ["0", "1", "2"]
    assert await replayed(session, ids[1]) == ["2"]
    assert await replayed(session, ids[2]) == []
    assert await replayed(session, other) == []


@pytest.mark.parametrize("unknown", ["7#99", "9#1", "", "#", "7", "7#", "nonsense"])
async def test_what_is_not_known_is_not_resumed(unknown: str) -> None:
    session = RecentEvents().of_session()
    await session.store_event("7", message("x"))
    assert await replayed(session, unknown) is None


async def test_no_session_can_resume_anothers_stream_although_streams_are_named_alike() -> None:
    events = RecentEvents()
    ada, eve = events.of_session(), events.of_session()
    ids = [await ada.store_event("2", message("private")) for _ in range(3)]
    await eve.store_event("2", message("own"))
    for event_id in ids:
        assert await replayed(eve, event_id) is None


async def test_a_stream_keeps_its_latest_events_only() -> None:
    session = RecentEvents().of_session()
    ids = [await session.store_event("7", message(str(number))) for number in range(eventstore.MAX_EVENTS + 5)]
    assert await replayed(session, ids[4]) is None
    assert len(await replayed(session, ids[5]) or []) == eventstore.MAX_EVENTS - 1


async def test_so_many_streams_are_kept_the_one_used_last_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventstore, "MAX_STREAMS", 3)
    events = RecentEvents()
    session = events.of_session()
    ids = [await session.store_event(str(number), message("x")) for number in range(3)]
    await session.store_event("0", message("y"))
    await session.store_event("3", message("x"))
    assert await replayed(session, ids[1]) is None
    assert await replayed(session, ids[0]) == ["y"]


async def test_all_events_together_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventstore, "MAX_BYTES", 10_000)
    events = RecentEvents()
    session = events.of_session()
    ids = [await session.store_event(str(number), message("x" * 2_000)) for number in range(20)]
    assert events._bytes <= 10_000
    assert await replayed(session, ids[0]) is None
    assert await replayed(session, ids[-1]) == []
    large = await session.store_event("large", message("x" * 5_000))
    assert await replayed(session, large) == [], "it is known, but was too large to keep"


async def test_a_busy_stream_that_forgets_its_old_events_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eventstore, "MAX_BYTES", 100_000)
    monkeypatch.setattr(eventstore, "MAX_EVENTS", 5)
    events = RecentEvents()
    session = events.of_session()
    quiet = await session.store_event("quiet", message("kept"))
    before = events._bytes
    for _ in range(2_000):
        await session.store_event("busy", message("x" * 100))
    assert await replayed(session, quiet) == []
    assert events._bytes - before < 2_000
    for number in range(2_000):
        await session.store_event(f"s{number}", message("x" * 100))
    assert events._bytes <= 100_000
    assert events._bytes == sum(event[2] for stream in events._streams.values() for event in stream)
