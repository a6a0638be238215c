"""Fetching from real servers that misbehave."""

from __future__ import annotations

import asyncio
import datetime
import encodings
import gzip
import ipaddress
import pickle
import socket
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.errors import ConfigurationError, OutputInvalid, ToolError, UnsafeUrl
from holdfast.safe import fetching
from holdfast.safe.fetching import Fetched, Request, checked_headers, fetch
from holdfast.safe.json import Bounds
from holdfast.safe.locations import UrlPolicy, parse
from holdfast.safe.pinning import Network
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.urls import PublicUrl

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Served:
    """A server on a port of its own, with what was asked of it."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []
        self.replies: list[bytes | Reply] = []

    @property
    def pair(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://{self.pair}{path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
            if isinstance(reply, bytes):
                writer.write(reply)
            else:
                await reply(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client hung up, which is the point of several tests
        finally:
            writer.close()


@asynccontextmanager
async def serving(*replies: bytes | Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    served = Served()
    served.replies = list(replies)
    server = await asyncio.start_server(served.handle, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return answer(b"moved", f"Location: {to}", status=status)


async def get(
    url: str,
    allow: str | tuple[str, ...],
    network: Network | None = None,
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> Fetched:
    policy = UrlPolicy(allow=frozenset([allow] if isinstance(allow, str) else allow), **changes)
    request = Request(parse(url, policy), "GET", headers or {}, policy.max_bytes, policy.timeout)
    return await fetch(request, policy, network)


def resolving(*answers: list[str]) -> tuple[Network, list[str]]:
    """A network whose resolver gives these answers, one after the other, and the names it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return Network(resolve), asked


async def test_a_page_is_fetched_with_the_hosts_own_name_and_no_hidden_headers() -> None:
    network, asked = resolving(["127.0.0.1"])
    async with serving(answer(b"hello", "X-A: 1", "x-a: 2")) as served:
        pair = f"intranet.example:{served.port}"
        fetched = await get(f"http://{pair}/a?b", pair, network, headers={"authorization": "Bearer t"})
    assert (fetched.status, fetched.text(), fetched.truncated) == (200, "hello", False)
    assert fetched.headers["x-a"] == "1, 2"
    assert asked == ["intranet.example"]
    lines = served.requests[0].splitlines()
    assert lines[0] == "GET /a?b HTTP/1.1"
    assert sorted(line.split(":")[0].lower() for line in lines[1:] if line) == sorted(
        ["host", "accept", "user-agent", "authorization", "accept-encoding", "connection"]
    )
    assert f"host: {pair}" in [line.lower() for line in lines]


async def test_a_head_request_and_an_error_status_are_answers() -> None:
    policy = UrlPolicy()
    async with serving(b"HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\n\r\n") as served:
        policy = UrlPolicy(allow=frozenset({served.pair}))
        fetched = await fetch(Request(parse(served.url(), policy), "HEAD", {}, 10, 5.0), policy)
    assert (fetched.status, fetched.body, fetched.truncated) == (404, b"", False)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(answer(b"direct")) as served:
        assert (await get(served.url(), served.pair)).text() == "direct"


async def test_cve_2026_77242_a_name_that_changes_its_address_is_connected_where_it_was_checked() -> None:
    """DNS rebinding: resolved once only, and the second answer would be private."""
    network, asked = resolving(["127.0.0.1"], ["127.0.0.2"])
    async with serving(answer(b"first")) as served:
        pair = f"rebind.example:{served.port}"
        assert (await get(f"http://{pair}/", pair, network)).text() == "first"
    assert asked == ["rebind.example"]


async def test_rebinding_between_two_hops_is_refused_at_the_second() -> None:
    async with serving(redirect("http://rebind.example/")) as served:
        asked: list[str] = []

        async def resolve(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"]  # admitted for the first hop by its pair only

        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair, Network(resolve))
    assert caught.value.code == "url.address"
    assert asked == ["127.0.0.1", "rebind.example"]


async def test_a_public_name_with_a_private_answer_is_never_connected_to() -> None:
    async with serving(answer(b"secret")) as served:
        network, _ = resolving(["127.0.0.1"])
        with pytest.raises(UnsafeUrl) as caught:
            await get(f"http://public.example:{served.port}/", (), network, ports=frozenset({served.port}))
    assert caught.value.code == "url.address"
    assert served.requests == []


@pytest.mark.parametrize(
    "to, code",
    [
        ("http://169.254.169.254/latest/meta-data/", "url.address"),
        ("http://127.0.0.1/", "url.address"),
        ("http://[::1]/", "url.address"),
        ("http://2130706433/", "url.host"),
        ("http://example.com:22/", "url.port"),
        ("//127.0.0.1:6379/", "url.port"),
        ("file:///etc/passwd", "url.scheme"),
        ("http://a:b@example.com/", "url.userinfo"),
        ("http://[::1/", "url.redirect"),
        ("/a b", "url.syntax"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_url(to: str, code: str) -> None:
    async with serving(redirect(to)) as served:
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair)
    assert caught.value.code == code
    assert len(served.requests) == 1


async def test_redirects_on_the_same_origin_keep_headers_and_are_counted() -> None:
    async with serving(redirect("/b", "307 x"), redirect("c", "308 x"), answer(b"end")) as served:
        fetched = await get(served.url("/a/"), served.pair, headers={"authorization": "t"})
    assert fetched.url == served.url("/c")
    assert all("authorization: t" in request for request in served.requests)
    async with serving(redirect("/loop")) as served:
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair, max_redirects=3)
    assert caught.value.code == "url.redirect"
    assert len(served.requests) == 4


async def test_credentials_are_not_sent_on_to_another_origin() -> None:
    secrets = {"authorization": "Bearer t", "cookie": "s=1", "x-api-key": "k"}
    async with serving(answer(b"other")) as other, serving(redirect(other.url())) as served:
        fetched = await get(served.url(), (served.pair, other.pair), headers={**secrets, "accept-language": "de"})
    assert fetched.text() == "other"
    assert "Bearer t" in served.requests[0]
    assert not any(name in other.requests[0].lower() for name in secrets)
    assert "accept-language: de" in other.requests[0]


async def test_a_redirect_without_location_is_an_answer() -> None:
    async with serving(answer(b"x", status="304 Not Modified"), answer(status="302 Found")) as served:
        assert (await get(served.url(), served.pair)).status == 304
        assert (await get(served.url(), served.pair)).status == 302


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


async def test_a_gzip_bomb_yields_no_more_than_the_bound() -> None:
    async with serving(answer(bomb(200 << 20), "Content-Encoding: gzip")) as served:
        tracemalloc.start()
        fetched = await get(served.url(), served.pair, max_bytes=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert fetched.truncated
    assert len(fetched.body) == 1 << 20
    assert peak < 16 << 20


async def test_gzip_in_several_members_is_whole_and_a_torn_one_is_truncated() -> None:
    whole = gzip.compress(b"one ") + gzip.compress(b"two")
    async with serving(
        answer(whole, "Content-Encoding: gzip"),
        answer(whole[:-12], "Content-Encoding: x-gzip"),
        answer(b"not gzip", "Content-Encoding: gzip"),
        answer(b"x", "Content-Encoding: br"),
    ) as served:
        fetched = await get(served.url(), served.pair)
        assert (fetched.body, fetched.truncated) == (b"one two", False)
        assert (await get(served.url(), served.pair)).truncated
        for _ in range(2):
            with pytest.raises(UnsafeUrl) as caught:
                await get(served.url(), served.pair)
            assert caught.value.code == "url.response"


async def test_a_body_without_end_is_cut_at_the_bound() -> None:
    async def forever(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(forever) as served:
        fetched = await get(served.url(), served.pair, max_bytes=100_000)
    assert fetched.truncated
    assert len(fetched.body) == 100_000


async def test_a_body_of_exactly_the_bound_is_whole() -> None:
    async with serving(answer(b"x" * 1000)) as served:
        fetched = await get(served.url(), served.pair, max_bytes=1000)
    assert (len(fetched.body), fetched.truncated) == (1000, False)


async def test_a_server_that_drips_is_given_up_at_the_deadline() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    started = time.perf_counter()
    async with serving(drip) as served:
        with pytest.raises(ToolError) as caught:
            await get(served.url(), served.pair, timeout=0.3)
    assert caught.value.retryable
    assert time.perf_counter() - started < 3


async def test_headers_without_end_are_refused() -> None:
    async def forever(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-Header: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    async with serving(forever) as served:
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair)
    assert caught.value.code == "url.response"


async def test_interim_answers_without_end_are_refused() -> None:
    async def forever(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000)
            await writer.drain()

    async with serving(forever) as served:
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair, max_bytes=1000)
    assert caught.value.code == "url.response"


async def test_a_body_in_too_many_small_pieces_is_refused() -> None:
    few, many = b"1\r\nx\r\n" * 10_000, b"1\r\nx\r\n" * 10_300
    head, end = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"
    async with serving(head + few + end, head + many + end) as served:
        assert len((await get(served.url(), served.pair)).body) == 10_000
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair)
    assert caught.value.code == "url.response"


@pytest.mark.parametrize("junk", [b"junk\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"])
async def test_an_answer_that_is_not_http_is_refused(junk: bytes) -> None:
    async with serving(junk) as served:
        with pytest.raises(UnsafeUrl):
            await get(served.url(), served.pair)


async def test_a_server_that_is_not_there_may_be_there_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ToolError) as caught:
        await get(f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}")
    assert caught.value.retryable


def certificate(directory: Path, address: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A self-signed certificate for a name and an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("secure.example"), x509.IPAddress(ipaddress.ip_address(address))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "both.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


async def test_a_self_signed_certificate_is_refused_and_a_trusted_one_named_by_the_host(tmp_path: Path) -> None:
    server, path = certificate(tmp_path)
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    network, _ = resolving(["127.0.0.1"])
    trusting = replace(network, tls=lambda: ssl.create_default_context(cafile=str(path)))
    async with serving(answer(b"secure"), tls=server) as served:
        pair, wrong = f"secure.example:{served.port}", f"wrong.example:{served.port}"
        with pytest.raises(UnsafeUrl) as caught:
            await get(f"https://{pair}/", pair, network)
        assert caught.value.code == "url.tls"
        assert (await get(f"https://{pair}/", pair, trusting)).text() == "secure"
        assert names[-1] == "secure.example"
        with pytest.raises(UnsafeUrl) as caught:
            await get(f"https://{wrong}/", wrong, trusting)
        assert caught.value.code == "url.tls"
        assert (await get(served.url(scheme="https"), served.pair, trusting)).text() == "secure"
    assert len(served.requests) == 2


async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server, path = certificate(tmp_path)
    async with serving(answer(b"plain")) as other, serving(redirect(other.url()), tls=server) as served:
        network = Network(tls=lambda: ssl.create_default_context(cafile=str(path)))
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(scheme="https"), (served.pair, other.pair), network)
    assert caught.value.code == "url.redirect"
    assert other.requests == []


async def test_cancelling_closes_the_connection() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    pair = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        task = asyncio.create_task(get(f"http://{pair}/", pair))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"connection": "upgrade"},
        {"Proxy-Authorization": "x"},
        {"Transfer-Encoding": "chunked"},
        {"a b": "x"},
        {"a": "x\r\nevil: 1"},
        {"a": "\0"},
        {"a": "\u20ac"},
        {"": "x"},
    ],
)
def test_a_header_that_changes_the_request_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsafeUrl) as caught:
        checked_headers(headers)
    assert caught.value.code == "url.header"


@pytest.mark.parametrize(
    "content_type, body, text",
    [
        ("text/plain; charset=iso-8859-1", b"\xfc", "ü"),
        ('text/plain;format=flowed ;CharSet = "koi8-u"', "є".encode("koi8-u"), "є"),
        ("text/plain; notcharset=latin-1", "ü".encode(), "ü"),
        ("text/plain; charset=cp65001.x", b"a", "a"),
        ("text/plain; charset=UTF-16", "ü".encode("utf-16"), "ü"),
        ("text/plain", b"\xff", "\ufffd"),
        ("", "ü".encode(), "ü"),
        ("text/plain; charset=unicode_escape", b"\\x41", "\\x41"),
        ("text/plain; charset=punycode", b"bcher-kva", "bcher-kva"),
        ("text/plain; charset=latin-nonsense", b"a", "a"),
        ('text/plain; charset="cp\0"', b"a", "a"),
    ],
)
def test_text_honours_only_encodings_that_are_only_that(content_type: str, body: bytes, text: str) -> None:
    assert Fetched(200, "http://x/", {"content-type": content_type}, body, False).text() == text


def test_names_of_encodings_that_a_site_makes_up_are_not_kept() -> None:
    kept = len(encodings._cache)  # type: ignore[attr-defined]  # where the library keeps every name ever asked for
    for number in range(20):
        answer = Fetched(200, "u", {"content-type": f"text/plain; charset=cp{number}" + "z" * 30_000}, b"a", False)
        assert answer.text() == "a"
        assert Fetched(200, "u", {"content-type": f"text/plain; charset=cp-no{number}"}, b"a", False).text() == "a"
    assert len(encodings._cache) == kept  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "kind",
    ['a; b="' + ";" * 60_000, "a" + "; charset" * 6_000, "a; charset=" + " " * 60_000, "a" + ";charset=\"" * 6_000,
     "a; " + " charset*0*=" * 5_000],
    ids=lambda kind: kind[:14],
)  # fmt: skip
def test_the_type_of_an_answer_is_read_in_linear_time(kind: str) -> None:
    began = time.perf_counter()
    Fetched(200, "u", {"content-type": kind}, b"a", False).text()
    assert time.perf_counter() - began < 0.2


def test_cve_2026_39885_a_reference_in_json_is_data() -> None:
    fetched = Fetched(200, "http://x/", {}, b'{"$ref": "http://169.254.169.254/"}', False)
    assert fetched.json() == {"$ref": "http://169.254.169.254/"}


@pytest.mark.parametrize("body, truncated", [(b"{", False), (b"[" * 100_000, False), (b"{}", True)])
def test_what_is_not_json_is_said_to_be_so(body: bytes, truncated: bool) -> None:
    with pytest.raises(ToolError):
        Fetched(200, "http://x/", {}, body, truncated).json()


async def test_an_answer_can_be_sent_to_another_process() -> None:
    async with serving(answer(b"x")) as served:
        fetched = await get(served.url(), served.pair)
    assert pickle.loads(pickle.dumps(fetched)) == fetched  # noqa: S301  # our own bytes


# -- what is taken, and what is sent ---------------------------------------------------------------------------------


async def sent(served: Served, body: object, path: str = "/", **options: Any) -> Fetched:
    allow = frozenset({served.pair, *options.pop("allow", ())})
    policy = UrlPolicy(allow=allow, max_body=options.pop("max_body", 1_000), timeout=5.0)
    return await PublicUrl.from_text(served.url(path), Sandbox(urls=policy)).send(body, **options)


@pytest.mark.parametrize(
    "kind, status, told",
    [("image/png", "200 OK", "url.type"), ("application/pdf", "200 OK", "url.type"), ("junk", "200 OK", "url.type"),
     ("text/html", "200 OK", ""), ("application/problem+json", "200 OK", ""), ("image/png", "404 Not Found", ""),
     ("image/png", "400 Bad Request", "")],
)  # fmt: skip
async def test_an_answer_of_another_type_is_not_read(kind: str, status: str, told: str) -> None:
    async with serving(answer(b"\x89PNG", f"Content-Type: {kind}", status=status)) as served:
        if told:
            with pytest.raises(UnsafeUrl) as caught:
                await get(served.url(), served.pair)
            assert caught.value.code == told
        else:
            fetched = await get(served.url(), served.pair)
            assert (fetched.body == b"", fetched.truncated) == (status != "200 OK",) * 2


async def test_an_author_may_ask_for_other_types_and_an_empty_answer_has_none() -> None:
    async with serving(answer(b"\x89PNG", "Content-Type: image/png"), answer(b"", "Content-Type: image/png")) as served:
        url = PublicUrl.from_text(served.url(), Sandbox(urls=UrlPolicy(allow=frozenset({served.pair}))))
        assert (await url.fetch(types=["image/*"])).body == b"\x89PNG"
        assert (await url.fetch()).body == b""
        with pytest.raises(ConfigurationError):
            await url.fetch(types=["png"])


@pytest.mark.parametrize(
    "body, kind, raw",
    [({"a": [1, "é"]}, "application/json", '{"a":[1,"é"]}'.encode()),
     (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
     ("é", "text/plain; charset=utf-8", "é".encode()), (None, None, b""), ([], "application/json", b"[]")],
)  # fmt: skip
async def test_what_is_sent_arrives_once_with_its_type_and_its_length(
    body: object, kind: str | None, raw: bytes
) -> None:
    async with serving(answer(b"done")) as served:
        assert (await sent(served, body)).text() == "done"
    (request,) = served.requests
    lines = request.lower().split("\r\n")
    assert lines[0] == "post / http/1.1"
    assert f"content-length: {len(raw)}" in lines
    assert [line for line in lines if line.startswith("content-type")] == ([f"content-type: {kind}"] if kind else [])
    assert not any(line.startswith("transfer-encoding") for line in lines)


async def test_an_author_chooses_the_method_and_the_type() -> None:
    async with serving(answer(b"ok")) as served:
        for method in ("PUT", "PATCH", "DELETE"):
            await sent(served, "a=b", method=method, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert [request.partition(" ")[0] for request in served.requests] == ["PUT", "PATCH", "DELETE"]
    assert all("content-type: application/x-www-form-urlencoded" in request for request in served.requests)


@pytest.mark.parametrize(
    "method", ["GET", "CONNECT", "TRACE", "OPTIONS", "post", "POST /x HTTP/1.1\r\nA: b\r\n\r\nGET"]
)
async def test_other_methods_are_not_sent(method: str) -> None:
    async with serving(answer()) as served:
        with pytest.raises(UnsafeUrl) as caught:
            await sent(served, None, method=method)
    assert caught.value.code == "url.method"
    assert served.requests == []


async def test_a_body_that_is_too_large_or_is_no_json_is_not_sent() -> None:
    async with serving(answer()) as served:
        for body in (b"x" * 1_001, "é" * 501, ["x" * 1_000]):
            with pytest.raises(UnsafeUrl) as caught:
                await sent(served, body)
            assert caught.value.code == "url.body"
        with pytest.raises(OutputInvalid):
            await sent(served, object())
        assert (await sent(served, b"x" * 1_000)).status == 200
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    "method, status, then", [("POST", 303, "GET"), ("PUT", 303, "GET"), ("POST", 302, "GET"), ("POST", 301, "GET"),
                             ("POST", 307, "POST"), ("PUT", 308, "PUT"), ("DELETE", 302, "DELETE")],
)  # fmt: skip
async def test_what_is_sent_follows_a_redirect_on_its_own_origin_only(method: str, status: int, then: str) -> None:
    async with serving(redirect("/b", f"{status} x"), answer(b"end")) as served:
        assert (await sent(served, b"body", method=method)).text() == "end"
    assert served.requests[1].startswith(f"{then} /b ")
    assert ("content-length: 4" in served.requests[1]) == (then != "GET")
    assert ("content-type" in served.requests[1]) == (then != "GET")
    async with serving(answer(b"other")) as other, serving(redirect(other.url(), f"{status} x")) as served:
        if then == "GET":
            assert (await sent(served, b"body", method=method, allow=[other.pair])).text() == "other"
            assert "content-length" not in other.requests[0]
        else:
            with pytest.raises(UnsafeUrl) as caught:
                await sent(served, b"body", method=method, allow=[other.pair])
            assert caught.value.code == "url.redirect"
            assert other.requests == []


async def test_a_request_that_fails_is_not_sent_again() -> None:
    async with serving(b"") as served:
        with pytest.raises(UnsafeUrl):
            await sent(served, b"pay")
    assert len(served.requests) == 1


async def test_too_many_headers_are_refused() -> None:
    few, many = [f"X-{n}: y" for n in range(255)], [f"X-{n}: y" for n in range(256)]  # and the length
    async with serving(answer(b"", *few), answer(b"", *many), answer(b"", *["X-A: y"] * 5_000)) as served:
        assert (await get(served.url(), served.pair)).headers["x-9"] == "y"
        for _ in range(2):
            with pytest.raises(UnsafeUrl) as caught:
                await get(served.url(), served.pair)
            assert caught.value.code == "url.response"


async def test_too_many_empty_gzip_members_are_refused() -> None:
    empty = gzip.compress(b"", mtime=0)
    async with serving(
        answer(empty * 9_000 + gzip.compress(b"end"), "Content-Encoding: gzip"),
        answer(empty * 11_000, "Content-Encoding: gzip"),
    ) as served:
        assert (await get(served.url(), served.pair)).body == b"end"
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair)
    assert caught.value.code == "url.response"


async def test_bytes_on_the_wire_are_bounded_whatever_they_decompress_to() -> None:
    """A stored block of nothing at a time: megabytes that hold no byte, past the bound for members."""

    async def forever(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10])
        while not writer.is_closing():
            writer.write(b"\x00\x00\x00\xff\xff" * 10_000)
            await writer.drain()

    async with serving(forever) as served:
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair, max_bytes=10_000)
    assert caught.value.code == "url.response"


@pytest.mark.parametrize("slow", ["connect", "head", "tls"])
async def test_every_part_of_a_fetch_counts_against_its_time_and_leaves_nothing_open(slow: str) -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if slow == "head":
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        await reader.read()  # until it hangs up, which it does at once: not when the garbage is collected
        gone.set()
        writer.close()

    async def never(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    pair = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        network = Network(never) if slow == "connect" else None
        with pytest.raises(ToolError, match="in time"):
            await get(f"http{'s' if slow == 'tls' else ''}://{pair}/", pair, network, timeout=0.15)
        if network is None:
            await asyncio.wait_for(gone.wait(), 5)


async def test_a_redirect_in_utf_8_leads_where_it_says_and_one_with_a_tab_nowhere() -> None:
    async with serving(redirect("/café?ü"), answer(b"ok"), redirect("/a\tb")) as served:
        assert (await get(served.url(), served.pair)).url == served.url("/caf%C3%A9?%C3%BC")
        with pytest.raises(UnsafeUrl) as caught:
            await get(served.url(), served.pair)
    assert caught.value.code == "url.syntax"


async def test_a_certificate_for_an_ipv6_address_is_asked_for_without_brackets(tmp_path: Path) -> None:
    server, path = certificate(tmp_path, "::1")
    served = Served()
    served.replies = [answer(b"secure")]
    listening = await asyncio.start_server(served.handle, "::1", 0, ssl=server)
    pair = f"[::1]:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        trusting = Network(tls=lambda: ssl.create_default_context(cafile=str(path)))
        assert (await get(f"https://{pair}/", pair, trusting)).text() == "secure"
    assert f"host: {pair}\r\n" in served.requests[0]


@pytest.mark.parametrize(
    "raw, kind, value",
    [(b'\xef\xbb\xbf{"a": 1}', "application/json", {"a": 1}),
     ('{"a":"ü"}'.encode("utf-16"), "text/x; charset=utf-16", {"a": "ü"}),
     ('"ü"'.encode(), "", "ü"), (b'"\xfc"', "text/plain; charset=latin-1", "ü")],
)  # fmt: skip
def test_json_is_read_in_the_encoding_that_is_named(raw: bytes, kind: str, value: Any) -> None:
    assert Fetched(200, "http://x/", {"content-type": kind}, raw, False).json() == value


def test_the_bounds_of_json_can_be_an_authors_own() -> None:
    fetched = Fetched(200, "http://x/", {}, b"[1,2,3]", False)
    assert fetched.json(Bounds(elements=3)) == [1, 2, 3]
    with pytest.raises(ToolError, match="not taken"):
        fetched.json(Bounds(elements=2))
    with pytest.raises(ToolError, match="not proper"):
        Fetched(200, "http://x/", {}, b"", False).json()


# -- what is no redirect, what of an answer is not read, and what is not asked for -----------------------------------


async def test_only_a_redirect_is_followed_whatever_else_names_a_location() -> None:
    for status in ("200 OK", "201 Created", "300 Multiple Choices", "304 Not Modified", "404 Not Found"):
        async with serving(redirect("/other", status), answer(b"other")) as served:
            assert (await get(served.url(), served.pair)).status == int(status[:3])
        assert len(served.requests) == 1


async def test_a_redirect_from_https_to_https_is_followed(tmp_path: Path) -> None:
    server, path = certificate(tmp_path)
    network = Network(tls=lambda: ssl.create_default_context(cafile=str(path)))
    async with serving(redirect("/b"), answer(b"end"), tls=server) as served:
        assert (await get(served.url(scheme="https"), served.pair, network)).text() == "end"


async def test_certificates_are_not_loaded_for_http() -> None:
    loaded: list[int] = []

    def tls() -> ssl.SSLContext:
        loaded.append(1)
        return ssl.create_default_context()

    async with serving(answer(b"plain")) as served:
        assert (await get(served.url(), served.pair, Network(tls=tls))).text() == "plain"
    assert loaded == []


@pytest.mark.parametrize("head", ["Content-Encoding: br", "Content-Encoding: gzip", "Content-Type: image/png"])
async def test_the_content_of_a_redirect_is_not_read_and_a_head_request_has_none(head: str) -> None:
    async with serving(answer(b"junk", head, "Location: /b", status="302 Found"), answer(b"end", head)) as served:
        policy = UrlPolicy(allow=frozenset({served.pair}))
        request = Request(parse(served.url(), policy), "HEAD", {}, 10, 5.0)
        fetched = await fetch(request, policy)
        assert (fetched.status, fetched.body, fetched.truncated) == (200, b"", False)
    async with serving(answer(b"junk", head, "Location: /b", status="302 Found"), answer(b"end")) as served:
        assert (await get(served.url(), served.pair)).text() == "end"
        assert len(served.requests) == 2


async def test_a_request_without_a_body_says_that_it_has_none() -> None:
    async with serving(answer(b"done")) as served:
        policy = UrlPolicy(allow=frozenset({served.pair}))
        await fetch(Request(parse(served.url(), policy), "POST", {}, 10, 5.0), policy)
    assert "content-length: 0\r\n" in served.requests[0]


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_a_certificate_that_does_not_fit_is_found_beneath_the_librarys_errors(link: str) -> None:
    middle, outer = OSError(), httpcore2.ConnectError()
    setattr(middle, link, ssl.SSLCertVerificationError())
    setattr(outer, link, middle)
    assert isinstance(fetching._failure(outer), UnsafeUrl)
    setattr(middle, link, None)
    assert not isinstance(fetching._failure(outer), UnsafeUrl)
