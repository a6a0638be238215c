"""Bodies by themselves: whole, cut at the bound, or refused; and JSON in the bytes that came."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator, Iterable

import pytest

from holdfast.errors import ToolError, UnsafeUrl
from holdfast.safe.decoding import _Unzip, bounded, fetched

NOISE = random.Random(20261121).randbytes(3_000)


async def sent(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
@pytest.mark.parametrize("most", [0, 1, 2_999, 3_000, 3_001])
async def test_a_body_is_whole_or_cut_at_the_bound_wherever_it_falls_apart(size: int, most: int) -> None:
    twice = gzip.compress(NOISE[:1_000]) + gzip.compress(NOISE[1_000:])
    for data in (NOISE, gzip.compress(NOISE), twice):
        assert await bounded(sent(cut(data, size)), data is not NOISE, most) == (NOISE[:most], most < 3_000)


def test_never_more_comes_out_than_there_is_room_for_in_whichever_member_it_is() -> None:
    first, bomb = gzip.compress(b"0123456789"), gzip.compress(bytes(1 << 20))
    for room in (1, 9, 10, 11, 500):
        assert len(_Unzip().feed(first + bomb, room)) == room
        assert len(_Unzip().feed(bomb + bomb, room)) == room


async def test_a_torn_packed_body_is_not_whole() -> None:
    packed = gzip.compress(NOISE)
    for end in (1, 20, 1_000, len(packed) - 1):
        body, truncated = await bounded(sent([packed[:end]]), True, 10_000)
        assert NOISE.startswith(body)
        assert truncated


async def test_a_body_may_come_in_many_pieces_but_not_in_as_many_as_it_has_bytes() -> None:
    assert (await bounded(sent([b"x"] * 10_000), False, 1 << 20))[1] is False
    assert await bounded(sent([b""] * 10_000), False, 1 << 20) == (b"", False)
    with pytest.raises(UnsafeUrl, match="too many small pieces"):
        await bounded(sent([b""] * 10_001), False, 1 << 20)
    assert (await bounded(sent([b"x" * 64] * 12_000), False, 1 << 20))[1] is False
    with pytest.raises(UnsafeUrl, match="too many small pieces") as caught:
        await bounded(sent([b"x"] * 12_000), False, 1 << 20)
    assert caught.value.code == "url.response"


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain; charset=utf-8", "a/b; charset=us-ascii"])
def test_json_in_bytes_that_are_not_utf_8_is_refused_and_not_repaired(kind: str) -> None:
    for raw in (b'"\xff"', b'{"a\xc0":1}', b"\xef\xbb\xbf\xef\xbb\xbf1"):
        with pytest.raises(ToolError, match="not proper JSON"):
            fetched(200, "http://x/", {"content-type": kind}, raw, False).json()


async def test_a_body_has_ten_thousand_packed_members_and_not_one_more() -> None:
    empty = gzip.compress(b"", mtime=0)
    assert await bounded(sent([empty * 10_000]), True, 1 << 20) == (b"", False)
    with pytest.raises(UnsafeUrl, match="too many pieces"):
        await bounded(sent([empty * 10_001]), True, 1 << 20)
