"""News of changes: to whom it goes, who is forgotten, and who cannot keep it from the others."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError

from holdfast.wire import publish
from holdfast.wire.publish import ClientList, Listens, publisher


def always() -> bool:
    """Anybody may hear of anything."""
    return True


def everything(uri: str) -> bool:
    """Likewise."""
    return True


class Session:
    """A client of the handshake era."""

    def __init__(self) -> None:
        self.life = ExitStack()
        self._connection = SimpleNamespace(exit_stack=self.life)
        self.got: list[str] = []
        self.stuck = False
        self.gone = False

    async def send_notification(self, note: Any) -> None:
        """Take it, unless stuck or gone."""
        if self.gone:
            raise ConnectionResetError
        if self.stuck:
            await asyncio.Event().wait()
        self.got.append(note.method)


@pytest.fixture
def clients() -> ClientList:
    return ClientList()


async def test_every_client_hears_of_lists_and_followers_of_their_resource(clients: ClientList) -> None:
    bus, events = InMemorySubscriptionBus(), []
    bus.subscribe(events.append)
    ada, eve = Session(), Session()
    for session in (ada, eve):
        clients.add(session)
    clients.subscribe(ada, "note://x", always)
    news = publisher(bus, clients)
    for kind in ("tools", "prompts", "resources"):
        await news.changed(kind)  # type: ignore[arg-type]
    await news.updated("note://x")
    await news.updated("note://y")
    lists = [f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")]
    assert ada.got == [*lists, "notifications/resources/updated"]
    assert eve.got == lists
    assert len(events) == 5, "and the bus of the modern era carries them all"


async def test_one_that_is_stuck_or_gone_does_not_keep_the_news_from_the_others(
    clients: ClientList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "PATIENCE", 0.05)
    stuck, gone, fine = Session(), Session(), Session()
    stuck.stuck = gone.gone = True
    for session in (stuck, gone, fine):
        clients.add(session)
    await asyncio.wait_for(publisher(InMemorySubscriptionBus(), clients).changed("tools"), 2)
    assert (stuck.got, gone.got, fine.got) == ([], [], ["notifications/tools/list_changed"])


def test_a_client_is_forgotten_when_its_connection_closes(clients: ClientList) -> None:
    session = Session()
    clients.add(session)
    clients.subscribe(session, "x", always)
    clients.add(session)  # a second handshake begins anew
    assert (len(clients), clients.following("x")) == (1, [])
    session.life.close()
    assert (len(clients), clients.all()) == (0, [])
    clients.subscribe(session, "x", always)
    clients.unsubscribe(session, "x")
    assert clients.following("x") == []


def test_clients_and_what_they_follow_are_bounded(clients: ClientList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "MAX_CLIENTS", 2)
    monkeypatch.setattr(publish, "MAX_URIS", 2)
    first, second, third = sessions = [Session() for _ in range(3)]
    for session in sessions:
        clients.add(session)
    assert clients.all() == [second, third]
    for uri in ("a", "b", "c"):
        clients.subscribe(third, uri, always)
    assert [clients.following(uri) for uri in ("a", "b", "c")] == [[third], [third], []]
    clients.unsubscribe(third, "a")
    clients.subscribe(third, "c", always)
    assert clients.following("c") == [third]
    first.life.close()


async def test_one_caller_cannot_take_all_the_streams() -> None:
    listens, open_ones = Listens(InMemorySubscriptionBus(), 16), []

    async def handler(ctx: Any, params: Any) -> str:
        open_ones.append(ctx)
        await ctx.wait()
        return "ended"

    listens._handler = handler  # type: ignore[assignment]
    events = [asyncio.Event() for _ in range(2)]
    held = [asyncio.ensure_future(listens.listen("eve", event, None, everything)) for event in events]
    await asyncio.sleep(0)
    with pytest.raises(MCPError, match="too many of your subscriptions"):
        await listens.listen("eve", asyncio.Event(), None, everything)
    other = asyncio.Event()
    other.set()
    assert await listens.listen("ada", other, None, everything) == "ended"
    for event in events:
        event.set()
    assert await asyncio.gather(*held) == ["ended"] * 2
    assert await listens.listen("eve", other, None, everything) == "ended"
    assert listens._shares._held == {}
