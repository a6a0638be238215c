"""Each HTTP case passes a sound server, and finds a server with the fault that it is meant for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from attack.cases.http_peer import LEGACY, META, MODERN, TOKEN, TOOLS, Head, Message, Peer, Refused, error, play

from holdfast_attack.cases.http import (
    CASES,
    crossing,
    floods,
    framing,
    knocking,
    leaving,
    listening,
    memory,
    origins,
    sessions,
    slowness,
)
from holdfast_attack.cases.http.room import room
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Eras, Found, Inconclusive, Lane, NotApplicable
from holdfast_attack.model.case import HTTP
from holdfast_attack.play.probe import Honest
from holdfast_attack.target.tree import Watch
from holdfast_attack.tools import Toolbox

MIB = 2**20
GUARDED = ("http.auth-missing", "http.auth-challenge", "http.auth-wrong", "http.auth-query", "http.session-alone")
UNTRIED = Honest({}, Reply(None))
STREAMED = ("http.listen-flood", "http.replay-foreign")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer answers at once: little has to be waited for, and a little shows as much as a lot."""
    monkeypatch.setattr(knocking, "WITHIN", 2.0)
    monkeypatch.setattr(framing, "WAIT", 0.3)
    monkeypatch.setattr(framing, "WITHIN", 0.5)
    monkeypatch.setattr(crossing, "PATIENCE", 1.5)
    monkeypatch.setattr(crossing, "SLOW", 0.05)
    monkeypatch.setattr(memory, "BODY", 4)
    monkeypatch.setattr(memory, "HEAD", 2)
    monkeypatch.setattr(memory, "ELEMENTS", 20_000)
    monkeypatch.setattr(slowness, "PATIENCE", 1.0)
    monkeypatch.setattr(slowness, "PAUSE", 0.05)
    monkeypatch.setattr(floods, "SESSIONS", 30)
    monkeypatch.setattr(listening, "STREAMS_QUICK", 6)
    monkeypatch.setattr(listening, "WITHIN", 1.0)
    monkeypatch.setattr(leaving, "LEFT_QUICK", 10)
    monkeypatch.setattr(leaving, "SETTLED", 1.0)
    monkeypatch.setattr(leaving, "BEGUN", 0.05)
    monkeypatch.setattr(leaving, "WITHIN", 1.0)


class Scales:
    """Stands for the tree of the server's processes: it grows by so much, and opens so many descriptors, once."""

    def __init__(self, grows: int = 0, opens: int = 0) -> None:
        self.grows, self.opens = grows, opens
        self.weighed = self.counted = 0

    def rss(self) -> int:
        self.weighed += 1
        return 50 * MIB + (self.grows if self.weighed > 1 else 0)

    def descriptors(self) -> int:
        self.counted += 1
        return 10 + (self.opens if self.counted > 1 else 0)

    @asynccontextmanager
    async def watch(self, every: float = 0.05) -> AsyncIterator[Watch]:
        yield Watch(peak=50 * MIB + self.grows)


def lanes(name: str) -> tuple[Lane, ...]:
    """Those in which a case is played."""
    eras = next(case for case in CASES if case.id == name).eras
    return {Eras.LEGACY: (LEGACY,), Eras.MODERN: (MODERN,), Eras.ONCE: (LEGACY,)}.get(eras, (LEGACY, MODERN))


SOUND = [
    (case.id, lane)
    for case in CASES
    if case.id not in (*STREAMED, *GUARDED, "http.elements", "http.body-slow")
    for lane in lanes(case.id)
]


@pytest.mark.parametrize("name,lane", SOUND, ids=str)
async def test_a_sound_server_passes(name: str, lane: Lane) -> None:
    assert await play(name, Peer(lane)) > 0


@pytest.mark.parametrize("name", GUARDED)
async def test_a_sound_server_that_asks_for_a_token_passes(name: str) -> None:
    for lane in lanes(name):
        assert await play(name, Peer(lane, TOKEN)) > 0


async def test_a_sound_server_that_gives_up_on_slow_clients_passes() -> None:
    class Prompt(Peer):
        PATIENCE = 0.3

    assert await play("http.body-slow", Prompt()) == 2


async def test_a_sound_server_that_counts_elements_passes() -> None:
    assert await play("http.elements", Peer(), Scales(8 * MIB)) == 1


def test_each_case_is_played_over_http_only_and_its_id_is_of_this_class() -> None:
    assert all(case.transports == HTTP and case.id.startswith("http.") for case in CASES)
    assert len({case.id for case in CASES}) == len(CASES)


# -- faults -----------------------------------------------------------------------------------------------------------


class AnyHost(Peer):
    def host(self, head: Head) -> None:
        """Whatever it is called."""


class LastHost(Peer):
    def host(self, head: Head) -> None:
        if head.all("host")[-1:] != [f"127.0.0.1:{self.port}"]:
            raise Refused(403)


class NoHost(Peer):
    def host(self, head: Head) -> None:
        if head.all("host"):
            super().host(head)


class HostPrefix(Peer):
    def host(self, head: Head) -> None:
        if not head.all("host")[0].startswith("127.0.0.1:"):
            raise Refused(403)


class AnyOrigin(Peer):
    def origin(self, origin: str | None) -> None:
        """Whoever asks."""


class NullOrigin(Peer):
    def origin(self, origin: str | None) -> None:
        super().origin(None if origin == "null" else origin)


class ReadByAll(AnyOrigin):
    def always(self) -> dict[str, str]:
        return {"access-control-allow-origin": "*", "access-control-allow-credentials": "true"}


class Puts(Peer):
    def methods(self) -> tuple[str, ...]:
        return (*super().methods(), "PUT")

    def kind(self, kind: str | None) -> None:
        """Also of PUT."""


class Traces(Peer):
    def trace(self, head: Head) -> None:
        raise Refused(200, "\n".join(value for _, value in head.fields).encode())


class TraceFails(Peer):
    def trace(self, head: Head) -> None:
        raise Refused(500)


class AnyKind(Peer):
    def kind(self, kind: str | None) -> None:
        """Whatever it says."""


class AcceptFails(Peer):
    def judge(self, head: Head) -> None:
        super().judge(head)
        if head.get("accept") is None:
            raise Refused(500)


class AnyVersion(Peer):
    def sent_version(self, head: Head) -> str | None:
        return None

    def agree(self, head: Head, message: Message) -> None:
        """Whatever was agreed upon."""


class NotesAnswered(Peer):
    def accepted(self) -> tuple[int, bytes]:
        return 200, b"{}"


class BlindToHeaders(Peer):
    def agree(self, head: Head, message: Message) -> None:
        """The body decides."""


class OtherCode(Peer):
    def agree(self, head: Head, message: Message) -> None:
        if message["params"].get("_meta", {}).get(META) != MODERN.version:
            raise Refused(400, error(-32602, message["id"]))


class PlainNames(Peer):
    def plain(self, value: str) -> str | None:
        return value


class Open(Peer):
    def authorized(self, head: Head) -> None:
        """To all."""


class OpenPath(Peer):
    def path(self, path: str) -> None:
        super().path(path.rstrip("/"))

    def authorized(self, head: Head) -> None:
        if not head.path.endswith("/"):
            super().authorized(head)


class OpenDelete(Peer):
    def authorized(self, head: Head) -> None:
        if head.method != "DELETE":
            super().authorized(head)


class Forbids(Peer):
    def authorized(self, head: Head) -> None:
        try:
            super().authorized(head)
        except Refused:
            raise Refused(403) from None


class NoChallenge(Peer):
    def authorized(self, head: Head) -> None:
        try:
            super().authorized(head)
        except Refused:
            raise Refused(401) from None


class TokenPrefix(Peer):
    def authorized(self, head: Head) -> None:
        given = (head.get("authorization") or "").removeprefix("Bearer ")
        if not given or not (self.token or "").startswith(given):
            raise Refused(401, **{"www-authenticate": "Bearer"})


class TokenInQuery(Peer):
    def authorized(self, head: Head) -> None:
        if f"access_token={self.token}" not in head.path:
            super().authorized(head)


class MakesSessions(Peer):
    def session(self, head: Head, message: Message) -> str:
        self.sessions.add(head.get("mcp-session-id") or "")
        return super().session(head, message)


class Counts(Peer):
    def name(self) -> str:
        self.number = getattr(self, "number", 10**6) + 1
        return f"{self.number:032d}"


class NamesAgain(Peer):
    def name(self) -> str:
        return "0" * 32


class KeepsSessions(Peer):
    def deleted(self, head: Head) -> int:
        return 204


class ForgetsBadly(Peer):
    def session(self, head: Head, message: Message) -> str:
        try:
            return super().session(head, message)
        except Refused:
            raise Refused(400) from None


class SessionIsEnough(Peer):
    def authorized(self, head: Head) -> None:
        if head.get("mcp-session-id") not in self.sessions:
            super().authorized(head)


class Crosses(Peer):
    """Answers are found by the id of the request alone: the last who asks gets all of them."""

    async def alone(self, message: Message) -> Message:
        place = str(message["id"])
        waiting = self.__dict__.setdefault("waiting", {})
        waiting[place] = found = await self.done(message)
        await asyncio.sleep(0.02)
        return waiting.get(place, found)


class Overtakes(Peer):
    """The answer goes to whoever asked last with that id, and everybody else waits."""

    async def alone(self, message: Message) -> Message:
        streams = self.__dict__.setdefault("streams", {})
        place = str(message["id"])
        streams[place] = mine = object()
        await asyncio.sleep(0.05)
        if streams[place] is not mine:
            await asyncio.sleep(60)
        return await self.done(message)


class Mutes(Peer):
    """Says nothing to what it cannot read."""

    PATIENCE = 60.0

    def parse(self, body: bytes) -> Any:
        try:
            return super().parse(body)
        except Refused:
            self.mute = True
            return {"jsonrpc": "2.0", "id": 0, "method": "ping"}

    async def done(self, message: Message) -> Message:
        if self.__dict__.pop("mute", False):
            await asyncio.sleep(60)
        return await super().done(message)


class BatchFails(Peer):
    def parse(self, body: bytes) -> Any:
        if body.startswith(b"["):
            raise Refused(500)
        return super().parse(body)


class SurrogateFails(Peer):
    async def called(self, params: Message, number: Any) -> Message:
        if params["arguments"].get("text") == "\ud800":
            raise Refused(500)
        return await super().called(params, number)


class HeadersFail(Peer):
    def agree(self, head: Head, message: Message) -> None:
        try:
            super().agree(head, message)
        except Refused:
            raise Refused(500) from None


class Fails(Peer):
    def parse(self, body: bytes) -> Any:
        try:
            return super().parse(body)
        except Refused:
            raise Refused(500) from None


class Repairs(Peer):
    def parse(self, body: bytes) -> Any:
        return super().parse(body.decode("utf-8", "replace").encode())


class Batches(Peer):
    async def answered(self, head: Head, body: bytes, writer: Any) -> tuple[int, bytes, dict[str, str]]:
        if body.startswith(b"["):
            return 200, json.dumps([await self.done(one) for one in json.loads(body)]).encode(), {}
        return await super().answered(head, body, writer)


class TakesHalves(Peer):
    async def counted(self, size: int, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readexactly(size)
        except asyncio.IncompleteReadError as short:
            return short.partial


class WaitsForHalves(Peer):
    PATIENCE = 60.0

    async def counted(self, size: int, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            await asyncio.sleep(60)
            raise


class Swallows(Peer):
    def rendered(self, message: Message) -> bytes:
        return json.dumps(message, ensure_ascii=False).encode()  # raises, and the connection ends

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            return await super().exchange(reader, writer)
        except UnicodeEncodeError:
            writer.write(b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n")
            return True


class Reflects(Peer):
    def check(self, message: Any) -> None:
        try:
            super().check(message)
        except Refused:
            raise Refused(400, error(-32600, None, f"input_value={message}")) from None


class ReflectsPath(Peer):
    def path(self, path: str) -> None:
        if path != "/mcp":
            raise Refused(404, f"<p>{path} is not here</p>".encode(), **{"content-type": "text/html"})


class LenientSizes(Peer):
    def chunk(self, text: bytes) -> int:
        return int(text.decode().removeprefix("0x"), 16)


class LenientLengths(Peer):
    async def body(self, head: Head, reader: asyncio.StreamReader) -> bytes:
        lengths = head.all("content-length")
        return await self.counted(int(lengths[-1]), reader) if lengths else await self.chunks(reader)


class LeavesTheRest(Peer):
    """Reads by chunks where there are both, and goes on with what is behind them."""

    async def body(self, head: Head, reader: asyncio.StreamReader) -> bytes:
        if head.all("transfer-encoding") == ["chunked"] and len(head.all("content-length")) == 1:
            return await self.chunks(reader)
        return await super().body(head, reader)


class AlwaysChunks(Peer):
    def write(self, writer: asyncio.StreamWriter, status: int, data: bytes, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} x", "transfer-encoding: chunked", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        body = b"%x\r\n%s\r\n" % (len(data), data) if data else b""
        writer.write("\r\n".join([*lines, "", ""]).encode() + body + b"0\r\n\r\n")


class NoEnd(Peer):
    def write(self, writer: asyncio.StreamWriter, status: int, data: bytes, headers: dict[str, str]) -> None:
        writer.write(b"HTTP/1.1 %d x\r\n\r\n" % status + data)

    async def answered(self, head: Head, body: bytes, writer: Any) -> tuple[int, bytes, dict[str, str]]:
        found = await super().answered(head, body, writer)
        if head.version == "HTTP/1.0":
            self.write(writer, *found)
            await asyncio.sleep(60)
        Peer.write(self, writer, *found)
        return 0, b"", {}


class Silent10(Peer):
    async def answered(self, head: Head, body: bytes, writer: Any) -> tuple[int, bytes, dict[str, str]]:
        if head.version == "HTTP/1.0":
            await asyncio.sleep(60)
        return await super().answered(head, body, writer)


class OnlyFirst(Peer):
    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await super().exchange(reader, writer)
        await asyncio.sleep(60)
        return False


class Backwards(Peer):
    """Reads what there is, and answers the last first."""

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked = 0
        head = await self.head(reader)
        bodies = [await self.body(head, reader)]
        while reader._buffer:  # type: ignore[attr-defined]  # what came in one packet
            asked += 1
            bodies.append(await self.body(await self.head(reader), reader))
        for body in reversed(bodies):
            self.write(writer, *await self.answered(head, body, writer))
        return True


class NoBound(Peer):
    HEAD = 2**30


class NoBodyBound(Peer):
    BODY = 2**30


class Patient(Peer):
    PATIENCE = 60.0


class Streams(Peer):
    """Stands streams open without number; the first line of each says that it does."""

    STREAMS = True
    MOST = 10**6

    def __init__(self, lane: Lane = LEGACY, token: str | None = None) -> None:
        super().__init__(lane, token)
        self.standing = 0

    async def answered(self, head: Head, body: bytes, writer: Any) -> tuple[int, bytes, dict[str, str]]:
        if b"subscriptions/listen" in body:
            return await self.stream(head, writer)
        return await super().answered(head, body, writer)

    async def stream(self, head: Head, writer: asyncio.StreamWriter) -> tuple[int, bytes, dict[str, str]]:
        self.standing += 1
        if self.standing > self.MOST:
            raise Refused(429)
        writer.write(b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\n\r\n")
        note = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged"}
        writer.write(f"data: {json.dumps(note)}\n\n".encode())
        await asyncio.sleep(60)
        return 0, b"", {}


class FewStreams(Streams):
    MOST = 6


class Replays(Peer):
    """Answers as an event stream; whoever names an event is given what came after it."""

    STREAMS = True

    def write(self, writer: asyncio.StreamWriter, status: int, data: bytes, headers: dict[str, str]) -> None:
        if not data or status != 200:
            super().write(writer, status, data, headers)
            return
        self.last = b"id: 2\ndata: " + data + b"\n\n"
        events = b"id: 1\ndata:\n\n" + self.last
        super().write(writer, status, events, headers | {"content-type": "text/event-stream"})

    def known(self, head: Head) -> bool:
        return True

    async def stream(self, head: Head, writer: asyncio.StreamWriter) -> tuple[int, bytes, dict[str, str]]:
        if head.get("last-event-id") is None or not self.known(head):
            raise Refused(400)
        return 200, self.last.partition(b"data: ")[2].strip(), {}


class ReplaysItsOwn(Replays):
    def known(self, head: Head) -> bool:
        return False


class NeverFrees(Peer):
    """One call at a time, and a client that leaves keeps its place."""

    async def called(self, params: Message, number: Any) -> Message:
        if params.get("name") == "sleep":
            self.__dict__.setdefault("places", []).append(number)
            if len(self.places) > 5:  # type: ignore[attr-defined]
                await asyncio.sleep(60)
        return await super().called(params, number)


FAULTS: tuple[tuple[str, type[Peer], str], ...] = (
    ("http.host-foreign", AnyHost, "Host: evil.example:PORT: it was answered"),
    ("http.host-missing", NoHost, "no Host at all"),
    ("http.host-duplicate", LastHost, "a foreign Host before its own"),
    ("http.host-path", HostPrefix, "Host: HOST:PORT/livez?x="),
    ("http.origin-foreign", AnyOrigin, "Origin: https://evil.example"),
    ("http.origin-null", NullOrigin, "Origin: null"),
    ("http.cors", ReadByAll, "Access-Control-Allow-Origin: * and with credentials"),
    ("http.methods", Puts, "PUT with a message: it was answered"),
    ("http.methods", Traces, "TRACE gives back"),
    ("http.methods", TraceFails, "TRACE: the server failed (status 500)"),
    ("http.content-type", AnyKind, "Content-Type: text/plain"),
    ("http.accept", AcceptFails, "no Accept: the server failed"),
    ("http.version-header", AnyVersion, "version "),
    ("http.accepted", NotesAnswered, "status 200 and 2 bytes"),
    ("http.header-mismatch", BlindToHeaders, "Mcp-Method names another method: it was carried out"),
    ("http.header-mismatch", OtherCode, "error -32602"),
    ("http.header-missing", BlindToHeaders, "no Mcp-Method: it was carried out"),
    ("http.header-encoded", PlainNames, "the right name in base64"),
    ("http.session-unknown", MakesSessions, "a session id with every letter turned"),
    ("http.session-guessable", Counts, "bits change"),
    ("http.session-guessable", NamesAgain, "came again"),
    ("http.session-deleted", KeepsSessions, "goes on"),
    ("http.session-deleted", ForgetsBadly, "status 400 instead of 404"),
    ("http.answers-crossed", Crosses, "the answer to another client's request"),
    ("http.answers-crossed", Overtakes, "one got no answer"),
    ("http.id-reused", Overtakes, "some got no answer"),
    ("http.replay-foreign", Replays, "is replayed to another"),
    ("http.body-garbage", Fails, "the body b'': the server failed"),
    ("http.body-garbage", Mutes, "no answer within 2 s, and the connection stays open"),
    ("http.batch", BatchFails, "breaks it (status 500)"),
    ("http.surrogate-argument", SurrogateFails, "half a character as text: status 500"),
    ("http.header-mismatch", HeadersFail, "no proper answer (status 500)"),
    ("http.body-utf8", Repairs, "a lone continuation"),
    ("http.batch", Batches, "a batch of 3 is carried out"),
    ("http.deep", Fails, "100,000 lists within each other: the server failed"),
    ("http.body-short", TakesHalves, "50 bytes more are announced than come, and it was carried out"),
    ("http.body-short", WaitsForHalves, "nothing comes back, not even the end"),
    ("http.surrogate-argument", Swallows, "half a character as text: no answer"),
    ("http.reflected", Reflects, "an error repeats a value"),
    ("http.reflected", ReflectsPath, "a page repeats a script"),
    ("http.chunk-size", LenientSizes, "0x before the size"),
    ("http.smuggling", LenientLengths, "the length counts although chunks are announced"),
    ("http.smuggling", LeavesTheRest, "a request that hides behind a whole request"),
    ("http.http10", AlwaysChunks, "in chunks, which it cannot read"),
    ("http.http10", NoEnd, "has no length, and the connection does not end"),
    ("http.http10", Silent10, "is not answered"),
    ("http.pipelining", OnlyFirst, "pipelined-1 gets no answer"),
    ("http.pipelining", Backwards, "not answered in their order"),
    ("http.body-huge", NoBodyBound, "it holds a body of 4 MiB"),
    ("http.body-slow", Patient, "a request whose body comes a byte at a time"),
    ("http.listen-flood", FewStreams, "there is none left for anybody else"),
    ("http.disconnect", NeverFrees, "no other call of it works"),
)


@pytest.mark.parametrize("name,fault,says", FAULTS, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_a_faulty_server_is_found(name: str, fault: type[Peer], says: str) -> None:
    for lane in lanes(name)[:1]:
        with pytest.raises(Found) as found:
            await play(name, fault(lane))
    assert [one.what for one in found.value.findings if says in one.what], found.value.findings


# -- what it takes, and what cannot be judged -------------------------------------------------------------------------


@pytest.mark.parametrize("name", GUARDED)
async def test_without_a_token_there_is_nothing_to_guard(name: str) -> None:
    with pytest.raises(NotApplicable, match="no --token was given"):
        await play(name, Peer(lanes(name)[0]))


@pytest.mark.parametrize(
    "name,fault,says",
    [
        ("http.auth-missing", Open, "no token: it was answered"),
        ("http.auth-missing", OpenPath, "no token, at /mcp/"),
        ("http.auth-missing", OpenDelete, "DELETE is answered with 204"),
        ("http.auth-challenge", Forbids, "status 403 instead of 401"),
        ("http.auth-challenge", NoChallenge, "401 without WWW-Authenticate"),
        ("http.auth-wrong", TokenPrefix, "the token without its end"),
        ("http.auth-query", TokenInQuery, "the token as ?access_token=: it was answered"),
        ("http.session-alone", SessionIsEnough, "POST with a session id, without a token"),
    ],
    ids=str,
)
async def test_a_server_that_does_not_ask_for_its_token_is_found(name: str, fault: type[Peer], says: str) -> None:
    with pytest.raises(Found) as found:
        await play(name, fault(LEGACY, TOKEN))
    assert [one.what for one in found.value.findings if says in one.what], found.value.findings


@pytest.mark.parametrize("name", ["http.auth-challenge", "http.auth-query", "http.session-alone"])
async def test_what_is_open_to_all_is_told_by_one_case_alone(name: str) -> None:
    with pytest.raises(NotApplicable):
        await play(name, Open(LEGACY, TOKEN))


async def test_a_page_that_has_no_token_cannot_read_what_asks_for_one() -> None:
    class WithoutCredentials(ReadByAll):
        def always(self) -> dict[str, str]:
            return {"access-control-allow-origin": "*"}

    with pytest.raises(Found):
        await play("http.cors", WithoutCredentials())
    assert await play("http.cors", WithoutCredentials(LEGACY, TOKEN)) == 3


class Stateless(Peer):
    """Keeps no sessions."""

    async def answered(self, head: Head, body: bytes, writer: Any) -> tuple[int, bytes, dict[str, str]]:
        status, data, _ = await super().answered(head, body, writer)
        return status, data, {}

    def session(self, head: Head, message: Message) -> str:
        return ""


@pytest.mark.parametrize("name", ["session-unknown", "session-guessable", "session-deleted", "session-flood"])
async def test_a_server_without_sessions_has_none_to_attack(name: str) -> None:
    with pytest.raises(NotApplicable, match="it keeps no sessions"):
        await play(f"http.{name}", Stateless())


async def test_whoever_lets_no_client_end_a_session_is_not_judged_for_it() -> None:
    class Undeletable(Peer):
        def methods(self) -> tuple[str, ...]:
            return ("POST",)

    with pytest.raises(NotApplicable, match="status 405 to DELETE"):
        await play("http.session-deleted", Undeletable())


async def test_too_few_sessions_say_nothing_of_their_ids() -> None:
    class Few(Peer):
        def begun(self) -> str:
            if getattr(self, "number", 0) >= 4:
                raise Refused(403)
            self.number = getattr(self, "number", 0) + 1
            return super().begun()

    with pytest.raises(Inconclusive, match="only 3 sessions could be begun"):
        await play("http.session-guessable", Few())
    assert sessions.changing_bits(["ab1", "ab2"]) == 1.0


class Limited(Peer):
    """Refuses by a limit whatever is not an honest request."""

    def judge(self, head: Head) -> None:
        try:
            super().judge(head)
        except Refused:
            raise Refused(429, error(-32000, None, "rate limit"), **{"retry-after": "1"}) from None


async def test_what_a_limit_refuses_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="a limit of the server refused the request"):
        await play("http.host-foreign", Limited())


async def test_a_bound_on_depth_is_no_limit_that_has_to_be_waited_out() -> None:
    class Deep(Peer):
        def parse(self, body: bytes) -> Any:
            if body.count(b"[") > 1_000 or body.count(b"{") > 1_000:
                raise Refused(400, error(-32700, None, "recursion limit exceeded"))
            return super().parse(body)

    assert await play("http.deep", Deep()) == 2


async def test_without_an_honest_answer_nothing_is_told() -> None:
    class Mute(Peer):
        async def done(self, message: Message) -> Message:
            if message["method"] == "tools/list":
                return error(-32603, message["id"])
            return await super().done(message)

    for name in ("http.host-foreign", "http.body-garbage"):
        with pytest.raises(Inconclusive, match="an honest request is not answered"):
            await play(name, Mute())


async def test_versions_with_batches_have_them() -> None:
    class Older(Peer):
        async def done(self, message: Message) -> Message:
            found = await super().done(message)
            if message["method"] == "initialize":
                found["result"]["protocolVersion"] = "2025-03-26"
            return found

        def sent_version(self, head: Head) -> str | None:
            return None

    with pytest.raises(NotApplicable, match="2025-03-26 has batches"):
        await play("http.batch", Older())


async def test_clients_are_told_apart_also_without_a_tool_that_gives_a_text_back() -> None:
    class Dumb(Peer):
        def echoed(self, text: str) -> str:
            return "hello"

    class DumbCrosses(Dumb, Crosses):
        pass

    assert await play("http.answers-crossed", Dumb()) == crossing.CLIENTS * crossing.ROUNDS
    with pytest.raises(Found, match="another client's request"):
        await play("http.answers-crossed", DumbCrosses())


async def test_as_many_clients_as_are_let_in_are_told_apart() -> None:
    class Four(Peer):
        def begun(self) -> str:
            if len(self.sessions) >= self.most:
                raise Refused(403)
            return super().begun()

        most = 4

    class Two(Four):
        most = 2

    assert await play("http.answers-crossed", Four()) == 3 * crossing.ROUNDS
    with pytest.raises(Inconclusive, match="not let in"):
        await play("http.answers-crossed", Two())


async def test_calls_that_a_limit_refuses_say_nothing_of_crossed_answers() -> None:
    class Stingy(Peer):
        async def done(self, message: Message) -> Message:
            if message.get("params", {}).get("arguments", {}).get("text", "").startswith("client"):
                return error(-32000, message["id"], "rate limit")
            return await super().done(message)

    with pytest.raises(Inconclusive, match="a limit refused the requests"):
        await play("http.answers-crossed", Stingy())


async def test_without_a_tool_that_waits_many_requests_show_ids_that_are_taken_for_one() -> None:
    assert await play("http.id-reused", Peer(), tools=Toolbox.parse(TOOLS[:1])) == crossing.BURST
    with pytest.raises(NotApplicable, match="no tool"):
        await play("http.disconnect", Peer(), tools=Toolbox.parse(TOOLS[:1]))


async def test_without_tools_headers_are_judged_at_a_tool_that_there_is_not() -> None:
    for name in ("http.header-mismatch", "http.header-missing", "http.header-encoded"):
        assert await play(name, Peer(MODERN), tools=Toolbox.parse([]), honest={"echo": UNTRIED, "sleep": UNTRIED}) > 0
    with pytest.raises(NotApplicable, match="takes a text"):
        await play("http.surrogate-argument", Peer(), tools=Toolbox.parse([]))

    class Denies(Peer):
        def agree(self, head: Head, message: Message) -> None:
            if message["method"] == "tools/call":
                raise Refused(400, error(-32020, message["id"]))

    with pytest.raises(Inconclusive, match="not answered either"):
        await play("http.header-encoded", Denies(MODERN))


@pytest.mark.parametrize(
    "fault,says",
    [("session", "is not let in"), ("tools/list", "is not answered")],
)
async def test_other_clients_must_get_on_beside_streams(fault: str, says: str) -> None:
    class Busy(Streams):
        def session(self, head: Head, message: Message) -> str:
            if self.standing > 5 and fault == "session" and message["method"] == "initialize":
                raise Refused(429)
            return super().session(head, message)

        async def done(self, message: Message) -> Message:
            if self.standing > 5 and message["method"] == fault:
                return error(-32000, message["id"])
            return await super().done(message)

    with pytest.raises(Found, match=says):
        await play("http.listen-flood", Busy())


async def test_where_clients_cannot_be_told_apart_a_bound_of_streams_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "ELSEWHERE", "192.0.2.1")
    assert await play("http.listen-flood", FewStreams()) == 6


async def test_a_stream_that_does_not_say_that_it_stands_does_not() -> None:
    class Quiet(Streams):
        async def stream(self, head: Head, writer: asyncio.StreamWriter) -> tuple[int, bytes, dict[str, str]]:
            writer.write(b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\n\r\n")
            await asyncio.sleep(60)
            return 0, b"", {}

    with pytest.raises(NotApplicable, match="offers no streams"):
        await play("http.listen-flood", Quiet(MODERN))


async def test_streams_that_only_their_own_client_may_take_up_again_pass() -> None:
    assert await play("http.replay-foreign", ReplaysItsOwn()) == 1
    with pytest.raises(NotApplicable, match="no ids of events"):
        await play("http.replay-foreign", Peer())


@pytest.mark.parametrize("lane", [LEGACY, MODERN], ids=str)
async def test_streams_without_number_leave_room_for_others(lane: Lane) -> None:
    assert await play("http.listen-flood", Streams(lane)) == 6
    with pytest.raises(NotApplicable, match="offers no streams"):
        await play("http.listen-flood", Peer(lane))


async def test_sessions_that_cost_much_memory_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "SESSIONS", 110)
    with pytest.raises(Found, match="KiB of memory"):
        await play("http.session-flood", Peer(), Scales(110 * MIB))


async def test_sessions_of_one_client_that_shut_all_others_out_are_found() -> None:
    class Full(Peer):
        def session(self, head: Head, message: Message) -> str:
            if len(self.sessions) > 10:
                raise Refused(503)
            return super().session(head, message)

    with pytest.raises(Found, match="nobody else is served"):
        await play("http.session-flood", Full())


async def test_a_bound_of_sessions_is_seen_in_the_full_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bounded(Peer):
        def begun(self) -> str:
            if len(self.sessions) > 20:
                raise Refused(429)
            return super().begun()

    class Forgets(Peer):
        def begun(self) -> str:
            if len(self.sessions) > 20:
                self.sessions = set(list(self.sessions)[-1:])
            return super().begun()

    monkeypatch.setattr(floods, "SESSIONS_FULL", 60)
    monkeypatch.setattr(floods, "REFUSALS", 5)
    assert await play("http.session-flood", Bounded(), full=True) > 20
    assert await play("http.session-flood", Forgets(), full=True) == 67
    with pytest.raises(Found, match="none was refused or ended"):
        await play("http.session-flood", Peer(), full=True)
    with pytest.raises(Inconclusive, match="could be begun in time"):
        await play("http.session-flood", Peer(), full=True, left=0.0)


async def test_memory_and_descriptors_that_clients_leave_behind_are_found() -> None:
    with pytest.raises(Found, match="90 descriptors are left"):
        await play("http.disconnect", Peer(), Scales(opens=90))
    with pytest.raises(Found, match="90 MiB are left"):
        await play("http.disconnect", Peer(), Scales(90 * MIB))
    assert await play("http.disconnect", Peer(MODERN), Scales(1)) == 10


async def test_a_server_that_holds_what_it_is_sent_is_found_by_its_memory() -> None:
    with pytest.raises(Found, match="its memory grew by 90 MiB"):
        await play("http.body-huge", Peer(), Scales(90 * MIB))
    with pytest.raises(Found, match="a body of 4 MiB grew its memory by 90 MiB"):
        await play("http.elements", Peer(), Scales(90 * MIB))
    with pytest.raises(Inconclusive, match="cannot be seen"):
        await play("http.elements", Peer())


async def test_a_header_without_end_is_found_by_what_is_done_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Holds(Peer):
        async def lines(self, reader: asyncio.StreamReader) -> bytes:
            return (await super().lines(reader)).replace(b"a" * 100, b"")

        HEAD = 2**30

        async def answered(self, head: Head, body: bytes, writer: Any) -> tuple[int, bytes, dict[str, str]]:
            if head.get("x-long") is not None:
                raise Refused(400)
            return await super().answered(head, body, writer)

    with pytest.raises(Found, match="is carried out"):
        await play("http.headers-huge", NoBound())
    with pytest.raises(Found, match="its memory grew by 90 MiB"):
        await play("http.headers-huge", Holds(), Scales(90 * MIB))
    monkeypatch.setattr(memory, "HEAD", 24)  # more than a kernel holds by itself
    assert await play("http.headers-huge", Peer(), Scales(90 * MIB)) == 1, "who refuses it does not hold it"


async def test_a_server_that_everybody_in_the_network_reaches_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()

    def listening_on(address: str) -> Any:
        return lambda kind: [SimpleNamespace(status=origins.psutil.CONN_LISTEN, laddr=(address, peer.port))]

    def untold(kind: str) -> Any:
        raise origins.psutil.AccessDenied

    for address in ("0.0.0.0", "::"):
        monkeypatch.setattr(origins.psutil, "net_connections", listening_on(address))
        with pytest.raises(Found, match=address):
            await play("http.bound-everywhere", peer)
    monkeypatch.setattr(origins.psutil, "net_connections", listening_on("127.0.0.1"))
    assert await play("http.bound-everywhere", peer) == 1
    with pytest.raises(NotApplicable, match="asks for a token"):
        await play("http.bound-everywhere", Peer(LEGACY, TOKEN))
    for tells in (untold, lambda kind: []):
        monkeypatch.setattr(origins.psutil, "net_connections", tells)
        with pytest.raises(NotApplicable, match="does not tell"):
            await play("http.bound-everywhere", peer)


async def test_calls_of_a_spent_limit_are_not_judged() -> None:
    class Spent(Peer):
        async def called(self, params: Message, number: Any) -> Message:
            data = {"code": -32000, "message": "rate limit", "data": {"retryAfter": 60}}
            return {"jsonrpc": "2.0", "id": number, "error": data}

    with pytest.raises(Inconclusive, match="is spent for 60 s"):
        await play("http.disconnect", Spent())


def test_there_is_room_for_connections_as_far_as_the_user_may() -> None:
    assert room(10) == 10
    assert 0 < room(10**9) < 10**9
