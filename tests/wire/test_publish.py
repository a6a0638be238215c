"""News of changes: to whom it goes, who is forgotten, and who cannot keep it from the others."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError

from holdfast.core.principal import Principal
from holdfast.wire import publish
from holdfast.wire.publish import ClientList, Listener, Listens, publisher

ANYBODY = Listener(Principal("anybody"), lambda uri, who: True)


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
        clients.add(session, ANYBODY)
    clients.subscribe(ada, "note://x")
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
        clients.add(session, ANYBODY)
    await asyncio.wait_for(publisher(InMemorySubscriptionBus(), clients).changed("tools"), 2)
    assert (stuck.got, gone.got, fine.got) == ([], [], ["notifications/tools/list_changed"])


def test_a_client_is_forgotten_when_its_connection_closes(clients: ClientList) -> None:
    session = Session()
    clients.add(session, ANYBODY)
    clients.subscribe(session, "x")
    clients.add(session, ANYBODY)  # a second handshake begins anew
    assert (len(clients), clients.following("x")) == (1, [])
    session.life.close()
    assert (len(clients), clients.all()) == (0, [])
    clients.subscribe(session, "x")
    clients.unsubscribe(session, "x")
    assert clients.following("x") == []


def test_clients_and_what_they_follow_are_bounded(clients: ClientList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "MAX_CLIENTS", 2)
    monkeypatch.setattr(publish, "MAX_URIS", 2)
    first, second, third = sessions = [Session() for _ in range(3)]
    for session in sessions:
        clients.add(session, ANYBODY)
    assert clients.all() == [second, third]
    for uri in ("a", "b", "c"):
        clients.subscribe(third, uri)
    assert [clients.following(uri) for uri in ("a", "b", "c")] == [[third], [third], []]
    clients.unsubscribe(third, "a")
    clients.subscribe(third, "c")
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
    held = [asyncio.ensure_future(listens.listen("eve", event, None, ANYBODY)) for event in events]
    await asyncio.sleep(0)
    with pytest.raises(MCPError, match="too many of your subscriptions"):
        await listens.listen("eve", asyncio.Event(), None, ANYBODY)
    other = asyncio.Event()
    other.set()
    assert await listens.listen("ada", other, None, ANYBODY) == "ended"
    for event in events:
        event.set()
    assert await asyncio.gather(*held) == ["ended"] * 2
    assert await listens.listen("eve", other, None, ANYBODY) == "ended"
    assert listens._shares._held == {}


async def test_whoever_may_not_read_a_resource_never_hears_of_it_in_either_era(clients: ClientList) -> None:
    readers = {"ada"}

    def listener(name: str) -> Listener:
        return Listener(Principal(name), lambda _uri, who: who.name in readers)

    bus = InMemorySubscriptionBus()
    news = publisher(bus, clients)
    ada, eve = Session(), Session()
    heard: dict[str, list[str]] = {"ada": [], "eve": []}
    for name, session in (("ada", ada), ("eve", eve)):
        clients.add(session, listener(name))
        clients.subscribe(session, "note://x")
        publish._listener.set(listener(name))
        publish._Sieve(bus).subscribe(lambda event, name=name: heard[name].append(type(event).__name__))
    await news.updated("note://x")
    readers.clear()  # what was granted has ended
    await news.updated("note://x")
    assert (ada.got, eve.got) == (["notifications/resources/updated"], [])
    assert heard == {"ada": ["ResourceUpdated"], "eve": []}


async def test_a_change_is_told_to_those_whose_list_it_changes(clients: ClientList) -> None:
    bus = InMemorySubscriptionBus()
    news = publisher(bus, clients)
    ada, eve = Session(), Session()
    heard: dict[str, list[str]] = {"ada": [], "eve": []}
    for name, session in (("ada", ada), ("eve", eve)):
        who = Listener(Principal(name), lambda uri, who: True)
        clients.add(session, who)
        publish._listener.set(who)
        publish._Sieve(bus).subscribe(lambda event, name=name: heard[name].append(type(event).__name__))
    await news.changed("tools", lambda principal: principal.name == "ada")
    assert (ada.got, eve.got) == (["notifications/tools/list_changed"], [])
    await news.changed("tools")
    assert heard == {"ada": ["ToolsListChanged"] * 2, "eve": ["ToolsListChanged"]}
