"""What a tool says from its process reaches the client in order, the log at once, and harms nobody when it is wrong."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.isolation.hearing import Hearing
from holdfast.isolation.parcel import MAX_MESSAGE, pack_message, unpack_message


class Client:
    """A context whose client may be slow or gone."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.log = SimpleNamespace(info=lambda event, **fields: self.told.append((event, fields)))

    async def report_progress(self, done: Any, total: Any, message: Any) -> None:
        """Take it, if it is there."""
        await self.gate.wait()
        if done == "gone":
            raise ConnectionResetError
        self.told.append((done, total, message))

    async def notify_log(self, level: str, data: Any, logger: str | None) -> None:
        """Take it."""
        self.told.append((level, data, logger))

    def secret(self, value: str, name: str) -> str:
        """Note it."""
        self.told.append((name, value))
        return value


def progress(done: Any) -> tuple[str, dict[str, Any]]:
    return "progress", {"done": done, "total": 9, "message": None}


async def test_everything_is_sent_in_order_before_the_answer() -> None:
    client: Any = Client()
    hearing = Hearing(client)
    hearing(*progress(1))
    hearing(*progress("gone"))
    hearing("notify", {"level": "info", "data": 5, "logger": None})
    hearing(*progress(2))
    await hearing.finish()
    assert client.told == [(1, 9, None), ("info", 5, None), (2, 9, None)]
    hearing(*progress(3))
    await hearing.finish()
    assert client.told[-1] == (3, 9, None)
    await hearing.finish()
    hearing.drop()


async def test_records_and_secrets_are_taken_at_once() -> None:
    client: Any = Client()
    hearing = Hearing(client)
    hearing("log", {"level": "info", "event": "e", "fields": {"a": 1}})
    hearing("secret", {"value": "hush", "name": "key"})
    assert client.told == [("e", {"a": 1}), ("key", "hush")]


async def test_what_makes_no_sense_is_passed_over() -> None:
    client: Any = Client()
    hearing = Hearing(client)
    hearing("log", {"level": "__class__", "event": "e", "fields": {}})
    hearing("log", {})
    hearing("secret", {"value": 5})
    hearing("unheard", {})
    hearing("progress", {})
    await hearing.finish()
    assert client.told == []


async def test_a_slow_client_hears_the_latest_and_an_ended_call_nothing() -> None:
    client: Any = Client()
    client.gate.clear()
    hearing = Hearing(client)
    for done in range(300):
        hearing(*progress(done))
    client.gate.set()
    await hearing.finish()
    assert len(client.told) <= 101
    assert client.told[-1] == (299, 9, None)
    client.gate.clear()
    hearing(*progress(300))
    await asyncio.sleep(0)
    hearing.drop()
    await asyncio.sleep(0)
    client.gate.set()
    await asyncio.sleep(0)
    assert client.told[-1] == (299, 9, None)


def test_a_message_is_json_within_its_bound() -> None:
    packed = pack_message("log", {"a": {1, 2}, "b": [1]})
    assert packed is not None
    kind, values = unpack_message(packed)
    assert (kind, values["b"]) == ("log", [1])
    circle: dict[str, Any] = {}
    circle["self"] = circle
    assert pack_message("log", circle) is None
    assert pack_message("log", {"a": "x" * MAX_MESSAGE}) is None
    for wrong in (b"[1, {}]", b'["log", 1]', b'["log"]', b"5", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - of JSON's, of Unicode's, or our own
            unpack_message(wrong)
