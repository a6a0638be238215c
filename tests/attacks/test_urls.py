"""What a caller can do with a URL: nothing but read the public Internet, and only through the address that was judged.

Not reproduced: no public record found for CVE-2026-115751 (a trailing dot) and AIKIDO-2026-10318 (Authorization
forwarded downstream). The tests with their names try what these words say, which is all that was found of them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import pytest
from attacks.spellings import ELSEWHERE, LOOPBACK, of_ipv4
from hypothesis import given, settings
from hypothesis import strategies as st
from support.peers import HttpPeer, text_of

from holdfast.core.raw import SchemaArguments
from holdfast.errors import ConfigurationError, ToolError, UnsafeUrl
from holdfast.safe import pinning
from holdfast.safe.decoding import Fetched
from holdfast.safe.fetching import Request, fetch
from holdfast.safe.locations import Location, parse
from holdfast.safe.pinning import Network, checked_addresses, system_resolve
from holdfast.safe.policy import UrlPolicy
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.urls import PublicUrl, fill

REFUSED = (UnsafeUrl, ToolError)
METADATA = ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"]


class Counting:
    """One port on 127.0.0.1 and on ::1, and how many connections came."""

    def __init__(self) -> None:
        self.port = 0
        self.seen = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/plain\r\n\r\nsecret")
        writer.close()

    async def settle(self) -> None:
        """Give the loop turns until a connection that was begun would have been seen: this one is."""
        before = self.seen
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while self.seen == before:
            await asyncio.sleep(0)
        writer.close()
        self.seen -= 1


@asynccontextmanager
async def counting() -> AsyncIterator[Counting]:
    counter = Counting()
    for _ in range(20):
        first = await asyncio.start_server(counter.handle, "127.0.0.1", 0)
        counter.port = first.sockets[0].getsockname()[1]
        try:
            second = await asyncio.start_server(counter.handle, "::1", counter.port)
            break
        except OSError:  # taken by somebody else: another port
            first.close()
    try:
        yield counter
    finally:
        first.close()
        second.close()


@asynccontextmanager
async def redirecting(to: list[str]) -> AsyncIterator[str]:
    """A server that redirects its n-th request to the n-th of ``to``; yields its host:port."""
    targets = iter(to)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        target = next(targets).encode("utf-8", "replace")
        writer.write(b"HTTP/1.1 307 x\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def resolving(*answers: list[str]) -> Network:
    """A network whose resolver gives these answers one after the other, the last one for ever."""
    left = itertools.chain(answers, itertools.repeat(answers[-1]))

    async def resolve(host: str, port: int) -> list[str]:
        return next(left)

    return Network(resolve)


async def asked(url: str, policy: UrlPolicy, network: Network | None = None) -> Fetched:
    return await fetch(Request(parse(url, policy), "GET", {}, 100, 5.0), policy, network)


# -- no connection is seen -------------------------------------------------------------------------------------------


async def test_the_counting_listener_sees_what_is_admitted() -> None:
    """The control: without it, no count of zero says anything."""
    async with counting() as counter:
        for host in ("127.0.0.1", "[::1]", "localhost", "[0:0::1]"):
            policy = UrlPolicy(allow=frozenset({f"{host}:{counter.port}"}))
            url = PublicUrl.from_text(f"http://{host}:{counter.port}/", Sandbox(urls=policy))
            assert (await url.fetch()).text() == "secret"
        assert counter.seen == 4


async def test_no_spelling_of_a_local_address_makes_a_connection() -> None:
    assert len(set(LOOPBACK)) >= 80
    async with counting() as counter:
        sandbox = Sandbox(urls=UrlPolicy(ports=frozenset({counter.port}), timeout=5.0))
        for host in [*LOOPBACK, *ELSEWHERE]:
            for url in (f"http://{host}:{counter.port}/", f"http://{host}:0{counter.port}/?", f"HTTP://x@{host}/"):
                with pytest.raises(REFUSED):
                    await PublicUrl.from_text(url, sandbox).fetch()
        await counter.settle()
        assert counter.seen == 0


async def test_no_spelling_gets_past_the_judgement_of_the_answers_alone() -> None:
    """As if the parser had let every host through: what the system makes of it is judged before it is connected to."""
    async with counting() as counter:
        policy = UrlPolicy(ports=frozenset({counter.port}))
        for host in [*of_ipv4("127.0.0.1"), "localhost", "0", "127.1"]:
            request = Request(Location("http", host, counter.port, "/"), "GET", {}, 100, 5.0)
            with pytest.raises((*REFUSED, TypeError)):
                await fetch(request, policy)
        await counter.settle()
        assert counter.seen == 0


async def test_no_redirect_to_a_local_address_makes_a_connection() -> None:
    async with counting() as counter:
        hosts = [*LOOPBACK, *ELSEWHERE]
        targets = [f"http://{host}:{counter.port}/" for host in hosts]
        targets += [f"//{host}:{counter.port}/" for host in hosts[:20]]
        async with redirecting(targets) as pair:
            policy = UrlPolicy(allow=frozenset({pair}), ports=frozenset({counter.port}))
            for _ in targets:
                with pytest.raises(REFUSED):
                    await asked(f"http://{pair}/", policy)
        await counter.settle()
        assert counter.seen == 0


PUBLIC_ONE, PUBLIC_SIX = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


@pytest.mark.parametrize(
    "answers",
    [[PUBLIC_ONE, "127.0.0.1"], ["127.0.0.1", PUBLIC_ONE], [PUBLIC_SIX, "127.0.0.1"], [PUBLIC_SIX, PUBLIC_ONE, "::1"],
     ["::ffff:127.0.0.1"], ["::1"], ["64:ff9b::7f00:1", PUBLIC_ONE], ["2002:7f00:1::", PUBLIC_SIX], ["0.0.0.0"], ["::"],
     ["fe80::1%1"], ["127.0.0.1 "], ["", PUBLIC_ONE], ["127.1"], ["2130706433"], [PUBLIC_ONE] * 70],
    ids=str,
)  # fmt: skip
async def test_a_name_with_any_private_answer_makes_no_connection_at_all(
    answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not to the public one of them: the list is refused as a whole, before any attempt in any order."""
    with recording(monkeypatch) as record:
        async with counting() as counter:
            policy = UrlPolicy(ports=frozenset({counter.port}))
            with pytest.raises(UnsafeUrl) as caught:
                await asked(f"http://mixed.example:{counter.port}/", policy, resolving(answers))
            assert caught.value.code == "url.address"
            await counter.settle()
            assert counter.seen == 0
    assert record.connected == []


async def test_a_resolver_that_changes_its_answer_makes_no_connection() -> None:
    """DNS rebinding: over the hops of one fetch, and from one fetch to the next."""
    async with counting() as counter, redirecting(["http://rebind.example/"] * 3) as pair:
        policy = UrlPolicy(allow=frozenset({f"rebind.example:{pair.partition(':')[2]}"}))
        port = pair.partition(":")[2]
        for answers in (["127.0.0.1"], ["::1"], [PUBLIC_ONE, "127.0.0.1"]):
            ports = UrlPolicy(allow=policy.allow, ports=frozenset({80, counter.port}))
            with pytest.raises(REFUSED):
                await asked(f"http://rebind.example:{port}/", ports, resolving(["127.0.0.1"], answers))
        await counter.settle()
        assert counter.seen == 0


@pytest.mark.parametrize("metadata", METADATA)
async def test_a_name_that_is_admitted_never_leads_to_a_metadata_service(metadata: str) -> None:
    location, policy = (
        Location("http", "intranet.example", 80, "/"),
        UrlPolicy(allow=frozenset({"intranet.example:80"})),
    )

    async def judged(answer: str) -> list[str]:
        async def resolve(host: str, port: int) -> list[str]:
            return [answer]

        return await checked_addresses(location, policy, resolve)

    assert await judged("10.0.0.9") == ["10.0.0.9"]
    forms = [f"[{metadata}]"] if ":" in metadata else of_ipv4(metadata)
    for form in (form.strip("[]") for form in forms if form.startswith("[")):
        with pytest.raises(UnsafeUrl):
            await judged(form)


# -- the address that is connected to, and what is said there --------------------------------------------------------


class Record(httpcore2.AsyncNetworkStream):
    """What would go out, and to which address: for tests of public addresses, which no test may connect to."""

    def __init__(self) -> None:
        self.connected: list[str] = []
        self.names: list[str | None] = []
        self.sent = b""
        self._answer = b""

    def __call__(self) -> Record:
        return self

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None) -> Record:
        self.connected.append(host)
        self.port = port
        self._answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        return self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        piece, self._answer = self._answer[:max_bytes], self._answer[max_bytes:]
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.sent += buffer

    async def aclose(self) -> None:
        pass

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Record:
        self.names.append(server_hostname)
        return self

    def get_extra_info(self, info: str) -> Any:
        return (self.connected[-1], self.port) if info == "server_addr" else None


@contextmanager
def recording(patch: pytest.MonkeyPatch) -> Iterator[Record]:
    record = Record()
    patch.setattr(pinning, "AnyIOBackend", record)
    yield record


def is_surely_public(text: str) -> bool:
    """Another judge than the table: the standard library's words, and the known forms that it gets wrong."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        wrong = text.startswith(("64:ff9b", "2002:", "fec0:", "ff", "2001:0:")) or ":5efe:" in text
        inner = (address.ipv4_mapped, address.sixtofour, (address.teredo or (None,))[0])
        return address.is_global and not wrong and not any(inner) and int(address) >> 32 != 0
    return address.is_global and not address.is_multicast and text != "168.63.129.16"


HOSTS = st.sampled_from([*LOOPBACK, *ELSEWHERE, "example.com", "EXAMPLE.com.", "bücher.example", "xn--bcher-kva.org",
                         "8.8.8.8", "[2606:4700::1111]", "a_b.example.com", "ex\u00adample.com"])  # fmt: skip
PIECES = st.sampled_from(
    ["@", ":", "/", "?", "#", "\\", "[", "]", ".", "..", "%2e", "%00", " ", "\t", "\n", "127.0.0.1"]
)
PUBLIC = st.sampled_from([PUBLIC_ONE, PUBLIC_SIX, "8.8.8.8", "1.1.1.1", "2606:4700:0:0::1111"])
ANSWERS = st.lists(PUBLIC, min_size=1, max_size=3) | st.lists(
    PUBLIC | st.sampled_from(["127.0.0.1", "::1", "10.1.2.3"]) | st.ip_addresses().map(str), max_size=3
)
GOOD = st.sampled_from(
    ["example.com", "EXAMPLE.com.", "bücher.example", "8.8.8.8", "[2606:4700::1111]", "a_b.example.com"]
)
PATHS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map("/".__add__) | st.sampled_from(
    ["", "?a=b c", "/%2e%2e/x", "#only", "/a?b?c#d", "/ü?ß", '/"<>{}|^`', "/a//b/../c;d=1", "/@x:80/", "?@evil.com"]
)
URLS = st.one_of(
    st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https", "HTTPS"]), GOOD,
              st.sampled_from(["", "", ":80", ":0443"]), PATHS),
    st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https", "HTTPS", "ftp", "file"]), HOSTS,
              st.sampled_from(["", ":80", ":443", ":8080", ":"]), PATHS),
    st.builds("http{}://{}{}{}".format, st.sampled_from(["", "s"]), HOSTS | GOOD, PIECES, HOSTS | GOOD),
    st.text(max_size=40).map("https://".__add__),
)  # fmt: skip


def test_whatever_is_fetched_comes_from_a_public_address_that_was_among_the_answers() -> None:
    came: list[str] = []

    @settings(max_examples=400, deadline=None)
    @given(URLS, ANSWERS)
    def is_fetched_or_refused(text: str, answers: list[str]) -> None:
        with pytest.MonkeyPatch.context() as patch, recording(patch) as record:
            policy = UrlPolicy()
            try:
                location = parse(text, policy)
                asyncio.run(fetch(Request(location, "GET", {}, 10, 5.0), policy, resolving(answers)))
            except REFUSED:
                assert record.connected == []
                assert record.sent == b""
                return
        came.append(text)
        assert all(is_surely_public(answer) for answer in answers)
        assert record.connected == [str(ip_address(answers[0]))]
        holds_together(location, record)

    is_fetched_or_refused()
    assert len(came) >= 8, "else the property was tried on refusals only"


def holds_together(location: Location, record: Record) -> None:
    """The port, the name in TLS, Host and the target are those of one URL, as another parser reads it."""
    said = urlsplit(location.url)
    assert record.port == (said.port or {"http": 80, "https": 443}[said.scheme])
    assert record.names == ([said.hostname] if said.scheme == "https" else [])
    line, *headers = record.sent.decode("ascii").split("\r\n")
    assert line == f"GET {location.target} HTTP/1.1"
    assert " " not in location.target
    hosts = [value for name, _, value in (header.partition(": ") for header in headers) if name.lower() == "host"]
    assert hosts == [said.netloc]
    assert parse(location.url, UrlPolicy()) == location  # what is said of it is what is meant by it


# -- the known weaknesses, by name -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:7f00:0001]", "[::FFFF:a9fe:a9fe]"])
async def test_cve_2026_49857_hex_mapped_addresses_are_refused(host: str) -> None:
    """auth-fetch-mcp: its parser rewrote ``[::ffff:127.0.0.1]`` as ``[::ffff:7f00:1]``, which its check let pass."""
    async with counting() as counter:
        sandbox = Sandbox(urls=UrlPolicy(ports=frozenset({counter.port})))
        with pytest.raises(UnsafeUrl) as caught:
            await PublicUrl.from_text(f"http://{host}:{counter.port}/", sandbox).fetch()
        assert caught.value.code == "url.address"
        await counter.settle()
        assert counter.seen == 0


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]", "[fd00:ec2::254]", "[fe80::1]", "[::ffff:127.0.0.1]"])
async def test_cve_2026_80347_brackets_do_not_skip_the_check(host: str) -> None:
    """mcp-fetch: ``isIP("[::1]")`` is 0 while the brackets are on, so the check for private addresses was skipped."""
    async with counting() as counter:
        sandbox = Sandbox(urls=UrlPolicy(ports=frozenset({counter.port})))
        with pytest.raises(UnsafeUrl) as caught:
            await PublicUrl.from_text(f"http://{host}:{counter.port}/", sandbox).fetch()
        assert caught.value.code == "url.address"
        await counter.settle()
        assert counter.seen == 0


@pytest.mark.parametrize(
    "name, answer", [("127.0.0.1.nip.io", "127.0.0.1"), ("169.254.169.254.nip.io", "169.254.169.254")]
)
async def test_cve_2026_61612_a_name_is_judged_by_its_answers(name: str, answer: str) -> None:
    """ckan-mcp-server: only the text of the host was looked at, so any public name for a private address passed."""
    async with counting() as counter:
        policy = UrlPolicy(ports=frozenset({counter.port}))
        with pytest.raises(UnsafeUrl) as caught:
            await asked(f"http://{name}:{counter.port}/", policy, resolving([answer]))
        assert caught.value.code == "url.address"
        await counter.settle()
        assert counter.seen == 0


async def test_cve_2026_77242_the_address_that_was_judged_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """mcp-atlassian: the address was checked and not pinned; the client resolved again, and got a private one."""
    with recording(monkeypatch) as record:
        answer = await asked("http://rebind.example/", UrlPolicy(), resolving([PUBLIC_ONE], ["127.0.0.1"]))
    assert answer.text() == "ok"
    assert record.connected == [PUBLIC_ONE]


@pytest.mark.parametrize("url", ["http://evil.example./", "http://a.EVIL.example./", "http://evil.example:80/"])
async def test_cve_2026_115751_a_trailing_dot_is_the_same_host(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deny list compared ``evil.example`` with ``evil.example.``; both are one name."""
    denied = frozenset({"evil.example"})
    for hosts in (frozenset[str](), frozenset({"*.example", "evil.example"})):
        with recording(monkeypatch) as record, pytest.raises(UnsafeUrl) as caught:
            await asked(url, UrlPolicy(deny_hosts=denied, hosts=hosts), resolving([PUBLIC_ONE]))
        assert caught.value.code == "url.host"
        assert record.connected == []
    for host in ("localhost.", "127.0.0.1.", "metadata.google.internal."):
        with pytest.raises(UnsafeUrl):
            PublicUrl.from_text(f"http://{host}/", Sandbox(urls=UrlPolicy()))


@pytest.mark.parametrize(
    "form", ["http://127.0.0.1:{port}/ssrf-proof", "http://169.254.169.254/latest/", "file:///etc/passwd"]
)
@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$schema"])
async def test_cve_2026_39885_a_schemas_references_are_never_followed(form: str, key: str) -> None:
    """mcp-from-openapi: ``$ref`` to an internal URL or to a file was fetched while the document was taken in."""
    async with counting() as counter:
        reference = form.format(port=counter.port)
        schema: dict[str, Any] = {"type": "object", "properties": {"a": {key: reference}}}
        if key == "$schema":
            schema = {"type": "object", key: reference}
        with pytest.raises(ConfigurationError):
            await asyncio.to_thread(SchemaArguments, schema)
        data = Fetched(200, "http://x/", {}, json.dumps({key: reference}).encode(), False)
        assert data.json() == {key: reference}
        await counter.settle()
        assert counter.seen == 0


@pytest.mark.parametrize(
    "job", ["../../../user", "1/../../../../personal_access_tokens", "..%2f..%2fuser", "..", "1/.."]
)
def test_cve_2026_61462_a_path_parameter_stays_in_its_place(job: str) -> None:
    """mcp-gitlab: ``../`` in ``job_id`` led the request, with the operator's token, to other endpoints of the API."""
    template = "https://gitlab.example/api/v4/projects/{project}/jobs/{job_id}/trace"
    with pytest.raises(UnsafeUrl) as caught:
        fill(template, {"project": 7, "job_id": job})
    assert caught.value.code == "url.parameter"
    assert fill(template, {"project": "a/b", "job_id": "1?x#y"}).endswith("/projects/a%2Fb/jobs/1%3Fx%23y/trace")


async def test_aikido_2026_10318_a_callers_token_stays_here(tmp_path: Path) -> None:
    """Authorization forwarded downstream: what a caller shows to this server is nothing that a fetch would show.

    Through a whole server: a tool that sends nothing of its own, one that sends its own Authorization, and the same
    where the first site redirects to another origin, which gets neither.
    """
    token = "callers-own-token-" + "c" * 40
    requests: list[bytes] = []

    async def downstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(downstream, "127.0.0.1", 0)
    pair = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"

    def talk(moved: str) -> list[str]:
        allowed = {"HOLDFAST_URLS__ALLOW": json.dumps([pair, moved]), "HOLDFAST_AUTH__TOKENS": token}
        script = Path(__file__).parent / "servers" / "passing.py"
        calls = [("plain", pair), ("fetch", pair), ("fetch", moved)]
        with HttpPeer(script, tmp_path / "state", **allowed) as peer:
            assert peer.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] == 401
            shown = {"authorization": f"Bearer {token}", "cookie": f"session={token}", "x-api-key": token}
            told = [{"name": tool, "arguments": {"url": f"http://{site}/"}} for tool, site in calls]
            return [text_of(peer.modern("tools/call", call, shown)["result"]) for call in told]

    async with listening, redirecting([f"http://{pair}/"]) as moved:
        said = await asyncio.to_thread(talk, moved)
    assert ["page" in text for text in said] == [True] * 3, said
    assert len(requests) == 3
    for request in requests:
        assert token.encode() not in request
    owns = [request.lower().count(b"authorization: bearer the-servers-own\r\n") for request in requests]
    assert owns == [0, 1, 0], "sent where the author sends it, and not to where a redirect leads"


async def test_the_system_resolver_is_what_a_fetch_asks() -> None:
    assert Network().resolve is system_resolve
    assert set(await system_resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
    with pytest.raises(UnicodeError):
        await system_resolve("a" * 70 + ".invalid", 80)
