"""The stream by itself: all of a file comes out, no more is read than asked for, and what comes out is counted."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe import decompress
from holdfast.safe.decompress import CHUNK, SLACK, Stream

Pack = Callable[[bytes], bytes]
PACKERS: list[Pack] = [gzip.compress, bz2.compress, lzma.compress]
NOISE = random.Random(20261121).randbytes(3 * CHUNK)
MIXED = NOISE[:300] + b"\0" * 200 + b"abc" * 100 + NOISE[300:400]


def stream(data: bytes, limit: int = 1 << 30, ratio: int = 1_000_000) -> tuple[Stream, io.BytesIO]:
    file = io.BytesIO(data)
    opened = Stream(file, limit=limit, ratio=ratio)
    opened.headers = 1 << 30
    return opened, file


def whole(opened: Stream) -> bytes:
    out = bytearray()
    while piece := opened.take(CHUNK):
        out += piece
    return bytes(out)


def refused(opened: Stream) -> str:
    with pytest.raises(UnsafePath) as caught:
        whole(opened)
    assert caught.value.code == "path.archive_size"
    return caught.value.message


@pytest.mark.parametrize("pack", [bytes, *PACKERS])
def test_all_of_it_comes_out_wherever_its_bytes_fall_apart(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """An xz stream was taken for a torn one where both what was read and what came out ended at the same time."""
    once, twice = pack(MIXED), pack(MIXED[:350]) + pack(MIXED[350:])
    for chunk in range(8, 60):
        monkeypatch.setattr(decompress, "CHUNK", chunk)
        assert whole(stream(once)[0]) == whole(stream(twice)[0]) == MIXED, chunk


@pytest.mark.parametrize("pack", PACKERS)
def test_a_torn_file_is_found_to_be_one_wherever_it_ends(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "CHUNK", 16)
    packed = pack(MIXED)
    for end in range(8, len(packed), 3):
        with pytest.raises(EOFError):
            whole(stream(packed[:end])[0])


@pytest.mark.parametrize("pack", [bytes, *PACKERS])
def test_a_file_of_many_reads_is_read_to_its_end(pack: Pack) -> None:
    opened, file = stream(pack(NOISE))
    assert whole(opened) == NOISE
    assert file.tell() == len(pack(NOISE))


@pytest.mark.parametrize("pack", PACKERS)
def test_no_more_is_read_than_it_takes_to_give_what_is_asked_for(pack: Pack) -> None:
    opened, file = stream(pack(b"\0" * 8 * CHUNK) + pack(NOISE))
    for _ in range(4):
        assert opened.take(CHUNK)
        assert file.tell() == CHUNK


def test_streams_that_follow_are_found_in_what_was_read_already() -> None:
    opened, file = stream(gzip.compress(b"a", mtime=0) * 5_000)
    for _ in range(100):
        assert opened.take(1) == b"a"
    assert file.tell() == CHUNK


def test_content_that_is_there_already_is_given_without_a_look_ahead() -> None:
    opened, file = stream(NOISE)
    assert opened.read(CHUNK) == NOISE[:CHUNK]
    assert opened.seek(CHUNK) == CHUNK
    assert opened.read(0) == b""
    assert file.tell() == CHUNK


@pytest.mark.parametrize("pack", [bytes, *PACKERS])
def test_what_comes_out_is_bounded_whatever_it_was_packed_by(pack: Pack) -> None:
    assert "unpacks to more than 999 bytes" in refused(stream(pack(NOISE[:1_000]), limit=999)[0])
    assert len(whole(stream(pack(NOISE[:1_000]), limit=1_000)[0])) == 1_000


@pytest.mark.parametrize("pack", PACKERS)
def test_the_ratio_is_that_of_all_that_came_out_to_all_that_went_in(pack: Pack) -> None:
    packed = pack(b"\0" * (2 * SLACK))
    ratio = 2 * SLACK // len(packed)
    assert "packed more than" in refused(stream(packed, ratio=ratio - 1)[0])
    assert len(whole(stream(packed, ratio=ratio + 1)[0])) == 2 * SLACK
    assert len(whole(stream(pack(b"\0" * SLACK), ratio=1)[0])) == SLACK, "small files of zeros are harmless"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_does_not_grow_has_a_ratio_of_one(pack: Pack) -> None:
    content = NOISE * 8
    assert whole(stream(pack(content), ratio=1)[0]) == content


@pytest.mark.parametrize("pack", [bytes, *PACKERS])
def test_one_byte_back_and_no_further_also_at_the_end(pack: Pack) -> None:
    opened, _ = stream(pack(b"abcdef"))
    assert opened.read(10) == b"abcdef"
    assert opened.take(1) == b""
    assert (opened.seek(5), opened.read(1), opened.seek(5)) == (5, b"f", 5)
    with pytest.raises(EOFError):
        opened.seek(4)
    assert opened.read(1) == b"f"


def test_seeking_skips_forward_and_stops_at_the_end() -> None:
    opened, _ = stream(b"abcdefgh")
    assert (opened.read(2), opened.seek(5), opened.read(1)) == (b"ab", 5, b"f")
    with pytest.raises(EOFError):
        opened.seek(2)
    assert opened.seek(100) == 8


def test_a_header_takes_no_more_than_is_left_for_headers() -> None:
    opened, _ = stream(b"abcdefgh")
    opened.headers = 5
    assert opened.read(3) == b"abc"
    for count in (3, -1):
        with pytest.raises(UnsafePath) as caught:
            opened.read(count)
        assert caught.value.code == "path.archive_size"
    assert opened.read(2) == b"de"
    assert opened.take(10) == b"fgh", "content is no header"


def test_the_judge_is_shown_what_the_next_read_gives_and_only_that() -> None:
    opened, _ = stream(b"abcdefgh")
    shown: list[bytes] = []
    opened.judge = shown.append
    opened.take(1)
    opened.read(2)
    opened.read(2)
    assert shown == [b"bc"]


@pytest.mark.parametrize("pack", PACKERS)
def test_streams_one_behind_the_other_are_counted(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "MAX_STREAMS", 5)
    assert whole(stream(pack(b"a") * 5)[0]) == b"aaaaa"
    assert "too many parts" in refused(stream(pack(b"a") * 6)[0])
