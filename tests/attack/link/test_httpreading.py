"""Heads and bodies of HTTP answers: what is sound is read, and what is not ends within bounds."""

from __future__ import annotations

import pytest

from holdfast_attack.link import httpreading
from holdfast_attack.link.httpreading import Head, Wire
from holdfast_attack.link.session import Gone


class Bytes:
    """A source that is there already."""

    def __init__(self, data: bytes, piece: int = 3) -> None:
        self.data, self.piece = data, piece

    async def line(self, most: int) -> bytes:
        line, end, rest = self.data.partition(b"\n")
        if not end or len(line) > most:
            raise Gone("no line")
        self.data = rest
        return line + end

    async def some(self, most: int) -> bytes:
        found, self.data = self.data[: min(most, self.piece)], self.data[min(most, self.piece) :]
        return found


async def read(data: bytes, *, bodiless: bool = False) -> tuple[Head, bytes]:
    wire = Wire(Bytes(data))
    head = await wire.head()
    return head, b"".join([piece async for piece in wire.body(head, bodiless=bodiless)])


async def test_a_body_with_a_length_ends_there() -> None:
    head, body = await read(
        b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; x\r\nContent-Length: 5\r\n\r\nhello, and more"
    )
    assert (head.status, head.version, head.kind, body) == (200, "HTTP/1.1", "application/json", b"hello")
    assert head.raw.endswith(b"\r\n\r\n")


async def test_a_body_in_chunks_is_joined() -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n2\r\n, \r\n0\r\ntrailer: x\r\n\r\nrest"
    )
    assert (await read(data))[1] == b"hello, "


async def test_a_body_without_a_length_goes_to_the_end() -> None:
    assert (await read(b"HTTP/1.0 200 OK\r\n\r\nall of it"))[1] == b"all of it"


@pytest.mark.parametrize("status", [204, 304])
async def test_some_answers_have_no_body(status: int) -> None:
    assert (await read(b"HTTP/1.1 %d x\r\ncontent-length: 9\r\n\r\n" % status))[1] == b""
    assert (await read(b"HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\n", bodiless=True))[1] == b""


async def test_interim_answers_are_passed_over() -> None:
    head, body = await read(b"\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")
    assert (head.status, body) == (200, b"x")
    assert b"100" not in head.raw


async def test_a_field_that_is_there_twice_has_both_values() -> None:
    head, _ = await read(b"HTTP/1.1 200 OK\r\nX: a\r\nx: b\r\ncontent-length: 0\r\n\r\n")
    assert head.headers["x"] == "a, b"


ENDLESS = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (httpreading.FIELDS + 1) + b"\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "data,says",
    [
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP answer"),
        (b"HTTP/1.1 abc\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 100 x\r\n\r\n" * 20, "interim answers without end"),
        (ENDLESS, "header fields without end"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", "ended early"),
        (CHUNKS + b"-5\r\nhello", "no number"),
        (CHUNKS + b"xyz\r\nhello", "no number"),
        (CHUNKS + b"1" * 40 + b"\r\nhello", "no number"),
        (CHUNKS + b"9\r\nhello", "ended early"),
        (b"", "no line"),
    ],
)
async def test_what_is_unsound_ends_it(data: bytes, says: str) -> None:
    with pytest.raises(Gone, match=says):
        await read(data)


async def test_an_answer_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpreading, "FLOOD", 10)
    with pytest.raises(Gone, match="has no end"):
        await read(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100)
