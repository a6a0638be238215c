"""A descriptor is closed once, and not while somebody uses it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe import descriptors
from holdfast.safe.descriptors import Descriptor, OpenedDirectory, OpenedFile, decode, facts_of, read_bounded


@pytest.fixture
def fd(tmp_path: Path) -> int:
    (tmp_path / "file").write_bytes(b"0123456789")
    return os.open(tmp_path / "file", os.O_RDONLY)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_close_during_a_use_takes_effect_when_the_last_use_ends(fd: int) -> None:
    descriptor = Descriptor(fd)
    with descriptor.use() as outer:
        with descriptor.use():
            descriptor.close()
        assert is_open(outer)
        with pytest.raises(UnsafePath, match="closed already"), descriptor.use():
            pass
    assert not is_open(fd)


def test_closing_twice_never_closes_somebody_elses_descriptor_of_the_same_number(fd: int, tmp_path: Path) -> None:
    descriptor = Descriptor(fd)
    descriptor.close()
    other = os.open(tmp_path, os.O_RDONLY)
    assert other == fd  # the number is given out again
    descriptor.close()
    del descriptor
    assert is_open(other)
    os.close(other)


def test_a_forgotten_descriptor_is_closed_when_it_is_collected(fd: int) -> None:
    opened = OpenedDirectory(fd)
    del opened
    assert not is_open(fd)


def test_reading_stops_one_byte_past_the_limit_in_bounded_pieces(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "CHUNK", 3)
    assert read_bounded(fd, 10) == b"0123456789"
    os.lseek(fd, 0, os.SEEK_SET)
    with pytest.raises(UnsafePath, match="larger than 4 bytes"):
        read_bounded(fd, 4)
    assert os.lseek(fd, 0, os.SEEK_CUR) == 5
    os.close(fd)


def test_decoding_is_strict() -> None:
    assert decode("grüße".encode(), "utf-8") == "grüße"
    with pytest.raises(UnsafePath) as caught:
        decode(b"\xed\xa0\x80", "utf-8")  # a surrogate
    assert caught.value.code == "path.not_text"


def test_the_facts_say_which_of_the_two_it_is(fd: int, tmp_path: Path) -> None:
    assert (facts_of(os.fstat(fd)).kind, facts_of(os.fstat(fd)).size) == ("file", 10)
    assert facts_of(os.stat(tmp_path)).kind == "dir"
    os.close(fd)


def test_an_opened_file_is_read_within_its_own_limit_and_a_tighter_one(fd: int) -> None:
    with OpenedFile(fd, facts_of(os.fstat(fd)), 10) as opened:
        assert opened.read_bytes_sync() == b"0123456789"
        os.lseek(fd, 0, os.SEEK_SET)
        assert opened.read_bytes_sync(99) == b"0123456789"
        os.lseek(fd, 0, os.SEEK_SET)
        with pytest.raises(UnsafePath, match="larger than 4 bytes"):
            opened.read_bytes_sync(4)
    assert not is_open(fd)
